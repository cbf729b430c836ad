"""Key paths such as `workload.ar.size`: where they lead, and values put there.

A setting of the command line and a point of a sweep are the same thing, an `Override`; they differ in where a
fault in the value is reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from fabricsim.document import parse_document, plain_scalar
from fabricsim.errors import Fault, InputError, Key, close_match
from fabricsim.scenario.failures import FailureEntry
from fabricsim.scenario.grammar import JobPart, ScenarioPart, entry_class, entry_name
from fabricsim.validation import Part, known_keys

_LISTS: Final = ("workload", "failures", "jobs")
_PARTS: Final[Mapping[str, type[Part]]] = {"failures": FailureEntry, "jobs": JobPart}
"""What an entry of each list is, where that does not depend on the entry."""
_HEADS: Final = {field.alias or name: field for name, field in ScenarioPart.model_fields.items()}


@dataclass(frozen=True)
class Override:
    """A value put at `key`. Faults in it are reported at `origin` in the file, or under the name `label`.

    swept is the key path as the sweep writes it, for a value that is one of a sweep.
    """

    key: Key
    value: Any
    label: str
    origin: Key | None = None
    swept: str = ""

    def relabelled(self, fault: Fault) -> Fault:
        """Return a fault below `key` with the place where the user wrote the value."""
        if self.origin is None:
            return replace(fault, file=self.label)
        return replace(fault, key=(*self.origin, *fault.key[len(self.key) :]))


def overrides_of(
    data: Mapping[str, Any], settings: Sequence[str] | Mapping[str, Any]
) -> tuple[Override, ...]:
    """Return what settings put where. Raises InputError with every setting that leads nowhere."""
    faults: list[Fault] = []
    found: list[Override] = []
    for path, value, label in _labelled(settings):
        try:
            # a setting may lead into an entry that an earlier one has made
            key, plain = _read(data, found, path, value)
            found.append(Override(key, plain, label))
        except InputError as error:
            faults += [replace(fault, file=label, line=None) for fault in error.faults]
    if faults:
        raise InputError(faults)
    return tuple(found)


def _labelled(settings: Sequence[str] | Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield path, value and label of each setting; the path is empty where there is no `=`."""
    if isinstance(settings, Mapping):
        for path, value in settings.items():
            value = value.item() if isinstance(value, np.generic) else value  # out of a frame or an array
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield path, _Plain(value), f"setting {path}={shown}"
        return
    for text in [settings] if isinstance(settings, str) else settings:
        path, equals, value = text.partition("=")
        yield path if equals else "", value, f"setting {text}"


@dataclass(frozen=True)
class _Plain:
    """A value that is one already, not text to be read."""

    value: Any


def _read(
    data: Mapping[str, Any], before: Iterable[Override], path: str, value: str | _Plain
) -> tuple[Key, Any]:
    if not path:
        raise InputError("is not KEY=VALUE", "write it as in model.mtu='8 KiB'")
    key = find(applied(data, before), path)
    return key, value.value if isinstance(value, _Plain) else _value(value)


def _value(text: str) -> Any:
    """Return what the text after `=` means: plain text needs no quotes, lists and mappings are YAML."""
    text = text.strip()
    return parse_document(text, "").value if text[:1] in ("[", "{", "'", '"') else plain_scalar(text)


def find(data: Mapping[str, Any], path: str) -> Key:
    """Return the key that a path leads to in `data`, a scenario as written.

    Workload entries go by name or index. The key need not be there yet, but the grammar must know it.
    Raises InputError with a close match.
    """
    head, *rest = path.split(".")
    if head not in _HEADS:
        raise InputError(f"{path!r} leads nowhere: there is no key {head!r}", close_match(head, _HEADS))
    if not rest:
        return (head,)
    if head in _LISTS:
        return (head, *_in_list(path, head, data.get(head), rest))
    if head == "expect":
        return (head, ".".join(rest))
    if head == "topology":
        return (head, *_in_value(data.get(head), _in_machine(data.get(head), rest)))
    return (head, _in_part(path, head, rest))


def _in_machine(value: object, rest: list[str]) -> list[str]:
    """Return a path into a topology, which leads to the machine itself where that has overlays over it."""
    return ["0", *rest] if isinstance(value, list) and value and not rest[0].isdigit() else rest


