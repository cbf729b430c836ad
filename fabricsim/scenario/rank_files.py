"""Ranks of a job out of a file: rank numbers, or hosts as launchers list them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from fabricsim.errors import Fault, FaultList, InputError
from fabricsim.fabric import Fabric
from fabricsim.scenario.ranks import parse_ranks
from fabricsim.schedule import IntArray

_HOST = re.compile(r"(\S+?)(?:\s+slots\s*=\s*(\d{1,9})|:(\d{1,9}))?(?:\s+max[_-]slots\s*=\s*\d+)?")


def read_ranks(path: Path) -> IntArray:
    """Return the ranks in a file, in its order: numbers and ranges such as 0-63, apart by blanks, commas or lines.

    `#` begins a comment. Raises InputError with every line that is not ranks.
    """
    faults, found = FaultList(), [np.zeros(0, np.int64)]
    for number, line in _lines(path):
        with _in_line(faults, path, number):
            spans = parse_ranks(",".join(re.split(r"[\s,]+", line))).spans
            if spans is None:
                raise InputError("'all' is not a list of ranks", "write ranks: all in place of a file")
            found += [np.arange(span.start, span.stop, span.step) for span in spans]
    faults.raise_if_any()
    return np.concatenate(found)


def read_hosts(path: Path, fabric: Fabric) -> IntArray:
    """Return the ranks of the hosts in a file, host by host: `NAME`, `NAME slots=4` or `NAME:4` on each line.

    A host is an NPU or any part of the machine, by its path, such as pod/node3; with slots only the first so many of
    its ranks count. `#` begins a comment. Raises InputError with every line that names no host, or one twice.
    """
    faults, found, seen = FaultList(), [np.zeros(0, np.int64)], dict[str, int]()
    for number, line in _lines(path):
        with _in_line(faults, path, number):
            name, ranks = _host(line, fabric)
            if name in seen:
                raise InputError(f"{name!r} stands in line {seen[name]} too", "write one line, with slots")
            seen[name] = number
            found.append(ranks)
    faults.raise_if_any()
    return np.concatenate(found)


@contextmanager
def _in_line(faults: FaultList, path: Path, number: int) -> Iterator[None]:
    """Record an InputError raised inside the block as faults of a line of a file, and go on."""
    try:
        yield
    except InputError as error:
        faults.faults += [Fault(fault.what, fault.right, (), str(path), number) for fault in error.faults]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number and content of each line that has any. Raises InputError for what is not a file of text."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not text"
        raise InputError(f"{path} cannot be read: {what}", "name a text file, relative to this one") from None
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content


def _host(line: str, fabric: Fabric) -> tuple[str, IntArray]:
    match = _HOST.fullmatch(line)
    if match is None:
        raise InputError(f"{line!r} is not a host", "write NAME, NAME slots=4 or NAME:4")
    name, *slots = match.groups()
    nodes = np.concatenate([group.below(name) for group in fabric.groups])
    if not len(nodes):
        fabric.node(name)  # says what would be right
    ranks = np.sort(nodes[nodes < fabric.ranks])
    wanted = next((int(text) for text in slots if text is not None), len(ranks))
    if not 1 <= wanted <= len(ranks):
        what = f"{name!r} has {len(ranks)} ranks, not {wanted}"
        raise InputError(
            what, "name a part that has NPUs" if not len(ranks) else "write that many slots at most"
        )
    return name, ranks[:wanted]
