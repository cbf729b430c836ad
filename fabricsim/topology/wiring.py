"""The links of one level: its small graph, expanded over all copies by index arithmetic.

Each member of a level offers `points`: its NPUs, or the switches of an inner level. A product rule joins
point k of one member with point k of another. A switched rule brings columns of switches, and each point
reaches some of the columns: all of them (`switched`: columns are planes), the one of its own position (`rails`),
the one of its own plane (`uplinks_of`), or the one that there is (`join`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Link
from fabricsim.topology.expressions import show
from fabricsim.topology.level import Level, base, size
from fabricsim.topology.rules import SWITCHED, edges_of

IntArray = NDArray[np.int64]
MAX_LINKS: Final = 200_000_000
"""Links of one level; their arrays take 32 B each. A million NPUs have some tens of millions."""


@dataclass(frozen=True, eq=False)
class Tier:
    """The switches that a level brings, numbered: copies × columns × switches, from node `first` on.

    plane_of: (columns,) the plane of each, −1 where it has none. down: (columns,) ports of a switch that lead down.
    """

    index: int
    first: int
    columns: int
    switches: int
    plane_of: IntArray
    down: IntArray
    link: Link

    @property
    def per_copy(self) -> int:
        """Switches in each copy of the level."""
        return self.columns * self.switches


@dataclass(frozen=True, eq=False)
class Wiring:
    """The links of a level: (links,) ends and planes. ports: links of the busiest attached node.

    members: how many it joins, each with so many points.
    """

    src: IntArray
    dst: IntArray
    plane: NDArray[np.int32]
    edges: IntArray
    members: int
    points: int
    ports: int
    tier: Tier | None = None


@dataclass(frozen=True)
class Place:
    """Where a level stands: its index, its copies, and the nodes its members offer.

    level: with the members that it joins, one where it joins the switches of a whole copy.
    """

    level: Level
    index: int
    copies: int
    first: int
    points: int
    below: Tier | None = None


def wire(levels: Sequence[Level], index: int, tiers: Mapping[str, Tier], first: int) -> Wiring:
    """Return the links of level `index`; its own switches, if any, are numbered from node `first` on.

    tiers: the switches of the inner levels, by level name. Raises InputError keyed from the list of levels.
    """
    level = levels[index]
    place = _place(levels, index, tiers)
    if level.rule != "none" and level.link is None:
        raise fault(index, "link", "is missing", "name a link, or state bandwidth and latency")
    if level.rule in SWITCHED:
        return _switched(levels, place, first)
    return _product(levels, place)


def fault(index: int, key: str, what: str, right: str = "") -> InputError:
    """Return the error of a level's key."""
    return InputError([Fault(what, right, (index, key))])


def _place(levels: Sequence[Level], index: int, tiers: Mapping[str, Tier]) -> Place:
    level = levels[index]
    copies, own = size(levels[index + 1 :]), base(levels, index)
    if level.uplinks_of is None:
        return Place(level, index, copies, 0, size(levels[:own]))
    if level.rule == "rails":
        what = "rails join NPUs, not switches"
        raise fault(
            index, "uplinks_of", what, "use rule: switched, which keeps rails apart unless join: true"
        )
    if level.uplinks_of not in tiers:
        what = f"{level.uplinks_of!r} is not an inner level with switches"
        raise fault(index, "uplinks_of", what, close_match(level.uplinks_of, tiers))
    below = tiers[level.uplinks_of]
    if below.index >= own:  # the switches that the copy itself has, not those of its members
        return Place(replace(level, members=1), index, copies, below.first, below.per_copy, below)
    points = size(levels[below.index + 1 : own]) * below.per_copy
    return Place(level, index, copies, below.first, points, below)


def limit(index: int, links: int) -> None:
    """Raise InputError, keyed from the list of levels, for more links than a level may have."""
    if links > MAX_LINKS:
        what = f"{links} links are more than the {MAX_LINKS} that one level may have"
        raise fault(index, "members", what, "make the machine smaller")


