"""k-nomial trees: in each round every position that has something passes it on to k − 1 others (binomial: k = 2).

Thakur, Rabenseifner, Gropp, IJHPCA 19 (2005), for k = 2; Träff, SPAA 2004 and MPICH's k-nomial trees for others. With
positions counted from the root on, place v joins the tree below v minus its lowest digit in base k that is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fabricsim.collectives.move import FirstByte, Move, Parts
from fabricsim.collectives.pipeline import cut, pipelined
from fabricsim.schedule import IntArray


@dataclass(frozen=True, eq=False)
class Edges:
    """The edges of a tree over places 0 … n − 1 from the root down, ordered by round.

    parent, child, round, below: (n − 1,) places, the round that passes something on, and how many places lie below the
    edge: child, child + 1, …
    """

    parent: IntArray
    child: IntArray
    round: IntArray
    below: IntArray

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return int(self.round.max()) + 1


def edges(n: int, radix: int) -> Edges:
    """Return the edges of the tree of n places."""
    radix, top = min(radix, n), 0  # with more children than there are places nothing changes
    while radix ** (top + 1) < n:
        top += 1
    parents, children, rounds, below = [], [], [], []
    for number in range(top + 1):
        step = radix ** (top - number)
        for digit in range(1, radix):
            parent = np.arange(0, n - digit * step, step * radix)
            child = parent + digit * step
            parents.append(parent)
            children.append(child)
            rounds.append(np.full(len(parent), number))
            below.append(np.minimum(step, n - child))
    return Edges(*(np.concatenate(column) for column in (parents, children, rounds, below)))


def broadcast(n: int, size: int, *, root: int, radix: int | None, chunks: int | None) -> tuple[Move, ...]:
    """Return ⌈log_k n⌉ + chunks − 1 rounds: pieces follow each other down the tree; 1 piece by default."""
    tree, none = edges(n, radix or 2), np.zeros(n - 1, np.int64)
    src, dst = (tree.parent + root) % n, (tree.child + root) % n
    return pipelined(src, dst, tree.round, none, [cut(0, size, chunks or 1)], none.astype(np.bool_))


def reduce(n: int, size: int, *, root: int, radix: int | None, chunks: int | None) -> tuple[Move, ...]:
    """Return as many rounds: pieces are added up towards the root."""
    tree, none = edges(n, radix or 2), np.zeros(n - 1, np.int64)
    src, dst = (tree.child + root) % n, (tree.parent + root) % n
    lag = tree.rounds - 1 - tree.round
    return pipelined(src, dst, lag, none, [cut(0, size, chunks or 1)], ~none.astype(np.bool_))


def scatter(n: int, size: int, *, root: int, radix: int | None) -> tuple[Move, ...]:
    """Return ⌈log_k n⌉ rounds: each edge carries the blocks of all that is below it."""
    tree = edges(n, radix or 2)
    return tuple(_carrying(n, size, tree, number, root) for number in range(tree.rounds))


def gather(n: int, size: int, *, root: int, radix: int | None) -> tuple[Move, ...]:
    """Return the rounds of a scatter backwards."""
    return tuple(replace(m, src=m.dst, dst=m.src) for m in reversed(scatter(n, size, root=root, radix=radix)))


def all_reduce(n: int, size: int, *, radix: int | None, chunks: int | None) -> tuple[Move, ...]:
    """Return a reduce to the first position, then a broadcast from it."""
    return reduce(n, size, root=0, radix=radix, chunks=chunks) + broadcast(
        n, size, root=0, radix=radix, chunks=chunks
    )


def barrier(n: int, size: int, *, radix: int | None) -> tuple[Move, ...]:
    """Return word of arrival up the tree, and leave to go on down it."""
    return all_reduce(n, size, radix=radix, chunks=1)


def _carrying(n: int, size: int, tree: Edges, number: int, root: int) -> Move:
    now = tree.round == number
    parent, child, below, block = tree.parent[now], tree.child[now], tree.below[now], size // n
    return Move(
        (parent + root) % n, (child + root) % n, below * block, _blocks(n, child + root, below, block)
    )


def _blocks(n: int, first: IntArray, count: IntArray, block: int) -> FirstByte:
    """Return what messages carry that hold `count` blocks each from block `first` on, counted round the ring."""

    def parts(number: int) -> Parts:
        starts = np.concatenate([[0], np.cumsum(count)])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], count)
        return Parts(starts, (np.repeat(first, count) + within) % n * block, block)

    return parts
