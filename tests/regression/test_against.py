"""`fabricsim check --against REV`: both sides from git."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.regression.lab import scenarios, write_designs, write_machine
from tests.regression.test_check import red, rows

ROOT = Path(__file__).parent.parent.parent


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with designs in a folder, and a commit."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "designs").mkdir()
    write_designs(tmp_path / "designs")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path / "designs"


def test_what_got_worse_since_a_revision(repository: Path, cli: Cli) -> None:
    write_machine(repository, inner="48.5 GB/s")
    (repository / "both.yaml").unlink()  # one less to run
    code, out, _ = cli("check", "--against", "HEAD", repository / "inner.yaml", repository / "outer.yaml")
    assert code == 1
    assert red(out) == {"inner"}
    assert 2.5 <= float(rows(out)["completion_time"][2].split()[0]) <= 3.1
    assert re.search(r"moved: the design \(topology .*\); the scenario and the tool did not", out)
    assert "numbers are as at HEAD" in out


def test_what_got_better_is_a_note_and_what_is_new_is_said(repository: Path, cli: Cli) -> None:
    write_machine(repository, inner="60 GB/s")
    (repository / "inner.yaml").rename(repository / "new.yaml")
    code, out, _ = cli("check", "--against", "main", repository / "both.yaml", repository / "new.yaml")
    assert code == 0
    assert "both.yaml: better: completion_time" in out
    assert "new.yaml is not in main: there is nothing to compare with" in out


def test_a_scenario_that_could_not_be_run_before(repository: Path, cli: Cli) -> None:
    (repository / "inner.yaml").write_text("schema: fabricsim/1\n")
    git(repository, "commit", "-qam", "broken")
    write_designs(repository)
    code, out, err = cli("check", "--against", "HEAD", repository / "inner.yaml")
    assert code == 4
    assert "FAIL" in out
    assert "designs/inner.yaml cannot be run as it was: " in err
    assert "is missing" in err


def test_what_cannot_be_compared_is_said(repository: Path, cli: Cli, tmp_path_factory) -> None:
    code, _, err = cli("check", "--against", "nowhere", *scenarios(repository))
    assert code == 2
    assert "has no revision 'nowhere'; name a commit, a tag or a branch" in err
    assert cli("check", "--against", "HEAD", "--update", *scenarios(repository))[0] == 2
    outside = tmp_path_factory.mktemp("outside")
    write_designs(outside)
    code, _, err = cli("check", "--against", "HEAD", outside / "inner.yaml")
    assert code == 2
    assert "is in no git repository" in err


def test_a_repository_with_a_program_of_its_own_runs_that(repository: Path, cli: Cli) -> None:
    """A program that answers twice as fast stands for the fabricsim of that revision."""
    root = repository.parent
    (root / "topologies").mkdir()
    (root / "topologies" / "keep").write_text("")
    (root / "fabricsim").mkdir()
    (root / "fabricsim" / "__init__.py").write_text("")
    (root / "fabricsim" / "__main__.py").write_text(
        "import json\n"
        "parts = {'name': 'x', 'engine': 'packet', 'kernel': 'old', 'seed': 0, 'digest': '', 'operations': []}\n"
        "parts |= {'metrics': {'completion_time_s': 1e-9}, 'provenance': {'fabricsim': '0.0.1'}}\n"
        "print(json.dumps(parts))\n"
    )
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a program")
    code, out, _ = cli("check", "--against", "HEAD", repository / "inner.yaml")
    assert code == 1
    assert rows(out)["completion_time"][0] == "1 ns"
    assert "moved: the tool (fabricsim 0.0.1 → " in out
