"""How ranks go through the rounds of one operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.schedule.columns import IntArray, distinct
from fabricsim.schedule.operation import Operation
from fabricsim.schedule.rows import Rows

NONE: Final = -1
"""Stands for no step."""


@dataclass(frozen=True, eq=False)
class Progress:
    """The steps of one operation, ordered by rank, then round: a step is the instant at which a rank enters a round.

    rank: (steps,) whose it is. follows: (steps,) whether the same rank has a step before it. final: (steps,) whether
    it stands for the rank's end of the operation, not for a round. releases: (messages,) the step that releases each,
    NONE for a leg down from a switch. sent, delivered: (messages,) the step that waits for that, or NONE.
    """

    rank: IntArray
    follows: NDArray[np.bool_]
    final: NDArray[np.bool_]
    releases: IntArray
    sent: IntArray
    delivered: IntArray


def progress_of(operation: Operation, rows: Rows, *, finals: bool) -> Progress:
    """Return the steps of an operation of rounds: one per rank and round that it takes part in.

    finals: whether each of the operation's ranks has one more step, for its end.
    """
    width = operation.round_count + 1  # one place more than there are rounds, for the end
    from_rank = ~rows.down
    to_rank = rows.down | (rows.meeting < 0)
    enters_src = rows.src[from_rank] * width + rows.round[from_rank]
    enters_dst = rows.dst[to_rank] * width + rows.round[to_rank]
    ends = operation.ranks * width + width - 1 if finals else np.zeros(0, np.int64)
    keys = distinct(np.concatenate([enters_src, enters_dst, ends]))
    rank = keys // width
    follows = np.append(False, rank[1:] == rank[:-1]) if len(keys) else np.zeros(0, np.bool_)
    next_step = np.where(np.append(follows[1:], False), np.arange(len(keys)) + 1, NONE)
    releases, sent, delivered = (np.full(len(rows.src), NONE) for _ in range(3))
    releases[from_rank] = np.searchsorted(keys, enters_src)
    sent[from_rank] = next_step[releases[from_rank]]
    delivered[to_rank] = next_step[np.searchsorted(keys, enters_dst)]
    return Progress(rank, follows, keys % width == width - 1, releases, sent, delivered)