def _in_part(path: str, head: str, rest: list[str]) -> str:
    part = _HEADS[head].annotation
    if not isinstance(part, type) or not issubclass(part, Part):
        raise InputError(f"{path!r} leads nowhere: {head} has no keys", f"set {head} itself")
    return _known(path, head, rest, known_keys(part))


def _known(path: str, parent: str, rest: list[str], known: list[str]) -> str:
    if len(rest) != 1:
        right = f"end it in one of {parent}'s keys: {', '.join(known)}"
        raise InputError(f"{path!r} leads nowhere", right)
    if rest[0] not in known:
        raise InputError(
            f"{path!r} leads nowhere: {parent} has no key {rest[0]!r}", close_match(rest[0], known)
        )
    return rest[0]


def _in_list(path: str, head: str, entries: object, rest: list[str]) -> Key:
    entries = entries if isinstance(entries, list) else []
    index, rest = _entry(path, head, entries, rest)
    entry = entries[index]
    if not isinstance(entry, Mapping):
        raise InputError(f"{path!r} leads nowhere: {head}.{index} has no keys")
    if head == "jobs" and rest[:1] == ["workload"] and len(rest) > 1:
        return (index, "workload", *_in_list(path, "workload", entry.get("workload"), rest[1:]))
    known = known_keys(_PARTS[head] if head in _PARTS else entry_class(entry))
    return (index, _known(path, f"{head}.{index}", rest, known))


def _entry(path: str, head: str, entries: list[Any], rest: list[str]) -> tuple[int, list[str]]:
    names = [
        entry_name(entry) if isinstance(entry, Mapping) and head != "failures" else "" for entry in entries
    ]
    for length in range(len(rest), 0, -1):  # a name may itself hold dots
        name = ".".join(rest[:length])
        if name and name in names:
            return names.index(name), rest[length:]
    if rest[0].isdigit() and int(rest[0]) < len(entries):
        return int(rest[0]), rest[1:]
    known = [name for name in names if name] or [str(index) for index in range(len(entries))]
    raise InputError(
        f"{path!r} leads nowhere: there is no {head} entry {rest[0]!r}", close_match(rest[0], known)
    )


def _in_value(value: object, rest: list[str]) -> Key:
    """Return a path into a plain value of any grammar; steps into lists are numbers."""
    key: list[str | int] = []
    for step in rest:
        number = isinstance(value, list) and step.isdigit() and int(step) < len(value)
        key.append(int(step) if number else step)
        if isinstance(value, list):
            value = value[int(step)] if number else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return tuple(key)


def applied(data: Mapping[str, Any], overrides: Iterable[Override]) -> dict[str, Any]:
    """Return `data` with the overrides in place; `data` itself stays as it is."""
    result = dict(data)
    for override in overrides:
        result = _put(_named(result, override.key), override.key, override.value)
    return result


def _named(data: dict[str, Any], key: Key) -> dict[str, Any]:
    """Return `data` with a topology given by name spelt out, where a key leads into it."""
    spec = data.get("topology")
    if key[0] != "topology":
        return data
    if len(key) > 1 and isinstance(spec, str):
        return {**data, "topology": {"name": spec}}
    if len(key) > 2 and key[1] == 0 and isinstance(spec, list) and isinstance(spec[0], str):
        return {**data, "topology": [{"name": spec[0]}, *spec[1:]]}
    return data


def _put(value: Any, key: Key, new: Any) -> Any:
    if not key:
        return new
    step, rest = key[0], key[1:]
    if isinstance(value, list) and isinstance(step, int):
        return [_put(item, rest, new) if index == step else item for index, item in enumerate(value)]
    if value is None or isinstance(value, Mapping):
        below = (value or {}).get(step)
        return {**(value or {}), step: _put(below, rest, new)}
    raise InputError(f"{'.'.join(map(str, key))!r} leads nowhere", "the value above it has no keys")


def overlaps(one: Key, other: Key) -> bool:
    """Return whether one key is the other or leads to it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def governing(overrides: Iterable[Override], key: Key) -> Override | None:
    """Return the override whose value a fault at `key` lies in, the latest if there are several."""
    found = [override for override in overrides if key[: len(override.key)] == override.key]
    return found[-1] if found else None
