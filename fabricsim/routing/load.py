"""What routes put on the channels, and what they cost on an idle fabric."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps_of
from fabricsim.routing.paths import Routes
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]


def channel_busy_ps(fabric: Fabric, messages: Messages, paths: Routes, model: Model) -> IntArray:
    """Return (channels,) [ps], how long each channel transmits in all: the sum over its packets, each rounded up."""
    packets = -(-messages.size // model.mtu)
    last = np.array(
        [model.wire(model.last_payload(int(size))) for size in np.unique(messages.size)], np.int64
    )
    last_wire = last[np.searchsorted(np.unique(messages.size), messages.size)]
    owner = np.repeat(np.arange(len(messages)), paths.count)
    index = np.arange(len(owner)) - paths.first[owner]
    # packet i of K takes path i mod count, so a path carries ceil((K − index) / count) of them, the last one short
    carried = -(-(packets[owner] - index) // paths.count[owner])
    short = (packets[owner] - 1) % paths.count[owner] == index
    hop_path = np.repeat(np.arange(len(owner)), paths.hops)
    rate = fabric.bandwidth[paths.channels]
    full = transmit_ps_of(np.full(len(rate), model.wire(model.mtu)), rate)
    busy = (carried[hop_path] - short[hop_path]) * full
    busy += short[hop_path] * transmit_ps_of(last_wire[owner[hop_path]], rate)
    total = np.zeros(fabric.channels, np.int64)
    np.add.at(total, paths.channels, busy)
    return total


def path_ps(fabric: Fabric, paths: Routes) -> IntArray:
    """Return (paths,) [ps], latency of all channels plus delay of all nodes passed through."""
    delay = fabric.delay_ps[fabric.channel_dst[paths.channels]]
    ends = paths.starts[1:] - 1
    delay[ends] = 0  # the last node receives, it does not forward
    return (
        np.add.reduceat(fabric.latency_ps[paths.channels] + delay, paths.starts[:-1]) if len(ends) else ends
    )
