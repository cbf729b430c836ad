"""Which fraction of a flow's bytes crosses which channel: what a policy comes down to where no packet is looked at.

A single path carries all of a flow. Spray takes the candidates at a node in turn, so each carries an equal part of
what passes through that node: the parts multiply along the way, and add up where ways meet again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.deal import weighed_paths
from fabricsim.routing.front import Parts
from fabricsim.routing.paths import Alive, Channels, Finder, Router, arithmetic, finders, ways_round
from fabricsim.routing.policies import Routing
from fabricsim.routing.search import expanded, refuse_separated

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
MAX_LEGS: Final = 20_000_000
"""Flows times nodes to go by way of: some 2 GB while they are worked out."""


@dataclass(frozen=True, eq=False)
class Shares:
    """Flow f puts the share weights[i] of its bytes on channels[i], for i in starts[f] : starts[f + 1].

    starts: (flows + 1,). channels: ascending in each flow, each once. The weights of the channels that enter a flow's
    target add up to 1; a flow from a rank to itself has none.
    """

    starts: IntArray
    channels: Channels
    weights: Floats

    @property
    def flow(self) -> IntArray:
        """(entries,) the flow that each entry belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def shares(
    fabric: Fabric,
    src: IntArray,
    dst: IntArray,
    routing: Routing,
    seed: int = 0,
    message: IntArray | None = None,
    *,
    size: IntArray | None = None,
    alive: Alive | None = None,
) -> Shares:
    """Return which share of each flow crosses which channel.

    src, dst: (flows,) ranks. message: (flows,) ids, what a hashed choice depends on; the positions if None. size:
    (flows,) bytes, what an optimal split weighs; all equal if None. alive: (channels,) which may be used, None for all.
    Flows of one pair are worked out once unless their message matters. Raises InputError if some pair has no path.
    """
    src, dst = np.asarray(src, np.int64), np.asarray(dst, np.int64)
    if not routing.per_packet:
        ids = np.arange(len(src)) if message is None else np.asarray(message, np.int64)
        starts, channels = Router(fabric, routing, seed, alive).paths(src, dst, ids)
        return gathered(len(src), _rows(starts), channels, np.ones(len(channels)))
    if routing.policy == "all-path":
        weight = np.ones(len(src)) if size is None else np.asarray(size, np.float64)
        return _all_path(fabric, src, dst, weight, routing, alive)
    pair, flow = np.unique(src * fabric.nodes + dst, return_inverse=True)
    worked_out = _round_about if routing.policy == "valiant" else _sprayed
    found = worked_out(fabric, pair // fabric.nodes, pair % fabric.nodes, alive)
    return found if np.array_equal(flow, np.arange(len(src))) else _taken(found, flow)


def _rows(starts: IntArray) -> IntArray:
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts))


def _taken(found: Shares, row: IntArray) -> Shares:
    """Return the rows of `found` that are asked for, in that order."""
    counts = np.diff(found.starts)[row]
    _, item = expanded(found.starts[:-1][row], counts)
    return Shares(np.concatenate([[0], np.cumsum(counts)]), found.channels[item], found.weights[item])


def gathered(flows: int, flow: IntArray, channels: IntArray | Channels, weights: Floats) -> Shares:
    """Return shares from entries in any order; those of one flow on one channel add up."""
    order = np.lexsort((channels, flow))
    flow, channels, weights = flow[order], channels[order], weights[order]
    new = np.ones(len(flow), np.bool_)
    new[1:] = (flow[1:] != flow[:-1]) | (channels[1:] != channels[:-1])
    if not new.all():
        first = np.flatnonzero(new)
        flow, channels, weights = flow[first], channels[first], np.add.reduceat(weights, first)
    starts = np.searchsorted(flow, np.arange(flows + 1))
    return Shares(starts, channels.astype(np.int32, copy=False), weights)


def _sprayed(fabric: Fabric, src: IntArray, dst: IntArray, alive: Alive | None) -> Shares:
    """Return the shares of pairs that all shortest paths carry, by the candidates at each node."""
    front = Parts(np.arange(len(src)), src, dst, np.ones(len(src)))
    return gathered(len(src), *_crossed(fabric, front, arithmetic(fabric) if alive is None else None, alive))


def _crossed(
    fabric: Fabric, front: Parts, known: Finder | None, alive: Alive | None
) -> tuple[IntArray, IntArray, Floats]:
    """Return (flow, channel, weight) of all that crosses a channel, from the front on."""
    parts = [
        (going.row, channel, going.weight)
        for rows, finder in finders(fabric, front.node, front.dst, known, alive)
        for going, channel, _ in finder.steps(front.taken(rows))
    ]
    flow, channels, weights = (
        np.concatenate([part[column] for part in parts] or [np.zeros(0, np.int64)]) for column in range(3)
    )
    lost = (np.bincount(flow, minlength=int(front.row.max(initial=-1)) + 1)[front.row] == 0) & (
        front.node != front.dst
    )
    refuse_separated(fabric, front.node, front.dst, np.flatnonzero(lost))
    return flow, channels, weights


def _all_path(
    fabric: Fabric, src: IntArray, dst: IntArray, size: Floats, routing: Routing, alive: Alive | None
) -> Shares:
    paths, weight, pair = weighed_paths(fabric, src, dst, size, routing, alive)
    of = np.repeat(np.arange(len(weight)), paths.hops)
    found = gathered(len(paths.first) - 1, paths.pair[of], paths.channels, weight[of])
    none = np.concatenate([found.starts, found.starts[-1:]])  # the pair −1, of flows from a rank to itself
    return _taken(Shares(none, found.channels, found.weights), pair)


def _round_about(fabric: Fabric, src: IntArray, dst: IntArray, alive: Alive | None) -> Shares:
    """Return what packets do that each go by way of any node, evenly, and by any shortest path of each leg."""
    nodes = ways_round(fabric)
    if len(src) * len(nodes) > MAX_LEGS:
        what = f"{len(src)} flows by way of {len(nodes)} nodes each are too many"
        raise InputError(what, "use per: message, or fewer flows at a time")
    flow, by = np.repeat(np.arange(len(src)), len(nodes)), np.tile(nodes, len(src))
    kept = src[flow] != dst[flow]
    flow, by = flow[kept], by[kept]
    known = arithmetic(fabric) if alive is None and nodes[-1] < fabric.ranks else None
    entries = []
    for a, b in ((src[flow], by), (by, dst[flow])):
        row, channels, weights = _crossed(
            fabric, Parts(np.arange(len(flow)), a, b, np.full(len(flow), 1 / len(nodes))), known, alive
        )
        entries.append((flow[row], channels, weights))
    return gathered(len(src), *(np.concatenate(column) for column in zip(*entries, strict=True)))
