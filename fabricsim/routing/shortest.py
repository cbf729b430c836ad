"""Shortest paths over whole arrays: hops and candidates from every node of a fabric to some targets.

For figures that look at every node; routes of messages come from `search`, which touches less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.routing.search import UNREACHABLE

IntArray = NDArray[np.int64]
_CHUNK: Final = 4_000_000  # (target, channel) pairs looked at in one go: some 100 MB of temporaries


@dataclass(frozen=True, eq=False)
class NextHops:
    """The channels one hop nearer to each target, in CSR form over (target, node).

    targets: (T,) node ids. distance: (T, nodes) hops, UNREACHABLE where there is no path.
    channels[starts[t, v] : starts[t, v] + counts[t, v]] are node v's candidates toward target t, ascending.
    """

    targets: IntArray
    distance: NDArray[np.int16]
    starts: IntArray
    counts: NDArray[np.int32]
    channels: NDArray[np.int32]


def distances(fabric: Fabric, targets: IntArray) -> NDArray[np.int16]:
    """Return (targets, nodes) hops from each node to each target, UNREACHABLE where no path forwards.

    Breadth first from all targets at once, over the channels as one array.
    """
    distance = np.full((len(targets), fabric.nodes), UNREACHABLE, np.int16)
    step = max(1, _CHUNK // max(1, fabric.channels))
    for first in range(0, len(targets), step):
        _spread(fabric, targets[first : first + step], distance[first : first + step])
    return distance


def _spread(fabric: Fabric, targets: IntArray, distance: NDArray[np.int16]) -> None:
    rows = np.arange(len(targets))
    distance[rows, targets] = 0
    src, dst = fabric.channel_src, fabric.channel_dst
    through = fabric.forwards[dst]
    hops = 0
    reached = (dst == targets[:, None]) & (distance[:, src] == UNREACHABLE)
    while reached.any():
        hops += 1
        row, channel = np.nonzero(reached)
        distance[row, src[channel]] = hops
        reached = (distance[:, dst] == hops) & through & (distance[:, src] == UNREACHABLE)


def next_hops(fabric: Fabric, targets: IntArray) -> NextHops:
    """Return every shortest-path candidate toward each target."""
    distance = distances(fabric, targets)
    starts_of, order = fabric.out
    src, dst = fabric.channel_src[order], fabric.channel_dst[order]
    through = fabric.forwards[dst]
    step = max(1, _CHUNK // max(1, fabric.channels))
    found, counts = [], []
    for first in range(0, len(targets), step):
        near = distance[first : first + step]
        chosen = targets[first : first + step, None]
        candidate = (
            (near[:, src] == near[:, dst] + 1) & (near[:, dst] != UNREACHABLE) & (through | (dst == chosen))
        )
        found.append(order[np.nonzero(candidate)[1]].astype(np.int32))
        sums = np.concatenate(
            [np.zeros((len(near), 1), np.int32), np.cumsum(candidate, axis=1, dtype=np.int32)], axis=1
        )
        counts.append(np.diff(sums[:, starts_of], axis=1).astype(np.int32))
    count = np.concatenate(counts) if counts else np.zeros((0, fabric.nodes), np.int32)
    starts = np.concatenate([[0], np.cumsum(count.reshape(-1), dtype=np.int64)[:-1]]).reshape(count.shape)
    return NextHops(
        targets, distance, starts, count, np.concatenate(found) if found else np.zeros(0, np.int32)
    )
