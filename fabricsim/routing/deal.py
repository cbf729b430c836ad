"""Packets dealt to the paths of all-path routing in proportion to the shares of the split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.routing.detours import PathSet, all_paths
from fabricsim.routing.policies import Routing
from fabricsim.routing.search import expanded
from fabricsim.routing.split import split_of

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


def weighed_paths(
    fabric: Fabric,
    src: IntArray,
    dst: IntArray,
    size: Floats,
    routing: Routing,
    alive: NDArray[np.bool_] | None = None,
) -> tuple[PathSet, Floats, IntArray]:
    """Return the paths of every pair that occurs, the share of each, and the pair of each flow.

    size: (flows,) bytes, what an optimal split weighs. Flows from a rank to itself belong to no pair: −1.
    """
    apart = src != dst
    key, inverse = np.unique((src * fabric.nodes + dst)[apart], return_inverse=True)
    pair = np.full(len(src), -1)
    pair[apart] = inverse
    paths = all_paths(fabric, key // fabric.nodes, key % fabric.nodes, routing, alive)
    demand = np.bincount(inverse, size[apart], len(key)).astype(np.float64)
    return paths, split_of(fabric, paths, demand, routing.split), pair


@dataclass(frozen=True)
class Relaying:
    """What detours cost.

    relayed: the share of all bytes that take one. links_per_byte: channels that a byte crosses in the mean; shortest:
    how many it would without detours.
    """

    relayed: float
    links_per_byte: float
    shortest: float


def relaying(fabric: Fabric, src: IntArray, dst: IntArray, size: Floats, routing: Routing) -> Relaying:
    """Return what the detours of all-path routing cost for flows of so many bytes."""
    paths, weight, pair = weighed_paths(fabric, src, dst, size, routing)
    part = np.bincount(pair[pair >= 0], size[pair >= 0], len(paths.first) - 1)[paths.pair] * weight
    total = float(part.sum()) or 1.0
    hops, shortest = paths.hops, paths.hops - paths.detour
    return Relaying(
        float(part @ (paths.detour > 0)) / total, float(part @ hops) / total, float(part @ shortest) / total
    )


def dealt_paths(
    fabric: Fabric,
    src: IntArray,
    dst: IntArray,
    size: Floats,
    routing: Routing,
    packets: IntArray,
    alive: NDArray[np.bool_] | None = None,
) -> tuple[IntArray, IntArray]:
    """Return the path of every packet, in CSR form, message by message, each with so many packets.

    Of K packets a path with share w gets K·w, rounded down; what is left over goes to the largest remainders. The j-th
    of a path's n packets stands at (j + 1/2) / n of the message, ties in the order of paths.
    """
    paths, weight, pair = weighed_paths(fabric, src, dst, size, routing, alive)
    message, path = expanded(paths.first[pair], np.diff(paths.first)[pair])
    exact = packets[message] * weight[path]
    count = np.floor(exact + 1e-9).astype(np.int64)
    left = packets - np.bincount(message, count, len(packets)).astype(np.int64)
    order = np.lexsort((path, -(exact - count).round(9), message))
    place = np.arange(len(order)) - np.searchsorted(message[order], message[order])
    count[order[place < left[message[order]]]] += 1
    row = np.repeat(np.arange(len(count)), count)
    turn = (np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[row]
    taken = path[row[np.lexsort((path[row], turn, message[row]))]]
    hops = paths.hops[taken]
    _, item = expanded(paths.starts[taken], hops)
    return np.concatenate([[0], np.cumsum(hops)]), paths.channels[item]
