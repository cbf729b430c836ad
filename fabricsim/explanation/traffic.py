"""The messages of a result, as what its schedule and its flows table know of them together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.model import Model
from fabricsim.result import Result
from fabricsim.schedule import Schedule

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Traffic:
    """(rows,) columns of a flows table; a row is one message, or `count` alike where rows are folded.

    operation: index in the schedule. delay [s]: from its entry into the round to its release. release, sent, delivered
    [s]: of the first of them. round_end [s]: the last delivery of its round, all passes. single: whether row m is
    message m of the schedule. complete: whether each message of one pass of a round has a row of its own, so that what
    a round asks of the channels can be added up.
    """

    operation: IntArray
    round: IntArray
    src: IntArray
    dst: IntArray
    size: IntArray
    count: IntArray
    meeting: IntArray
    down: NDArray[np.bool_]
    delay: Floats
    release: Floats
    sent: Floats
    delivered: Floats
    round_end: Floats
    single: bool
    complete: bool

    def __len__(self) -> int:
        return len(self.src)

    @property
    def entry(self) -> Floats:
        """(rows,) when the sending rank entered the round [s]."""
        return self.release - self.delay

    def packets(self, model: Model) -> int:
        """Return how many packets the rows are cut into."""
        return int(np.sum(-(-self.size // model.mtu)))


def traffic_of(schedule: Schedule, result: Result) -> Traffic:
    """Return the rows of a result's flows table, with what only the schedule knows where it is not folded."""
    flows = result.tables["flows"].columns
    index = {op.name: number for number, op in enumerate(schedule.operations)}
    operation = np.array([index[name] for name in flows["operation"].tolist()], np.int64)
    rows = len(operation)
    count = np.asarray(flows.get("count", np.ones(rows, np.int64)), np.int64)
    single = rows == sum(op.messages for op in schedule.operations) and bool(np.all(count == 1))
    messages = schedule.messages if single else None
    # by symmetry a row stands for messages of one round, else for the same message of rounds that repeat
    alike = int(count.sum()) == int(result.tables["rounds"]["messages"].sum())
    last = np.asarray(flows["round"], np.int64) + (
        count - 1 if alike and len(result.tables["rounds"]) > 1 else 0
    )
    return Traffic(
        operation=operation,
        round=np.asarray(flows["round"], np.int64),
        src=np.asarray(flows["src"], np.int64),
        dst=np.asarray(flows["dst"], np.int64),
        size=np.asarray(flows["bytes"], np.int64),
        count=count,
        meeting=np.full(rows, -1) if messages is None else messages.meeting,
        down=np.zeros(rows, np.bool_) if messages is None else messages.down,
        delay=np.zeros(rows) if messages is None else messages.delay,
        release=np.asarray(flows["release_s"], np.float64),
        sent=np.asarray(flows["sent_s"], np.float64),
        delivered=np.asarray(flows["delivered_s"], np.float64),
        round_end=_round_ends(operation, last, index, result),
        single=single,
        complete=single or _complete(operation, flows["round"], index, result),
    )


def _round_ends(operation: IntArray, last: IntArray, index: dict[str, int], result: Result) -> Floats:
    """Return when each row's last round ends; in the table of rounds it may share a row with those before it."""
    rounds = result.tables["rounds"]
    of = np.array([index[name] for name in rounds["operation"].tolist()], np.int64)
    width = int(max(rounds["round"].max(initial=0), last.max(initial=0))) + 1
    key = of * width + rounds["round"]
    order = np.argsort(key, kind="stable")
    place = np.searchsorted(key[order], operation * width + last, side="right") - 1
    return np.asarray(rounds["end_s"], np.float64)[order[place]]


def _complete(operation: IntArray, number: IntArray, index: dict[str, int], result: Result) -> bool:
    """Return whether each round that has rows has as many as it has messages."""
    rounds = result.tables["rounds"]
    key, rows = np.unique(np.stack([operation, number]), axis=1, return_counts=True)
    of = [index[name] for name in rounds["operation"].tolist()]
    messages = dict(
        zip(zip(of, rounds["round"].tolist(), strict=True), rounds["messages"].tolist(), strict=True)
    )
    return all(
        messages.get((op, one)) == count
        for (op, one), count in zip(key.T.tolist(), rows.tolist(), strict=True)
    )
