"""Direct exchanges: every position talks to every other one itself.

Peers are named src + 1, src + 2, …: row k of all positions comes before row k + 1, so no receiver is the
first choice of many senders.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fabricsim.collectives.move import FirstByte, Move, every
from fabricsim.schedule import MANY, EveryPair, IntArray, Round, every_pair


class EveryMove(Move):
    """The move of an all-to-all between `positions`, with columns that are made when asked for."""

    def __init__(self, positions: int, total: int) -> None:
        given = {"size": total // positions, "repeat": 1, "reduce": False, "meetings": None}
        for name, value in {**given, "positions": positions, "total": total}.items():
            object.__setattr__(self, name, value)

    positions: int
    total: int

    @cached_property
    def src(self) -> IntArray:
        """(messages,) sending positions."""
        return every_pair(self.positions)[0]

    @cached_property
    def dst(self) -> IntArray:
        """(messages,) receiving positions."""
        return every_pair(self.positions)[1]

    @property
    def first(self) -> FirstByte:
        """What each message carries, in every pass."""
        return every(self.src * self.total + self.dst * (self.total // self.positions))

    def round(self, ranks: IntArray) -> Round:
        """Return the messages as a round, position p being rank ranks[p]."""
        return EveryPair(ranks, self.total // self.positions)


def all_gather(n: int, size: int) -> tuple[Move, ...]:
    """Return one round: each position sends its block to all others."""
    src, dst = every_pair(n)
    return (Move(src, dst, size // n, every(src * (size // n))),)


def reduce_scatter(n: int, size: int) -> tuple[Move, ...]:
    """Return one round: each position sends every other one that one's block, to be added."""
    src, dst = every_pair(n)
    return (Move(src, dst, size // n, every(dst * (size // n)), reduce=True),)


def all_reduce(n: int, size: int) -> tuple[Move, ...]:
    """Return two rounds, hence "two-shot": reduce-scatter, then all-gather."""
    return reduce_scatter(n, size) + all_gather(n, size)


def all_to_all(n: int, size: int) -> tuple[Move, ...]:
    """Return one round: each position sends every other one the block meant for it."""
    if n >= MANY:
        return (EveryMove(n, size),)
    src, dst = every_pair(n)
    return (Move(src, dst, size // n, every(src * size + dst * (size // n))),)


def pairwise(n: int, size: int) -> tuple[Move, ...]:
    """Return n − 1 rounds of an all-to-all; in round k position p sends to p XOR k where n is a power of two.

    Otherwise it sends to p + k and receives from p − k (Thakur, Rabenseifner, Gropp, IJHPCA 19 (2005)).
    """
    position = np.arange(n)
    power = n & (n - 1) == 0
    peers = (position ^ k if power else (position + k) % n for k in range(1, n))
    return tuple(
        Move(position, peer, size // n, every(position * size + peer * (size // n))) for peer in peers
    )


def scatter(n: int, size: int, *, root: int) -> tuple[Move, ...]:
    """Return one round: the root sends every other position its block."""
    dst = (root + np.arange(1, n)) % n
    return (Move(np.full(n - 1, root), dst, size // n, every(dst * (size // n))),)


def gather(n: int, size: int, *, root: int) -> tuple[Move, ...]:
    """Return one round: every other position sends the root its block."""
    src = (root + np.arange(1, n)) % n
    return (Move(src, np.full(n - 1, root), size // n, every(src * (size // n))),)


def send_recv(n: int, size: int) -> tuple[Move, ...]:
    """Return one round: each position sends all it has to the next one."""
    position = np.arange(n)
    return (Move(position, (position + 1) % n, size, every(position * size)),)


def all_to_all_v(n: int, size: int, *, matrix: IntArray) -> tuple[Move, ...]:
    """Return one round: position i sends matrix[i, j] bytes to j, where that is not 0.

    Bytes are counted in all positions' buffers one after the other, each of `size` bytes, its blocks in order.
    """
    src, dst = every_pair(n)
    return (_sent(src, dst, size, matrix),)


def pairwise_v(n: int, size: int, *, matrix: IntArray) -> tuple[Move, ...]:
    """Return up to n − 1 rounds of the same: in round k position p sends to p + k and receives from p − k."""
    position = np.arange(n)
    rounds = [_sent(position, (position + k) % n, size, matrix) for k in range(1, n)]
    return tuple(move for move in rounds if len(move.src))


def _sent(src: IntArray, dst: IntArray, size: int, matrix: IntArray) -> Move:
    before = np.cumsum(matrix, axis=1) - matrix
    some = matrix[src, dst] > 0
    src, dst = src[some], dst[some]
    return Move(src, dst, matrix[src, dst], every(src * size + before[src, dst]))
