"""Running a job with parts of its machine lost from the beginning, by the ranks that are left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError, StallError
from fabricsim.expectations import Quantity, quantity_of
from fabricsim.failures import Failures, Recovery
from fabricsim.job import Job
from fabricsim.metrics import METRICS
from fabricsim.result import Result
from fabricsim.scenario import Scenario
from fabricsim.survival.reach import cut_off
from fabricsim.survival.value import Loss

IntArray = NDArray[np.int64]
MEASURED: Final = ("s", "B/s")
"""Units of what can be compared: a time, which is better when short, or a rate, which is better when high."""


@dataclass(frozen=True, eq=False)
class Losing:
    """A scenario as its job, what is compared, and how a job is measured."""

    scenario: Scenario
    job: Job
    quantity: Quantity
    measure: Callable[[Job], Result]

    @property
    def fabric_links(self) -> IntArray:
        """The links that are down before anything is lost."""
        return self.job.failures.links

    @cached_property
    def healthy(self) -> float:
        """The value [SI] with nothing lost but what the scenario says is down."""
        return self.value(self.measure(self.job))

    def value(self, result: Result) -> float:
        """Return what is compared. Raises InputError where the result does not have it."""
        name, numbers = self.quantity.metric, result.numbers
        path = f"{self.quantity.operation}.{name}" if self.quantity.operation else name
        if path not in numbers:
            what = f"the run has no {self.quantity.path}"
            raise InputError(
                [Fault(what, "name a metric that it has, such as completion_time", ("survive", "metric"))]
            )
        return float(numbers[path])

    def loss(self, links: IntArray) -> Loss:
        """Return what losing some links leaves, with routes around them and without the ranks that are cut off."""
        fabric = self.job.fabric
        dead = np.union1d(self.fabric_links, links)
        alone = cut_off(fabric, dead)
        failures = down(dead)
        try:
            job = self._without(alone, failures)
        except InputError as error:
            return Loss(None, 0.0, len(alone), f"{len(alone)} ranks are cut off, and {error.faults[0].what}")
        try:
            value = self.value(self.measure(replace(job, failures=failures)))
        except StallError as error:
            return Loss(None, 0.0, len(alone), str(error))
        return Loss(value, self._kept(value), len(alone))

    def _kept(self, value: float) -> float:
        return self.healthy / value if METRICS[self.quantity.metric][0] == "s" else value / self.healthy

    def _without(self, ranks: IntArray, failures: Failures) -> Job:
        """Return the job of all ranks but some. Raises InputError where it cannot do without them."""
        fabric, scenario = self.job.fabric, self.scenario
        if len(ranks):
            scenario = scenario.replace(**_staying(scenario, fabric.ranks, ranks))
            schedule = scenario.schedule(fabric) if self.job.training is None else self.job.schedule
        else:
            schedule = self.job.schedule
        step = None if self.job.training is None else scenario.training(fabric, failures)
        return replace(self.job, schedule=step.schedule if step else schedule, training=step)


def down(links: IntArray) -> Failures:
    """Return links that are down from 0 s on for good, with routes that know it."""
    channel = np.sort(np.concatenate([2 * links, 2 * links + 1]))
    return Failures(np.zeros_like(channel), channel, np.zeros(len(channel)), Recovery(reroute="recompute"))


def quantity_to_compare(scenario: Scenario, path: str) -> Quantity:
    """Return what a path names. Raises InputError, keyed below `survive`, for what is neither a time nor a rate."""
    names = [entry.name or entry.kind for entry in scenario.parts.workload]
    try:
        quantity = quantity_of(path, names)
    except InputError as error:
        raise InputError([replace(f, key=("survive", "metric")) for f in error.faults]) from None
    if quantity.of_design or METRICS[quantity.metric][0] not in MEASURED:
        what, right = f"{path} is neither a time nor a rate", "write completion_time, or ar.busbw"
        raise InputError([Fault(what, right, ("survive", "metric"))])
    return quantity


def _staying(scenario: Scenario, count: int, gone: IntArray) -> dict[str, str]:
    """Return, by key path, the ranks of each entry that stay. Raises InputError where fewer than two do."""
    found: dict[str, str] = {}
    for index, entry in enumerate(scenario.parts.workload):
        for key in ("ranks", "targets"):
            if hasattr(entry, key):
                ranks = getattr(entry, key).on(count)
                left = ranks[~np.isin(ranks, gone)]
                if not len(left):
                    raise InputError(f"no rank of {entry.name or entry.kind} is left")
                found[f"workload.{index}.{key}"] = spans(left)
    return found


def spans(ranks: IntArray) -> str:
    """Return ranks as a scenario writes them: `0-4,6-63`."""
    breaks = np.flatnonzero(np.diff(ranks) != 1) + 1
    pieces = zip(
        ranks[np.r_[0, breaks]].tolist(), ranks[np.r_[breaks - 1, len(ranks) - 1]].tolist(), strict=True
    )
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in pieces)
