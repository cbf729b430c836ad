"""Rings: every position sends to the next one, the same link at every step.

Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, JPDC 69 (2009). Several rings
share the data: one in each direction, or rings in which the next position is 1, 3, … further on, which have no
channel in common where all positions are joined to each other.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

import numpy as np

from fabricsim.collectives.grid import Grid, along, overlapped, shares
from fabricsim.collectives.move import Move
from fabricsim.collectives.pipeline import cut, pipelined
from fabricsim.errors import Fault, InputError
from fabricsim.schedule import IntArray


def _round(n: int, size: int, lead: int, *, reduce: bool) -> Move:
    """Return n − 1 passes around the ring; in pass t position p sends block p − lead − t."""
    position = np.arange(n)
    block = size // n

    def first(number: int) -> IntArray:
        return (position - lead - number) % n * block

    return Move(position, (position + 1) % n, block, first, n - 1, reduce)


def one_all_gather(n: int, size: int) -> tuple[Move, ...]:
    """Return n − 1 rounds: each position passes on the block it got last, beginning with its own."""
    return (_round(n, size, 0, reduce=False),)


def one_reduce_scatter(n: int, size: int) -> tuple[Move, ...]:
    """Return n − 1 rounds: block b starts at position b + 1 and comes home to b with every addend."""
    return (_round(n, size, 1, reduce=True),)


def _one_all_reduce(n: int, size: int) -> tuple[Move, ...]:
    return one_reduce_scatter(n, size) + one_all_gather(n, size)


def _several(
    one: Callable[[int, int], tuple[Move, ...]], n: int, size: int, rings: int | None, directions: int | None
) -> tuple[Move, ...]:
    """Return what one ring does, shared by `rings` rings in each of 1 or 2 directions."""
    strides = _strides(n, rings or 1, directions or 1)
    if strides == [1]:
        return one(n, size)
    pieces, grid = shares(size // n, len(strides), "rings"), Grid((n,))
    turns = [np.arange(n) * stride % n for stride in strides]
    return overlapped(
        [along(grid, 0, one, share, (), seat) for share, seat in zip(pieces, turns, strict=True)], 0
    )


def _strides(n: int, rings: int, directions: int) -> list[int]:
    """Return how far the next position is in each ring: 1 and what else has no factor in common with n."""
    forward = [stride for stride in range(1, n // 2 + 1) if gcd(stride, n) == 1 and 2 * stride != n]
    forward = forward or [1]
    if rings > len(forward):
        what = (
            f"{n} ranks have {len(forward)} rings without a channel in common in each direction, not {rings}"
        )
        raise InputError([Fault(what, f"write up to {len(forward)}", ("rings",))])
    if directions == 2 and n == 2:
        raise InputError([Fault("two ranks have no second way around", "write 1", ("directions",))])
    return [
        turn for stride in forward[:rings] for turn in ([stride, n - stride] if directions == 2 else [stride])
    ]


def all_gather(
    n: int, size: int, *, rings: int | None = None, directions: int | None = None
) -> tuple[Move, ...]:
    """Return n − 1 rounds: each position passes on the block it got last, beginning with its own."""
    return _several(one_all_gather, n, size, rings, directions)


def reduce_scatter(
    n: int, size: int, *, rings: int | None = None, directions: int | None = None
) -> tuple[Move, ...]:
    """Return n − 1 rounds: block b starts at position b + 1 and comes home to b with every addend."""
    return _several(one_reduce_scatter, n, size, rings, directions)


def all_reduce(
    n: int, size: int, *, rings: int | None = None, directions: int | None = None
) -> tuple[Move, ...]:
    """Return 2(n − 1) rounds: reduce-scatter, then all-gather."""
    return _several(_one_all_reduce, n, size, rings, directions)


def broadcast(n: int, size: int, *, root: int, chunks: int | None) -> tuple[Move, ...]:
    """Return n − 2 + chunks rounds: pieces follow each other down the chain root, root + 1, … root − 1."""
    hop = np.arange(n - 1)
    stream = np.zeros(n - 1, np.int64)
    return pipelined(
        (root + hop) % n, (root + hop + 1) % n, hop, stream, [cut(0, size, chunks)], np.zeros(n - 1, np.bool_)
    )


def reduce(n: int, size: int, *, root: int, chunks: int | None) -> tuple[Move, ...]:
    """Return n − 2 + chunks rounds: pieces are added up along the same chain backwards."""
    hop = np.arange(n - 1)
    stream = np.zeros(n - 1, np.int64)
    src, dst = (root + hop + 1) % n, (root + hop) % n
    return pipelined(src, dst, n - 2 - hop, stream, [cut(0, size, chunks)], np.ones(n - 1, np.bool_))
