"""The scenarios that ship with fabricsim hold: what they expect, and their baselines.

A change that is meant to move their numbers brings the baselines along:

    fabricsim check --update --reason "why" scenarios
"""

from pathlib import Path

import pytest

from fabricsim.regression import baseline_path, check_scenario
from fabricsim.regression.baseline import orphans
from fabricsim.regression.text import check_lines
from fabricsim.scenario import load_scenario

FOLDER = Path(__file__).parent.parent.parent / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
LONG = ("atlas960-supercluster-allreduce", "atlas960-supercluster-moe", "server-stacking-vs-supernode")
"""A million NPUs each: half a minute and 5 GB; the study has 24 points."""
CASES = [
    pytest.param(path, marks=[pytest.mark.campaign] if path.stem in LONG else [], id=path.stem)
    for path in FILES
]


@pytest.mark.parametrize("file", CASES)
def test_a_shipped_scenario_holds(file: Path) -> None:
    checked = check_scenario(load_scenario(file))
    assert checked.verdicts, f"{file} expects nothing"
    assert checked.ok, "\n".join(check_lines(checked))


def test_no_baseline_is_left_behind() -> None:
    assert orphans([FOLDER]) == []


@pytest.mark.campaign
def test_every_shipped_scenario_has_a_baseline() -> None:
    missing = [str(path) for path in FILES if not baseline_path(path).exists()]
    assert not missing, f"make them: fabricsim check --update {' '.join(missing)}"
