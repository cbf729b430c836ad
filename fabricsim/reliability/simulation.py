"""Monte Carlo of a job: many runs side by side, one failure of each at a step.

The failures' clock runs while the job is up; a job that stands still does not wear. Between two failures everything
follows in closed form: how many saves were completed, what was not saved. So a step costs a few array operations over
all runs, and 10,000 runs of a quarter are a few hundred steps.

Work counts as kept from the moment it is done, and is taken back where a restart throws it away; so a run that is cut
at the end of the horizon needs no special case.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.random_streams import generator
from fabricsim.reliability.job import Cause, Job, refused
from fabricsim.reliability.outcome import Outcome

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_STEPS: Final = 10_000_000
"""Failures of one run that are simulated; beyond it a rate or a horizon is a slip."""


def simulate_job(job: Job, duration: float, *, runs: int = 1000, seed: int = 0) -> Outcome:
    """Return what `runs` independent histories of `duration` [s] hold.

    Raises InputError if there is nothing to simulate, or more failures than can be meant.
    """
    if runs < 2:
        raise refused(("runs",), f"{runs} runs have no spread", "write 2 or more")
    if not duration > 0:
        raise refused(("duration",), f"{duration} s have no failures", "write a time such as '90 d'")
    if duration * job.rate > MAX_STEPS:
        what = f"about {duration * job.rate:.2g} failures fall into the duration"
        raise refused(
            ("duration",), what, f"up to {MAX_STEPS} are simulated: shorten it, or check count and mtbf"
        )
    histories = _Histories(job, duration, runs, seed)
    while histories.under_way.size:
        histories.step()
    return histories.outcome()


class _Histories:
    """All runs: where each stands in time, and what it has added up."""

    def __init__(self, job: Job, duration: float, runs: int, seed: int) -> None:
        self.job, self.duration, self.runs = job, duration, runs
        self.gaps = generator(seed, "reliability/gaps")
        self.kinds = generator(seed, "reliability/causes")
        self.repairs = generator(seed, "reliability/repairs")
        self.limits = np.cumsum([cause.rate for cause in job.causes]) / job.rate
        self.clock, self.up, self.saved, self.lost, self.saving, self.waiting, self.missing = np.zeros(
            (7, runs)
        )
        # where a run is in its cycle of work and save, and the work it has not saved yet
        self.phase, self.unsaved = np.zeros((2, runs))
        self.throws = np.array([cause.effect == "restart" for cause in job.causes])
        self.events = np.zeros((runs, len(job.causes)), np.int64)
        self.under_way = np.arange(runs)
        self.shop = _Shop(job, runs)

    def step(self) -> None:
        """Let every run that is under way work until its next failure, and get over it."""
        rows = self.under_way
        begin = self.clock[rows]
        gap = -np.log(1 - self.gaps.random(len(rows))) / self.job.rate
        worked = np.minimum(gap, self.duration - begin)
        fails = gap < self.duration - begin
        self.up[rows] += worked
        cause = np.searchsorted(self.limits, self.kinds.random(len(rows)), side="right")
        cause = np.minimum(cause, len(self.job.causes) - 1)
        self._work(rows, begin, worked, fails & self.throws[cause])
        self.clock[rows] = begin + worked
        rows, cause = rows[fails], cause[fails]
        np.add.at(self.events, (rows, cause), 1)
        for index in np.unique(cause).tolist():
            self._interrupt(rows[cause == index], self.job.causes[index])
        self.under_way = self.under_way[self.clock[self.under_way] < self.duration]

    def _work(self, rows: IntArray, begin: FloatArray, worked: FloatArray, thrown: NDArray[np.bool_]) -> None:
        """Add up a stretch of running: work done, time spent on saves, and what a restart throws away."""
        plan = self.job.checkpoint
        cycle, phase = plan.interval + plan.save, self.phase[rows]
        reached = phase + worked
        saves = np.floor(reached / cycle)
        left = reached - saves * cycle
        done = saves * plan.interval + np.minimum(left, plan.interval) - np.minimum(phase, plan.interval)
        speed = self._speed(rows, begin, worked)
        unsaved = speed * np.where(saves > 0, np.minimum(left, plan.interval), done)
        unsaved += np.where(saves > 0, 0.0, self.unsaved[rows])
        self.saved[rows] += speed * done - np.where(thrown, unsaved, 0.0)
        self.lost[rows] += np.where(thrown, unsaved, 0.0)
        self.saving[rows] += worked - done
        self.phase[rows] = np.where(thrown, 0.0, left)
        self.unsaved[rows] = np.where(thrown, 0.0, unsaved)

    def _speed(self, rows: IntArray, begin: FloatArray, worked: FloatArray) -> FloatArray | float:
        """Return the mean share of the NPUs that a shrunk job has over a stretch; 1 for others."""
        if self.job.reaction != "shrink":
            return 1.0
        out = self.shop.out_of_service(rows, begin, begin + worked)
        self.missing[rows] += out
        return np.maximum(0.0, 1 - out / np.maximum(worked, 1e-300) / self.job.npus)

    def _interrupt(self, rows: IntArray, cause: Cause) -> None:
        """Get over one failure of each of `rows`: the clock moves on to where the job runs again."""
        now = self.clock[rows]
        repair = self._repair(cause, len(rows))
        if cause.effect == "slow":
            self._slow(rows, now, repair, cause)
            return
        noticed = now + cause.detect
        if cause.effect == "stall":
            again = self.shop.repaired(rows, noticed, repair)
        else:
            again = self.shop.ready(rows, noticed, repair, cause.takes) + self.job.checkpoint.load
        again = np.minimum(again, self.duration)
        self.waiting[rows] += again - now
        self.clock[rows] = again

    def _slow(self, rows: IntArray, now: FloatArray, repair: FloatArray, cause: Cause) -> None:
        """Take from the saved work what the job does less until the repair; overlapping ones add up."""
        over = self.shop.repaired(rows, now + cause.detect, repair)
        cost = (1 - cause.share) * (np.minimum(over, self.duration) - now)
        self.saved[rows] -= cost
        self.lost[rows] += cost

    def _repair(self, cause: Cause, count: int) -> FloatArray:
        if cause.fixed or cause.repair == 0:
            return np.full(count, cause.repair)
        return -np.log(1 - self.repairs.random(count)) * cause.repair

    def outcome(self) -> Outcome:
        """Return what has been added up."""
        return Outcome(
            self.job, self.duration, self.up, np.maximum(0.0, self.saved), self.lost, self.saving, self.waiting,
            self.missing, self.events,
        )  # fmt: skip


class _Shop:
    """Where parts are repaired: crews, and the NPUs that come back. All times are the runs' own clocks."""

    def __init__(self, job: Job, runs: int) -> None:
        self.job = job
        self.crews = None if job.crews is None else np.zeros((runs, job.crews))
        self.back = np.zeros((runs, _slots(job)))

    def repaired(self, rows: IntArray, since: FloatArray, repair: FloatArray) -> FloatArray:
        """Return when what broke is whole again: at once in hand, or when a crew is free."""
        if self.crews is None:
            return since + repair
        free = self.crews[rows]
        crew = free.argmin(axis=1)
        done: FloatArray = np.maximum(since, free[np.arange(len(rows)), crew]) + repair
        self.crews[rows, crew] = done
        return done

    def ready(self, rows: IntArray, noticed: FloatArray, repair: FloatArray, takes: int) -> FloatArray:
        """Return when the job can load: with the part repaired, with spares in its place, or without it."""
        done = self.repaired(rows, noticed, repair)
        if self.job.reaction == "wait":
            return done
        # NPUs in store and those just broken: the job takes whichever are whole first, the others go to the store
        store = np.concatenate([self.back[rows], np.repeat(done[:, None], takes, axis=1)], axis=1)
        store.partition(takes - 1, axis=1)
        self.back[rows] = store[:, takes:]
        if self.job.reaction == "shrink":
            return noticed
        loads: FloatArray = np.maximum(noticed, store[:, takes - 1]) + self.job.swap
        return loads

    def out_of_service(self, rows: IntArray, begin: FloatArray, end: FloatArray) -> FloatArray:
        """Return the NPU-seconds that were missing between `begin` and `end`."""
        late = np.minimum(self.back[rows], end[:, None]) - begin[:, None]
        missing: FloatArray = np.maximum(late, 0.0).sum(axis=1)
        return missing


def _slots(job: Job) -> int:
    """Return how many NPUs can be away at once: the spares; of a shrinking job as many as six deviations allow."""
    if job.reaction == "wait":
        return 1
    if job.reaction == "spare":
        return job.spares
    # an infinite server holds a Poisson number of customers, rate times mean stay (Little); crews only add to it
    mean = sum(cause.rate * cause.takes * (cause.repair + cause.detect) for cause in job.causes)
    most = max(cause.takes for cause in job.causes)
    return min(job.npus, math.ceil(mean + 6 * math.sqrt(mean * most)) + 8 * most)
