"""Exchanges with the position whose number differs in one bit: log2 n rounds, n a power of two.

Thakur, Rabenseifner, Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19 (2005).
"""

from __future__ import annotations

import numpy as np

from fabricsim.collectives.move import Move, every


def _bits(n: int) -> list[int]:
    return [1 << k for k in range(n.bit_length() - 1)]


def all_reduce(n: int, size: int) -> tuple[Move, ...]:
    """Return log2 n rounds of recursive doubling: partners swap and add all they hold."""
    position = np.arange(n)
    whole = every(np.zeros(n, np.int64))
    return tuple(Move(position, position ^ bit, size, whole, reduce=True) for bit in _bits(n))


def all_gather(n: int, size: int) -> tuple[Move, ...]:
    """Return log2 n rounds of recursive doubling: partners swap the 1, 2, 4, … blocks they have."""
    position, block = np.arange(n), size // n
    return tuple(
        Move(position, position ^ bit, bit * block, every((position & -bit) * block)) for bit in _bits(n)
    )


def reduce_scatter(n: int, size: int) -> tuple[Move, ...]:
    """Return log2 n rounds of recursive halving: partners swap the halves that lie on each other's side."""
    position, block = np.arange(n), size // n
    return tuple(
        Move(position, position ^ bit, bit * block, every(((position ^ bit) & -bit) * block), reduce=True)
        for bit in reversed(_bits(n))
    )


def halving_doubling(n: int, size: int) -> tuple[Move, ...]:
    """Return 2 log2 n rounds: recursive halving, then recursive doubling (Rabenseifner's all-reduce)."""
    return reduce_scatter(n, size) + all_gather(n, size)
