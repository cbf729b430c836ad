"""Which NPUs of a composed machine are equivalent, and which channels then carry the same.

A machine of levels has the symmetries of its small graphs, each acting on one coordinate of every node: point k
meets point k, so an inner coordinate may change everywhere at once, and copies may change places. Switches
of one column keep theirs. Only graphs whose symmetry is plain are used (complete, a line, one that any shift
around a circle keeps); of any other graph every member stands for itself, which is always right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric, LevelInfo, NodeGroup

IntArray = NDArray[np.int64]
_DENSE: Final = 2**22
_SWITCHED: Final = frozenset({"switched", "rails"})


@dataclass(frozen=True, eq=False)
class Symmetry:
    """NPUs and channels by class.

    targets: (classes,) one NPU of each class, and `sizes` how many it has. channel_class: (channels,).
    """

    targets: IntArray
    sizes: IntArray
    channel_class: IntArray


def symmetry_of(fabric: Fabric) -> Symmetry | None:
    """Return the symmetry of a machine of levels; None where its arrays are not what its levels say."""
    infos = fabric.about.levels
    if not is_regular(fabric):
        return None
    orbits = _node_orbits(fabric)
    classes = np.empty(fabric.channels, np.int64)
    first = known = 0
    for info in infos:
        last = first + info.copies * info.links
        # both ways at once: which end of a link comes first has nothing to do with symmetry
        part = slice(2 * first, 2 * last)
        found, count = _compact(_keys(fabric, info, orbits, part))
        classes[part] = found + known
        known += count
        first = last
    beyond = slice(2 * first, fabric.channels)
    ends = [orbits[fabric.channel_src[beyond]], orbits[fabric.channel_dst[beyond]]]
    classes[beyond] = _compact(ends)[0] + known
    _, targets, sizes = np.unique(orbits[: fabric.ranks], return_index=True, return_counts=True)
    return Symmetry(targets.astype(np.int64), sizes.astype(np.int64), classes)


def is_regular(fabric: Fabric) -> bool:
    """Return whether nodes and links are as many, and as numbered, as the levels make them."""
    infos = fabric.about.levels
    if not infos or fabric.groups[0].count != fabric.ranks:
        return False
    if math.prod(info.members for info in infos if not info.beside) != fabric.ranks:
        return False
    switched = sum(info.copies * info.planes * info.switches for info in infos)
    if fabric.nodes != fabric.ranks + switched + sum(group.count for group in _attached(fabric)):
        return False
    per_level = np.bincount(fabric.level, minlength=len(infos))[: len(infos)]
    if any(info.copies * info.links != n for info, n in zip(infos, per_level.tolist(), strict=True)):
        return False
    plain = all((info.planes > 0) == (info.rule in _SWITCHED) for info in infos if info.links)
    return plain and bool(np.all(np.diff(fabric.level) >= 0))


def _attached(fabric: Fabric) -> list[NodeGroup]:
    """Return the groups of nodes without a rank that hang on all switches of the copies of a level."""
    return [group for group in fabric.groups if "." in group.level]


# -- small graphs ------------------------------------------------------------------------------------------

_KINDS: Final = ("even", "circle", "line", "")
"""Symmetries of a small graph, each holding those after it: any two members may change places, shifts and
reversal around a circle, reversal of a line, none that we know."""


def base(infos: Sequence[LevelInfo], index: int) -> int:
    """Return the index of the level whose members a level joins: its own, or the one that it stands beside."""
    while index and infos[index].beside:
        index -= 1
    return index


def coordinates(infos: Sequence[LevelInfo], first: int, last: int) -> list[tuple[int, str]]:
    """Return members and symmetry of each coordinate that levels first … last − 1 make, the inner first."""
    own = [index for index in range(first, last) if not infos[index].beside]
    return [(infos[index].members, _shared_kind(infos, index)) for index in own]


def _shared_kind(infos: Sequence[LevelInfo], index: int) -> str:
    """Return the symmetry that all levels over one coordinate have together."""
    over = [infos[i] for i in range(index, len(infos)) if base(infos, i) == index]
    joined = [info for info in over if info.members == infos[index].members]
    return max((_kind(info) for info in joined), key=_KINDS.index)


def _orbits_of(members: int, kind: str) -> IntArray:
    """Return (members,) the class of each member."""
    place = np.arange(members)
    if kind == "line":
        return np.minimum(place, members - 1 - place)
    return np.zeros_like(place) if kind else place


def _kind(info: LevelInfo) -> str:
    """Return `even` (any two members may change places), `circle`, `line`, or nothing that we know."""
    edges, n = info.edges, info.members
    if not len(edges):
        return "even"
    if len(np.unique(edges[:, 2])) > 1:
        return "circle" if not info.planes and _circular(edges, n) else ""
    full = n * info.switches if info.planes else n * (n - 1) // 2
    if len(edges) == full:
        return "even"
    if info.planes:
        return ""
    if len(edges) == n - 1 and np.all(edges[:, 1] - edges[:, 0] == 1):
        return "line"
    return "circle" if _circular(edges, n) else ""


def _circular(edges: IntArray, n: int) -> bool:
    """Return whether moving every member one place on, the last to the first, keeps the graph."""
    moved = np.sort((edges[:, :2] + 1) % n, axis=1)
    before = edges[:, :2].min(axis=1) * n + edges[:, :2].max(axis=1)
    order, other = np.argsort(before), np.argsort(moved[:, 0] * n + moved[:, 1])
    same = before[order] == (moved[:, 0] * n + moved[:, 1])[other]
    return bool(np.all(same) and np.all(edges[order, 2] == edges[other, 2]))


def _arc_orbits(n: int, kind: str, a: IntArray, b: IntArray) -> IntArray:
    """Return the class of the arcs from member a to member b of n."""
    found = a * n + b
    if kind == "even":
        found = np.zeros_like(a)
    elif kind == "circle":
        found = np.minimum((b - a) % n, (a - b) % n)
    elif kind == "line":
        found = np.minimum(found, (n - 1 - a) * n + (n - 1 - b))
    return found.astype(np.int64, copy=False)


# -- nodes --------------------------------------------------------------------------------------------------


def _place_orbits(coordinates: list[tuple[int, str]]) -> IntArray:
    """Return the class of each place that some coordinates make together, the inner ones counted first."""
    places = math.prod(members for members, _ in coordinates)
    found, inner = np.zeros(places, np.int64), 1
    for members, kind in coordinates:
        own = _orbits_of(members, kind)
        kinds = int(own.max()) + 1
        if kinds > 1:
            found = found * kinds + own[np.arange(places) // inner % members]
        inner *= members
    return found


def _own_orbits(fabric: Fabric) -> dict[str, IntArray]:
    """Return, by level, the class of each switch of one copy: its column's class and its place in it."""
    infos = fabric.about.levels
    found: dict[str, IntArray] = {}
    for index, info in enumerate(infos):
        if not info.planes:
            continue
        columns = np.arange(info.planes)
        if info.rule == "rails":
            columns = _place_orbits(coordinates(infos, 0, base(infos, index)))[: info.planes]
        elif info.attached and len(found[info.attached]) == info.planes:
            columns = found[info.attached]
        found[info.name] = (columns[:, None] * info.switches + np.arange(info.switches)).reshape(-1)
    return found


