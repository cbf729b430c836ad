"""The flows under way: their rates, what is left of each, and when the next one ends."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.local import Neighbours
from fabricsim.engines.flow.solver import TOLERANCE, Flows, levels_of, rates_of, verify

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
NOBODY: Final = np.zeros(0, np.int64)
SAME: Final = 1e-10
"""Ends that differ by less than this share of the time since the last solution are one instant."""
ROUNDING: Final = 1e-15
"""Instants that differ by less than this share of the clock, or this many seconds, are one."""
FEW: Final = 16
"""Of so many flows under way one may start, end or change for the rates to be found locally."""
MOST_CONCERNED: Final = 1024
"""Flows that one change may concern: beyond, all of them are filled."""
MOST_ENTRIES: Final = 20_000_000
"""Channels of all flows, each counted, up to which lists of who is on which are kept: 24 B each."""
KEPT: Final = 1e-14
"""A rate that a local solution changes by less than this share is the same."""
LONGEST_PAUSE: Final = 64
"""Changes after which a local solution is tried again, where it has failed many times."""


@dataclass(frozen=True)
class Settings:
    """How a run is solved: the solver's name, whether each solution is checked, the least time between two [s]."""

    solver: str = "numpy"
    verified: bool = False
    quantum: float = 0.0


class Pool:
    """The flows under way.

    (flows,) left [B] at `since` [s]; rate [B/s] from then on; end [s], inf for those that rest or do not move.
    """

    def __init__(self, flows: Flows, size: Floats, capacity: Floats, settings: Settings) -> None:
        self.flows, self.capacity, self.settings = flows, capacity, settings
        count = len(size)
        self.left = size.copy()
        self.rate, self.since, self.end = np.zeros(count), np.zeros(count), np.full(count, np.inf)
        self.alive = np.zeros(count, np.bool_)
        self.count = 0
        self.solved_at = 0.0
        self.solves = 0
        self._members: list[IntArray] = []
        self._gone: list[IntArray] = []
        self._altered: list[int] = []
        # ends as the last filling of all has them, ascending, and those that have changed since, as a heap
        self._ends: tuple[Floats, IntArray] = (np.zeros(0), NOBODY)
        self._position = 0
        self._moved: list[tuple[float, int]] = []
        self._bottlenecks: tuple[NDArray[np.bool_], Floats, IntArray] | None = None
        self._near: Neighbours | None = None
        self._listed = False
        self._solved = NOBODY
        self._pause = self._failures = 0

    @property
    def active(self) -> IntArray:
        """The flows under way, ascending."""
        members = np.concatenate([NOBODY, *self._members])
        active = np.sort(members[self.alive[members]])
        self._members = [active]
        return active

    # -- ends ---------------------------------------------------------------------------------------

    def next_end(self) -> float:
        """Return when the next flow ends; inf where none does."""
        ends, flows = self._ends
        while self._position < len(ends) and self.end[flows[self._position]] != ends[self._position]:
            self._position += 1
        while self._moved and self.end[self._moved[0][1]] != self._moved[0][0]:
            heapq.heappop(self._moved)
        soonest = float(ends[self._position]) if self._position < len(ends) else np.inf
        return min(soonest, self._moved[0][0]) if self._moved else soonest

    def take(self, now: float) -> IntArray:
        """Remove and return the flows that end now."""
        limit = now + (now - self.solved_at) * SAME + ROUNDING * max(now, 1.0)
        ends, flows = self._ends
        first = self._position
        if first < len(ends) and ends[first] <= limit:
            self._position = int(np.searchsorted(ends, limit, side="right"))
            done = flows[first : self._position]
            done = done[self.end[done] == ends[first : self._position]]
        else:
            done = NOBODY
        if self._moved and self._moved[0][0] <= limit:
            done = np.concatenate([done, self._ended(limit)])
        if len(done):
            self.end[done] = np.inf
            self.alive[done] = False
            self.count -= len(done)
            self._gone.append(done)
        return done

    def _ended(self, limit: float) -> IntArray:
        done = []
        while self._moved and self._moved[0][0] <= limit:
            end, flow = heapq.heappop(self._moved)
            if self.end[flow] == end:
                self.end[flow] = np.inf  # it may stand there twice
                done.append(flow)
        return np.array(done, np.int64)

    def finish_if_equal(self) -> tuple[IntArray, Floats]:
        """Take all flows that are left, with their ends, if they are equal: none of them frees anything for another."""
        ends, flows = self._ends[0][self._position :], self._ends[1][self._position :]
        left = self.left[flows]
        if self._moved or not len(flows) or len(flows) < len(self.active) or np.ptp(left) > left[0] * SAME:
            return NOBODY, np.zeros(0)
        self._position = len(self._ends[1])
        self.end[flows], self.alive[flows] = np.inf, False
        self.count = 0
        return flows, ends

    # -- changes ------------------------------------------------------------------------------------

    def alter(self, link: int, capacity: float) -> None:
        """Give a link another capacity [B/s]; the rates follow with the next solution."""
        self.capacity[link] = capacity
        self._altered.append(link)

    def frees(self, done: IntArray) -> bool:
        """Return whether somebody else could use what these flows leave behind."""
        if self._listed:
            return True  # the local solution finds out by itself
        if self.next_end() == np.inf:
            return False
        full, most, left = self._levels()
        gone = self.flows.some(done)
        level = self.rate[done][gone.flow] >= most[gone.links] * (1 - TOLERANCE)
        np.subtract.at(left, gone.links[level], 1)
        return bool(np.any(full[gone.links] & (left[gone.links] > 0)))

    def _levels(self) -> tuple[NDArray[np.bool_], Floats, IntArray]:
        """Return of each link whether it is full, its highest rate, and how many flows of that rate are left."""
        if self._bottlenecks is None:
            solver, active = self.settings.solver, self._solved
            self._bottlenecks = levels_of(self.capacity, self.flows, active, self.rate, solver)
        return self._bottlenecks

    def solve(self, now: float, started: IntArray) -> None:
        """Find the rates from now on, with `started` among the flows under way."""
        self.since[started] = now
        self.alive[started] = True
        self.count += len(started)
        self._members.append(started)
        gone = np.concatenate([NOBODY, *self._gone])
        altered = np.array(self._altered, np.int64)
        self._gone, self._altered = [], []
        if not self._solved_locally(now, started, gone, altered):
            self._solve_all(now)
        self.solved_at = now
        self.solves += 1
        if self.settings.verified:
            active = self.active
            verify(self.capacity, self.flows.some(active), self.rate[active])

    def _solve_all(self, now: float) -> None:
        active = self.active
        self._leave_off(active, self.rate[active], now)
        rates = rates_of(self.capacity, self.flows, active, self.settings.solver)
        self.rate[active] = rates
        self.end[active] = np.inf
        moving = active[rates > 0]
        end = now + np.maximum(self.left[moving], 0.0) / self.rate[moving]
        self.end[moving] = end
        order = np.argsort(end, kind="stable")
        self._ends, self._position, self._moved = (end[order], moving[order]), 0, []
        self._bottlenecks, self._listed, self._solved = None, False, active

    def _leave_off(self, flows: IntArray, rates: Floats, now: float) -> None:
        """Note what is left of flows that have had these rates until now."""
        self.left[flows] -= rates * (now - self.since[flows])
        self.since[flows] = now

    # -- local solutions ----------------------------------------------------------------------------

    def _solved_locally(self, now: float, started: IntArray, gone: IntArray, altered: IntArray) -> bool:
        """Return whether the rates could be found by looking at a few flows, and find them if so."""
        many = (len(started) + len(gone) + len(altered)) * FEW > self.count
        if many or self._pause or len(self.flows.links) > MOST_ENTRIES:
            self._pause = max(0, self._pause - 1)
            return False
        near = self._neighbours()
        found = near.change(started, gone, altered)
        if found is None:
            self._failures += 1
            self._pause = min(1 << self._failures, LONGEST_PAUSE)
            return False
        flows, before = found
        self._failures = 0
        rates = self.rate[flows]
        kept = np.abs(rates - before) <= KEPT * rates
        self.rate[flows[kept]] = before[kept]
        flows, before, rates = flows[~kept], before[~kept], rates[~kept]
        self._leave_off(flows, before, now)
        self._end_later(flows, rates, now)
        return True

    def _end_later(self, flows: IntArray, rates: Floats, now: float) -> None:
        """Note when flows end that have these rates from now on."""
        with np.errstate(divide="ignore"):
            end = now + np.maximum(self.left[flows], 0.0) / rates
        self.end[flows] = end
        for pair in zip(end.tolist(), flows.tolist(), strict=True):
            heapq.heappush(self._moved, pair)

    def _neighbours(self) -> Neighbours:
        if self._near is None:
            most = min(MOST_CONCERNED, len(self.left))
            self._near = Neighbours(self.flows, self.capacity, self.rate, self.settings.solver, most)
        if not self._listed:
            self._near.list_all(self._solved)
            self._listed = True
        return self._near
