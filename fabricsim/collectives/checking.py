"""Whether moves bring the right data to the right place: carried out on sets of addends, part by part.

A position's buffer is cut where any part begins or ends; each piece holds the set of positions whose data is in it, as
the bits of a number. A message carries what its sender held when the round began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.collectives.move import Move, Parts
from fabricsim.errors import InputError
from fabricsim.schedule import IntArray

CHECKED_UP_TO: Final = 128
"""Ranks up to which an algorithm of a user's own is carried out before it runs."""

Held = NDArray[np.object_]


def check_data(kind: str, n: int, size: int, moves: Sequence[Move], *, root: int = 0) -> None:
    """Raise InputError unless moves do what a collective of n positions and `size` bytes should.

    kind: one of GOALS. The error names the round, the ranks and the bytes that go wrong first.
    """
    own = kind == "all-to-all"  # bytes are counted in all positions' buffers
    total = size * n if own else size
    passes = [(move, move.carried(number)) for move in moves for number in range(move.repeat)]
    cuts = _cuts(total, n * n if own else n, [parts for _, parts in passes])
    start, goal = GOALS[kind]
    held = np.zeros((n, len(cuts) - 1), object)
    for place in range(len(cuts) - 1):
        for rank in range(n):
            held[rank, place] = start(n, rank, _owner(cuts, place, total, n), root)
    for number, (move, parts) in enumerate(passes):
        _carry_out(number, move, parts, cuts, held)
    for rank in range(n):
        for place in range(len(cuts) - 1):
            wanted = goal(n, rank, (int(cuts[place]) * (n * n if own else n)) // total, root)
            if wanted is not None and held[rank, place] != wanted:
                raise InputError(
                    f"rank {rank} does not end with the right data in bytes {cuts[place]} to {cuts[place + 1]}",
                    f"it has that of {_names(held[rank, place])}, and should have that of {_names(wanted)}",
                )


def _owner(cuts: IntArray, place: int, total: int, n: int) -> int:
    """Return whose block, or whose buffer, a piece lies in."""
    return int(cuts[place]) * n // total


def _cuts(total: int, blocks: int, carried: Sequence[Parts]) -> IntArray:
    """Return where pieces begin and end: at the ends of blocks and of all parts."""
    ends = [np.arange(blocks + 1) * (total // blocks)]
    for parts in carried:
        ends += [parts.first, parts.first + parts.size]
    cuts = np.unique(np.concatenate(ends))
    if cuts[0] < 0 or cuts[-1] > total:
        raise InputError(f"a message carries bytes outside the {total} there are", "count them from 0")
    return cuts


def _carry_out(number: int, move: Move, parts: Parts, cuts: IntArray, held: Held) -> None:
    if move.meetings is not None:
        raise InputError(
            "what meets in switches is not checked here", "leave meetings to the algorithms known"
        )
    before = held.copy()
    written: set[tuple[int, int]] = set()
    reduce = np.broadcast_to(move.reduce, move.src.shape)
    size = np.broadcast_to(np.asarray(move.size, np.int64), move.src.shape)
    first, last = np.searchsorted(cuts, parts.first), np.searchsorted(cuts, parts.first + parts.size)
    for message, (src, dst) in enumerate(zip(move.src.tolist(), move.dst.tolist(), strict=True)):
        rows = range(parts.starts[message], parts.starts[message + 1])
        where = f"round {number}, rank {src} to {dst}"
        if int(np.sum(np.asarray(parts.size)[rows.start : rows.stop])) != size[message]:
            raise InputError(
                f"{where}: the parts are not the {size[message]} B of the message", "add them up"
            )
        for place in (place for row in rows for place in range(first[row], last[row])):
            _receive(where, held, before[src, place], (dst, place), written, reduce=bool(reduce[message]))
            written.add((dst, place))


def _receive(
    where: str, held: Held, data: int, at: tuple[int, int], written: set[tuple[int, int]], *, reduce: bool
) -> None:
    if not data:
        raise InputError(f"{where}: carries bytes that the sender does not have", "send them later")
    if reduce and held[at] & data:
        raise InputError(
            f"{where}: adds the data of {_names(held[at] & data)} twice", "send each addend once"
        )
    if not reduce and at in written:
        raise InputError(f"{where}: two messages of a round overwrite each other", "take two rounds")
    held[at] = held[at] | data if reduce else data


def _names(bits: int) -> str:
    ranks = [str(rank) for rank in range(int(bits).bit_length()) if int(bits) >> rank & 1]
    return f"rank {', '.join(ranks)}" if ranks else "nobody"


Start = Callable[[int, int, int, int], int]
Goal = Callable[[int, int, int, int], Any]


def _all(n: int) -> int:
    return (1 << n) - 1


GOALS: Final[Mapping[str, tuple[Start, Goal]]] = MappingProxyType({
    "all-reduce": (lambda n, rank, block, root: 1 << rank, lambda n, rank, block, root: _all(n)),
    "reduce-scatter": (
        lambda n, rank, block, root: 1 << rank,
        lambda n, rank, block, root: _all(n) if block == rank else None,
    ),
    "all-gather": (
        lambda n, rank, block, root: 1 << rank if block == rank else 0,
        lambda n, rank, block, root: 1 << block,
    ),
    "broadcast": (
        lambda n, rank, block, root: 1 << root if rank == root else 0, lambda n, rank, block, root: 1 << root,
    ),
    "reduce": (
        lambda n, rank, block, root: 1 << rank,
        lambda n, rank, block, root: _all(n) if rank == root else None,
    ),
    "scatter": (
        lambda n, rank, block, root: 1 << root if rank == root else 0,
        lambda n, rank, block, root: 1 << root if block == rank else None,
    ),
    "gather": (
        lambda n, rank, block, root: 1 << rank if block == rank else 0,
        lambda n, rank, block, root: 1 << block if rank == root else None,
    ),
    "all-to-all": (
        lambda n, rank, block, root: 1 << rank if block == rank else 0,
        lambda n, rank, block, root: 1 << block // n if block % n == rank else None,
    ),
})  # fmt: skip
"""What each position holds of each block at first, and what it has to hold in the end, None where that does not matter.

In an all-to-all, blocks at first are whole buffers, and in the end block o · n + d is what origin o has for d.
"""