def _node_orbits(fabric: Fabric) -> IntArray:
    infos = fabric.about.levels
    parts = [_place_orbits(coordinates(infos, 0, len(infos)))]
    known = int(parts[0].max()) + 1
    own = _own_orbits(fabric)
    for index, info in enumerate(infos):
        if info.planes:
            copy = _place_orbits(coordinates(infos, index + 1, len(infos)))
            kinds = int(own[info.name].max()) + 1
            parts.append((known + copy[:, None] * kinds + own[info.name]).reshape(-1))
            known += (int(copy.max()) + 1) * kinds
    names = [info.name for info in infos]
    for group in _attached(fabric):
        index = names.index(group.level.split(".")[0])
        copy = _place_orbits(coordinates(infos, index + 1, len(infos)))
        parts.append(known + np.repeat(copy, group.count // len(copy)))
        known += int(copy.max()) + 1
    return np.concatenate(parts)


# -- channels -----------------------------------------------------------------------------------------------


def _keys(fabric: Fabric, info: LevelInfo, orbits: IntArray, part: slice) -> list[IntArray]:
    """Return what tells the classes of a level's channels apart."""
    infos, src, dst = fabric.about.levels, fabric.channel_src[part], fabric.channel_dst[part]
    links = slice(part.start // 2, part.stop // 2)
    # what flows see of a class is its rate: classes that differ in length alone are one
    rate = np.unique([link.bandwidth for link in fabric.links], return_inverse=True)[1].reshape(-1)
    keys = [orbits[src], orbits[dst], np.repeat(rate[fabric.link_class[links]].astype(np.int64), 2)]
    if not info.planes and info.links:
        first = next((g.first for g in fabric.groups if g.level == info.attached), 0) if info.attached else 0
        a, b = ((end - first) // info.points % info.members for end in (src, dst))
        kind = _shared_kind(infos, base(infos, infos.index(info)))
        keys.append(_arc_orbits(info.members, kind, a, b))
    return keys


def _compact(keys: list[IntArray]) -> tuple[IntArray, int]:
    """Return one number from 0 on for each combination of keys, and how many there are."""
    if not len(keys[0]):
        return keys[0], 0
    joint = np.zeros(len(keys[0]), np.int64)
    room = 1
    for key in keys:
        low, high = int(key.min()), int(key.max())
        if room * (high - low + 1) > _DENSE:
            joint, room = _renumbered(joint, room)
        joint = joint * (high - low + 1) + (key - low)
        room *= high - low + 1
    return _renumbered(joint, room) if room > 16 * _DENSE else (joint, room)


def _renumbered(joint: IntArray, room: int) -> tuple[IntArray, int]:
    """Return the numbers that occur, below `room`, as 0, 1, … in order, and how many they are."""
    if room > 16 * _DENSE:
        values, index = np.unique(joint, return_inverse=True)
        return index.reshape(-1), len(values)
    taken = np.zeros(room, np.bool_)  # a table is several times faster than sorting millions
    taken[joint] = True
    number = np.cumsum(taken) - 1
    return number[joint], int(number[-1]) + 1