def _edges(level: Level, index: int, switches: int = 0) -> IntArray:
    faults = FaultList()
    with faults.at(index):
        return edges_of(level, switches)
    raise InputError(faults.faults)


# -- product rules: k-th point to k-th point ---------------------------------------------------------------


def _product(levels: Sequence[Level], place: Place) -> Wiring:
    level = place.level
    edges = _edges(level, place.index)
    if level.ragged and level.rule == "ring":
        return _ragged_rings(place, edges)
    if level.twist:
        return _twisted_rings(levels, place, edges)
    degree = np.bincount(edges[:, :2].reshape(-1), np.tile(edges[:, 2:], 2).reshape(-1), level.members)
    most = int(degree.max(initial=0))
    each = _per_neighbour(level, place, most)
    limit(place.index, place.copies * place.points * each * int(edges[:, 2].sum()))
    member = np.arange(place.copies)[:, None, None] * level.members
    point = np.arange(place.points)
    src = place.first + (member + edges[:, 0, None]) * place.points + point
    dst = place.first + (member + edges[:, 1, None]) * place.points + point
    count = np.broadcast_to(edges[:, 2, None] * each, src.shape).reshape(-1)
    src, dst = np.repeat(src.reshape(-1), count), np.repeat(dst.reshape(-1), count)
    return Wiring(src, dst, np.full(len(src), -1, np.int32), edges, level.members, place.points, most * each)


def _ragged_rings(place: Place, edges: IntArray) -> Wiring:
    """Return rings of unequal length: lines whose last links go with members that are absent, and their wraps."""
    level = place.level
    each = _per_neighbour(level, place, 2)
    lines = edges[edges[:, 1] - edges[:, 0] == 1]
    limit(place.index, place.copies * place.points * each * level.members)
    sizes = np.resize(np.array(level.ragged, np.int64), place.copies)
    copy = np.repeat(np.arange(place.copies), len(lines))
    low, high = np.tile(lines[:, 0], place.copies), np.tile(lines[:, 1], place.copies)
    wraps = np.flatnonzero(sizes > 2)
    copy, low = np.append(copy, wraps), np.append(low, np.zeros_like(wraps))
    high = np.append(high, sizes[wraps] - 1)
    src, dst = (
        (
            place.first + (copy * level.members + end)[:, None] * place.points + np.arange(place.points)
        ).reshape(-1)
        for end in (low, high)
    )
    src, dst = np.repeat(src, each), np.repeat(dst, each)
    return Wiring(src, dst, np.full(len(src), -1, np.int32), edges, level.members, place.points, 2 * each)


def _twisted_rings(levels: Sequence[Level], place: Place, edges: IntArray) -> Wiring:
    """Return rings whose wrap, from the last member to the first, also advances inner coordinates.

    Two members have a wrap of their own then, since it leads elsewhere than the link beside it.
    """
    level, n, points = place.level, place.level.members, place.points
    each = _per_neighbour(level, place, 2)
    limit(place.index, place.copies * points * each * n)
    member, point = np.arange(n - 1)[:, None], np.arange(points)
    first = np.append((member * points + point).reshape(-1), (n - 1) * points + point)
    second = np.append(((member + 1) * points + point).reshape(-1), _advanced(levels, place))
    copy = place.first + np.arange(place.copies)[:, None] * n * points
    src, dst = np.repeat((copy + first).reshape(-1), each), np.repeat((copy + second).reshape(-1), each)
    return Wiring(src, dst, np.full(len(src), -1, np.int32), edges, n, points, 2 * each)


def _advanced(levels: Sequence[Level], place: Place) -> IntArray:
    """Return (points,) where the wrap of each point of a member leads in the first member."""
    point = np.arange(place.points)
    for name, step in place.level.twist:
        index = next(i for i, level in enumerate(levels) if level.name == name)
        stride, members = size(levels[:index]), levels[index].members
        own = point // stride % members
        point = point + ((own + step) % members - own) * stride
    return point


