"""A step's time out of its parts: computation, exchanges beside it or not, the pipeline, and what each costs.

Each exchange counts with the time that it takes when all groups make it together and nothing else is on the network.
What is exposed of a dimension is what the step gets longer by when that dimension's exchanges are added, in the order
tp, cp, ep, pp, dp; so the parts add up to the step exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.training.demands import Demand, Uses, demands, layer_uses, stage_uses
from fabricsim.training.parallel import DIMENSIONS
from fabricsim.training.pipeline import Timeline, pipelined
from fabricsim.training.step import Step

Floats = NDArray[np.float64]
ROUND: Final = 1e-12
"""Share of a step that rounding may take off a part of it."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a step takes.

    seconds: of each exchange by name [s], all groups together. levels: of each exchange, the share of its time that
    belongs to each level of the machine.
    """

    step: Step
    seconds: Mapping[str, float]
    levels: Mapping[str, Mapping[str, float]]

    @cached_property
    def timeline(self) -> Timeline:
        """Every pass of every stage, with all exchanges."""
        return _timeline(self.step, self._counted(DIMENSIONS))

    @cached_property
    def step_time(self) -> float:
        """From the first pass to the last parameter [s]."""
        return self._time(DIMENSIONS)

    @cached_property
    def compute_time(self) -> float:
        """What the slowest stage computes in a step [s]."""
        forward, backward = _passes(self.step, {})
        return float((forward + backward).max()) * self.step.micro_batches

    @cached_property
    def bubble_time(self) -> float:
        """What a step takes longer than that where stages wait for each other, with nothing sent [s]."""
        return self._time(()) - self.compute_time

    @cached_property
    def exposed(self) -> dict[str, float]:
        """By dimension, what its exchanges add to the step [s]."""
        added = list(accumulate(([name] for name in DIMENSIONS), lambda a, b: a + b))
        times = [self._time(()), *(self._time(names) for names in added)]
        parts = np.diff(times)
        parts[np.abs(parts) < ROUND * times[-1]] = 0.0
        return dict(zip(DIMENSIONS, parts.tolist(), strict=True))

    @property
    def mfu(self) -> float:
        """Operations that the model needs over those that all ranks could do in the time, availability included."""
        step = self.step
        return step.model_flops / (step.parallel.ranks * step.peak * self.step_time) * step.availability

    @property
    def communication_factor(self) -> float:
        """What is left of the kernels' efficiency and the availability: exchanges, bubbles, passes done again."""
        return self.mfu / self.step.efficiency / self.step.availability

    @cached_property
    def exposed_by_level(self) -> dict[tuple[str, str], float]:
        """By dimension and level [s]: a dimension's exposed time, shared as the time of its exchanges is."""
        weight = {demand.name: self._total(demand) for demand in demands(self.step)}
        found: dict[tuple[str, str], float] = {}
        for name in DIMENSIONS:
            own = [demand.name for demand in demands(self.step) if demand.dimension == name]
            total = sum(weight[exchange] for exchange in own)
            for exchange in own if total else ():
                for level, share in self.levels[exchange].items():
                    part = self.exposed[name] * weight[exchange] / total * share
                    found[name, level] = found.get((name, level), 0.0) + part
        return found

    def _total(self, demand: Demand) -> float:
        """Return the time that all stages spend on an exchange in a step [s], hidden or not."""
        return self.seconds[demand.name] * calls(self.step, demand.name)

    def _counted(self, names: tuple[str, ...] | list[str]) -> dict[str, tuple[str, float]]:
        return {
            demand.name: (demand.dimension, self.seconds[demand.name])
            for demand in demands(self.step)
            if demand.dimension in names
        }

    def _time(self, names: tuple[str, ...] | list[str]) -> float:
        counted = self._counted(names)
        ends = _timeline(self.step, counted).over
        forward, backward = _passes(self.step, counted)
        more = [
            _end(self.step, stage, counted, float(forward[stage]), float(backward[stage]))
            for stage in range(self.step.parallel.pp)
        ]
        return float((ends + more).max())


def calls(step: Step, name: str) -> int:
    """Return how often a step makes an exchange, over all stages and micro-batches."""
    if name == "pp-send":
        return 2 * (step.parallel.pp - 1) * step.micro_batches
    total = 0
    for stage in range(step.parallel.pp):
        total += stage_uses(step, stage).get(name, 0)
        for routed, count in enumerate(step.counts(stage)):
            uses = layer_uses(step, bool(routed))
            total += step.micro_batches * count * sum(way.get(name, 0) for way in uses)
    return total


Counted = Mapping[str, tuple[str, float]]
"""Of each exchange that counts, its dimension and its time [s]."""


def _timeline(step: Step, counted: Counted) -> Timeline:
    forward, backward = _passes(step, counted)
    send = counted.get("pp-send", ("pp", 0.0))[1]
    return pipelined(forward, backward, send, step.micro_batches)


def _passes(step: Step, counted: Counted) -> tuple[Floats, Floats]:
    """Return (stages,) how long a forward and a backward pass take [s]."""
    forward, backward = np.zeros(step.parallel.pp), np.zeros(step.parallel.pp)
    for routed in (False, True):
        if routed and not step.model.experts:
            continue
        own = step.seconds(step.model.layer_flops(routed, step.sequence))
        there, back = layer_uses(step, routed)
        one = _exposed(step, own, there, counted)
        other = _exposed(step, (3 if step.recompute else 2) * own, back, counted)
        layers = np.array([step.counts(stage)[routed] for stage in range(step.parallel.pp)])
        forward += layers * one
        backward += layers * other
    words = step.seconds(step.model.head_flops)
    forward[-1] += words
    backward[-1] += 2 * words
    return forward, backward


def _exposed(step: Step, own: float, uses: Uses, counted: Counted) -> float:
    """Return how long `own` seconds of computation take with their exchanges, those that may be hidden behind it."""
    total = free = own
    for name in DIMENSIONS:
        spent = sum(
            count * counted[use][1]
            for use, count in uses.items()
            if use in counted and counted[use][0] == name
        )
        hidden = min(step.overlap.get(name, 0.0) * spent, free)
        free -= hidden
        total += spent - hidden
    return total


def _end(step: Step, stage: int, counted: Counted, forward: float, backward: float) -> float:
    """Return what a stage's copies exchange after its last pass, as far as nothing hides it [s].

    Layer by layer, gradients may go while the layers before are still on their way back, and parameters come while
    those before are already on their way forward; what belongs to one layer has nothing to hide behind.
    """
    layers = len(step.stages[stage])
    left = 0.0
    for name in stage_uses(step, stage):
        if name not in counted:
            continue
        spent = counted[name][1]
        room = (forward if "-gather-" in name else backward) * (1 - 1 / layers)
        left += spent - min(step.overlap.get("dp", 0.0) * spent * (1 - 1 / layers), room)
    return left
