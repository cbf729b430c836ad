"""Everything of a kind that a machine can lose: each link, each switch, each board, and which links go with it.

The kinds are link, module (a link over fibre, with the module at either end), switch, npu, plane (of one level), group
(a bundle of cables between two racks), and the name of a level, which stands for each of its copies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.failures.selection import links_at, links_of_plane
from fabricsim.routing import splitmix64
from fabricsim.topology.layout import risk_groups

IntArray = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Elements:
    """The parts of one kind. sorts: (level, record) of those that are called alike; sort: (count,) which of them.

    links, name: of part i, which links go with it, and what it is called. key: from a word for each link and the colour
    of each node, (count,) words that are equal where those of the parts are.
    """

    kind: str
    sorts: tuple[tuple[str, str], ...]
    sort: IntArray
    links: Callable[[int], IntArray]
    name: Callable[[int], str]
    key: Callable[[Words, IntArray], Words]

    def __len__(self) -> int:
        return len(self.sort)


def elements(fabric: Fabric, kind: str) -> Elements:
    """Return the parts of a kind. Raises InputError for a kind that is not known here, or of which there is none."""
    if kind in KINDS:
        found = KINDS[kind](fabric)
    elif kind in [info.name for info in fabric.about.levels]:
        found = _copies(fabric, kind)
    else:
        known = [*KINDS, *(info.name for info in fabric.about.levels)]
        raise InputError(f"{kind!r} is no kind of part of {fabric.name}", close_match(kind, known))
    if not len(found):
        right = "give its file a layout" if kind == "group" else "name a kind that it has"
        raise InputError(f"{fabric.name} has no {kind}", right)
    return found


def _links(fabric: Fabric, kind: str, links: IntArray) -> Elements:
    pairs = fabric.level[links] * len(fabric.links) + fabric.link_class[links]
    known, sort = np.unique(pairs, return_inverse=True)
    sorts = [divmod(pair, len(fabric.links)) for pair in known.tolist()]

    def name(index: int) -> str:
        return fabric.channel_name(2 * int(links[index])).replace(" -> ", " – ")

    return Elements(
        kind, tuple((fabric.levels[level], fabric.links[cls].name) for level, cls in sorts), sort.reshape(-1),
        lambda index: links[index : index + 1], name, lambda word, colour: word[links],
    )  # fmt: skip


def _every_link(fabric: Fabric) -> Elements:
    return _links(fabric, "link", np.arange(fabric.link_count))


def _modules(fabric: Fabric) -> Elements:
    optical = np.array([link.medium == "optical" for link in fabric.links], np.bool_)
    return _links(fabric, "module", np.flatnonzero(optical[fabric.link_class]))


def _nodes(fabric: Fabric, kind: str, device_kinds: tuple[str, ...]) -> Elements:
    groups = [group for group in fabric.groups if group.device.kind in device_kinds]
    nodes = np.concatenate([np.zeros(0, np.int64), *(g.first + np.arange(g.count) for g in groups)])
    sort = np.repeat(np.arange(len(groups)), [group.count for group in groups])
    starts, channels = fabric.out

    def links(index: int) -> IntArray:
        node = int(nodes[index])
        return np.unique(channels[starts[node] : starts[node + 1]] >> 1)

    return Elements(
        kind, tuple((group.level, group.device.name) for group in groups), sort, links,
        lambda index: fabric.node_name(int(nodes[index])), lambda word, colour: splitmix64(colour[nodes]),
    )  # fmt: skip


def _planes(fabric: Fabric) -> Elements:
    most = int(fabric.plane.max(initial=0)) + 1
    here = fabric.plane >= 0
    known, of_link = np.unique(fabric.level[here] * most + fabric.plane[here], return_inverse=True)
    places = [divmod(place, most) for place in known.tolist()]
    levels = list(dict.fromkeys(level for level, _ in places))

    def key(word: Words, colour: IntArray) -> Words:
        return _sums(word[here], of_link, len(known))

    return Elements(
        "plane", tuple((fabric.levels[level], "") for level in levels),
        np.array([levels.index(level) for level, _ in places], np.int64),
        lambda index: links_of_plane(fabric, places[index][1], fabric.levels[places[index][0]]),
        lambda index: f"plane {places[index][1]} of {fabric.levels[places[index][0]]}", key,
    )  # fmt: skip


def _groups(fabric: Fabric) -> Elements:
    groups = risk_groups(fabric)
    names = list(groups)
    every = np.concatenate([np.zeros(0, np.int64), *groups.values()])
    of_link = np.repeat(np.arange(len(names)), [len(links) for links in groups.values()])

    def key(word: Words, colour: IntArray) -> Words:
        return _sums(word[every], of_link, len(names))

    return Elements(
        "group", (("", ""),), np.zeros(len(names), np.int64),
        lambda index: groups[names[index]], lambda index: names[index], key,
    )  # fmt: skip


def _copies(fabric: Fabric, level: str) -> Elements:
    """Return the copies of a level, each with all that is inside. Raises InputError where copies differ."""
    info = next(info for info in fabric.about.levels if info.name == level)
    size, rest = divmod(fabric.ranks, info.copies)
    if rest or info.beside:
        raise InputError(f"level {level} has no copies that are alike", "name its switches or its links")
    steps = _steps(fabric, size)
    if not steps:
        raise InputError(f"the copies of level {level} have no paths", "name its switches or its links")

    def name(index: int) -> str:
        return "/".join(fabric.node_name(index * size).split("/")[:steps])

    def key(word: Words, colour: IntArray) -> Words:
        own = splitmix64(colour[: fabric.ranks])
        return _sums(own, np.arange(fabric.ranks) // size, info.copies)

    return Elements(
        level, ((level, ""),), np.zeros(info.copies, np.int64), lambda index: links_at(fabric, name(index)), name, key
    )  # fmt: skip


def _steps(fabric: Fabric, size: int) -> int:
    """Return how many steps of a path lead to blocks of `size` ranks; 0 where none do."""
    steps = fabric.node_name(0).split("/")
    for depth in range(1, len(steps) + 1):
        below = np.concatenate([group.below("/".join(steps[:depth])) for group in fabric.groups])
        if (
            np.array_equal(np.sort(below)[:size], np.arange(size))
            and int(np.sum(below < fabric.ranks)) == size
        ):
            return depth
    return 0


def _sums(words: Words, owner: IntArray, count: int) -> Words:
    """Return the sum of the hashes of each owner's words, which does not depend on their order."""
    found = np.zeros(count, np.uint64)
    with np.errstate(over="ignore"):
        np.add.at(found, owner.reshape(-1), splitmix64(words.view(np.int64)))
    return found


KINDS: Final[Mapping[str, Callable[[Fabric], Elements]]] = {
    "link": _every_link,
    "module": _modules,
    "switch": lambda fabric: _nodes(fabric, "switch", ("switch", "ocs")),
    "npu": lambda fabric: _nodes(fabric, "npu", ("npu",)),
    "plane": _planes,
    "group": _groups,
}
"""The kinds of part by name, beside the levels of a machine."""
