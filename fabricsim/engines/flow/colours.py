"""Colours of nodes: which of them are alike, by what surrounds them (Weisfeiler and Leman, 1968).

Nodes that differ in what surrounds them get different colours, until nothing changes. On machines of switches and
complete graphs, with any links missing, the colours are the orbits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.routing import splitmix64

IntArray = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What colours are refined over: edges by the node they leave, each with a kind of its own.

    starts: (nodes + 1,), far: (edges,) the node at the other end, kind: (edges,) words.
    """

    starts: IntArray
    far: IntArray
    kind: Words


def surroundings(fabric: Fabric) -> Surroundings:
    """Return the channels of a fabric, told apart by the class and the level of their links."""
    starts, order = fabric.out
    link = order // 2
    kind = splitmix64(fabric.link_class[link].astype(np.int64), fabric.level[link].astype(np.int64))
    return Surroundings(starts, fabric.channel_dst[order], kind)


def colours(graph: Surroundings, first: IntArray) -> IntArray:
    """Return (nodes,) colours, refined from `first` until all nodes of a colour have the same surroundings."""
    count, colour = len(np.unique(first)), first
    filled = np.flatnonzero(np.diff(graph.starts))
    while True:
        around = np.zeros(len(first), np.uint64)
        with np.errstate(over="ignore"):
            # a sum of hashes does not depend on the order of the neighbours
            words = splitmix64(colour)[graph.far] * graph.kind
            around[filled] = np.add.reduceat(words, graph.starts[filled])
        _, colour = np.unique(splitmix64(colour) ^ around, return_inverse=True)
        if colour.max() + 1 == count:
            found: IntArray = colour.astype(np.int64)
            return found
        count = int(colour.max()) + 1


def kinds(fabric: Fabric) -> IntArray:
    """Return (nodes,) what each node is before anything is known of its surroundings."""
    devices = np.repeat(np.arange(len(fabric.groups)), [group.count for group in fabric.groups])
    return devices.astype(np.int64)


def marked(colour: IntArray, nodes: IntArray) -> IntArray:
    """Return colours in which some nodes differ from all others."""
    mark = 2 * colour
    mark[nodes] += 1
    return np.unique(mark, return_inverse=True)[1].astype(np.int64)
