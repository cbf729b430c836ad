"""Flows under way whose ways change: a pool that takes new ways and new flows, and keeps what was moved when."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.pool import NOBODY, Pool, Settings
from fabricsim.engines.flow.solver import Flows

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
Leg = tuple[IntArray, Floats, Floats, Floats]
"""(flows,) flows, from when [s], until when [s], and how much of each arrived [B]."""


class RewiredPool(Pool):
    """A pool with legs: what came through of each flow in each time of constant rates.

    late: (flows,) [s] what packets take on top of a fluid. through: (flows,) the share of what a flow sends that no
    dead channel stops. given: (flows,) [B] in all.
    """

    def __init__(
        self, flows: Flows, size: Floats, capacity: Floats, late: Floats, settings: Settings
    ) -> None:
        super().__init__(flows, size, capacity, settings)
        self.late, self.through, self.given = late.copy(), np.ones(len(size)), size.copy()
        self.legs: list[Leg] = []

    def rewire(self, flows: Flows, capacity: Floats, more: Floats) -> None:
        """Give all flows new ways, and add flows of `more` [B] that have not started; rates follow."""
        count = len(more)
        self.left, self.given = np.append(self.left, more), np.append(self.given, more)
        self.rate, self.since = np.append(self.rate, np.zeros(count)), np.append(self.since, np.zeros(count))
        self.late, self.through = (
            np.append(self.late, np.zeros(count)),
            np.append(self.through, np.ones(count)),
        )
        self.end = np.append(self.end, np.full(count, np.inf))
        self.alive = np.append(self.alive, np.zeros(count, np.bool_))
        self.flows, self.capacity = flows, capacity
        self._near, self._listed, self._bottlenecks = None, False, None
        self._pause = 1  # what is near to what is not known any more: the next solution is of all flows

    def settle(self, flows: IntArray, now: float) -> None:
        """Note what is left of these flows now."""
        moving = flows[self.alive[flows]]
        self._leave_off(moving, self.rate[moving], now)

    def give(self, flow: int, size: float, now: float) -> None:
        """Let a flow that is under way carry more [B]."""
        self.settle(np.array([flow]), now)
        self.left[flow] += size
        self.given[flow] += size
        self._pause = 1

    def take_back(self, flow: int, size: float, begin: float, now: float) -> None:
        """Note that what had come through from `begin` on did not arrive."""
        one, late = np.array([flow]), float(self.late[flow])
        self.legs.append((one, np.array([begin + late]), np.array([now + late]), np.array([-size])))

    def take(self, now: float) -> IntArray:
        """Remove and return the flows that end now, with nothing left of them."""
        done = super().take(now)
        self._came_through(done, self.left[done], now)
        self.left[done] = 0.0
        return done

    def finish_if_equal(self) -> tuple[IntArray, Floats]:
        """Take nothing early: what is left of equal flows may wait at different links."""
        return NOBODY, np.zeros(0)

    def _leave_off(self, flows: IntArray, rates: Floats, now: float) -> None:
        self._came_through(flows, rates * (now - self.since[flows]), now)
        super()._leave_off(flows, rates, now)

    def _came_through(self, flows: IntArray, sent: Floats, now: float) -> None:
        some = (sent > 0) & (self.since[flows] < now)
        if some.any():
            flows, moved = flows[some], (sent * self.through[flows])[some]
            late = self.late[flows]
            self.legs.append((flows, self.since[flows] + late, now + late, moved))
