"""The content address of a point: equal address, equal result.

It covers what the scenario says at the point, the content of every file that it names, and of those that these
name, the machines and records that ship, and the code that computes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from fabricsim.code_version import code_version
from fabricsim.data_folders import data_folder
from fabricsim.document import parse_document
from fabricsim.errors import InputError
from fabricsim.scenario import Scenario

_NO_PART: Final = ("name", "description", "expect", "sweep")
"""Keys of a scenario on which no number depends."""

_READ_ON: Final = (".yaml", ".yml", ".json")
"""Files that may name others."""


class Addresses:
    """Gives points their addresses; reads each file once."""

    def __init__(self) -> None:
        self._files: dict[Path, str] = {}
        self._program = f"{code_version()}\n{_shipped()}"

    def of(self, point: Scenario) -> str:
        """Return the address of a point, 64 hex digits."""
        said = {key: value for key, value in point.data.items() if key not in _NO_PART}
        folders = (point.base, Path())  # a file named in a setting is relative to here
        parts = [self._program, json.dumps(said, sort_keys=True, ensure_ascii=False)]
        parts += sorted({self._file(path) for folder in folders for path in _named(said, folder)})
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _file(self, path: Path) -> str:
        """Return the hash of a file, and of those that it names."""
        if path not in self._files:
            self._files[path] = ""  # a circle of files ends here
            data = path.read_bytes()
            below = [self._file(other) for other in _named(_content(path, data), path.parent)]
            self._files[path] = hashlib.sha256(data + "".join(sorted(below)).encode()).hexdigest()
        return self._files[path]


def _named(value: Any, folder: Path) -> Iterator[Path]:
    """Yield the files below `folder` that the texts in a value name."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _named(item, folder)
    elif isinstance(value, str) and 0 < len(value) < 1024 and ("." in value or "/" in value):
        path = folder / value
        if "\0" not in value and path.is_file():
            yield path.resolve()


def _content(path: Path, data: bytes) -> Any:
    if path.suffix.lower() not in _READ_ON:
        return None
    try:
        return parse_document(data.decode(errors="replace"), str(path)).value
    except InputError:
        return None  # it fails where it is used, with its line


@cache
def _shipped() -> str:
    """Return the hash of the topologies and records that ship."""
    folder = data_folder("topologies")
    state = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        state.update(f"{path.relative_to(folder).as_posix()}\n{len(data)}\n".encode() + data)
    return state.hexdigest()
