"""What a message takes on an idle path, many messages at once: `theory.idle_path` on arrays.

A fluid has no packets, so its first and last packet are charged here. A flow of W wire bytes that could run at R on an
idle path is done W/R after its start, and delivered when the packets of an idle path would be: `total` after its start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps_of
from fabricsim.units import PS_PER_S

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
_EXACT: Final = 2**63 // PS_PER_S - 1


@dataclass(frozen=True, eq=False)
class Paths:
    """One path for each flow in the order of its hops: starts, channels in CSR form; the share of the flow on each."""

    starts: IntArray
    channels: NDArray[Any]
    weights: Floats


def idle_ps(fabric: Fabric, paths: Paths, size: IntArray, model: Model) -> tuple[IntArray, IntArray]:
    """Return (flows,) [ps] from a flow's start until its last bit leaves its first channel, and until it arrives.

    size: (flows,) [B]. Exact for one path; where a flow is split, a channel sees its share of the packets, and the
    path given stands for all of them: within a packet's time.
    """
    if not len(size):
        return size, size
    packets = -(-size // model.mtu)
    sizes, kind = np.unique(size, return_inverse=True)
    last = np.array([model.wire(model.last_payload(int(s))) for s in sizes.tolist()], np.int64)[kind]
    walk = _Walk(fabric, paths, packets, model)
    ends = walk.followed(np.full(len(size), model.full_wire), None)
    pace, free = np.zeros(len(size), np.int64), []
    for end, took, share in zip(ends, walk.took, walk.share, strict=True):
        own = np.ceil(packets * share * (1 - 1e-12)).astype(np.int64)
        pace = np.maximum(pace, np.maximum(own - 2, 0) * took)
        free.append(np.where(own > 1, end + pace, 0))
    ends = walk.followed(last, free)
    return ends[0], walk.arrival(ends)


def tails(fabric: Fabric, paths: Paths, size: IntArray, wire: Floats, model: Model) -> tuple[Floats, Floats]:
    """Return (flows,) [s] from a flow's last byte until its last bit has left the first channel, and until it arrives.

    The flow of `wire` bytes is one that only its path holds back: other paths of a split flow may be slower, and what
    packets add on this one stays the same.
    """
    if not len(size):
        return np.zeros(0), np.zeros(0)
    left, arrived = idle_ps(fabric, paths, size, model)
    rate = np.minimum.reduceat(fabric.bandwidth[paths.channels] / paths.weights, paths.starts[:-1])
    fluid = wire / rate
    return np.maximum(left / PS_PER_S - fluid, 0.0), arrived / PS_PER_S - fluid


class _Walk:
    """Flows hop by hop: columns over flows, one a hop; a flow whose path has ended stays where it is."""

    def __init__(self, fabric: Fabric, paths: Paths, packets: IntArray, model: Model) -> None:
        counts = np.diff(paths.starts)
        self.model = model
        self.hops = int(counts.max(initial=0))
        self.on = [counts > hop for hop in range(self.hops)]
        item = [np.minimum(paths.starts[:-1] + hop, paths.starts[1:] - 1) for hop in range(self.hops)]
        self.channel = [paths.channels[i] for i in item]
        self.share = [paths.weights[i] for i in item]
        self.rate = [fabric.bandwidth[c] for c in self.channel]
        self.latency = [fabric.latency_ps[c] for c in self.channel]
        self.delay = [fabric.delay_ps[fabric.channel_dst[c]] for c in self.channel]
        self.took: list[IntArray] = []

    def followed(self, wire: IntArray, free: list[IntArray] | None) -> list[IntArray]:
        """Return when a packet's last bit leaves each hop [ps], if the hop is free from `free` on."""
        self.took = [_transmit_ps(wire, rate) for rate in self.rate]
        start = free[0] if free else np.zeros(len(wire), np.int64)
        ends = [start + self.took[0]]
        for hop in range(1, self.hops):
            ready = start + self.took[hop - 1]
            if self.model.switching == "cut-through":
                head = _transmit_ps(np.full(len(wire), self.model.wire(0)), self.rate[hop - 1])
                ready = np.maximum(start + head, ready - self.took[hop])
            ready = ready + self.latency[hop - 1] + self.delay[hop - 1]
            if free:
                ready = np.maximum(ready, free[hop])
            start = np.where(self.on[hop], ready, start)
            ends.append(np.where(self.on[hop], start + self.took[hop], ends[-1]))
        return ends

    def arrival(self, ends: list[IntArray]) -> IntArray:
        """Return when the last bit arrives [ps]."""
        out: IntArray = ends[0] + self.latency[0]
        for hop in range(1, self.hops):
            out = np.where(self.on[hop], ends[hop] + self.latency[hop], out)
        return out


def _transmit_ps(wire: IntArray, rate: IntArray) -> IntArray:
    """Return what `transmit_ps_of` does, without its table where 64 bits hold wire · 1e12."""
    if int(wire.max()) >= _EXACT:
        return transmit_ps_of(wire, rate)
    took: IntArray = -(-wire * PS_PER_S // rate)
    return took
