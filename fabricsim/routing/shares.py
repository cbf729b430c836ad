"""Which fraction of a flow's bytes crosses which channel: what a policy comes down to where no packet is looked at.

A single path carries all of a flow. Spray takes the candidates at a node in turn, so each carries an equal part of
what passes through that node: the parts multiply along the way, and add up where ways meet again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.routing.front import Parts
from fabricsim.routing.paths import Channels, arithmetic, finders, paths_of, refuse_separated
from fabricsim.routing.policies import PER_PACKET, Routing
from fabricsim.routing.search import expanded

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


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
) -> Shares:
    """Return which share of each flow crosses which channel, healthy.

    src, dst: (flows,) ranks. message: (flows,) ids, what an ECMP choice depends on; the positions if None. Flows of
    one pair are worked out once unless their message matters. Raises InputError if some pair has no path.
    """
    src, dst = np.asarray(src, np.int64), np.asarray(dst, np.int64)
    if routing.policy not in PER_PACKET:
        ids = np.arange(len(src)) if message is None else np.asarray(message, np.int64)
        starts, channels = paths_of(fabric, src, dst, ids, routing, seed)
        return _ascending(starts, channels, np.ones(len(channels)))
    pair, flow = np.unique(src * fabric.nodes + dst, return_inverse=True)
    found = _sprayed(fabric, pair // fabric.nodes, pair % fabric.nodes)
    return (
        found if len(pair) == len(src) and np.array_equal(flow, np.arange(len(src))) else _taken(found, flow)
    )


def _taken(found: Shares, row: IntArray) -> Shares:
    """Return the rows of `found` that are asked for, in that order."""
    counts = np.diff(found.starts)[row]
    _, item = expanded(found.starts[:-1][row], counts)
    return Shares(np.concatenate([[0], np.cumsum(counts)]), found.channels[item], found.weights[item])


def _ascending(starts: IntArray, channels: Channels, weights: Floats) -> Shares:
    """Return shares with the channels of each flow in ascending order; each occurs once."""
    flow = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((channels, flow))
    return Shares(starts, channels[order], weights[order])


def _sprayed(fabric: Fabric, src: IntArray, dst: IntArray) -> Shares:
    """Return the shares of pairs that all shortest paths carry, by the candidates at each node."""
    front = Parts(np.arange(len(src)), src, dst, np.ones(len(src)))
    parts = [
        (going.row, channel, going.weight)
        for rows, finder in finders(fabric, src, dst, arithmetic(fabric))
        for going, channel, _ in finder.steps(front.taken(rows))
    ]
    flow, channels, weights = (
        np.concatenate([part[column] for part in parts] or [np.zeros(0, np.int64)]) for column in range(3)
    )
    counts = np.bincount(flow, minlength=len(src))
    refuse_separated(fabric, src, dst, np.flatnonzero((counts == 0) & (src != dst)))
    order = np.lexsort((channels, flow))
    starts = np.concatenate([[0], np.cumsum(counts)])
    return Shares(starts, channels[order].astype(np.int32), weights[order])
