"""Candidates by search: breadth first from a few targets at a time, only as far as their sources need.

A shortest path between two ranks consists of its ends and of nodes that forward. A search therefore looks at
channels between such nodes only, and stops with the hop in which it has met the last source: every node of a
shortest path from a source is nearer than the source, so its distance is known by then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.front import F

IntArray = NDArray[np.int64]
UNREACHABLE: Final = -1
CELLS: Final = 32_000_000
"""(target, node) pairs searched at a time: 64 MB of distances."""


@dataclass(frozen=True, eq=False)
class Part:
    """The channels that shortest paths between some ranks can use, sorted by the node they enter, in CSR form.

    The channels that enter node v come from nodes src[starts[v] : starts[v + 1]].
    """

    starts: IntArray
    src: IntArray


def part_of(fabric: Fabric, ends: IntArray, alive: NDArray[np.bool_] | None = None) -> Part:
    """Return the part of the fabric that shortest paths between the nodes `ends` can use, of channels `alive`."""
    useful = fabric.forwards.copy()
    useful[ends] = True
    src, dst = fabric.channel_src, fabric.channel_dst
    kept = np.flatnonzero(useful[src] & useful[dst] & (True if alive is None else alive))
    kept = kept[np.argsort(dst[kept], kind="stable")]
    starts = np.searchsorted(dst[kept], np.arange(fabric.nodes + 1))
    return Part(starts, src[kept])


def expanded(starts: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return the row of each item and its position, for rows of `counts` items from `starts` on."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + starts[row]


def hops_to(fabric: Fabric, part: Part, targets: IntArray, row: IntArray, src: IntArray) -> NDArray[np.int16]:
    """Return (targets, nodes) hops to each target, as far as the pairs (targets[row], src) need; else UNREACHABLE."""
    distance = np.full(len(targets) * fabric.nodes, UNREACHABLE, np.int16)
    cell = np.arange(len(targets)) * fabric.nodes + targets
    wanted = row * fabric.nodes + src
    distance[cell] = 0
    last = np.empty(len(distance), np.int32)
    hops = 0
    while len(cell) and np.any(distance[wanted] == UNREACHABLE):
        hops += 1
        node = cell % fabric.nodes
        of, item = expanded(part.starts[node], part.starts[node + 1] - part.starts[node])
        found = (cell - node)[of] + part.src[item]
        found = found[distance[found] == UNREACHABLE]
        distance[found] = hops
        # a cell found several times goes on once: as the one that wrote its number last (no sorting needed)
        number = np.arange(len(found), dtype=np.int32)
        last[found] = number
        found = found[last[found] == number]
        cell = found[fabric.forwards[found % fabric.nodes]]
    return distance.reshape(len(targets), fabric.nodes)


def twins(fabric: Fabric, targets: IntArray, alive: NDArray[np.bool_] | None = None) -> IntArray:
    """Return (nodes,) for each target the first target that has the same neighbours, itself if it is alone with them.

    Targets that do not forward and hang on the same forwarding nodes are equally far from everywhere else: every path
    to one of them ends with a channel from one of these nodes, and none leads through the other. So one search
    serves them all, with the two changing places. Whoever has a channel that is not `alive` is alone.
    """
    starts, order = fabric.out
    _, item = expanded(starts[targets], starts[targets + 1] - starts[targets])
    near = fabric.channel_dst[order[item]]
    bounds = np.cumsum(starts[targets + 1] - starts[targets])
    alone = fabric.forwards[targets] | np.array(
        [not all(ends) for ends in _split(fabric.forwards[near].tolist(), bounds.tolist())], np.bool_
    )
    if alive is not None:
        dead = np.flatnonzero(~alive)
        alone |= np.isin(targets, np.concatenate([fabric.channel_src[dead], fabric.channel_dst[dead]]))
    first: dict[tuple[int, ...], int] = {}
    twin = np.full(fabric.nodes, UNREACHABLE, np.int64)
    for target, single, ends in zip(
        targets.tolist(), alone.tolist(), _split(near.tolist(), bounds.tolist()), strict=True
    ):
        twin[target] = target if single else first.setdefault(tuple(sorted(set(ends))), target)
    return twin


def _split(values: list[Any], bounds: list[int]) -> Iterator[list[Any]]:
    """Yield the values in pieces that end at each of the bounds."""
    for begin, end in zip([0, *bounds], bounds, strict=False):
        yield values[begin:end]


@dataclass(frozen=True, eq=False)
class Search:
    """Shortest paths to some targets: distance is (searched, nodes), for the targets in `searched`, ascending.

    twin: (nodes,) the searched target that stands for each target. alive: (channels,) which may be used, None for all.
    """

    fabric: Fabric
    searched: IntArray
    distance: NDArray[np.int16]
    twin: IntArray
    alive: NDArray[np.bool_] | None = None

    def hops(self, node: IntArray, dst: IntArray) -> IntArray:
        """Return the hops from each node to each target, UNREACHABLE where there is no path."""
        row = np.searchsorted(self.searched, self.twin[dst])
        return self.distance[row, swapped(node, dst, self.twin)].astype(np.int64)

    def candidates(
        self, node: IntArray, dst: IntArray, ordered: bool = False
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return starts, counts and the channels one hop nearer, ascending, for each node and its target.

        ordered: only those of the innermost level among them.
        """
        starts, order = self.fabric.out
        of, item = expanded(starts[node], starts[node + 1] - starts[node])
        channel = order[item]
        into = self.fabric.channel_dst[channel]
        near = self.hops(into, dst[of]) == self.hops(node, dst)[of] - 1
        near &= self.fabric.forwards[into] | (into == dst[of])
        if self.alive is not None:
            near &= self.alive[channel]
        if ordered:
            level = self.fabric.level[channel // 2]
            innermost = np.full(len(node), np.iinfo(np.int16).max, np.int16)
            np.minimum.at(innermost, of[near], level[near])
            near &= level == innermost[of]
        counts = np.bincount(of[near], minlength=len(node))
        return np.cumsum(counts) - counts, counts, channel[near]

    def steps(self, front: F, ordered: bool = False) -> Iterator[tuple[F, IntArray, int]]:
        """Yield what crosses which channel, hop by hop; rows that cannot arrive are left out.

        ordered: only channels of the innermost level that comes nearer are candidates.
        """
        front, hop = front.taken(np.flatnonzero(self.hops(front.node, front.dst) > 0)), 0
        while len(front.row):
            starts, n, channels = self.shared_candidates(front.node, front.dst, ordered)
            going, origin, which = front.split(n)
            channel = channels[which + (starts if origin is None else starts[origin])]
            yield going, channel, hop
            front, hop = going.moved(self.fabric.channel_dst[channel]), hop + 1
            front = front.taken(np.flatnonzero(front.node != front.dst))

    def shared_candidates(
        self, node: IntArray, dst: IntArray, ordered: bool
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return `candidates`, looked up once for all who stand at one node on the way to twins of one target."""
        near = (self.hops(node, dst) == 1) | (node == self.twin[dst])
        toward = np.where(near, dst, self.twin[dst])
        place, at = np.unique(toward * self.fabric.nodes + node, return_inverse=True)
        starts, counts, channels = self.candidates(
            place % self.fabric.nodes, place // self.fabric.nodes, ordered
        )
        return starts[at], counts[at], channels


def swapped(node: IntArray, dst: IntArray, twin: IntArray) -> IntArray:
    """Return the node that plays `node`'s part in the search for the twin of `dst`: the two change places."""
    other = twin[dst]
    return np.where(node == dst, other, np.where(node == other, dst, node))


def refuse_separated(fabric: Fabric, src: IntArray, dst: IntArray, rows: IntArray) -> None:
    """Raise InputError that names the first of the `rows`, between whose ends no path forwards."""
    if len(rows):
        a, b = (fabric.node_name(int(end[rows[0]])) for end in (src, dst))
        right = "join them, or let the nodes between forward"
        raise InputError([Fault(f"there is no path from {a} to {b}", right, endless=True)])
