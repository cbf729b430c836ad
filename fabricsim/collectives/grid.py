"""Grids of positions: what an algorithm along one line of positions becomes when all lines of a dimension do it.

A line algorithm knows m positions and m blocks. On a grid, line position j is a place in one dimension, and its block
is every part that belongs to a place with that coordinate and with the coordinates that earlier stages have settled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np

import fabricsim.collectives.direct as direct
from fabricsim.collectives.move import GRAIN, FirstByte, Move, Parts
from fabricsim.collectives.pipeline import cut
from fabricsim.errors import Fault, InputError
from fabricsim.schedule import MANY, IntArray, Lines, Round, every_pair

LineMoves = Callable[[int, int], tuple[Move, ...]]


@dataclass(frozen=True)
class Grid:
    """Positions 0 … n − 1 as a grid: (dimensions,) sides, the one in which neighbouring numbers differ first.

    stages: the algorithm along each dimension.
    """

    sides: tuple[int, ...]
    stages: tuple[str, ...] = ()

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """By how much a position's number grows with each coordinate."""
        return tuple(prod(self.sides[:dim]) for dim in range(len(self.sides)))

    @property
    def n(self) -> int:
        """How many positions there are."""
        return prod(self.sides)

    def lines(self, dim: int) -> IntArray:
        """Return (lines, side) the positions of each line along a dimension."""
        cube = np.arange(self.n).reshape(self.sides[::-1])
        return np.moveaxis(cube, len(self.sides) - 1 - dim, -1).reshape(-1, self.sides[dim])

    def span(self, dims: Sequence[int]) -> IntArray:
        """Return what a number grows by for each setting of the coordinates in `dims`."""
        total = np.zeros(1, np.int64)
        for dim in dims:
            steps = np.arange(self.sides[dim]) * self.strides[dim]
            total = (steps[:, None] + total[None, :]).reshape(-1)
        return total

    def without(self, position: IntArray, dims: Sequence[int]) -> IntArray:
        """Return positions with their coordinates in `dims` set to 0."""
        for dim in dims:
            position = position - self.coordinate(position, dim) * self.strides[dim]
        return position

    def coordinate(self, position: IntArray, dim: int) -> IntArray:
        """Return the coordinate of positions in a dimension."""
        return position // self.strides[dim] % self.sides[dim]


@dataclass(frozen=True, eq=False)
class Share:
    """One piece of every position's block: its first byte and bytes, in blocks of `block` bytes."""

    block: int
    first: int
    size: int


def shares(block: int, count: int, key: str) -> list[Share]:
    """Return a block in `count` shares. Raises InputError, about the option `key`, where it has fewer grains."""
    if count > block // GRAIN:
        what = f"{block} B of each rank make no {count} parts of {GRAIN} B or more"
        raise InputError([Fault(what, "write a larger size", (key,))])
    pieces = cut(0, block, count)
    return [
        Share(block, first, size)
        for first, size in zip(pieces.first.tolist(), pieces.size.tolist(), strict=True)
    ]


def along(
    grid: Grid, dim: int, line: LineMoves, share: Share, free: Sequence[int], seat: IntArray | None = None
) -> tuple[Move, ...]:
    """Return a gathering or reducing line algorithm along all lines of a dimension at once.

    line: from m and the bytes of m blocks to moves that carry whole blocks. free: the dimensions whose coordinates do
    not matter, because their blocks are not scattered yet, or gathered already. seat: (m,) the coordinate of each
    line position, the same number by default.
    """
    order = np.arange(grid.sides[dim]) if seat is None else seat
    unit = len(grid.span(free)) * share.size
    return tuple(
        _lifted(grid, dim, move, order, _scattered(grid, dim, move, share, free, order, unit))
        for move in line(grid.sides[dim], grid.sides[dim] * unit)
    )


class LineMove(Move):
    """The move of one line done along all lines of a dimension, with columns that are made when asked for."""

    def __init__(self, lines: Lines, first: FirstByte) -> None:
        given = {"size": lines.block, "repeat": lines.repeat, "reduce": lines.reduce, "meetings": None}
        for name, value in {**given, "lines": lines, "first": first}.items():
            object.__setattr__(self, name, value)

    lines: Lines

    @property
    def src(self) -> IntArray:
        """(messages,) sending positions."""
        return self.lines.src

    @property
    def dst(self) -> IntArray:
        """(messages,) receiving positions."""
        return self.lines.dst

    def again(self, repeat: int, past: int) -> Move:
        """Return `repeat` passes of the move, from pass `past` on."""
        return LineMove(self.lines.repeated(repeat), lambda number: self.first(number + past))

    def round(self, ranks: IntArray) -> Round:
        """Return the messages as a round, position p being rank ranks[p]."""
        return self.lines.over(ranks)


def _lifted(grid: Grid, dim: int, move: Move, seat: IntArray, first: FirstByte) -> Move:
    """Return a move of one line as a move of all, row k of every line before row k + 1."""
    if grid.n >= MANY:
        return LineMove(_as_lines(grid, dim, move, seat), first)
    lines = grid.lines(dim)[:, seat]
    src, dst = lines[:, move.src].T.reshape(-1), lines[:, move.dst].T.reshape(-1)
    return replace(move, src=src, dst=dst, size=_bytes(move), first=first)


