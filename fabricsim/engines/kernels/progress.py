"""How far the ranks are: which steps they reach when, and which messages enter their sources' queues then."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels.calendar import NOTHING, Calendar
from fabricsim.engines.kernels.cargo import ps_of
from fabricsim.engines.kernels.service import served
from fabricsim.model import Endpoint
from fabricsim.schedule import Schedule, expanded
from fabricsim.units import to_ps

IntArray = NDArray[np.int64]


def spread(starts: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the positions that CSR rows cover, in one column, and for each the position of its row in `rows`."""
    count = starts[rows + 1] - starts[rows]
    owner = np.repeat(np.arange(len(rows)), count)
    return np.arange(len(owner)) + np.repeat(starts[rows] - np.cumsum(count) + count, count), owner


class Progress:
    """The steps of a schedule as time goes on. Times in ps.

    Who serves packets says what is sent and delivered when that is known, which may be before it happens, and asks
    for what enters before some time. entry, release: (messages,) when its rank entered its round, and when it was
    released; −1 until then. sent_awaited, delivered_awaited: (messages,) whether a step waits for it.
    """

    def __init__(self, schedule: Schedule, ranks: int, endpoint: Endpoint, reach: int) -> None:
        messages, self._steps = schedule.messages, expanded(schedule)
        self._src, self._peer = messages.src, (messages.dst - messages.src) % ranks
        self._step_delay, self._delay = ps_of(self._steps.delay), ps_of(messages.delay)
        self._overhead, self._gap = to_ps(endpoint.send_overhead), to_ps(endpoint.gap)
        self._free = np.zeros(ranks, np.int64)  # when the gap after each rank's last message is over
        self.entry, self.release = np.full((2, len(messages)), -1)
        self.sent_awaited = np.diff(self._steps.sent_starts) > 0
        self.delivered_awaited = np.diff(self._steps.delivered_starts) > 0
        self._waits = self._steps.waits.copy()
        self._latest = np.zeros(len(self._steps), np.int64)  # of what each step waits for, as far as known
        self._reached, self._released, self._entering = (Calendar(reach) for _ in range(3))
        begin = np.flatnonzero(self._waits == 0)
        self._reached.add(self._step_delay[begin], begin)

    @property
    def first(self) -> int:
        """When the next thing happens, `calendar.NEVER` if nothing is known to."""
        return min(self._reached.first, self._released.first, self._entering.first)

    def sent(self, message: IntArray, time: IntArray) -> None:
        """Note when messages are sent."""
        place, owner = spread(self._steps.sent_starts, message)
        self._come_true(self._steps.sent_steps[place], time[owner])

    def delivered(self, message: IntArray, time: IntArray) -> None:
        """Note when messages are delivered."""
        place, owner = spread(self._steps.delivered_starts, message)
        self._come_true(self._steps.delivered_steps[place], time[owner])

    def entering(self, until: int) -> tuple[IntArray, IntArray]:
        """Return the messages that enter their sources' queues before `until`: times and ids."""
        if self.first >= until:
            return NOTHING, NOTHING
        while self._reached.first < until:
            time, step = self._reached.take(until)
            self._release(time, step)
            place, owner = spread(self._steps.next_starts, step)
            self._come_true(self._steps.next_steps[place], time[owner])
        self._admit(*self._released.take(until))
        return self._entering.take(until)

    def _come_true(self, step: IntArray, time: IntArray) -> None:
        """Let steps wait for one thing less, which happens at `time`."""
        if len(step):
            np.subtract.at(self._waits, step, 1)
            np.maximum.at(self._latest, step, time)
            ready = np.unique(step[self._waits[step] == 0])
            self._reached.add(self._latest[ready] + self._step_delay[ready], ready)

    def _release(self, time: IntArray, step: IntArray) -> None:
        place, owner = spread(self._steps.released_starts, step)
        message = self._steps.released[place]
        self.entry[message] = time[owner]
        self._released.add(time[owner] + self._delay[message], message)

    def _admit(self, time: IntArray, message: IntArray) -> None:
        """Let released messages enter after their overhead, and no two of a rank within the gap."""
        if not len(message):
            return
        self.release[message] = time
        entry = time + self._overhead
        if self._gap:
            src = self._src[message]
            order = np.lexsort((message, self._peer[message], time, src))
            message, src, entry = message[order], src[order], entry[order]
            first = np.flatnonzero(np.append(True, src[1:] != src[:-1]))
            entry[first] = np.maximum(entry[first], self._free[src[first]])
            over = served(entry, np.full(len(entry), self._gap), first)
            self._free[src[first]] = over[np.append(first[1:], len(over)) - 1]
            entry = over - self._gap
        self._entering.add(entry, message)
