"""Every cable of a machine as a row, and what of a measured list does not agree with it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric, IntArray
from fabricsim.inspection.media import cable_links
from fabricsim.inspection.node_names import node_names
from fabricsim.topology.layout import bundles_of, lengths_of, places_of

COLUMNS: Final = (
    "id", "a_rack", "a_tray", "a_port", "b_rack", "b_tray", "b_port", "lanes", "length_m", "medium", "link", "bundle",
)  # fmt: skip
_ENDS: Final = ("a_port", "b_port")
Pair = tuple[str, str]


def ports_of(fabric: Fabric) -> tuple[IntArray, IntArray]:
    """Return (links,) the port of each link at its first and its second end: a node's links in order, from 0 on."""
    ends = np.stack([fabric.src, fabric.dst], axis=1).reshape(-1)
    order = np.argsort(ends, kind="stable")
    first = np.searchsorted(ends[order], np.arange(fabric.nodes))
    port = np.empty(len(ends), np.int64)
    port[order] = np.arange(len(ends)) - first[ends[order]]
    return port[0::2], port[1::2]


def cable_rows(fabric: Fabric) -> Iterator[tuple[Any, ...]]:
    """Return one row a cable, as in COLUMNS: its link's number is its id, and a port is `node:number`.

    Rack, tray, length and bundle are empty for a machine without a layout.
    """
    links = cable_links(fabric)
    ends = _port_names(fabric, links)
    classes = [fabric.links[c] for c in fabric.link_class[links].tolist()]
    (rack_a, tray_a, rack_b, tray_b), lengths, bundles = _placed(fabric, links)
    return zip(
        links.tolist(), rack_a, tray_a, ends[0], rack_b, tray_b, ends[1],
        ["" if link.lanes is None else link.lanes for link in classes], lengths,
        [link.medium or "" for link in classes], [link.name for link in classes], bundles,
        strict=True,
    )  # fmt: skip


def layout_figures(fabric: Fabric) -> dict[str, Any] | None:
    """Return what a layout says of the cables: racks, bundles, and by medium metres in all and the longest [m].

    None for a machine without a layout.
    """
    layout = fabric.about.layout
    if layout is None:
        return None
    places, links = places_of(fabric, layout), cable_links(fabric)
    lengths = lengths_of(fabric, layout, places)[links]
    media = np.array([link.medium or "unstated" for link in fabric.links])[fabric.link_class[links]]
    own = {str(medium): lengths[media == medium] for medium in np.unique(media)}
    return {
        "racks": len(places.names),
        "bundles": len(bundles_of(fabric, places)[1]),
        "metres": {medium: round(float(part.sum()), 3) for medium, part in own.items()},
        "longest_m": {medium: round(float(part.max()), 3) for medium, part in own.items()},
    }


def write_cables(fabric: Fabric, path: Path) -> int:
    """Write the cables of a machine as CSV, replacing the file, and return how many there are."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(cable_rows(fabric))
    return len(cable_links(fabric))


def _port_names(fabric: Fabric, links: IntArray) -> tuple[list[str], list[str]]:
    names = node_names(fabric)
    found = []
    for end, port in zip((fabric.src, fabric.dst), ports_of(fabric), strict=True):
        pairs = zip(end[links].tolist(), port[links].tolist(), strict=True)
        found.append([f"{names[node]}:{number}" for node, number in pairs])
    return found[0], found[1]


def _placed(fabric: Fabric, links: IntArray) -> tuple[list[list[str]], list[str], list[str]]:
    layout = fabric.about.layout
    if layout is None:
        empty = [""] * len(links)
        return [empty] * 4, empty, empty
    places = places_of(fabric, layout)
    trays = [f"tray{index}" for index in range(int(places.tray.max()) + 1)]
    where = []
    for end in (fabric.src[links], fabric.dst[links]):
        where.append([places.names[rack] for rack in places.rack[end].tolist()])
        where.append([trays[tray] for tray in places.tray[end].tolist()])
    lengths = [f"{metres:.2f}" for metres in lengths_of(fabric, layout, places)[links].tolist()]
    bundle, names = bundles_of(fabric, places)
    return where, lengths, [names[index] if index >= 0 else "" for index in bundle[links].tolist()]


# -- a measured list -----------------------------------------------------------------------------------------------


def read_ends(path: Path) -> list[Pair]:
    """Return the two ports of each row of a CSV file with columns a_port and b_port; other columns are not read.

    Raises InputError with the line of every row that lacks one.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [column for column in _ENDS if column not in (reader.fieldnames or ())]
            if missing:
                what = f"has no column {' or '.join(missing)}"
                raise InputError([Fault(what, "write a_port,b_port above the rows", file=str(path), line=1)])
            rows = [(reader.line_num, row["a_port"], row["b_port"]) for row in reader]
    except OSError as error:
        raise InputError([Fault(f"cannot be read: {error.strerror}", file=str(path))]) from None
    except UnicodeDecodeError:
        raise InputError([Fault("is not UTF-8 text", file=str(path))]) from None
    faults = [
        Fault("an end is missing", "write both ports", file=str(path), line=line)
        for line, a, b in rows
        if not a or not b
    ]
    if faults:
        raise InputError(faults)
    return [(a.strip(), b.strip()) for _, a, b in rows]


def miscabled(fabric: Fabric, measured: Sequence[Pair]) -> list[str]:
    """Return one sentence for every difference between measured cables and those of a machine.

    Two cables with one end of each exchanged are told as one swap. What remains is a cable that leads elsewhere,
    is missing, or is not of the machine; a port met twice is told first. Which end comes first means nothing.
    """
    links = cable_links(fabric)
    ends = list(zip(*_port_names(fabric, links), strict=True))
    planned, number = _peers(ends), dict(zip(ends, links.tolist(), strict=True))
    found = _twice(measured)
    real = _peers(measured)
    done: set[str] = set()
    for a, b in ends:
        if a in done or real.get(a) == b:
            continue
        told = _swap(a, b, planned, real)
        if told and not done & set(told):
            c, d = told[2:]
            found.append(f"swapped: {a} leads to {d} and {c} to {b}; the plan has {a} - {b} and {c} - {d}")
            done |= set(told)
        elif b not in done:
            found.append(_alone(number[a, b], a, b, real))
            done |= {a, b}
    known = set(planned)
    return found + [
        f"extra: {a} - {b} is not planned" for a, b in measured if a not in known or b not in known
    ]


def _peers(pairs: Sequence[Pair]) -> dict[str, str]:
    return {end: other for a, b in pairs for end, other in ((a, b), (b, a))}


def _twice(measured: Sequence[Pair]) -> list[str]:
    seen: set[str] = set()
    found = []
    for end in itertools.chain.from_iterable(measured):
        if end in seen:
            found.append(f"twice: {end} has more than one cable")
        seen.add(end)
    return found


def _swap(
    a: str, b: str, planned: Mapping[str, str], real: Mapping[str, str]
) -> tuple[str, str, str, str] | None:
    """Return (a, b, c, d) where the plan has a - b and c - d, and a leads to d, c to b."""
    d = real.get(a)
    c = planned.get(d) if d is not None else None
    if d is not None and c is not None and real.get(c) == b:
        return a, b, c, d
    return None


def _alone(number: int, a: str, b: str, real: Mapping[str, str]) -> str:
    leads = [f"{end} leads to {real[end]}" for end in (a, b) if end in real]
    if leads:
        return f"miscabled: cable {number} is planned from {a} to {b}; {', '.join(leads)}"
    return f"missing: cable {number} from {a} to {b}"
