"""Checking one scenario file: run it, judge what it expects, hold it against its baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fabricsim.document import read_document
from fabricsim.expectations import Expectation
from fabricsim.regression.baseline import (
    SCHEMA,
    Baseline,
    baseline_path,
    make_baseline,
    read_baseline,
    write_baseline,
)
from fabricsim.regression.beside import RunsBeside
from fabricsim.regression.changes import Comparison, compare
from fabricsim.regression.origin import attribution
from fabricsim.regression.revision import relative_file, results_at
from fabricsim.regression.verdicts import Verdict, judge
from fabricsim.result import Result
from fabricsim.run import run
from fabricsim.scenario import Scenario


@dataclass(frozen=True, eq=False)
class Checked:
    """What became of one scenario. verdicts are those of its expectations, in order.

    comparison is None where there is no baseline. written is the baseline file that an update wrote, if it did.
    against is the revision that the comparison is with, empty where it is with the baseline.
    """

    file: Path
    expectations: tuple[Expectation, ...]
    results: tuple[Result, ...]
    verdicts: tuple[Verdict, ...]
    comparison: Comparison | None
    written: Path | None = None
    against: str = ""

    @property
    def ok(self) -> bool:
        """Whether every expectation holds and no number is worse than its baseline."""
        lost = self.comparison is not None and bool(self.comparison.lost) and self.written is None
        return all(verdict.ok for verdict in self.verdicts) and not lost


def check_scenario(scenario: Scenario, *, update: bool = False, reason: str = "") -> Checked:
    """Return what became of a scenario from a file: verdicts, and changes against the baseline beside it.

    With `update` the baseline is written where it is missing or differs, with `reason` or what moved as the
    reason why; metrics that the user took out and tolerances stay. Raises what a run raises, and InputError for
    a baseline that cannot be read.
    """
    file = Path(scenario.document.file)
    path = baseline_path(file)
    held = _held(path, update=update)  # a baseline that cannot be read is said before the run, not after it
    beside = RunsBeside(scenario)
    results = run(scenario)
    comparison = compare(held, results) if held else None
    written = _update(path, held, comparison, results, reason) if update else None
    verdicts = tuple(judge(results, scenario.expectations, beside))
    return Checked(file, scenario.expectations, tuple(results), verdicts, comparison, written)


def check_against(scenario: Scenario, revision: str, tree: Path, root: Path) -> Checked:
    """Return what became of a scenario since a revision of its repository, which is unpacked in `tree`.

    root is the repository. The metrics held, and how far they may move, are those of the baseline beside the file.
    Raises what a run raises on either side.
    """
    file = Path(scenario.document.file)
    held = _held(baseline_path(file), update=False)
    beside = RunsBeside(scenario)
    before = results_at(tree, relative_file(root, file))
    results = run(scenario)
    comparison = compare(make_baseline(before, f"at {revision}", held), results) if before else None
    verdicts = tuple(judge(results, scenario.expectations, beside))
    return Checked(file, scenario.expectations, tuple(results), verdicts, comparison, against=revision)


def _held(path: Path, *, update: bool) -> Baseline | None:
    if not path.exists() or (update and not _is_ours(path)):
        return None
    return read_baseline(path)


def _is_ours(path: Path) -> bool:
    """Return whether a baseline has a schema that this version reads; an update replaces one of another."""
    value = read_document(path).value
    return isinstance(value, dict) and value.get("schema") == SCHEMA


def _update(
    path: Path, held: Baseline | None, comparison: Comparison | None, results: Sequence[Result], reason: str
) -> Path | None:
    if held and comparison and not comparison.differs:
        return None
    write_baseline(path, make_baseline(results, reason or _reason(comparison), held))
    return path


def _reason(comparison: Comparison | None) -> str:
    return attribution(comparison.origins) if comparison else "first baseline"
