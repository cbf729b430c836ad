"""Flows through time: rates hold between events, and an event is a start, an end, or a channel that changes.

Events of one instant happen together, and the rates are then found once. They are found again only where somebody's
bottleneck has changed: a flow that leaves a full link on which nobody remains at the link's level frees nothing that
another could use, so equal flows that start together need one solution for all of their time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.solver import TOLERANCE, Flows, levels_of, rates_of, verify
from fabricsim.engines.flow.transfers import Transfers
from fabricsim.errors import StallError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.schedule import Messages, Steps
from fabricsim.units import PS_PER_S, format_time

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
NOBODY: Final = np.zeros(0, np.int64)
SAME: Final = 1e-10
"""Ends that differ by less than this share of the time since the last solution are one instant."""
ROUNDING: Final = 1e-15
"""Instants that differ by less than this share of the clock, or this many seconds, are one."""


@dataclass(frozen=True)
class Settings:
    """How a run is solved: the solver's name, whether each solution is checked, the least time between two [s]."""

    solver: str = "numpy"
    verified: bool = False
    quantum: float = 0.0


@dataclass(frozen=True, eq=False)
class Times:
    """When what happened to each message [s], and how often the rates were found."""

    entry: Floats
    release: Floats
    sent: Floats
    delivered: Floats
    solves: int
    waited: int
    """How many times a change waited for the quantum to end."""


class Pool:
    """The flows under way: their rates, what is left of them, and when the next one ends."""

    def __init__(self, flows: Flows, size: Floats, capacity: Floats, settings: Settings) -> None:
        self.flows, self.capacity, self.settings = flows, capacity, settings
        self.left = size.copy()
        self.rate = np.zeros(len(size))
        self.active = NOBODY
        self.solved_at = 0.0
        self.solves = 0
        self.ending: tuple[Floats, IntArray] = (np.zeros(0), NOBODY)
        self.position = 0
        self._bottlenecks: tuple[NDArray[np.bool_], Floats, IntArray] | None = None

    def next_end(self) -> float:
        """Return when the next flow ends; inf where none does."""
        return float(self.ending[0][self.position]) if self.position < len(self.ending[0]) else np.inf

    def take(self, now: float) -> IntArray:
        """Remove and return the flows that end now."""
        limit = now + (now - self.solved_at) * SAME + ROUNDING * max(now, 1.0)
        last = int(np.searchsorted(self.ending[0], limit, side="right"))
        done = self.ending[1][self.position : last]
        self.position = max(self.position, last)
        return done

    def finish_if_equal(self) -> tuple[IntArray, Floats]:
        """Take all flows that are left, with their ends, if they are equal: none of them frees anything for another."""
        ends, flows = self.ending[0][self.position :], self.ending[1][self.position :]
        left = self.left[flows]
        if not len(flows) or len(flows) < len(self.active) or np.ptp(left) > left[0] * SAME:
            return NOBODY, np.zeros(0)
        self.position = len(self.ending[1])
        return flows, ends

    def frees(self, done: IntArray) -> bool:
        """Return whether somebody else could use what these flows leave behind."""
        if self.position >= len(self.ending[0]):
            return False
        full, most, left = self._levels()
        gone = self.flows.some(done)
        level = self.rate[done][gone.flow] >= most[gone.links] * (1 - TOLERANCE)
        np.subtract.at(left, gone.links[level], 1)
        return bool(np.any(full[gone.links] & (left[gone.links] > 0)))

    def _levels(self) -> tuple[NDArray[np.bool_], Floats, IntArray]:
        """Return of each link whether it is full, its highest rate, and how many flows of that rate are left."""
        if self._bottlenecks is None:
            self._bottlenecks = levels_of(
                self.capacity, self.flows, self.active, self.rate, self.settings.solver
            )
        return self._bottlenecks

    def solve(self, now: float, started: IntArray) -> None:
        """Find the rates from now on, with `started` among the flows under way."""
        alive = np.sort(self.ending[1][self.position :]) if len(self.active) else NOBODY
        stalled = self.active[self.rate[self.active] == 0]
        self.left[alive] -= self.rate[alive] * (now - self.solved_at)
        self.active = np.concatenate([alive, stalled, started])
        rates = rates_of(self.capacity, self.flows, self.active, self.settings.solver)
        if self.settings.verified:
            verify(self.capacity, self.flows.some(self.active), rates)
        self.rate[self.active] = rates
        self.solved_at, self.position, self._bottlenecks = now, 0, None
        self.solves += 1
        moving = self.active[rates > 0]
        end = now + np.maximum(self.left[moving], 0.0) / self.rate[moving]
        order = np.argsort(end, kind="stable")
        self.ending = (end[order], moving[order])


