"""What routes put on the channels, and what they cost on an idle fabric."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps_of
from fabricsim.routing.paths import Routes
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]
_PIECE: Final = 250_000


def channel_busy_ps(fabric: Fabric, messages: Messages, paths: Routes, model: Model) -> IntArray:
    """Return (channels,) [ps], how long each channel transmits in all: the sum over its packets, each rounded up."""
    return _summed(
        fabric, messages, paths, model, lambda wire, channel: transmit_ps_of(wire, fabric.bandwidth[channel])
    )


def channel_wire(fabric: Fabric, messages: Messages, paths: Routes, model: Model) -> IntArray:
    """Return (channels,) [B], the wire bytes that each channel transmits in all."""
    return _summed(fabric, messages, paths, model, lambda wire, channel: wire)


def _summed(
    fabric: Fabric,
    messages: Messages,
    paths: Routes,
    model: Model,
    of_packet: Callable[[IntArray, IntArray], IntArray],
) -> IntArray:
    """Return (channels,) the sum over the packets that pass; of_packet: of packets' wire bytes and their channels."""
    owner = np.repeat(np.arange(len(messages)), paths.count)
    index = np.arange(len(owner)) - paths.first[owner]
    packets = (-(-messages.size // model.mtu))[owner]
    # packet i of K takes path i mod count, so a path carries ceil((K − index) / count) of them, the last one short
    carried = -(-(packets - index) // paths.count[owner])
    short = np.flatnonzero((packets - 1) % paths.count[owner] == index)
    carried[short] -= 1
    full = np.full(fabric.channels, model.wire(model.mtu))
    total = packets_on(fabric, paths, carried) * of_packet(full, np.arange(fabric.channels))
    sizes, size_class = np.unique(messages.size, return_inverse=True)
    last = np.array([model.wire(model.last_payload(size)) for size in sizes.tolist()], np.int64)
    hops = paths.hops[short]
    hop = np.arange(int(hops.sum())) + np.repeat(paths.starts[short] - np.cumsum(hops) + hops, hops)
    channel, wire = paths.channels[hop], np.repeat(last[size_class[owner[short]]], hops)
    np.add.at(total, channel, of_packet(wire, channel))
    return total


def packets_on(fabric: Fabric, paths: Routes, packets: IntArray) -> IntArray:
    """Return (channels,) how many packets pass each channel; packets: (paths,) how many take each path."""
    total = np.zeros(fabric.channels)
    for begin in range(0, len(packets), _PIECE):  # a piece of the paths at a time, to bound memory
        starts = paths.starts[begin : begin + _PIECE + 1]
        weights = np.repeat(packets[begin : begin + _PIECE].astype(np.float64), np.diff(starts))
        total += np.bincount(paths.channels[starts[0] : starts[-1]], weights, fabric.channels)
    return total.astype(np.int64)  # exact: floats count whole packets up to 2⁵³


def path_ps(fabric: Fabric, paths: Routes) -> IntArray:
    """Return (paths,) [ps], latency of all channels plus delay of all nodes passed through."""
    delay = fabric.delay_ps[fabric.channel_dst[paths.channels]]
    ends = paths.starts[1:] - 1
    delay[ends] = 0  # the last node receives, it does not forward
    return (
        np.add.reduceat(fabric.latency_ps[paths.channels] + delay, paths.starts[:-1]) if len(ends) else ends
    )
