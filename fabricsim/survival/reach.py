"""Which ranks a loss cuts off from the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric

IntArray = NDArray[np.int64]


def cut_off(fabric: Fabric, dead: IntArray) -> IntArray:
    """Return the ranks that the largest set of ranks that reach each other does not hold, ascending.

    dead: links that carry nothing. Of two sets that are equally large the one with the lowest rank stays.
    """
    alive = np.ones(fabric.channels, np.bool_)
    alive[2 * dead] = alive[2 * dead + 1] = False
    src, dst = fabric.channel_src[alive], fabric.channel_dst[alive]
    left = np.ones(fabric.ranks, np.bool_)
    best = np.zeros(fabric.ranks, np.bool_)
    while left.sum() > best.sum():  # no set among what is left could be larger otherwise
        seen = _reached(fabric, int(np.argmax(left)), src, dst)
        if seen.sum() > best.sum():
            best = seen
        left &= ~seen
    return np.flatnonzero(~best)


def _reached(fabric: Fabric, rank: int, src: IntArray, dst: IntArray) -> NDArray[np.bool_]:
    """Return (ranks,) which ranks a rank reaches, itself included, through nodes that forward."""
    seen = np.zeros(fabric.nodes, np.bool_)
    seen[rank] = True
    through, count = seen.copy(), 0
    while count < (count := int(seen.sum())):
        seen[dst[through[src]]] = True
        through = seen & fabric.forwards
        through[rank] = True
    return seen[: fabric.ranks]
