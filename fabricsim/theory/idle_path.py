"""What one message takes over an otherwise idle path, to the picosecond.

Store-and-forward, K packets that take m_l on channel l, the last one s_l:

    T = Σ latency + Σ delay + max over i of [Σ_{l ≤ i} m_l + (K − 2)·max_{l ≤ i} m_l + Σ_{l ≥ i} s_l]

and Σ s_l in place of the maximum where K = 1. It is the longest way through the grid of packets and channels, in
which a packet waits for its own last bit and for the packet before it. Cut-through has no such sum, but the same
structure: equal packets follow each other at the pace of the slowest channel so far, so only the first and the
last need to be followed from channel to channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps
from fabricsim.units import to_ps


@dataclass(frozen=True)
class Path:
    """The channels of a path in order: bandwidth [B/s], latency [ps], and the delay [ps] of the node each enters.

    The last delay counts too; it is 0 where the last node is the receiver.
    """

    bandwidth: tuple[int, ...]
    latency_ps: tuple[int, ...]
    delay_ps: tuple[int, ...]

    @property
    def fixed_ps(self) -> int:
        """Latency and delay of the whole path, which do not depend on the message."""
        return sum(self.latency_ps) + sum(self.delay_ps)


def path_of(fabric: Fabric, channels: Sequence[int]) -> Path:
    """Return the path over `channels`, ids in order. The last node receives: its delay does not count."""
    delay = [int(fabric.delay_ps[fabric.channel_dst[channel]]) for channel in channels[:-1]]
    return Path(
        tuple(int(fabric.bandwidth[channel]) for channel in channels),
        tuple(int(fabric.latency_ps[channel]) for channel in channels),
        (*delay, 0),
    )


def message_ps(size: int, path: Path, model: Model) -> int:
    """Return the time [ps] from the release of a message of `size` payload bytes to its delivery on an idle path.

    Overheads included. Exact in both switching modes for packets that queue nowhere else.
    """
    packets = model.packets(size)
    overhead = to_ps(model.endpoint.send_overhead) + to_ps(model.endpoint.recv_overhead)
    free = [0] * len(path.bandwidth)
    if packets > 1:
        full = model.wire(model.mtu)
        # packet k of equal ones leaves each channel k times the slowest transmission so far after the first
        pace = accumulate((transmit_ps(full, rate) for rate in path.bandwidth), max)
        ends = _followed(full, path, model, free)
        free = [end + (packets - 2) * slowest for end, slowest in zip(ends, pace, strict=True)]
    last = _followed(model.wire(model.last_payload(size)), path, model, free)
    return overhead + last[-1] + path.latency_ps[-1] + path.delay_ps[-1]


def _followed(wire: int, path: Path, model: Model, free: Sequence[int]) -> list[int]:
    """Return when a packet's last bit leaves each channel [ps], if channel l is free from free[l] on."""
    times = [transmit_ps(wire, rate) for rate in path.bandwidth]
    start = free[0]
    ends = [start + times[0]]
    for hop, (before, here) in enumerate(pairwise(times)):
        ready = start + before
        if model.switching == "cut-through":
            # the header is in, and the tail, which ends `here` after it starts, never runs dry
            ready = max(start + transmit_ps(model.wire(0), path.bandwidth[hop]), ready - here)
        start = max(free[hop + 1], ready + path.latency_ps[hop] + path.delay_ps[hop])
        ends.append(start + here)
    return ends
