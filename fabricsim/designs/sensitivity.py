"""Which uncertain numbers of a machine decide a verdict: each is varied over its range, alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fabricsim.designs.uncertain import Change, Uncertain, uncertain_numbers
from fabricsim.errors import UsageError
from fabricsim.expectations import Expectation
from fabricsim.job import Job
from fabricsim.regression.verdicts import Verdict, judge
from fabricsim.result import Result
from fabricsim.run import execute, job_of
from fabricsim.scenario import Scenario

_HALVINGS: Final = 10
"""How often the interval around a flip is halved: a factor of 2 then comes down to less than a thousandth."""


@dataclass(frozen=True)
class Effect:
    """What one number does to one expectation.

    low, high: the verdicts at the ends of its range. flips_at: the factor nearest to 1 beyond which the verdict is
    another, None where it is the same all over the range.
    """

    expectation: str
    number: Uncertain
    nominal: Verdict
    low: Verdict
    high: Verdict
    flips_at: float | None

    @property
    def swing(self) -> float:
        """How far the judged value moves between the ends, relative to its nominal value."""
        if self.low.actual is None or self.high.actual is None or not self.nominal.actual:
            return math.inf
        return abs(self.high.actual - self.low.actual) / abs(self.nominal.actual)


@dataclass(frozen=True)
class Sensitivity:
    """The effects on every expectation, largest swing first; and what was not varied or judged, with the reason."""

    effects: tuple[Effect, ...]
    left_out: tuple[str, ...]


def sensitivity(scenario: Scenario) -> Sensitivity:
    """Return what the uncertain numbers of a scenario's machine do to its expectations.

    Raises UsageError where there is nothing to vary or nothing to judge, and what a run raises.
    """
    expectations = [one for one in scenario.expectations if not _needs_more(one)]
    if not expectations:
        raise UsageError(f"{scenario.name} has no expectation that can be varied; add one to expect:")
    points = scenario.points()
    numbers, left_out = uncertain_numbers(points)
    if not numbers:
        raise UsageError(f"no number of the machine of {scenario.name} is uncertain and can be varied")
    left_out += [
        f"{one}: needs other runs or the design" for one in scenario.expectations if _needs_more(one)
    ]
    judged = list(zip(expectations, judge(_results(points, _as_is, 1.0), expectations), strict=True))
    left_out += [f"{one}: {verdict.why}" for one, verdict in judged if verdict.actual is None]
    judged = [(one, verdict) for one, verdict in judged if verdict.actual is not None]
    if not judged:
        raise UsageError(f"no expectation of {scenario.name} can be judged: {'; '.join(left_out)}")
    effects = [effect for number in numbers for effect in _effects(points, judged, number)]
    order = [str(one) for one, _ in judged]
    ranked = sorted(effects, key=lambda e: (order.index(e.expectation), -e.swing, e.number.key))
    return Sensitivity(tuple(ranked), tuple(left_out))


def _needs_more(expectation: Expectation) -> bool:
    quantities = [expectation.condition.quantity, *(when.quantity for when in expectation.when)]
    if expectation.of:
        quantities.append(expectation.of.quantity)
    other = expectation.of is not None and not expectation.of.is_same_run
    return other or any(quantity.of_design for quantity in quantities)


def _effects(
    points: Sequence[Scenario], judged: Sequence[tuple[Expectation, Verdict]], number: Uncertain
) -> Iterator[Effect]:
    expectations = [expectation for expectation, _ in judged]
    at = {end: judge(_results(points, number.change, end), expectations) for end in number.ends}
    for index, (expectation, nominal) in enumerate(judged):
        low, high = (at[end][index] for end in number.ends)
        flips = [
            _flip(points, expectation, number, end, nominal.ok)
            for end in number.ends
            if at[end][index].ok != nominal.ok
        ]
        nearest = min(flips, key=lambda factor: abs(math.log(factor)), default=None)
        yield Effect(str(expectation), number, nominal, low, high, nearest)


def _flip(
    points: Sequence[Scenario], expectation: Expectation, number: Uncertain, end: float, holds: bool
) -> float:
    """Return the factor nearest to 1 on the way to `end` at which the verdict is another."""

    def same(factor: float) -> bool:
        (verdict,) = judge(_results(points, number.change, factor), [expectation])
        return verdict.ok == holds

    if number.steps is not None:
        outward = sorted(
            (step for step in number.steps if (step - 1) * (end - 1) > 0), key=lambda step: abs(step - 1)
        )
        return next(step for step in outward if step == end or not same(step))
    near, far = 0.0, math.log(end)  # halved on a log scale
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if same(math.exp(middle)) else (near, middle)
    return math.exp(far)


def _results(points: Sequence[Scenario], change: Change, factor: float) -> list[Result]:
    return [execute(change(point, factor)) for point in points]


def _as_is(point: Scenario, factor: float) -> Job:
    return job_of(point)
