"""Flows through time: rates hold between events, and an event is a start, an end, or a channel that changes.

Events of one instant happen together, and the rates are then found once. They are found again only where somebody's
bottleneck has changed: a flow that leaves a full link on which nobody remains at the link's level frees nothing that
another could use, so equal flows that start together need one solution for all of their time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.pool import NOBODY, ROUNDING, Pool, Settings
from fabricsim.engines.flow.transfers import Transfers
from fabricsim.errors import StallError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.schedule import Messages, Steps
from fabricsim.units import PS_PER_S, format_time

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
Happening = Callable[[Any, float], bool]
"""What happens about something at a time; it says whether rates may change."""
EVERYTHING: Final = 1 << 62


@dataclass(frozen=True, eq=False)
class Times:
    """When what happened to each message [s], and how often the rates were found; NaN for what has not happened."""

    entry: Floats
    release: Floats
    sent: Floats
    delivered: Floats
    solves: int
    waited: int
    """How many times a change waited for the quantum to end."""


class Run:
    """One run of steps over transfers, from start to end."""

    def __init__(
        self, fabric: Fabric, messages: Messages, steps: Steps, transfers: Transfers,
        failures: Failures, model: Model, settings: Settings,
    ) -> None:  # fmt: skip
        self.fabric, self.messages, self.steps, self.transfers = fabric, messages, steps, transfers
        self.endpoint, self.settings = model.endpoint, settings
        self.entry, self.release = (np.full(len(messages), np.nan) for _ in range(2))
        # when the fluid of each transfer has left its source, and when it has ended [s]
        self.gone, self.over = (np.full(len(transfers), np.nan) for _ in range(2))
        self.left = len(transfers)
        self.step_waits = steps.waits.copy()
        self.meets = len(transfers) < len(messages)
        if self.meets:
            # a meeting starts once all its sources have released; legs down are released by nobody
            self.transfer_waits = np.bincount(transfers.transfer[~messages.down], minlength=len(transfers))
            self.legs = np.argsort(transfers.transfer, kind="stable")
            self.leg_starts = np.searchsorted(transfers.transfer[self.legs], np.arange(len(transfers) + 1))
        self.awaited = len(steps.sent_steps) + len(steps.delivered_steps) > 0
        self.queue: list[tuple[float, int, Happening, Any, Iterator[tuple[float, Any]]]] = []
        self.number = 0
        self.last_entry: dict[int, float] = {}
        self.pool = self._pool_of()
        self.starting: list[IntArray] = []
        self.pending = self.ticking = False
        self.waited = 0
        self._later(self._fault, self._faults(failures))

    def _pool_of(self) -> Pool:
        t = self.transfers
        return Pool(t.flows, t.wire, t.capacity.copy(), self.settings)

    def _faults(self, failures: Failures) -> Iterator[tuple[float, Any]]:
        """Yield when which link gets which share of its capacity."""
        link = np.searchsorted(self.transfers.channels, failures.channel)
        for (time, channel, factor), at in zip(failures.rows(), link.tolist(), strict=True):
            if at < len(self.transfers.channels) and self.transfers.channels[at] == channel:
                yield time / PS_PER_S, (at, factor)

    # -- the loop -----------------------------------------------------------------------------------

    def _later(self, what: Happening, times: Iterator[tuple[float, Any]]) -> None:
        """Have something happen at each of some times, ascending, about what comes with it."""
        self.number += 1
        self._queue_next(self.number, what, times)

    def _queue_next(self, number: int, what: Happening, times: Iterator[tuple[float, Any]]) -> None:
        for time, about in times:
            heapq.heappush(self.queue, (time, number, what, about, times))
            return

    def times(self, most: int = EVERYTHING) -> Times:
        """Run to the last delivery, or until `most` transfers are over.

        Raises StallError if flows are left that nothing will ever move.
        """
        first = np.flatnonzero(self.step_waits == 0)
        self._later(self._reach, by_time(self.steps.delay[first], first))
        enough = max(0, self.left - most)
        while self.left > enough:
            now = min(self.queue[0][0] if self.queue else np.inf, self.pool.next_end())
            if now == np.inf:
                raise StallError(self._stall())
            self._instant(now)
        sent, delivered = self._sent_at(), self._delivered_at()
        return Times(self.entry, self.release, sent, delivered, self.pool.solves, self.waited)

    def _instant(self, now: float) -> None:
        """Let happen all that happens now, then find the rates if they change."""
        done = self.pool.take(now)
        if len(done):
            self._end(done, now)
            self.pending |= self.pool.frees(done)
        limit = now + ROUNDING * max(now, 1.0)
        while self.queue and self.queue[0][0] <= limit:
            _, number, what, about, times = heapq.heappop(self.queue)
            self.pending |= what(about, now)
            self._queue_next(number, what, times)
        if self.pending:
            self._solve(now)

    def _solve(self, now: float) -> None:
        due = self.pool.solved_at + self.settings.quantum
        if self.settings.quantum and self.pool.solves and now < due * (1 - ROUNDING):
            self.waited += 1
            if not self.ticking:
                self.ticking = True
                self._later(self._tick, iter([(due, None)]))
            return
        started = np.concatenate(self.starting) if self.starting else NOBODY
        self.starting, self.pending = [], False
        self.pool.solve(now, started)
        if not self.queue and not self.awaited:
            transfers, ends = self.pool.finish_if_equal()
            self._end(transfers, ends)

    # -- what happens: each says whether rates may change -------------------------------------------

    def _tick(self, _: None, now: float) -> bool:
        self.ticking = False
        return True

    def _fault(self, about: Any, now: float) -> bool:
        link, factor = about
        self.pool.alter(link, self.transfers.capacity[link] * factor)
        return True

    def _reach(self, steps: IntArray, now: float) -> bool:
        """Let ranks reach steps: they release messages, and later steps stop waiting for them."""
        if len(self.steps.next_steps):
            self._wake(self.steps.next_steps[_items(self.steps.next_starts, steps)], now)
        messages = self.steps.released[_items(self.steps.released_starts, steps)]
        self.entry[messages] = now
        return self._now_or_later(self._free, now + self.messages.delay[messages], messages, now)

    def _now_or_later(self, what: Happening, times: Floats, about: IntArray, now: float) -> bool:
        """Let something happen to messages at times from now on."""
        changed = False
        groups = by_time(times, about)
        for time, some in groups:
            if time > now:
                self._later(what, _put_back((time, some), groups))
                break
            changed |= what(some, now)
        return changed

    def _free(self, messages: IntArray, now: float) -> bool:
        """Release messages: they start after their rank's overhead, and its gap to the message before."""
        self.release[messages] = now
        if not self.endpoint.gap and not self.endpoint.send_overhead:
            return self._begin(messages, now)
        entry = np.full(len(messages), now + self.endpoint.send_overhead)
        if self.endpoint.gap:
            entry = self._spaced(messages, entry)
        return self._now_or_later(self._begin, entry, messages, now)

    def _spaced(self, messages: IntArray, entry: Floats) -> Floats:
        src = self.messages.src[messages]
        peer = (self.messages.dst[messages] - src) % self.fabric.ranks
        for place in np.lexsort((messages, peer, src)).tolist():
            rank, gap = int(src[place]), self.endpoint.gap
            entry[place] = max(entry[place], self.last_entry.get(rank, -np.inf) + gap)
            self.last_entry[rank] = float(entry[place])
        return entry

    def _begin(self, messages: IntArray, now: float) -> bool:
        """Let the fluid of messages flow; a meeting's does so once all of its sources have begun."""
        if not self.meets:
            self.starting.append(self.transfers.transfer[messages])
            return True
        transfers = self.transfers.transfer[messages]
        np.subtract.at(self.transfer_waits, transfers, 1)
        ready = np.unique(transfers[self.transfer_waits[transfers] == 0])
        if not len(ready):
            return False
        self.starting.append(ready)
        legs = self.legs[_items(self.leg_starts, ready)]
        down = legs[self.messages.down[legs]]
        self.entry[down] = self.release[down] = now
        return True

    def _end(self, transfers: IntArray, now: float | Floats) -> None:
        """End the fluid of transfers: what their packets take on top decides when they are sent and delivered."""
        self._leave(transfers, now)
        self._finish(transfers, now)

    def _leave(self, transfers: IntArray, now: float | Floats) -> None:
        self.gone[transfers] = now
        if self.awaited:
            legs = self._legs(transfers)
            self._tell(legs, self._sent_at(legs), self.steps.sent_starts, self._sent)

    def _finish(self, transfers: IntArray, now: float | Floats) -> None:
        self.over[transfers] = now
        self.left -= len(transfers)
        if self.awaited:
            legs = self._legs(transfers)
            self._tell(legs, self._delivered_at(legs), self.steps.delivered_starts, self._arrived)

    def _legs(self, transfers: IntArray) -> IntArray:
        """Return the messages of transfers."""
        return self.legs[_items(self.leg_starts, transfers)] if self.meets else transfers

    def _tell(self, messages: IntArray, times: Floats, starts: IntArray, what: Happening) -> None:
        """Have steps hear of messages at these times, where any step waits for them."""
        awaited = starts[messages + 1] > starts[messages]
        self._later(what, by_time(times[awaited], messages[awaited]))

    def _sent_at(self, messages: IntArray | slice = slice(None)) -> Floats:
        """Return when messages are sent, from when their fluid has left."""
        of = self.transfers.transfer[messages]
        return self.gone[of] + self.transfers.sent[of]

    def _delivered_at(self, messages: IntArray | slice = slice(None)) -> Floats:
        """Return when messages are delivered, from when their fluid has ended."""
        of = self.transfers.transfer[messages]
        return self.over[of] + self.transfers.arrived[of] + self.endpoint.recv_overhead

    def _sent(self, messages: IntArray, now: float) -> bool:
        self._wake(self.steps.sent_steps[_items(self.steps.sent_starts, messages)], now)
        return False

    def _arrived(self, messages: IntArray, now: float) -> bool:
        self._wake(self.steps.delivered_steps[_items(self.steps.delivered_starts, messages)], now)
        return False

    def _wake(self, steps: IntArray, now: float) -> None:
        np.subtract.at(self.step_waits, steps, 1)
        ready = np.unique(steps[self.step_waits[steps] == 0])
        self._later(self._reach, by_time(now + self.steps.delay[ready], ready))

    # -- stalls -------------------------------------------------------------------------------------

    def _stall(self) -> str:
        missing = np.flatnonzero(np.isnan(self._delivered_at()))
        lines = [
            f"nothing moves after {format_time(self.pool.solved_at)}: {len(missing)} messages are undelivered"
        ]
        lines += self._held_up()
        for m in missing[~np.isnan(self.release[missing])][:5].tolist():
            a, b = (self.fabric.node_name(int(end[m])) for end in (self.messages.src, self.messages.dst))
            lines.append(f"  {b} waits for {int(self.messages.size[m])} B from {a}")
        return "\n".join(lines)

    def _held_up(self) -> list[str]:
        """Return a line for each link at which flows wait in vain."""
        lines = []
        active = self.pool.active
        stuck = self.pool.flows.some(active[self.pool.rate[active] == 0])
        dead = np.unique(stuck.links[self.pool.capacity[stuck.links] == 0])
        for link in dead[:5].tolist():
            waiting = int(np.sum(stuck.links == link))
            name = self.fabric.channel_name(self._channel(link))
            lines.append(f"  {waiting} flows wait at {name}, which is down and not repaired")
        return lines

    def _channel(self, link: int) -> int:
        """Return the fabric's number of a link."""
        return int(self.transfers.channels[link])


def _items(starts: IntArray, rows: IntArray) -> IntArray:
    """Return the positions of the items of these rows of a CSR."""
    counts = starts[rows + 1] - starts[rows]
    ends = np.cumsum(counts)
    items: IntArray = np.arange(int(counts.sum())) + np.repeat(starts[rows] - (ends - counts), counts)
    return items


def by_time(times: Floats, what: IntArray) -> Iterator[tuple[float, IntArray]]:
    """Yield each time and what happens then, in order of time."""
    if not len(times):
        return
    if times[0] == times[-1] and np.all(times == times[0]):
        yield float(times[0]), what
        return
    order = np.argsort(times, kind="stable")
    times, what = times[order], what[order]
    new = times[1:] > times[:-1] * (1 + ROUNDING)
    bounds = [0, *(np.flatnonzero(new) + 1).tolist(), len(times)]
    for first, last in pairwise(bounds):
        yield float(times[first]), what[first:last]


def _put_back(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
