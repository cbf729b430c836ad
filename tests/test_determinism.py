"""Same input, same bytes: across runs, hash seeds and Python versions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCENARIO = ROOT / "tests" / "data" / "determinism.yaml"
PROGRAM = f"""
import fabricsim as fs
result = fs.load_scenario({str(SCENARIO)!r}).run()
print(result.digest, result.metrics["completion_time_s"].hex())
"""


def outcome(python: str, **environment: str) -> str:
    """Return digest and completion time of the scenario, run by `python` in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([python, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def other_pythons() -> list[str]:
    """Return interpreters of other minor versions that work: on the PATH, or kept by pyenv in the home folder."""
    found = []
    for minor in (11, 12, 13, 14):
        candidates = [shutil.which(f"python3.{minor}")]
        candidates += sorted(map(str, Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")))
        for candidate in filter(None, candidates):
            probe = [candidate, "-c", "import sys, venv; print(sys.version_info.minor)"]
            done = subprocess.run(probe, capture_output=True, text=True, check=False)
            if done.stdout.strip() == str(minor) and minor != sys.version_info.minor:
                found.append(candidate)
                break
    return found


def test_two_hash_seeds_give_the_same_digest() -> None:
    assert outcome(sys.executable, PYTHONHASHSEED="1") == outcome(sys.executable, PYTHONHASHSEED="2")


def test_the_seed_matters() -> None:
    import fabricsim as fs

    scenario = fs.load_scenario(str(SCENARIO))
    first, other = scenario.run(), scenario.replace(seed=scenario.seed + 1).run()
    assert first.digest == scenario.run().digest
    assert first.digest != other.digest


@pytest.mark.campaign
def test_two_python_versions_give_the_same_digest(tmp_path: Path) -> None:
    others = other_pythons()
    if not others:
        pytest.skip("there is no second Python version on this machine")
    for python in others:
        folder = tmp_path / Path(python).parent.parent.name
        subprocess.run([python, "-m", "venv", str(folder)], check=True, capture_output=True)
        inside = str(folder / "bin" / "python")
        subprocess.run([inside, "-m", "pip", "install", "-q", str(ROOT)], check=True, capture_output=True)
        assert outcome(inside) == outcome(sys.executable), python
