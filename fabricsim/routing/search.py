"""Candidates by search: breadth first from a few targets at a time, only as far as their sources need.

A shortest path between two ranks consists of its ends and of nodes that forward. A search therefore looks at
channels between such nodes only, and stops with the hop in which it has met the last source: every node of a
shortest path from a source is nearer than the source, so its distance is known by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric

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


def part_of(fabric: Fabric, ends: IntArray) -> Part:
    """Return the part of the fabric that shortest paths between the ranks `ends` can use."""
    useful = fabric.forwards.copy()
    useful[ends] = True
    src, dst = fabric.channel_src, fabric.channel_dst
    kept = np.nonzero(useful[src] & useful[dst])[0]
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
    hops = 0
    while len(cell) and np.any(distance[wanted] == UNREACHABLE):
        hops += 1
        node = cell % fabric.nodes
        of, item = expanded(part.starts[node], part.starts[node + 1] - part.starts[node])
        found = (cell - node)[of] + part.src[item]
        found = np.unique(found[distance[found] == UNREACHABLE])
        distance[found] = hops
        cell = found[fabric.forwards[found % fabric.nodes]]
    return distance.reshape(len(targets), fabric.nodes)


@dataclass(frozen=True, eq=False)
class Search:
    """Shortest paths to some targets: distance is (targets, nodes), targets ascending."""

    fabric: Fabric
    targets: IntArray
    distance: NDArray[np.int16]

    def hops(self, node: IntArray, dst: IntArray) -> IntArray:
        """Return the hops from each node to each target, UNREACHABLE where there is no path."""
        return self.distance[np.searchsorted(self.targets, dst), node].astype(np.int64)

    def candidates(self, node: IntArray, dst: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return starts, counts and the channels one hop nearer, ascending, for each node and its target."""
        starts, order = self.fabric.out
        of, item = expanded(starts[node], starts[node + 1] - starts[node])
        channel = order[item]
        into = self.fabric.channel_dst[channel]
        row = np.searchsorted(self.targets, dst)
        near = self.distance[row[of], into] == self.distance[row, node][of] - 1
        near &= self.fabric.forwards[into] | (into == dst[of])
        counts = np.bincount(of[near], minlength=len(node))
        return np.cumsum(counts) - counts, counts, channel[near]
