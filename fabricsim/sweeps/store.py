"""What a sweep keeps on disk: the outcome of each point under its address, so that it can be taken up again.

    DIR/sweep.json      what the points were computed by
    DIR/points/ab/…     one file a point, named by its address
    DIR/sweep.csv       all points in order, once all are there

Files appear whole or not at all, so a sweep may be killed at any moment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from fabricsim.code_version import code_version
from fabricsim.errors import SimulationError, UsageError
from fabricsim.sweeps.point import Outcome, outcome_from
from fabricsim.version import __version__

SCHEMA: Final = "fabricsim.sweep/1"


class Store:
    """The folder of one sweep."""

    def __init__(self, folder: Path, *, resume: bool) -> None:
        """Open a folder: a new or empty one, or with `resume` one that a sweep left.

        Raises UsageError for a folder with other things in it, or with points of another version.
        """
        self._folder = folder
        self._made: set[Path] = set()  # folders that are there
        if folder.is_dir() and any(folder.iterdir()):
            _check(folder, resume=resume)
            return
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file; name a folder")
        made = {"schema": SCHEMA, "fabricsim": __version__, "code": code_version()}
        self.write(folder / "sweep.json", json.dumps(made, indent=1, sort_keys=True) + "\n")

    @property
    def csv(self) -> Path:
        """Where the table of all points goes."""
        return self._folder / "sweep.csv"

    def get(self, address: str) -> Outcome | None:
        """Return the outcome stored under an address, None where there is none or it is damaged."""
        try:
            return outcome_from(json.loads(self._path(address).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, address: str, outcome: Outcome) -> None:
        """Store an outcome. Raises SimulationError if the disk does not take it."""
        if outcome.lasting:
            self.write(self._path(address), outcome.as_json() + "\n")

    def write(self, path: Path, text: str) -> None:
        """Write a file of the folder, whole or not at all. Raises SimulationError if the disk does not take it."""
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            if path.parent not in self._made:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._made.add(path.parent)
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(path)
        except OSError as error:
            raise SimulationError(
                f"{path} cannot be written: {error.strerror}; what is done is kept, so make room and --resume"
            ) from None

    def _path(self, address: str) -> Path:
        return self._folder / "points" / address[:2] / f"{address}.json"


def _check(folder: Path, *, resume: bool) -> None:
    made = _manifest(folder / "sweep.json")
    if not resume:
        way = "go on with --resume, or name another folder" if made else "name another folder"
        raise UsageError(f"{folder} exists and is not empty; {way}")
    if made.get("schema") != SCHEMA:
        raise UsageError(f"{folder} holds no sweep that this version reads; name another folder")
    if made.get("code") != code_version():
        what = f"{folder} was computed by fabricsim {made.get('fabricsim')}, code {str(made.get('code'))[:8]}"
        raise UsageError(
            f"{what}; this is {__version__}, code {code_version()[:8]}: name another folder, or go on with that version"
        )


def _manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
