"""The messages of one operation as columns, repeats expanded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.schedule.columns import IntArray
from fabricsim.schedule.graph import Graph
from fabricsim.schedule.operation import Operation, Round

PLAIN = -1
"""Stands for the meeting of a message that takes part in none."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Columns of an operation's messages, in id order; `meeting` counts its meetings, repeats expanded, from 0."""

    round: IntArray
    src: IntArray
    dst: IntArray
    size: IntArray
    delay: NDArray[np.float64]
    meeting: IntArray
    down: NDArray[np.bool_]

    @property
    def meetings(self) -> int:
        """How many meetings there are."""
        return int(self.meeting.max(initial=PLAIN)) + 1


def rows_of(operation: Operation) -> Rows:
    """Return an operation's messages: round after round, in each its messages and then the legs of its meetings."""
    if operation.graph is not None:
        return _tasks(operation.graph)
    parts = list(_passes(operation.rounds))
    if not parts:
        return Rows(*(np.zeros(0, kind) for kind in (int, int, int, int, float, int, bool)))
    return Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _tasks(graph: Graph) -> Rows:
    """Return a graph's messages, which all belong to round 0."""
    own = graph.is_message
    none = np.zeros(graph.messages, np.int64)
    return Rows(
        none,
        graph.src[own],
        graph.dst[own],
        graph.size[own],
        graph.delay[own],
        none + PLAIN,
        none.astype(np.bool_),
    )


def _passes(rounds: tuple[Round, ...]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the columns of Rows for each entry in a list of rounds."""
    number = meetings = 0
    for r in rounds:
        *plain, meeting, down = _one_pass(r)
        count = len(r.meetings) if r.meetings else 0
        each = np.repeat(np.arange(r.repeat), len(meeting))
        tiled = (np.tile(column, r.repeat) for column in plain)
        meeting = np.tile(meeting, r.repeat)
        meeting = np.where(meeting == PLAIN, PLAIN, meeting + meetings + each * count)
        yield (number + each, *tiled, meeting, np.tile(down, r.repeat))
        number, meetings = number + r.repeat, meetings + count * r.repeat


def _one_pass(r: Round) -> tuple[NDArray[Any], ...]:
    """Return src, dst, size, delay, meeting and down of one pass of a round."""
    count = len(r.src)
    plain = (
        r.src, r.dst, r.size, np.zeros(count) if r.delay is None else r.delay,
        np.full(count, PLAIN), np.zeros(count, np.bool_),
    )  # fmt: skip
    if r.meetings is None:
        return plain
    legs = r.meetings.legs
    met = (legs.src, legs.dst, legs.size, np.zeros(len(legs.src)), legs.meeting, legs.down)
    return tuple(np.concatenate(pair) for pair in zip(plain, met, strict=True))
