"""Ping-pong tables: what one message took between two ranks, as CSV with a header.

Columns, in any order: `src` and `dst` (ranks; 0 and 1 where absent), `size`, and `time` for one way or `round_trip` for
both. Quantities are text with units, `4 KiB` and `2.1 us`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from typing import Any

from fabricsim.errors import Fault, FaultList, InputError
from fabricsim.formats.measured import Log, LogRow
from fabricsim.units import parse_size, parse_time

_COLUMNS = ("src", "dst", "size", "time", "round_trip")


def is_ping_pong(text: str) -> bool:
    """Return whether text looks like such a table: its first line names a size, and a time or a round trip."""
    head = _head(text)
    return "size" in head and bool({"time", "round_trip"} & set(head))


def _head(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [name.strip() for name in lines[0].split(",")] if lines else []


def read_pairs(text: str, file: str) -> dict[tuple[int, int], Log]:
    """Return the rows of a table by (src, dst), times one way. Raises InputError with all faults and their lines."""
    head, faults = _head(text), FaultList()
    for name in head:
        if name not in _COLUMNS:
            faults.faults.append(
                Fault(f"{name!r} is not a column", f"known: {', '.join(_COLUMNS)}", file=file, line=1)
            )
    if {"time", "round_trip"} <= set(head):
        faults.faults.append(Fault("states time and round_trip", "keep one of them", file=file, line=1))
    faults.raise_if_any()
    rows: dict[tuple[int, int], list[LogRow]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in next(csv.reader([line]), [])]
        if cells and line.strip() and not line.startswith("#") and cells != head:
            try:
                pair, row = _row(dict(zip(head, cells, strict=False)), len(cells) == len(head))
                rows.setdefault(pair, []).append(row)
            except InputError as error:
                faults.faults += [Fault(f.what, f.right, f.key, file, number) for f in error.faults]
    faults.raise_if_any()
    if not rows:
        raise InputError([Fault("holds no row", "write one message a line below the header", file=file)])
    return {
        pair: Log(f"ping-pong {pair[0]} → {pair[1]}, {file}", "send-recv", 2, tuple(found))
        for pair, found in rows.items()
    }


def _row(cells: Mapping[str, str], whole: bool) -> tuple[tuple[int, int], LogRow]:
    if not whole:
        raise InputError("has not as many cells as the header", "write one for each column")
    ends = tuple(_read(cells, name, _rank, default) for name, default in (("src", 0), ("dst", 1)))
    if ends[0] == ends[1]:
        raise InputError(f"goes from rank {ends[0]} to itself", "name two ranks")
    size = _read(cells, "size", parse_size, 0)
    one_way = _read(cells, "time", parse_time, None)
    time = one_way if one_way is not None else _read(cells, "round_trip", parse_time, 0.0) / 2
    if size < 1 or time <= 0:
        raise InputError(f"{size} B in {time} s has no bandwidth", "leave the line out")
    return (ends[0], ends[1]), LogRow(size, time)


def _rank(text: str) -> int:
    if not text.isdigit():
        raise InputError(f"{text!r} is not a rank", "write its number")
    return int(text)


def _read(cells: Mapping[str, str], name: str, parse: Callable[[str], Any], otherwise: Any) -> Any:
    if name not in cells:
        return otherwise
    faults = FaultList()
    with faults.at(name):
        return parse(cells[name])
    raise InputError(faults.faults)
