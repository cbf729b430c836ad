"""Which links a name stands for: two ends, a part of the machine, a plane, or a selector in words.

    any cabinet3 to pod              the first link between two parts, in order of links
    all cabinet3 to ub-l2 plane 2    every one of them, in plane 2

A part in a selector is a level (its switches), the name of a device or switch record or its last word (`ub-l2`, `l2`),
a path (`pod/cabinet3`), or one step of paths (`cabinet3`); what comes first in this list counts.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.fabric import Fabric, NodeGroup
from fabricsim.schedule import IntArray

RIGHT: Final = (
    "write two adjacent nodes, as in [npu0, npu1], or a selector such as 'any cabinet3 to pod plane 2'"
)
_SELECTOR: Final = re.compile(r"(any|all)\s+(\S+)\s+to\s+(\S+)(?:\s+plane\s+(\d{1,6}))?")


def between(fabric: Fabric, a: str, b: str) -> IntArray:
    """Return the links that join two nodes, ascending; raises InputError, keyed 0 or 1 for a node that is not there."""
    nodes, faults = [], []
    for position, name in enumerate((a, b)):
        try:
            nodes.append(fabric.node(name))
        except InputError as error:
            faults += [Fault(fault.what, fault.right, (position,)) for fault in error.faults]
    if faults:
        raise InputError(faults)
    found = fabric.links_between(*nodes)
    if not found:
        raise InputError(f"no link joins {a} and {b}", _neighbours(fabric, nodes[0]))
    return np.array(found, np.int64)


def _neighbours(fabric: Fabric, node: int, most: int = 8) -> str:
    starts, channels = fabric.out
    near = np.unique(fabric.channel_dst[channels[starts[node] : starts[node + 1]]]).tolist()
    names = ", ".join(fabric.node_name(n) for n in near[:most])
    more = f" and {len(near) - most} more" if len(near) > most else ""
    return f"{fabric.node_name(node)} is joined to {names or 'nothing'}{more}"


def links_at(fabric: Fabric, path: str) -> IntArray:
    """Return the links with an end at or below a path, ascending. Raises InputError if nothing is there."""
    nodes = np.concatenate([group.below(path) for group in fabric.groups])
    if not len(nodes):
        fabric.node(path)  # says what would be right
    here = _mask(fabric, nodes)
    links = np.flatnonzero(here[fabric.src] | here[fabric.dst])
    if not len(links):
        raise InputError(f"no link ends at {path}", "name a part that is joined to something")
    return links


def links_of_plane(fabric: Fabric, plane: int, level: str | None) -> IntArray:
    """Return the links of a plane, in all levels or in one. Raises InputError keyed `plane` or `level`."""
    chosen = np.ones(fabric.link_count, np.bool_)
    if level is not None:
        if level not in fabric.levels:
            what = f"{level!r} is not a level of {fabric.name}"
            raise InputError([Fault(what, close_match(level, fabric.levels), ("level",))])
        chosen = fabric.level == fabric.levels.index(level)
    links = np.flatnonzero(chosen & (fabric.plane == plane))
    if plane < 0 or not len(links):
        known = np.unique(fabric.plane[chosen & (fabric.plane >= 0)])
        right = (
            f"planes run from {known.min()} to {known.max()}" if len(known) else "there are no planes here"
        )
        raise InputError([Fault(f"there is no plane {plane}", right, ("plane",))])
    return links


def selected(fabric: Fabric, text: str) -> IntArray:
    """Return the links that a selector names. Raises InputError for words it does not know, or if none fits."""
    match = _SELECTOR.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{text!r} does not name a link", RIGHT)
    many, a, b, plane = match.groups()
    from_a, to_b = (_mask(fabric, part_of(fabric, word)) for word in (a, b))
    fits = (from_a[fabric.src] & to_b[fabric.dst]) | (from_a[fabric.dst] & to_b[fabric.src])
    if plane is not None:
        fits &= fabric.plane == int(plane)
    links = np.flatnonzero(fits)
    if not len(links):
        where = f" in plane {plane}" if plane is not None else ""
        raise InputError(f"no link joins {a} and {b}{where}", "inspect shows what meets at each level")
    return links[:1] if many == "any" else links


def part_of(fabric: Fabric, word: str) -> IntArray:
    """Return the nodes that a word of a selector stands for. Raises InputError if it stands for none."""
    # a level first: the name of the outermost is also the path of everything
    found = [_all(group) for group in fabric.groups if word in _titles(group)]
    for under in (NodeGroup.below, _at_step):
        found = found or [nodes for nodes in (under(group, word) for group in fabric.groups) if len(nodes)]
    if not found:
        known = sorted({title for group in fabric.groups for title in _titles(group)})
        raise InputError(f"{word!r} is no part of {fabric.name}", close_match(word, known))
    return np.concatenate(found)


def _titles(group: NodeGroup) -> set[str]:
    """Return what a whole group is called: its level, its record, and the record's last word."""
    return {group.level, group.device.name, group.device.name.rpartition("-")[2]} - {""}


def _all(group: NodeGroup) -> IntArray:
    return group.first + np.arange(group.count)


def _at_step(group: NodeGroup, word: str) -> IntArray:
    """Return the nodes whose path has the step `word`, such as cabinet3, at any depth."""
    if group.names is not None:
        return group.first + np.flatnonzero([word in name.split("/") for name in group.names])
    if group.numbered_from is not None:
        return np.zeros(0, np.int64)  # a flat name has one step, the whole of it
    steps = group.pattern.split("/")
    for depth, step in enumerate(steps):
        match = re.fullmatch(r"(0|[1-9]\d*)".join(re.escape(piece) for piece in step.split("{}")), word)
        if match:
            return _at_coordinates(
                group, sum(s.count("{}") for s in steps[:depth]), [int(t) for t in match.groups()]
            )
    return np.zeros(0, np.int64)


def _at_coordinates(group: NodeGroup, first: int, values: list[int]) -> IntArray:
    """Return the nodes whose coordinates from the `first` on have these values."""
    places = np.delete(np.arange(group.count + len(group.missing)), list(group.missing))
    coordinates = np.unravel_index(places, group.shape)[first : first + len(values)]
    fits = np.logical_and.reduce(
        [coordinate == value for coordinate, value in zip(coordinates, values, strict=True)],
        initial=True, axis=0,
    )  # fmt: skip
    return group.first + np.flatnonzero(np.broadcast_to(fits, places.shape))


def _mask(fabric: Fabric, nodes: IntArray) -> NDArray[np.bool_]:
    here = np.zeros(fabric.nodes, np.bool_)
    here[nodes] = True
    return here
