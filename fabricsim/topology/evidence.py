"""Where the numbers of a topology come from: entries by key, each covering all numbers below its key.

A key is a path as people write it, `levels.node.members`; entries of a list go by their `name`. Of two entries
that cover a number, the one with the longer key speaks for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fabricsim.errors import FaultList, close_match
from fabricsim.fabric import Evidence
from fabricsim.topology.grammar import EvidencePart

Path = tuple[str, ...]
_PROSE: Final = frozenset(
    {"schema", "name", "title", "aliases", "vendor_sum", "evidence", "rule", "medium", "switching", "policy", "use",
     "uplinks_of", "rails_of", "beside", "tag", "network", "unit", "kind", "generator", "when", "auto", "without",
     "unavailable", "rack", "tray", "place"}
)  # fmt: skip
"""Keys whose text states no number."""
_STANDALONE: Final = re.compile(r"(?<![\w.-])[0-9]")
"""A digit that begins a number, not one inside a name such as ub-x4-pcb."""


def numbers_in(value: object, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every number and quantity in a plain value, lists by the `name` of their entries."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _PROSE:
                yield from numbers_in(item, (*path, *str(key).split(".")))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from numbers_in(item, (*path, _entry(item, index)))
    elif _is_number(value):
        yield path


def _entry(item: object, index: int) -> str:
    return str(item["name"]) if isinstance(item, Mapping) and "name" in item else str(index)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float) or (isinstance(value, str) and bool(_STANDALONE.search(value)))


def covering(path: Path, keys: Iterable[Path]) -> Path | None:
    """Return the longest of `keys` that leads to `path` or above it, None where none does."""
    return max((key for key in keys if path[: len(key)] == key), key=len, default=None)


def evidence_of(
    value: Mapping[str, Any], parts: Mapping[str, EvidencePart], under: str = ""
) -> list[Evidence]:
    """Return the entries `parts` of a plain mapping, each with how many of its numbers it covers.

    under: what the keys are below, such as `links.nvlink4` for a record. Raises InputError, keyed below
    `evidence`, for an entry that covers nothing.
    """
    keys = {tuple(key.split(".")): key for key in parts}
    paths = list(numbers_in(value))
    counts = Counter(covering(path, keys) for path in paths)
    faults = FaultList()
    for path, key in keys.items():
        if not any(number[: len(path)] == path for number in paths):
            known = {".".join(number[:length]) for number in paths for length in range(1, len(number) + 1)}
            faults.add(f"there is no number at or below {key!r}", close_match(key, known), ("evidence", key))
    faults.raise_if_any()
    prefix = f"{under}." if under else ""
    return [
        Evidence(prefix + key, part.confidence, part.source, part.note, counts[tuple(key.split("."))])
        for key, part in parts.items()
    ]


def uncovered(value: Mapping[str, Any], keys: Iterable[str]) -> list[str]:
    """Return the key of every number of a plain mapping that no entry covers."""
    paths = [tuple(key.split(".")) for key in keys]
    return [".".join(number) for number in numbers_in(value) if covering(number, paths) is None]
