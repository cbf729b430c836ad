"""What many histories of a job hold: shares of time with their confidence, and interruptions by cause."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.reliability.job import Job

FloatArray = NDArray[np.float64]
Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


@dataclass(frozen=True)
class Estimate:
    """A mean over the runs, with its 95 % confidence interval, and the 5th and 95th percentile of the runs."""

    mean: float
    low: float
    high: float
    p5: float
    p95: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """Sums of each run [s], (runs,), over `duration` [s].

    up: the job runs: works, saves, or does lost work again. saved: work that was kept, in seconds at full speed. lost:
    work thrown away, or not done while slow. saving, waiting: time of saves, and of standing still. missing:
    NPU-seconds out of service while a shrunk job ran. events: (runs, causes) failures.
    """

    job: Job
    duration: float
    up: FloatArray
    saved: FloatArray
    lost: FloatArray
    saving: FloatArray
    waiting: FloatArray
    missing: FloatArray
    events: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name in ("up", "saved", "lost", "saving", "waiting", "missing", "events"):
            getattr(self, name).flags.writeable = False

    @property
    def availability(self) -> Estimate:
        """Share of time in which the job is up, whether it works, saves or does lost work again."""
        return estimate(self.up / self.duration)

    @property
    def goodput(self) -> Estimate:
        """Share of time that became kept work, at full speed."""
        return estimate(self.saved / self.duration)

    @property
    def interruptions(self) -> Estimate:
        """Failures that stopped the job, a run."""
        return estimate(self.events[:, self._stops].sum(axis=1).astype(np.float64))

    @property
    def time_between(self) -> float:
        """Mean time up [s] between two interruptions, over all runs; infinite where there was none."""
        total = int(self.events[:, self._stops].sum())
        return float(self.up.sum()) / total if total else math.inf

    def shares(self) -> dict[str, Estimate]:
        """Return where the time goes: kept work, lost work, saving, standing still."""
        names = {"kept": self.saved, "lost": self.lost, "saving": self.saving, "waiting": self.waiting}
        return {name: estimate(seconds / self.duration) for name, seconds in names.items()}

    def by_cause(self) -> dict[str, Estimate]:
        """Return the failures of each cause, a run."""
        return {
            cause.name: estimate(self.events[:, index].astype(np.float64))
            for index, cause in enumerate(self.job.causes)
        }

    @property
    def _stops(self) -> NDArray[np.bool_]:
        return np.array([cause.effect != "slow" for cause in self.job.causes])


def estimate(values: FloatArray) -> Estimate:
    """Return mean, confidence and spread of one value a run."""
    mean, error = float(values.mean()), Z95 * float(values.std(ddof=1)) / math.sqrt(len(values))
    p5, p95 = np.percentile(values, [5, 95])
    return Estimate(mean, mean - error, mean + error, float(p5), float(p95))
