"""Edge tables: one link a line, in CSV with a header.

    source,target,bandwidth,latency,target_kind
    gpu0,leaf0,50 GB/s,200 ns,switch

`source` and `target` name nodes; `source_kind` and `target_kind` say what they are, an NPU where nothing is said.
`links` counts parallel links; whatever else `Fabric.from_networkx` takes of an edge may be a column.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any, Final

import networkx as nx

from fabricsim.errors import Fault, FaultList, InputError, Key, close_match
from fabricsim.fabric import KINDS

_NEEDED: Final = ("source", "target")
_KNOWN: Final = (
    "source", "target", "source_kind", "target_kind", "bandwidth", "latency", "links", "lanes", "medium", "link",
)  # fmt: skip
MAX_PARALLEL: Final = 10_000

Row = Mapping[str, str]


def read_edge_table(text: str) -> tuple[nx.Graph[Any], Mapping[Key, int]]:
    """Return the graph of an edge table, and the line of each edge and of the first mention of each node.

    Raises InputError with every fault found, each with its line.
    """
    faults = FaultList()
    graph: nx.MultiGraph[Any] = nx.MultiGraph()
    lines: dict[Key, int] = {}
    for line, row in _rows(text):
        with faults.at():
            _checked(row, line)
            _add(graph, row, line, lines)
    faults.raise_if_any()
    if not graph:
        raise InputError(
            "has no links", "write one a line, below a header such as source,target,bandwidth,latency"
        )
    return graph, lines


def _rows(text: str) -> Iterator[tuple[int, Row]]:
    """Yield each line that is not empty and no comment, by the names of its columns."""
    stated = [
        (n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"
    ]
    if not stated:
        return
    header = [name.strip() for name in next(csv.reader([stated[0][1]]))]
    _check_header(header, stated[0][0])
    for number, line in stated[1:]:
        cells = [cell.strip() for cell in next(csv.reader([line]))]
        if len(cells) != len(header):
            what = f"has {len(cells)} entries, the header has {len(header)}"
            raise _at(number, what, "write one for each column, empty where nothing is to say")
        yield number, {name: cell for name, cell in zip(header, cells, strict=True) if cell}


def _check_header(header: list[str], line: int) -> None:
    for name in header:
        if name not in _KNOWN:
            raise _at(line, f"{name!r} is not a column", close_match(name, _KNOWN))
        if header.count(name) > 1:
            raise _at(line, f"there are two columns {name!r}", "keep one of them")
    for name in _NEEDED:
        if name not in header:
            raise _at(line, f"there is no column {name!r}", f"known: {', '.join(_KNOWN)}")


def _checked(row: Row, line: int) -> None:
    for name in _NEEDED:
        if name not in row:
            raise _at(line, f"{name} is missing", "name the node")
    for name in ("links", "lanes"):
        if name in row and not (
            row[name].isascii() and row[name].isdigit() and 1 <= int(row[name]) <= MAX_PARALLEL
        ):
            raise _at(line, f"{name} is {row[name]!r}", f"write a whole number, 1 to {MAX_PARALLEL}")
    for name in ("source_kind", "target_kind"):
        if name in row and row[name] not in KINDS:
            raise _at(line, f"{row[name]!r} is not a kind of node", close_match(row[name], KINDS))


def _add(graph: nx.MultiGraph[Any], row: Row, line: int, lines: dict[Key, int]) -> None:
    ends = row["source"], row["target"]
    for end, kind in zip(ends, (row.get("source_kind"), row.get("target_kind")), strict=True):
        known = graph.nodes[end].get("kind") if end in graph else None
        if kind and known and kind != known:
            raise _at(
                line, f"{end!r} is a {kind} here, a {known} in line {lines['nodes', end]}", "keep one of them"
            )
        graph.add_node(end, **({"kind": kind} if kind else {}))
        lines.setdefault(("nodes", end), line)
    data: dict[str, Any] = {key: row[key] for key in ("bandwidth", "latency", "medium", "link") if key in row}
    if "lanes" in row:
        data["lanes"] = int(row["lanes"])
    lines.setdefault(("edges", f"{ends[0]} - {ends[1]}"), line)
    graph.add_edges_from([(*ends, data)] * int(row.get("links", "1")))


def _at(line: int, what: str, right: str) -> InputError:
    return InputError([Fault(what, right, line=line)])
