"""Rings: every position sends to the next one, the same link at every step.

Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, JPDC 69 (2009).
"""

from __future__ import annotations

import numpy as np

from fabricsim.collectives.move import Move
from fabricsim.collectives.pipeline import cut, pipelined
from fabricsim.schedule import IntArray


def _round(n: int, size: int, lead: int, *, reduce: bool) -> Move:
    """Return n − 1 passes around the ring; in pass t position p sends block p − lead − t."""
    position = np.arange(n)
    block = size // n

    def first(number: int) -> IntArray:
        return (position - lead - number) % n * block

    return Move(position, (position + 1) % n, block, first, n - 1, reduce)


def all_gather(n: int, size: int) -> tuple[Move, ...]:
    """Return n − 1 rounds: each position passes on the block it got last, beginning with its own."""
    return (_round(n, size, 0, reduce=False),)


def reduce_scatter(n: int, size: int) -> tuple[Move, ...]:
    """Return n − 1 rounds: block b starts at position b + 1 and comes home to b with every addend."""
    return (_round(n, size, 1, reduce=True),)


def all_reduce(n: int, size: int) -> tuple[Move, ...]:
    """Return 2(n − 1) rounds: reduce-scatter, then all-gather."""
    return reduce_scatter(n, size) + all_gather(n, size)


def broadcast(n: int, size: int, *, root: int, chunks: int | None) -> tuple[Move, ...]:
    """Return n − 2 + chunks rounds: pieces follow each other down the chain root, root + 1, … root − 1."""
    hop = np.arange(n - 1)
    stream = np.zeros(n - 1, np.int64)
    return pipelined(
        (root + hop) % n, (root + hop + 1) % n, hop, stream, [cut(0, size, chunks)], np.zeros(n - 1, np.bool_)
    )
