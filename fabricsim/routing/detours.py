"""All paths of a pair up to a length: the shortest ones, and detours of a few hops more, as UB-Mesh's APR takes them.

APR (all-path routing, arXiv 2503.20377) sends one message over several paths at once. A path visits no node twice, and
passes through nodes that forward only. With `lanes: tfc` it also fits that rule's two lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.lanes import steps_of
from fabricsim.routing.policies import Routing
from fabricsim.routing.products import product_of
from fabricsim.routing.search import UNREACHABLE, expanded, hops_to, part_of, refuse_separated

IntArray = NDArray[np.int64]
Hops = Callable[[IntArray, IntArray], IntArray]
MAX_HOPS: Final = 20_000_000
"""Hops of all paths together: some 500 MB while they are found."""
_PAIRS: Final = 2048


@dataclass(frozen=True, eq=False)
class PathSet:
    """The paths of some pairs: pair k has paths first[k] : first[k + 1], shortest first.

    Path p is channels[starts[p] : starts[p + 1]].
    """

    first: IntArray
    starts: IntArray
    channels: IntArray

    @property
    def hops(self) -> IntArray:
        """(paths,) channels on each path."""
        return np.diff(self.starts)

    @property
    def pair(self) -> IntArray:
        """(paths,) the pair of each path."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))

    @property
    def detour(self) -> IntArray:
        """(paths,) hops of each path beyond the shortest of its pair."""
        return self.hops - self.hops[self.first[self.pair]]


def all_paths(
    fabric: Fabric, src: IntArray, dst: IntArray, routing: Routing, alive: NDArray[np.bool_] | None = None
) -> PathSet:
    """Return every path of each pair that is at most `routing.max_detour` hops longer than its shortest.

    alive: (channels,) which may be used, None for all. Raises InputError if a pair has no path, or they are too many.
    """
    distance = _distances(fabric, src, dst, alive)
    refuse_separated(fabric, src, dst, np.flatnonzero(distance(src, dst) == UNREACHABLE))
    found: list[tuple[IntArray, IntArray]] = []
    total = 0
    for begin in range(0, len(src), _PAIRS):
        pairs = np.arange(begin, min(begin + _PAIRS, len(src)))
        for pair, channels in _grown(fabric, src, dst, pairs, routing, distance, alive):
            found.append((pair, channels))
            total += channels.size
            if total > MAX_HOPS:
                what = f"the paths with detours of up to {routing.max_detour} hops are too many to hold"
                raise InputError(what, "lower max_detour, or use spray, which takes shortest paths only")
    pair = np.concatenate([part for part, _ in found] or [np.zeros(0, np.int64)])
    hops = np.repeat([part.shape[1] for _, part in found], [len(part) for part, _ in found]).astype(np.int64)
    flat = np.concatenate([part.reshape(-1) for _, part in found] or [np.zeros(0, np.int64)])
    begin_of = np.cumsum(hops) - hops
    none = np.flatnonzero(np.bincount(pair, minlength=len(src)) == 0)
    if len(none):
        a, b = (fabric.node_name(int(end[none[0]])) for end in (src, dst))
        what = f"no path from {a} to {b} fits the {routing.lane_count} lanes of {routing.lanes_text}"
        raise InputError(what, "tfc is for full meshes and switches; allow longer detours, or other lanes")
    order = np.lexsort((np.arange(len(pair)), hops, pair))
    _, item = expanded(begin_of[order], hops[order])
    return PathSet(
        np.searchsorted(pair[order], np.arange(len(src) + 1)),
        np.concatenate([[0], np.cumsum(hops[order])]),
        flat[item],
    )


def _distances(fabric: Fabric, src: IntArray, dst: IntArray, alive: NDArray[np.bool_] | None) -> Hops:
    """Return a function that gives the hops from nodes to targets among `dst`."""
    product = product_of(fabric) if alive is None else None
    if product is not None:
        return product.hops
    targets, row = np.unique(dst), np.zeros(fabric.nodes, np.int64)
    row[targets] = np.arange(len(targets))
    part = part_of(fabric, np.unique(np.concatenate([src, dst])), alive)
    everywhere = np.indices((len(targets), fabric.nodes)).reshape(2, -1)
    table = hops_to(fabric, part, targets, *everywhere)
    return lambda node, target: table[row[target], node].astype(np.int64)


def _grown(
    fabric: Fabric,
    src: IntArray,
    dst: IntArray,
    pairs: IntArray,
    routing: Routing,
    distance: Hops,
    alive: NDArray[np.bool_] | None,
) -> list[tuple[IntArray, IntArray]]:
    """Return (pair, channels) of all paths of some pairs, by length, each length in the order of channels."""
    starts, order = fabric.out
    step = steps_of(fabric) if routing.lanes == "tfc" else np.zeros(0, np.int64)
    near = distance(src[pairs], dst[pairs])
    pair = pairs[near > 0]
    left = near[near > 0] + routing.max_detour
    trail = np.zeros((len(pair), 0), np.int64)
    nodes = src[pair][:, None]
    falls = np.zeros(len(pair), np.int64)
    found = []
    while len(pair):
        node = nodes[:, -1]
        of, item = expanded(starts[node], starts[node + 1] - starts[node])
        channel = order[item]
        into, goal = fabric.channel_dst[channel], dst[pair[of]]
        ahead = distance(into, goal)
        good = (ahead != UNREACHABLE) & (ahead < left[of]) & (fabric.forwards[into] | (into == goal))
        if alive is not None:
            good &= alive[channel]
        good &= ~np.any(nodes[of] == into[:, None], axis=1)
        if routing.lanes == "tfc" and trail.shape[1]:
            drop = falls[of] + (step[channel] <= step[trail[of, -1]])
            good &= drop <= 1
            falls = drop[good]
        else:
            falls = falls[of[good]]
        of, channel, into = of[good], channel[good], into[good]
        pair, left = pair[of], left[of] - 1
        trail = np.concatenate([trail[of], channel[:, None]], axis=1)
        nodes = np.concatenate([nodes[of], into[:, None]], axis=1)
        there = into == dst[pair]
        found.append((pair[there], trail[there]))
        pair, left, trail, nodes, falls = (column[~there] for column in (pair, left, trail, nodes, falls))
    return found