def _as_lines(grid: Grid, dim: int, move: Move, seat: IntArray) -> Lines:
    """Return a move of one line as a round of positions."""
    side = grid.sides[dim]
    between = None
    if not isinstance(move, direct.EveryMove):
        ends = seat[move.src], seat[move.dst]
        if not all(map(np.array_equal, ends, every_pair(side))):
            between = ends
    return Lines(
        np.arange(grid.n),
        _bytes(move),
        side,
        grid.strides[dim],
        between,
        move.repeat,
        bool(np.all(move.reduce)),
    )


def _bytes(move: Move) -> int:
    """Return the size of all messages: a line algorithm on whole blocks gives them one size, and one kind."""
    return int(np.max(move.size))


def _scattered(
    grid: Grid, dim: int, move: Move, share: Share, free: Sequence[int], seat: IntArray, unit: int
) -> FirstByte:
    """Return what each message of a lifted move carries."""
    lines, spread = grid.lines(dim), grid.span(free)
    count = int(np.max(move.size)) // unit

    def first(number: int) -> Parts:
        start = move.carried(number).first // unit
        home = grid.without(lines[:, 0], free)
        coordinate = seat[start[:, None] + np.arange(count)] * grid.strides[dim]
        place = home[None, :, None, None] + coordinate[:, None, :, None] + spread
        parts = (place * share.block + share.first).reshape(-1)
        return Parts(np.arange(len(start) * len(home) + 1) * (count * len(spread)), parts, share.size)

    return first


def exchange_along(
    grid: Grid, dim: int, line: LineMoves, share: Share, done: Sequence[int]
) -> tuple[Move, ...]:
    """Return a line's all-to-all along all lines of a dimension: everything goes to where it is meant to be in it.

    done: the dimensions in which everything is there already. Each message carries the blocks of all origins that
    differ from its sender in those, for all places that have the receiver's coordinate in this one.
    """
    seat = np.arange(grid.sides[dim])
    others = [other for other in range(len(grid.sides)) if other != dim and other not in done]
    origins, goals = grid.span(done), grid.span(others)
    unit = len(origins) * len(goals) * share.size

    def scattered(move: Move) -> FirstByte:
        def first(number: int) -> Parts:
            src, dst = (grid.lines(dim)[:, ends].T.reshape(-1) for ends in (move.src, move.dst))
            origin = grid.without(src, done)[:, None, None] + origins[:, None]
            goal = grid.without(dst, others)[:, None, None] + goals
            parts = (origin * grid.n + goal) * share.block + share.first
            each = len(origins) * len(goals)
            return Parts(np.arange(len(src) + 1) * each, parts.reshape(-1), share.size)

        return first

    moves = line(grid.sides[dim], grid.sides[dim] * unit)
    return tuple(_lifted(grid, dim, move, seat, scattered(move)) for move in moves)


def overlapped(sequences: Sequence[Sequence[Move]], lag: int) -> tuple[Move, ...]:
    """Return sequences of moves that run side by side, each `lag` rounds after the one before, as one sequence."""
    spans = [span for number, moves in enumerate(sequences) for span in _spans(moves, number * lag)]
    marks = sorted({mark for begin, end, _ in spans for mark in (begin, end)})
    merged = []
    for begin, end in pairwise(marks):
        active = [(move, begin - start) for start, stop, move in spans if start < end and stop > begin]
        if active:
            merged.append(_side_by_side(active, end - begin))
    return tuple(merged)


def _spans(moves: Sequence[Move], begin: int) -> list[tuple[int, int, Move]]:
    """Return each move after the round it begins with and the one it ends before."""
    ends = begin + np.cumsum([move.repeat for move in moves])
    return [(int(end) - move.repeat, int(end), move) for move, end in zip(moves, ends, strict=True)]


def _side_by_side(active: list[tuple[Move, int]], repeat: int) -> Move:
    """Return moves as one, each from a pass of its own on."""
    if len(active) == 1:
        ((move, past),) = active
        return move.again(repeat, past)

    def first(number: int) -> Parts:
        found = [move.carried(number + past) for move, past in active]
        ends = np.cumsum([0, *(part.starts[-1] for part in found)])
        starts = [part.starts[:-1] + end for part, end in zip(found, ends, strict=False)]
        return Parts(
            np.concatenate([*starts, ends[-1:]]),
            np.concatenate([part.first for part in found]),
            np.concatenate([np.asarray(part.size) for part in found]),
        )

    moves = [move for move, _ in active]
    size = [np.broadcast_to(np.asarray(move.size, np.int64), move.src.shape) for move in moves]
    reduce = [np.broadcast_to(np.asarray(move.reduce, np.bool_), move.src.shape) for move in moves]
    return Move(
        np.concatenate([move.src for move in moves]), np.concatenate([move.dst for move in moves]),
        np.concatenate(size), first, repeat, np.concatenate(reduce),
    )  # fmt: skip
