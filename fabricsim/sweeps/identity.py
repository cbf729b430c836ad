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

_NO_PART: Final = ("name", "description", "expect", "sweep", "search", "parts")
"""Keys of a scenario on which no number depends."""

_READ_ON: Final = (".yaml", ".yml", ".json")
"""Files that may name others."""


class Addresses:
    """Gives points their addresses; reads each file once."""

    def __init__(self) -> None:
        self._files: dict[Path, str] = {}
        self._named: dict[tuple[Path, str], Path | None] = {}
        self._program = f"{code_version()}\n{_shipped()}"

    def of(self, point: Scenario) -> str:
        """Return the address of a point, 64 hex digits."""
        said = {key: value for key, value in point.data.items() if key not in _NO_PART}
        folders = (point.base, Path())  # a file named in a setting is relative to here
        parts = [self._program, json.dumps(said, sort_keys=True, ensure_ascii=False)]
        parts += sorted({self._file(path) for folder in folders for path in self._paths(said, folder)})
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _file(self, path: Path) -> str:
        """Return the hash of a file, and of those that it names."""
        if path not in self._files:
            self._files[path] = ""  # a circle of files ends here
            data = path.read_bytes()
            below = [self._file(other) for other in self._paths(_content(path, data), path.parent)]
            self._files[path] = hashlib.sha256(data + "".join(sorted(below)).encode()).hexdigest()
        return self._files[path]

    def _paths(self, value: Any, folder: Path) -> list[Path]:
        """Return the files below `folder` that the texts in a value name."""
        return [path for text in _texts(value) if (path := self._path(folder, text))]

    def _path(self, folder: Path, text: str) -> Path | None:
        if (folder, text) not in self._named:
            may_be = 0 < len(text) < 1024 and ("." in text or "/" in text) and "\0" not in text
            path = folder / text
            self._named[folder, text] = path.resolve() if may_be and path.is_file() else None
        return self._named[folder, text]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | Mapping):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


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
