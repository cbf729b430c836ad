"""The other side of `check --against REV`: a scenario as it was at a revision of its git repository.

Topologies and scenarios are those of the revision. So is the program, where the repository is this one;
elsewhere both sides run on the fabricsim that is installed.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fabricsim.errors import InputError, SimulationError, UsageError
from fabricsim.result import OperationResult, Result

_FINISHED = (0, 1)
"""Exit codes of a run that came to an end: as expected, or not."""


def repository_of(path: Path) -> Path:
    """Return the root of the git repository that `path` is in. Raises UsageError if it is in none."""
    folder = path if path.is_dir() else path.parent
    try:
        return Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
    except _GitError as error:
        raise UsageError(f"{path} is in no git repository, so there is no revision of it: {error}") from None


def unpack(repository: Path, revision: str, folder: Path) -> None:
    """Write all files of a revision into `folder`. Raises UsageError for a revision that is not there."""
    try:
        commit = (
            _git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()
        )
    except _GitError:
        raise UsageError(
            f"{repository} has no revision {revision!r}; name a commit, a tag or a branch"
        ) from None
    with tarfile.open(fileobj=io.BytesIO(_git(repository, "archive", "--format=tar", commit))) as archive:
        archive.extractall(folder, filter="data")


def results_at(tree: Path, file: Path) -> list[Result] | None:
    """Return the results of a scenario of an unpacked revision, None if it has no such file.

    file is relative to the root. Results lack their tables. Raises SimulationError if it cannot be run there.
    """
    if not (tree / file).exists():
        return None
    done = subprocess.run(
        [sys.executable, "-P", "-m", "fabricsim", "run", f"./{file.as_posix()}", "--json"],
        cwd=tree,
        env=_environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in _FINISHED:
        raise SimulationError(f"{file} cannot be run as it was: {done.stderr.strip()}")
    content = json.loads(done.stdout)
    return [_result(entry) for entry in (content if isinstance(content, list) else [content])]


def _environment(tree: Path) -> dict[str, str]:
    own = (tree / "fabricsim" / "__init__.py").exists() and (tree / "topologies").is_dir()
    return {**os.environ, "PYTHONPATH": str(tree)} if own else dict(os.environ)


def _result(content: Mapping[str, Any]) -> Result:
    operations = [OperationResult(**entry) for entry in content["operations"]]
    keys = ("name", "engine", "kernel", "seed", "metrics", "digest", "provenance")
    return Result(operations=tuple(operations), tables={}, **{key: content[key] for key in keys})


class _GitError(Exception):
    """What git said."""


def _git(folder: Path, *words: str) -> bytes:
    command: Sequence[str] = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise UsageError("a revision needs git, which is not installed") from None
    if done.returncode:
        raise _GitError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def relative_file(repository: Path, file: Path) -> Path:
    """Return `file` relative to the root of its repository. Raises InputError if it lies outside."""
    try:
        return file.resolve().relative_to(repository.resolve())
    except ValueError:
        raise InputError(f"{file} lies outside of {repository}") from None
