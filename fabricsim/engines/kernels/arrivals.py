"""What arrived, in the order of arrival, by compiled loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels import stream_loops as loops
from fabricsim.engines.kernels.cargo import Cargo
from fabricsim.engines.kernels.compiled import compiled

IntArray = NDArray[np.int64]


class Arrivals(NamedTuple):
    """(packets,) columns in order of arrival, ties by id: packet ids, times [ps], payloads [B] and messages."""

    packet: IntArray
    time: IntArray
    payload: IntArray
    message: IntArray

    def reordered(self) -> int:
        """Return how many came after one of their message with a larger id."""
        newest = np.full(int(self.message.max()) + 1, -1)
        return int(compiled(loops.reordered)(self.message, self.packet, newest))


def arrivals_of(arrived: IntArray, cargo: Cargo, size: IntArray, mtu: int) -> Arrivals:
    """Return the packets in order. (packets,) arrived [ps]; (messages,) size [B] of their payload."""
    order, time = compiled(loops.in_order)(arrived)
    message_of = np.repeat(np.arange(len(size), dtype=np.int32), cargo.packets)
    payload, message = np.empty((2, len(order)), np.int64)
    compiled(loops.describe)(order, message_of, cargo.first, size, mtu, payload, message)
    return Arrivals(order, time, payload, message)