def _per_neighbour(level: Level, place: Place, most: int) -> int:
    """Return the links to each neighbour: the level's ports divided evenly."""
    if level.ports is None or most == 0:
        return 1
    if len(level.ports) != 1:
        raise fault(place.index, "ports", f"{level.rule} has no planes", "write one number of ports")
    if level.ports[0] % most:
        what = f"{level.ports[0]} ports do not divide evenly among {most} neighbours"
        raise fault(place.index, "ports", what, f"use a multiple of {most}")
    return level.ports[0] // most


# -- switched rules: points to columns of switches ---------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Columns:
    """Which columns each point reaches: `of` (points, reach), with the plane of each such link."""

    count: int
    of: IntArray
    plane: IntArray
    plane_of: IntArray


def _columns(levels: Sequence[Level], place: Place) -> _Columns:
    level = place.level
    point = np.arange(place.points)[:, None]
    below = place.below
    if below is not None:
        own = point % below.per_copy
        planes = np.repeat(below.plane_of, below.switches)
        if level.join:
            return _Columns(1, np.zeros_like(own), planes[own], np.full(1, -1))
        return _Columns(below.per_copy, own, planes[own], planes)
    if level.rule == "rails":
        width = _rails(levels, place)
        return _Columns(width, point % width, point % width, np.arange(width))
    planes = np.arange(level.planes)
    of = np.broadcast_to(planes, (place.points, level.planes))
    return _Columns(level.planes, of, of, planes)


def _rails(levels: Sequence[Level], place: Place) -> int:
    """Return how many rails there are: positions in a member, or in the inner level that the file names."""
    name, own = place.level.rails_of, base(levels, place.index)
    if name is None:
        return place.points
    known = [level.name for level in levels[:own] if level.beside is None]
    if name not in known:
        what = f"{name!r} is not an inner level that has members"
        raise fault(place.index, "rails_of", what, close_match(name, known))
    return size(levels[: [level.name for level in levels].index(name) + 1])


def _switched(levels: Sequence[Level], place: Place, first: int) -> Wiring:
    level = place.level
    reach = level.planes if place.below is None and level.rule == "switched" else 1
    up = 0 if place.below is None else _uplinks(levels, place)
    limit(place.index, place.copies * level.members * place.points * reach * max(up, 1))
    columns = _columns(levels, place)
    meeting = level.members * np.bincount(columns.of.reshape(-1), minlength=columns.count)
    switches = _switch_count(levels, place, int(meeting.max(initial=0)), up)
    edges = _edges(level, place.index, switches)
    each = _links_each(level, place, columns.count, switches, up)
    limit(place.index, place.copies * switches * int(np.dot(each.astype(float), meeting)))
    member = np.arange(place.copies)[:, None, None, None]
    src = place.first + (member * level.members + edges[:, 0, None, None]) * place.points
    src = src + np.arange(place.points)[:, None]
    dst = first + (member * columns.count + columns.of) * switches + edges[:, 1, None, None] - level.members
    count = np.broadcast_to(each[columns.of], dst.shape).reshape(-1)
    plane = np.broadcast_to(columns.plane, dst.shape).reshape(-1).astype(np.int32)
    src = np.broadcast_to(src, dst.shape).reshape(-1)
    assert level.link is not None
    tier = Tier(place.index, first, columns.count, switches, columns.plane_of, meeting * each, level.link)
    return Wiring(
        np.repeat(src, count), np.repeat(dst.reshape(-1), count), np.repeat(plane, count), edges,
        level.members, place.points, int(each[columns.of].sum(axis=1).max(initial=0)) * switches, tier,
    )  # fmt: skip


