"""How long bytes take on a channel, in whole picoseconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabricsim.units import PS_PER_S


def transmit_ps(wire: int, bandwidth: int) -> int:
    """Return the picoseconds that `wire` bytes take at `bandwidth` [B/s], rounded up; 0 for no bytes."""
    return -(-wire * PS_PER_S // bandwidth)


def transmit_ps_of(wire: NDArray[np.int64], bandwidth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `transmit_ps` element by element; exact, also where w · 1e12 exceeds 64 bits."""
    wires, row = np.unique(wire, return_inverse=True)
    rates, column = np.unique(bandwidth, return_inverse=True)
    table = np.array([[transmit_ps(w, b) for b in rates.tolist()] for w in wires.tolist()], np.int64)
    return table.reshape(len(wires), len(rates))[row, column]
