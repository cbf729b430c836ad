"""A move: the messages of a round, and which bytes they carry.

Timing needs to know only who sends how much to whom. That the right data ends up in the right place needs to
know which bytes a message holds; a move can say so for any of its passes, and computes it only when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.schedule import IntArray, Meetings, Round

GRAIN: Final = 16
"""Bytes that are never divided: nccl-tests aligns every rank's part to 16 B (src/*.cu)."""


@dataclass(frozen=True, eq=False)
class Parts:
    """What messages carry, where it lies scattered: message m the parts starts[m] to starts[m + 1].

    first: (parts,) the first byte of each. size: the bytes of each from there on, one answer for all or (parts,).
    """

    starts: IntArray
    first: IntArray
    size: IntArray | int


FirstByte = Callable[[int], "IntArray | Parts"]


@dataclass(frozen=True, eq=False)
class Move:
    """Messages between positions 0 … n−1 of a collective, `repeat` times over; columns as in `Round`.

    first: from the pass (0 … repeat − 1) to the (messages,) first byte each message carries, `size` bytes in a row,
    or to the Parts it carries. Bytes are counted in the collective's result; in an all-to-all in all positions'
    buffers one after the other, each of `size` bytes, whose block d is meant for position d. meetings: what meets in
    switches beside the messages, sources and sinks being positions; `first` goes on with what they carry.
    """

    src: IntArray
    dst: IntArray
    size: IntArray | int
    first: FirstByte
    repeat: int = 1
    reduce: bool | NDArray[np.bool_] = False
    meetings: Meetings | None = None

    def carried(self, number: int) -> Parts:
        """Return what each message, and then each meeting, carries in a pass."""
        found = self.first(number)
        if isinstance(found, Parts):
            return Parts(found.starts, found.first, np.broadcast_to(found.size, found.first.shape))
        size = np.broadcast_to(np.asarray(self.size, np.int64), self.src.shape)
        if self.meetings is not None:
            size = np.concatenate([size, self.meetings.size])
        return Parts(np.arange(len(found) + 1), found, size)

    def again(self, repeat: int, past: int) -> Move:
        """Return `repeat` passes of the move, from pass `past` on."""
        return replace(self, repeat=repeat, first=lambda number: self.first(number + past))

    def round(self, ranks: IntArray) -> Round:
        """Return the messages as a Round, position p being rank ranks[p]."""
        size = np.broadcast_to(np.asarray(self.size, np.int64), self.src.shape)
        meetings = self.meetings and self.meetings.over(ranks)
        return Round(ranks[self.src], ranks[self.dst], size, self.repeat, self.reduce, meetings=meetings)


def rounds_of(moves: Iterable[Move], ranks: IntArray) -> tuple[Round, ...]:
    """Return moves as rounds over `ranks`."""
    return tuple(move.round(ranks) for move in moves)


def every(first: IntArray) -> FirstByte:
    """Return what `Move.first` is where every pass carries the same bytes."""
    return lambda number: first