def _uplinks(levels: Sequence[Level], place: Place) -> int:
    """Return the links up from each switch of the level below: as stated, or as its taper leaves."""
    level, below = place.level, place.below
    assert below is not None
    assert level.link is not None
    if level.uplinks is not None:
        return level.uplinks
    if len(np.unique(below.down)) > 1:
        what = f"the switches of {level.uplinks_of} have unequal numbers of links down"
        raise fault(place.index, "uplinks", what, "state uplinks: a number for each switch")
    if any(inner.ragged for inner in levels[: below.index + 1]):
        what = f"the switches of {level.uplinks_of} have links down to copies of unequal size"
        raise fault(place.index, "uplinks", what, "state uplinks: a number for each switch")
    down, taper = int(below.down[0]), levels[below.index].taper
    found = Fraction(down * below.link.bandwidth) / (taper * level.link.bandwidth)
    if found.denominator != 1 or found < 1:
        what = f"{down} links down at a taper of {show(taper)} leave {show(found)} links up"
        raise fault(below.index, "taper", what, "choose a taper that leaves a whole number")
    return int(found)


def _links_each(level: Level, place: Place, columns: int, switches: int, up: int) -> IntArray:
    """Return (columns,) the links from an attached node to each switch of a column."""
    if place.below is not None:
        if level.ports is not None:
            raise fault(place.index, "ports", "switches are attached here, not NPUs", "state uplinks instead")
        return _divided(np.full(columns, up), switches, place.index, "uplinks")
    if level.ports is None:
        return np.ones(columns, np.int64)
    if level.rule == "rails" or columns == 1:
        if len(level.ports) != 1:
            raise fault(place.index, "ports", "there is one plane", "write one number of ports")
        return _divided(np.full(columns, level.ports[0]), switches, place.index, "ports")
    return _over_planes(level.ports, columns, switches, place.index)


def _over_planes(ports: tuple[int, ...], planes: int, switches: int, index: int) -> IntArray:
    if len(ports) == 1:
        if ports[0] % planes:
            what = f"{ports[0]} ports do not divide evenly among {planes} planes"
            raise fault(index, "ports", what, f"use a multiple of {planes}, or a list, one number a plane")
        ports = (ports[0] // planes,) * planes
    if len(ports) != planes:
        what = f"{len(ports)} numbers of ports are given for {planes} planes"
        raise fault(index, "ports", what, "write one number a plane")
    return _divided(np.array(ports, np.int64), switches, index, "ports")


def _divided(links: IntArray, switches: int, index: int, key: str) -> IntArray:
    limit(index, int(links.max(initial=0)))  # before any product of it could overflow
    uneven = links[links % switches != 0]
    if len(uneven):
        what = f"{uneven[0]} links do not divide evenly among {switches} switches"
        raise fault(index, key, what, f"use a multiple of {switches}, or another number of switches")
    return (links // switches).astype(np.int64)


def _switch_count(levels: Sequence[Level], place: Place, meeting: int, up: int) -> int:
    """Return the switches of each column: as stated, one, or the fewest whose ports suffice.

    meeting: attached nodes that share a column. The fewest is the least divisor of their uplinks.
    """
    level = place.level
    if level.switches is not None:
        return level.switches
    if place.below is None:
        return 1
    ports = level.switch.ports
    if ports is None:
        what = f"the number of switches does not follow: {level.switch.name} states no ports"
        raise fault(place.index, "switches", what, "state switches, or the ports of the switch")
    rises = any(outer.uplinks_of == level.name for outer in levels)
    share = 1 + 1 / level.taper if rises else Fraction(1)  # a switch with a tier above keeps ports for it
    for count in range(1, up + 1):
        if up % count == 0 and meeting * (up // count) * share <= ports:
            return count
    what = (
        f"{meeting} switches need {show(meeting * share)} ports of each {level.switch.name}, it has {ports}"
    )
    raise fault(place.index, "switch", what, "use a switch with more ports, fewer members, or another tier")
