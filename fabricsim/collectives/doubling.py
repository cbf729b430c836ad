"""Exchanges with the place whose number differs in one bit: as many rounds as the places' numbers have bits.

Thakur, Rabenseifner, Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19 (2005). With n
positions and p = 2^⌊log2 n⌋ places each of the first n − p pairs of neighbours folds into one: the second first sends
its data to the first, which takes their place, and in the end gets its result back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabricsim.collectives.move import GRAIN, Move, every
from fabricsim.schedule import IntArray


@dataclass(frozen=True, eq=False)
class Fold:
    """p places, a power of two, over n positions.

    position: (p,) who takes each place. guests: (n − p,) positions that take none; hosts: (n − p,) theirs. blocks:
    (p + 1,) the first of n blocks that belongs to each place, its guest's included, and n.
    """

    position: IntArray
    hosts: IntArray
    guests: IntArray
    blocks: IntArray

    @property
    def bits(self) -> list[int]:
        """1, 2, 4, … p / 2."""
        return [1 << k for k in range(len(self.position).bit_length() - 1)]


def folded(n: int) -> Fold:
    """Return the places of n positions."""
    p = 1 << (n.bit_length() - 1)
    blocks = np.minimum(2 * np.arange(p + 1), np.arange(p + 1) + n - p)
    hosts = 2 * np.arange(n - p)
    return Fold(blocks[:-1], hosts, hosts + 1, blocks)


def _guests_in(fold: Fold, size: int) -> tuple[Move, ...]:
    """Return the round in which guests send all they have to add."""
    if not len(fold.guests):
        return ()
    return (Move(fold.guests, fold.hosts, size, every(0 * fold.guests), reduce=True),)


def _guests_out(fold: Fold, size: int) -> tuple[Move, ...]:
    """Return the round in which guests get all of the result."""
    if not len(fold.guests):
        return ()
    return (Move(fold.hosts, fold.guests, size, every(0 * fold.guests)),)


def _halving(fold: Fold, bounds: IntArray) -> tuple[Move, ...]:
    """Return the rounds in which partners swap the halves that lie on each other's side. bounds: (p + 1,) bytes."""
    place = np.arange(len(fold.position))
    moves = []
    for bit in reversed(fold.bits):
        other = place ^ bit
        low, high = bounds[other & -bit], bounds[(other & -bit) + bit]
        moves.append(Move(fold.position, fold.position[other], high - low, every(low), reduce=True))
    return tuple(moves)


def _doubling(fold: Fold, bounds: IntArray) -> tuple[Move, ...]:
    """Return the rounds in which partners swap the 1, 2, 4, … parts they have. bounds: (p + 1,) bytes."""
    place = np.arange(len(fold.position))
    moves = []
    for bit in fold.bits:
        low, high = bounds[place & -bit], bounds[(place & -bit) + bit]
        moves.append(Move(fold.position, fold.position[place ^ bit], high - low, every(low)))
    return tuple(moves)


def all_reduce(n: int, size: int) -> tuple[Move, ...]:
    """Return ⌊log2 n⌋ rounds of recursive doubling, in which partners swap and add all they hold; 2 more to fold."""
    fold = folded(n)
    place, whole = np.arange(len(fold.position)), every(0 * fold.position)
    swaps = [Move(fold.position, fold.position[place ^ bit], size, whole, reduce=True) for bit in fold.bits]
    return (*_guests_in(fold, size), *swaps, *_guests_out(fold, size))


def all_gather(n: int, size: int) -> tuple[Move, ...]:
    """Return ⌊log2 n⌋ rounds of recursive doubling: partners swap the 1, 2, 4, … blocks they have; 2 more to fold."""
    fold, block = folded(n), size // n
    guests: tuple[Move, ...] = ()
    if len(fold.guests):
        guests = (Move(fold.guests, fold.hosts, block, every(fold.guests * block)),)
    return (*guests, *_doubling(fold, fold.blocks * block), *_guests_out(fold, size))


def reduce_scatter(n: int, size: int) -> tuple[Move, ...]:
    """Return ⌊log2 n⌋ rounds of recursive halving; 2 more to fold."""
    fold, block = folded(n), size // n
    guests: tuple[Move, ...] = ()
    if len(fold.guests):
        guests = (Move(fold.hosts, fold.guests, block, every(fold.guests * block)),)
    return (*_guests_in(fold, size), *_halving(fold, fold.blocks * block), *guests)


def halving_doubling(n: int, size: int) -> tuple[Move, ...]:
    """Return 2⌊log2 n⌋ rounds: recursive halving, then recursive doubling (Rabenseifner's all-reduce); 2 more to fold.

    The data is cut evenly over the places, to whole grains.
    """
    fold = folded(n)
    p = len(fold.position)
    bounds = np.arange(p + 1) * (size // GRAIN) // p * GRAIN
    return (
        *_guests_in(fold, size), *_halving(fold, bounds), *_doubling(fold, bounds), *_guests_out(fold, size),
    )  # fmt: skip
