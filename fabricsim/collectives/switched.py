"""Collectives in which switches add up and copy: what each rank sends once arrives as a sum, or everywhere.

push: all ranks send all their data up a tree and get the sum, in one go (SHARP: Graham et al., COM-HPC 2016). pull:
each rank owns a block, pulls the sum of it from all others through the switch, and multicasts it (NVLink SHARP: Klenk
et al., ISCA 2020); chunks keep both directions busy. The data is split evenly over the switches in `at`.
"""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np

from fabricsim.collectives.move import GRAIN, Move
from fabricsim.collectives.pipeline import PIECE, Pieces, cut
from fabricsim.schedule import IntArray, Meetings

NOBODY = np.zeros(0, np.int64)


def all_reduce(
    n: int, size: int, *, switches: IntArray, mode: str | None, chunks: int | None
) -> tuple[Move, ...]:
    """Return an all-reduce; mode: push (the default) or pull, which takes chunks + 1 rounds."""
    if mode == "pull":
        return _pulled(n, size, switches, chunks)
    return (_everyone(n, switches, cut(0, size, min(len(switches), size // GRAIN))),)


def barrier(n: int, size: int, *, switches: IntArray) -> tuple[Move, ...]:
    """Return one round: word of arrival meets in one switch, and leave to go on comes back."""
    return (_everyone(n, switches, Pieces(*_whole(size))),)


def reduce_scatter(n: int, size: int, *, switches: IntArray) -> tuple[Move, ...]:
    """Return one round: each rank pulls its block of the sum, its own addend among them."""
    return (_move([_owned(n, size // n, switches, Pieces(*_whole(size // n)), pull=True)]),)


def all_gather(n: int, size: int, *, switches: IntArray) -> tuple[Move, ...]:
    """Return one round: each rank multicasts its block."""
    return (_move([_owned(n, size // n, switches, Pieces(*_whole(size // n)), pull=False)]),)


def broadcast(n: int, size: int, *, root: int, switches: IntArray) -> tuple[Move, ...]:
    """Return one round: the root multicasts its data to all others."""
    pieces = cut(0, size, min(len(switches), size // GRAIN))
    count = len(pieces.size)
    others = np.delete(np.arange(n), root)
    meetings = Meetings(
        switches[:count], pieces.size, np.arange(count + 1), np.full(count, root),
        np.arange(count + 1) * (n - 1), np.tile(others, count),
    )  # fmt: skip
    return (_move([(meetings, pieces.first)]),)


def _whole(size: int) -> tuple[IntArray, IntArray]:
    return np.array([0]), np.array([size])


def _everyone(n: int, switches: IntArray, pieces: Pieces) -> Move:
    """Return one round in which all ranks send each piece to a switch and get the sum."""
    count = len(pieces.size)
    starts, ranks = np.arange(count + 1) * n, np.tile(np.arange(n), count)
    meetings = Meetings(switches[:count], pieces.size, starts, ranks, starts, ranks)
    return _move([(meetings, pieces.first)])


def _pulled(n: int, size: int, switches: IntArray, chunks: int | None) -> tuple[Move, ...]:
    """Return the rounds in which each rank pulls chunk c of its block and multicasts chunk c − 1."""
    block = size // n
    count = max(1, min(block // GRAIN, -(-block // (PIECE * len(switches))))) if chunks is None else chunks
    pieces = cut(0, block, count)
    sizes: list[int] = [
        0,
        *pieces.size.tolist(),
        0,
    ]  # nothing to multicast in the first round, to pull in the last
    moves, number = [], 0
    for (before, now), run in groupby(pairwise(sizes)):
        repeat = len(list(run))
        first = int(pieces.size[:number].sum())
        halves = []
        if now:
            halves.append(_owned(n, block, switches, Pieces(np.array([first]), np.array([now])), pull=True))
        if before:
            past = Pieces(np.array([first - before]), np.array([before]))
            halves.append(_owned(n, block, switches, past, pull=False))
        moves.append(_move(halves, repeat, now or before))
        number += repeat
    return tuple(moves)


def _owned(n: int, block: int, switches: IntArray, piece: Pieces, *, pull: bool) -> tuple[Meetings, IntArray]:
    """Return meetings, and their first bytes, in which each rank pulls or multicasts one piece of its block.

    The piece is split over the switches; where it has fewer grains, neighbours begin with different switches.
    """
    first, size = int(piece.first[0]), int(piece.size[0])
    parts = cut(first, size, min(len(switches), size // GRAIN))
    count = len(parts.size)
    owner, part = np.repeat(np.arange(n), count), np.tile(np.arange(count), n)
    at = switches[(part + (owner if count < len(switches) else 0)) % len(switches)]
    one, all_of = np.arange(n * count + 1), np.arange(n * count + 1) * n
    everyone = np.tile(np.arange(n), n * count)
    if pull:
        meetings = Meetings(at, parts.size[part], all_of, everyone, one, owner)
    else:
        others = everyone[everyone != np.repeat(owner, n)]
        meetings = Meetings(at, parts.size[part], one, owner, np.arange(n * count + 1) * (n - 1), others)
    return meetings, owner * block + parts.first[part]


def _move(halves: list[tuple[Meetings, IntArray]], repeat: int = 1, stride: int = 0) -> Move:
    """Return meetings as one move without messages; each pass carries what lies `stride` bytes further on."""
    meetings = joined([meetings for meetings, _ in halves])
    first = np.concatenate([first for _, first in halves])
    return Move(NOBODY, NOBODY, NOBODY, lambda number: first + number * stride, repeat, meetings=meetings)


def joined(parts: list[Meetings]) -> Meetings:
    """Return all meetings of several."""

    def starts(name: str) -> IntArray:
        counts = np.concatenate([np.diff(getattr(part, name)) for part in parts])
        return np.concatenate([[0], np.cumsum(counts)])

    return Meetings(
        np.concatenate([part.at for part in parts]), np.concatenate([part.size for part in parts]),
        starts("source_starts"), np.concatenate([part.sources for part in parts]),
        starts("sink_starts"), np.concatenate([part.sinks for part in parts]),
    )  # fmt: skip
