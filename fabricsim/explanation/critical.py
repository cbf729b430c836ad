"""The critical path: from the last delivery back, always to what came about last of all that was waited for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from fabricsim.explanation.traffic import IntArray, Traffic
from fabricsim.schedule import Schedule, Steps, expanded

DELIVERED: Final = "delivered"
SENT: Final = "sent"
STATED: Final = "stated"
NOBODY: Final = -1


@dataclass(frozen=True)
class Segment:
    """A piece of the critical path, from `start` to `end` [s], contiguous with its neighbours.

    row: of the traffic, NOBODY for a time that the workload states: a computation, or an operation's start. until:
    whether the path goes on when the message is delivered, or already when it is sent. repeat: how many rounds alike
    it stands for.
    """

    row: int
    operation: int
    rank: int
    start: float
    end: float
    until: str = DELIVERED
    repeat: int = 1


def critical_path(schedule: Schedule, traffic: Traffic) -> list[Segment]:
    """Return the critical path in order of time; from message to message where each has a row, else round by round."""
    return _by_messages(schedule, traffic) if traffic.single else _by_rounds(schedule, traffic)


# -- message by message -----------------------------------------------------------------------------------


def _by_messages(schedule: Schedule, traffic: Traffic) -> list[Segment]:
    walk = _Walk(expanded(schedule), traffic)
    row = int(np.argmax(traffic.delivered))
    found = [_segment(traffic, row, float(traffic.delivered[row]), DELIVERED)]
    while True:
        last = found[-1]
        before = walk.before_message(last.row) if last.row != NOBODY else walk.before_step(walk.at)
        if before is None:
            return _from(float(traffic.entry.min()), found[::-1])
        found.append(before)


def _from(begin: float, path: list[Segment]) -> list[Segment]:
    """Return a path without what is stated before the run begins, with the first entry of a rank into a round."""
    kept = [segment for segment in path if segment.row != NOBODY or segment.end > begin]
    return [replace(kept[0], start=max(kept[0].start, begin)), *kept[1:]]


def _segment(traffic: Traffic, row: int, end: float, until: str) -> Segment:
    start = float(traffic.entry[row])
    return Segment(row, int(traffic.operation[row]), int(traffic.src[row]), start, end, until)


class _Walk:
    """Finds what came before a message or a step; `at` is the step that the last stated time belongs to."""

    def __init__(self, steps: Steps, traffic: Traffic) -> None:
        self.steps, self.traffic = steps, traffic
        self.entry = traffic.entry
        self.at = NOBODY
        self._sent = _inverse(steps.sent_starts, steps.sent_steps, len(steps))
        self._delivered = _inverse(steps.delivered_starts, steps.delivered_steps, len(steps))
        self._earlier = _inverse(steps.next_starts, steps.next_steps, len(steps))
        self._reached: dict[int, float] = {}

    def before_message(self, row: int) -> Segment | None:
        """Return what the release of a message waited for; None if it was the beginning."""
        step = int(self.steps.released_by[row])
        if step >= 0:
            return self.before_step(step, first=True)
        # a leg down: its meeting sends it when the first sum is complete, that is after the last leg up was released
        traffic = self.traffic
        legs = np.flatnonzero((traffic.meeting == traffic.meeting[row]) & ~traffic.down)
        leg = int(legs[np.argmax(traffic.release[legs])])
        return _segment(traffic, leg, float(traffic.release[row]), DELIVERED)

    def before_step(self, step: int, *, first: bool = False) -> Segment | None:
        """Return the piece that ends when a step is reached, going back over steps that take no time."""
        while True:
            if first and self.steps.delay[step] > 0:
                self.at = step
                end = self._time(step)
                start = end - float(self.steps.delay[step])
                return Segment(
                    NOBODY, int(self.steps.operation[step]), int(self.steps.rank[step]), start, end, STATED
                )
            row, until, earlier = self._last(step)
            if row != NOBODY:
                times = self.traffic.delivered if until == DELIVERED else self.traffic.sent
                return _segment(self.traffic, row, float(times[row]), until)
            if earlier == NOBODY:
                return None
            step, first = earlier, True

    def _last(self, step: int) -> tuple[int, str, int]:
        """Return what a step waited for last: a message and until when, or an earlier step."""
        best, row, until, earlier = -np.inf, NOBODY, DELIVERED, NOBODY
        for kind, times, (starts, items) in (
            (DELIVERED, self.traffic.delivered, self._delivered),
            (SENT, self.traffic.sent, self._sent),
        ):
            rows = items[starts[step] : starts[step + 1]]
            if len(rows) and times[rows].max() > best:
                row, until = int(rows[np.argmax(times[rows])]), kind
                best = float(times[row])
        starts, items = self._earlier
        for before in items[starts[step] : starts[step + 1]].tolist():
            if self._time(before) > best:
                best, row, earlier = self._time(before), NOBODY, before
        return row, until, earlier

    def _time(self, step: int) -> float:
        """Return when a step was reached: known from a message it releases, else from what it waited for."""
        pending = [step]
        while pending:
            now = pending[-1]
            if now not in self._reached:
                known = self._known(now)
                starts, items = self._earlier
                missing = [] if known is not None else [
                    before for before in items[starts[now] : starts[now + 1]].tolist() if before not in self._reached
                ]  # fmt: skip
                if missing:
                    pending += missing
                    continue
                self._reached[now] = self._from_waits(now) if known is None else known
            pending.pop()
        return self._reached[step]

    def _known(self, step: int) -> float | None:
        start, end = self.steps.released_starts[step : step + 2].tolist()
        return float(self.entry[self.steps.released[start]]) if start < end else None

    def _from_waits(self, step: int) -> float:
        times = [0.0]
        for known, (starts, items) in (
            (self.traffic.delivered, self._delivered),
            (self.traffic.sent, self._sent),
        ):
            times += known[items[starts[step] : starts[step + 1]]].tolist()
        starts, items = self._earlier
        times += [self._reached[before] for before in items[starts[step] : starts[step + 1]].tolist()]
        return max(times) + float(self.steps.delay[step])


def _inverse(starts: IntArray, steps: IntArray, count: int) -> tuple[IntArray, IntArray]:
    """Return by step, in CSR form, what has it in its list."""
    order = np.argsort(steps, kind="stable")
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return np.searchsorted(steps[order], np.arange(count + 1)), owner[order]


# -- round by round ---------------------------------------------------------------------------------------


def _by_rounds(schedule: Schedule, traffic: Traffic) -> list[Segment]:
    """Return a piece for each round of the operations that end last one after the other, by its slowest message."""
    found: list[Segment] = []
    index = {op.name: number for number, op in enumerate(schedule.operations)}
    chain = [int(traffic.operation[np.argmax(traffic.round_end)])]
    while schedule.operations[chain[-1]].after:
        earlier = [index[name] for name in schedule.operations[chain[-1]].after]
        chain.append(
            max(earlier, key=lambda op: float(traffic.round_end[traffic.operation == op].max(initial=0.0)))
        )
    now = float(traffic.release[traffic.operation == chain[-1]].min())
    for op in reversed(chain):
        own = np.flatnonzero(traffic.operation == op)
        for number in np.unique(traffic.round[own]).tolist():
            rows = own[traffic.round[own] == number]
            row = int(rows[np.argmax(traffic.delivered[rows] - traffic.release[rows])])
            end = max(now, float(traffic.round_end[rows].max()))
            found.append(
                Segment(row, op, int(traffic.src[row]), now, end, DELIVERED, int(traffic.count[row]))
            )
            now = end
    return found