class Run:
    """One run of steps over transfers, from start to end."""

    def __init__(
        self, fabric: Fabric, messages: Messages, steps: Steps, transfers: Transfers,
        failures: Failures, model: Model, settings: Settings,
    ) -> None:  # fmt: skip
        self.fabric, self.messages, self.steps, self.transfers = fabric, messages, steps, transfers
        self.endpoint, self.settings = model.endpoint, settings
        count = len(messages)
        self.entry, self.release, self.sent, self.delivered = (np.full(count, np.nan) for _ in range(4))
        self.step_waits = steps.waits.copy()
        # a meeting starts once all its sources have released; legs down are released by nobody
        self.transfer_waits = np.bincount(transfers.transfer[~messages.down], minlength=len(transfers))
        order = np.argsort(transfers.transfer, kind="stable")
        self.legs = order
        self.leg_starts = np.searchsorted(transfers.transfer[order], np.arange(len(transfers) + 1))
        self.queue: list[tuple[float, int, str, Any]] = []
        self.number = 0
        self.last_entry: dict[int, float] = {}
        self.pool = Pool(transfers.flows, transfers.wire, transfers.capacity.copy(), settings)
        self.waiting: list[IntArray] = []
        self.pending = self.ticking = False
        self.waited = 0
        self._plan_failures(failures)

    def _plan_failures(self, failures: Failures) -> None:
        link = np.searchsorted(self.transfers.channels, failures.channel)
        for (time, channel, factor), at in zip(failures.rows(), link.tolist(), strict=True):
            if at < len(self.transfers.channels) and self.transfers.channels[at] == channel:
                self._later(time / PS_PER_S, "fault", (at, factor))

    def _later(self, time: float, what: str, about: Any) -> None:
        heapq.heappush(self.queue, (time, self.number, what, about))
        self.number += 1

    # -- the loop -----------------------------------------------------------------------------------

    def times(self) -> Times:
        """Run to the last delivery. Raises StallError if flows are left that nothing will ever move."""
        first = np.flatnonzero(self.step_waits == 0)
        for time, some in _by_time(self.steps.delay[first], first):
            self._later(time, "reach", some)
        while True:
            now = min(self.queue[0][0] if self.queue else np.inf, self.pool.next_end())
            if now == np.inf:
                break
            self._instant(now)
        if np.isnan(self.delivered).any():
            raise StallError(self._stall())
        return Times(self.entry, self.release, self.sent, self.delivered, self.pool.solves, self.waited)

    def _instant(self, now: float) -> None:
        """Let happen all that happens now, then find the rates if they change."""
        change = False
        done = self.pool.take(now)
        if len(done):
            self._end(done, now)
            change = self.pool.frees(done)
        while self.queue and self.queue[0][0] <= now + ROUNDING * max(now, 1.0):
            _, _, what, about = heapq.heappop(self.queue)
            change |= getattr(self, f"_{what}")(about, now)
        self.pending |= change
        if self.pending:
            self._solve(now)

    def _solve(self, now: float) -> None:
        due = self.pool.solved_at + self.settings.quantum
        if self.settings.quantum and self.pool.solves and now < due * (1 - ROUNDING):
            self.waited += 1
            if not self.ticking:
                self.ticking = True
                self._later(due, "tick", None)
            return
        started = np.concatenate(self.waiting) if self.waiting else NOBODY
        self.waiting, self.pending = [], False
        self.pool.solve(now, started)
        if not self.queue and self._nobody_waits():
            transfers, ends = self.pool.finish_if_equal()
            self._end(transfers, ends)

    def _nobody_waits(self) -> bool:
        return not len(self.steps.sent_steps) and not len(self.steps.delivered_steps)

    # -- what happens: each says whether rates may change -------------------------------------------

    def _tick(self, _: None, now: float) -> bool:
        self.ticking = False
        return True

    def _fault(self, about: tuple[int, float], now: float) -> bool:
        link, factor = about
        self.pool.capacity[link] = self.transfers.capacity[link] * factor
        return True

    def _reach(self, steps: IntArray, now: float) -> bool:
        """Let ranks reach steps: they release messages, and later steps stop waiting for them."""
        item = _items(self.steps.next_starts, steps)
        self._wake(self.steps.next_steps[item], now)
        messages = self.steps.released[_items(self.steps.released_starts, steps)]
        self.entry[messages] = now
        delay = self.messages.delay[messages]
        changed = False
        for time, some in _by_time(now + delay, messages):
            if time > now:
                self._later(time, "free", some)
            else:
                changed |= self._free(some, now)
        return changed

    def _free(self, messages: IntArray, now: float) -> bool:
        """Release messages: they start after their rank's overhead, and its gap to the message before."""
        self.release[messages] = now
        entry = np.full(len(messages), now + self.endpoint.send_overhead)
        if self.endpoint.gap:
            entry = self._spaced(messages, entry)
        changed = False
        for time, some in _by_time(entry, messages):
            if time > now:
                self._later(time, "begin", some)
            else:
                changed |= self._begin(some, now)
        return changed

    def _spaced(self, messages: IntArray, entry: Floats) -> Floats:
        src = self.messages.src[messages]
        peer = (self.messages.dst[messages] - src) % self.fabric.ranks
        for place in np.lexsort((messages, peer, src)).tolist():
            rank, gap = int(src[place]), self.endpoint.gap
            entry[place] = max(entry[place], self.last_entry.get(rank, -np.inf) + gap)
            self.last_entry[rank] = float(entry[place])
        return entry

    def _begin(self, messages: IntArray, now: float) -> bool:
        transfers = self.transfers.transfer[messages]
        np.subtract.at(self.transfer_waits, transfers, 1)
        ready = transfers[self.transfer_waits[transfers] == 0]
        if len(self.transfers) < len(self.messages):  # only legs of one meeting name a transfer twice
            ready = np.unique(ready)
        if not len(ready):
            return False
        self.waiting.append(ready)
        legs = self.legs[_items(self.leg_starts, ready)]
        down = legs[self.messages.down[legs]]
        self.entry[down] = self.release[down] = now
        return True

    def _end(self, transfers: IntArray, now: float | Floats) -> None:
        """End the fluid part of transfers: what their packets take on top decides when they are sent and delivered."""
        legs = self.legs[_items(self.leg_starts, transfers)]
        of = self.transfers.transfer[legs]
        now = np.repeat(now, np.diff(self.leg_starts)[transfers]) if isinstance(now, np.ndarray) else now
        self.sent[legs] = now + self.transfers.sent[of]
        self.delivered[legs] = now + self.transfers.arrived[of] + self.endpoint.recv_overhead
        for times, starts, what in (
            (self.sent, self.steps.sent_starts, "sent"),
            (self.delivered, self.steps.delivered_starts, "arrived"),
        ):
            awaited = legs[starts[legs + 1] > starts[legs]]
            for time, some in _by_time(times[awaited], awaited):
                self._later(time, what, some)

    def _sent(self, messages: IntArray, now: float) -> bool:
        self._wake(self.steps.sent_steps[_items(self.steps.sent_starts, messages)], now)
        return False

    def _arrived(self, messages: IntArray, now: float) -> bool:
        self._wake(self.steps.delivered_steps[_items(self.steps.delivered_starts, messages)], now)
        return False

    def _wake(self, steps: IntArray, now: float) -> None:
        np.subtract.at(self.step_waits, steps, 1)
        ready = np.unique(steps[self.step_waits[steps] == 0])
        for time, some in _by_time(now + self.steps.delay[ready], ready):
            self._later(time, "reach", some)

    # -- stalls -------------------------------------------------------------------------------------

    def _stall(self) -> str:
        missing = np.flatnonzero(np.isnan(self.delivered))
        lines = [
            f"nothing moves after {format_time(self.pool.solved_at)}: {len(missing)} messages are undelivered"
        ]
        stuck = self.pool.flows.some(self.pool.active[self.pool.rate[self.pool.active] == 0])
        dead = np.unique(stuck.links[self.pool.capacity[stuck.links] == 0])
        for link in dead[:5].tolist():
            waiting = int(np.sum(stuck.links == link))
            name = self.fabric.channel_name(int(self.transfers.channels[link]))
            lines.append(f"  {waiting} flows wait at {name}, which is down and not repaired")
        for m in missing[~np.isnan(self.release[missing])][:5].tolist():
            a, b = (self.fabric.node_name(int(end[m])) for end in (self.messages.src, self.messages.dst))
            lines.append(f"  {b} waits for {int(self.messages.size[m])} B from {a}")
        return "\n".join(lines)


def _items(starts: IntArray, rows: IntArray) -> IntArray:
    """Return the positions of the items of these rows of a CSR."""
    counts = starts[rows + 1] - starts[rows]
    ends = np.cumsum(counts)
    items: IntArray = np.arange(int(counts.sum())) + np.repeat(starts[rows] - (ends - counts), counts)
    return items


def _by_time(times: Floats, what: IntArray) -> Iterator[tuple[float, IntArray]]:
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
