"""A YAML or JSON file as plain values that remember their line.

YAML 1.2's reading of plain scalars: `no`, `on` and `12:30` are text, only `true` and `false` are booleans.
A key given twice and an alias that multiplies are faults, not surprises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from fabricsim.errors import Fault, InputError, Key, key_text

MAX_VALUES: Final = 200_000
"""Values one file may expand to through aliases; a scenario has hundreds."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN: Final[list[tuple[re.Pattern[str], Callable[[str], Any]]]] = [
    (re.compile(r"~|null|Null|NULL|"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]{1,400}"), int),  # Python refuses to read endless ones
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]{1,400}(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
]


@dataclass(frozen=True)
class Document:
    """The content of one file: plain values, and the line of each key."""

    value: Any
    file: str
    text: str
    lines: Mapping[Key, int]

    @property
    def folder(self) -> Path:
        """The folder that relative names in this file start from."""
        return Path(self.file).parent

    def line(self, key: Key) -> int:
        """Return the line of `key`, or of its nearest ancestor that the file has."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key, 1)

    def locate(self, error: InputError) -> InputError:
        """Return the error with file and line added to every fault that has none."""
        faults = [
            fault if fault.file else replace(fault, file=self.file, line=self.line(fault.key))
            for fault in error.faults
        ]
        return InputError(
            sorted(set(faults), key=lambda f: (f.file or "", f.line or 0, key_text(f.key), f.what))
        )


class _Reader:
    """Turns YAML nodes into plain values, and notes lines and faults on the way."""

    def __init__(self) -> None:
        self.lines: dict[Key, int] = {}
        self.faults: list[Fault] = []
        self.values = 0

    def read(self, node: yaml.Node, key: Key) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            line = node.start_mark.line + 1
            raise InputError([Fault(f"aliases expand to more than {MAX_VALUES} values", "", key, line=line)])
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self.lines[(*key, index)] = child.start_mark.line + 1
            return [self.read(child, (*key, index)) for index, child in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            name = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if name is None:
                self.faults.append(Fault("a key must be plain text", "", key, line=line))
                continue
            path = (*key, name)
            if name in result:
                what = f"the key is given twice, first in line {self.lines[path]}"
                self.faults.append(Fault(what, "keep one of them", path, line=line))
                continue
            self.lines[path] = line
            result[name] = self.read(value_node, path)
        return result


def _scalar(node: Any) -> Any:
    return node.value if node.style else plain_scalar(node.value)


def plain_scalar(text: str) -> Any:
    """Return what unquoted text means: nothing, true or false, a number, or else itself."""
    for pattern, make in _PLAIN:
        if pattern.fullmatch(text):
            return make(text)
    return text


def parse_document(text: str, file: str) -> Document:
    """Return the content of YAML or JSON `text`; `file` names it in messages.

    Raises InputError for text that is not YAML, for keys given twice, for aliases that refer to
    themselves or expand to more than MAX_VALUES values.
    """
    reader = _Reader()
    try:
        node = yaml.compose(text, Loader=_Loader)
        value = None if node is None else reader.read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise InputError([Fault(f"not valid YAML: {error.problem}", "", file=file, line=line)]) from None
    except yaml.YAMLError as error:
        raise InputError([Fault(f"not valid YAML: {error}".splitlines()[0], "", file=file, line=1)]) from None
    except RecursionError:
        raise InputError(
            [Fault("an alias contains itself, or the nesting is too deep", "", file=file, line=1)]
        ) from None
    except InputError as error:
        raise InputError([replace(fault, file=file) for fault in error.faults]) from None
    if reader.faults:
        raise InputError([replace(fault, file=file) for fault in reader.faults])
    return Document(value, file, text, reader.lines)


def read_document(path: Path | str) -> Document:
    """Read and parse one file. Raises InputError if it cannot be read or parsed."""
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError([Fault("there is no such file", file=name)]) from None
    except IsADirectoryError:
        raise InputError([Fault("is a folder", "name a file in it", file=name)]) from None
    except UnicodeDecodeError:
        raise InputError([Fault("is not UTF-8 text", file=name)]) from None
    except OSError as error:
        raise InputError([Fault(f"cannot be read: {error.strerror}", file=name)]) from None
    return parse_document(text, name)
