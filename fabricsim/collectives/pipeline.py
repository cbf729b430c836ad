"""Pipelines: pieces that follow each other over the edges of a chain or a tree, one round apart.

An edge of lag l carries piece c in round l + c. A receiver's own edges must have a larger lag than those
that feed them. Rounds with the same edges and sizes become one move with repeats, so a pipeline has as many
moves as it has distinct lags, however many pieces flow through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.collectives.move import GRAIN, FirstByte, Move
from fabricsim.errors import Fault, InputError
from fabricsim.schedule import IntArray

PIECE: Final = 128 * 1024
"""Bytes of a piece unless `chunks` is given: some 32 packets, enough to outweigh a latency at each step."""


@dataclass(frozen=True, eq=False)
class Pieces:
    """Consecutive parts of a buffer: (chunks,) first byte and size of each."""

    first: IntArray
    size: IntArray


def cut(first: int, size: int, chunks: int | None) -> Pieces:
    """Return `size` bytes from `first` on in `chunks` parts that differ by GRAIN at most, larger first.

    Raises InputError, keyed `chunks`, if there are fewer grains than parts.
    """
    grains = size // GRAIN
    count = -(-size // PIECE) if chunks is None else chunks
    if not 1 <= count <= grains:
        right = f"{size} B have between 1 and {grains} pieces of {GRAIN} B or more"
        raise InputError([Fault(f"{count} is not a number of chunks here", right, ("chunks",))])
    sizes = np.full(count, grains // count, np.int64)
    sizes[: grains % count] += 1
    sizes *= GRAIN
    return Pieces(first + np.cumsum(sizes) - sizes, sizes)


def pipelined(
    src: IntArray,
    dst: IntArray,
    lag: IntArray,
    stream: IntArray,
    streams: Sequence[Pieces],
    reduce: NDArray[np.bool_],
) -> tuple[Move, ...]:
    """Return the moves of a pipeline.

    src, dst, lag, stream, reduce have one entry per edge: its ends, its lag, which of `streams` it carries,
    and whether the receiver adds. All streams have the same number of pieces.
    """
    order = np.argsort(lag, kind="stable")
    src, dst, lag, stream = (column[order] for column in (src, dst, lag, stream))
    reduce = reduce[order]
    count = len(streams[0].size)
    sizes, firsts = np.stack([s.size for s in streams]), np.stack([s.first for s in streams])
    moves = []
    for start, end in pairwise(_seams(lag, sizes)):
        # edges that are under way in this round: lag in (start − count, start], a run of the sorted ones, so that
        # all columns are views and a move costs next to nothing
        rows = slice(*np.searchsorted(lag, [start - count, start], side="right"))
        at = _at(firsts, stream[rows], lag[rows], start)
        size = _one(sizes[stream[rows], start - lag[rows]])
        moves.append(Move(src[rows], dst[rows], size, at, end - start, _one(reduce[rows])))
    return tuple(moves)


def _seams(lag: IntArray, sizes: IntArray) -> list[int]:
    """Return the rounds in which an edge starts, stops, or goes on to smaller pieces, ascending."""
    changes = np.nonzero(np.any(np.diff(sizes, axis=1) != 0, axis=0))[0] + 1
    marks = np.concatenate([[0], changes, [sizes.shape[1]]])
    return [int(seam) for seam in np.unique(np.unique(lag)[:, None] + marks)]


def _at(firsts: IntArray, stream: IntArray, lag: IntArray, start: int) -> FirstByte:
    return lambda number: firsts[stream, start + number - lag]


def _one(column: NDArray[Any]) -> Any:
    """Return the one value that all messages have, or the column where they differ."""
    return column[0].item() if np.all(column == column[0]) else column
