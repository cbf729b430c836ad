"""Which uncertain numbers of a machine decide a verdict: each is varied over its range, alone.

Varied are the rates, latencies and delays of links, switches and devices that the machine's evidence calls
reported, inferred or assumed. How far is a convention of ours, by confidence, in RANGES.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from fabricsim.errors import UsageError
from fabricsim.expectations import Expectation
from fabricsim.fabric import Evidence, Fabric, rescaled
from fabricsim.regression.verdicts import Verdict, judge
from fabricsim.result import Result
from fabricsim.run import execute, job_of
from fabricsim.scenario import Scenario

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "assumed": (0.5, 2.0),
    "inferred": (0.8, 1.25),
    "reported": (0.9, 1.1),
}
"""The factors that a number of each confidence is varied between; published ones stay."""

_HALVINGS: Final = 10
"""How often the interval around a flip is halved: a factor of 2 then comes down to less than a thousandth."""

Change = Callable[[Fabric, float], Fabric]


@dataclass(frozen=True)
class Uncertain:
    """A number that is varied: its key in the machine's files, what is known of it, and how to change it."""

    key: str
    confidence: str
    source: str
    change: Change

    @property
    def ends(self) -> tuple[float, float]:
        """The factors it is varied between."""
        return RANGES[self.confidence]


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
    numbers, left_out = _uncertain(points)
    if not numbers:
        raise UsageError(f"no rate, latency or delay of the machine of {scenario.name} is uncertain")
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
    """Return the factor between 1 and `end` at which the verdict becomes another, by halving on a log scale."""
    same, other = 0.0, math.log(end)
    for _ in range(_HALVINGS):
        middle = (same + other) / 2
        (verdict,) = judge(_results(points, number.change, math.exp(middle)), [expectation])
        same, other = (middle, other) if verdict.ok == holds else (same, middle)
    return math.exp(other)


def _results(points: Sequence[Scenario], change: Change, factor: float) -> list[Result]:
    jobs = [job_of(point) for point in points]
    return [execute(replace(job, fabric=change(job.fabric, factor))) for job in jobs]


def _as_is(fabric: Fabric, factor: float) -> Fabric:
    return fabric


# -- the numbers -------------------------------------------------------------------------------------------


def _uncertain(points: Sequence[Scenario]) -> tuple[list[Uncertain], list[str]]:
    """Return the numbers of all points' machines that can be varied, and the evidence that cannot."""
    numbers: dict[str, Uncertain] = {}
    left_out: dict[str, None] = {}
    for fabric in (point.fabric() for point in points):
        for evidence in fabric.about.evidence:
            if evidence.confidence in RANGES:
                change = _change_of(fabric, evidence)
                if change is None:
                    left_out[
                        f"{evidence.key} ({evidence.confidence}): no rate, latency or delay that can vary"
                    ] = None
                else:
                    numbers[evidence.key] = Uncertain(
                        evidence.key, evidence.confidence, evidence.source, change
                    )
    return list(numbers.values()), [text for text in left_out if text.partition(" ")[0] not in numbers]


def _change_of(fabric: Fabric, evidence: Evidence) -> Change | None:
    kind, _, rest = evidence.key.partition(".")
    name, _, field = rest.rpartition(".")
    if kind == "links" and field in _LINK_FIELDS:
        links = [link for link in fabric.links if link.name == name and getattr(link, _LINK_FIELDS[field])]
        return partial(_with_link, name, _LINK_FIELDS[field]) if links else None
    if kind in ("switches", "devices") and field == "delay":
        groups = [group for group in fabric.groups if group.device.name == name and group.device.delay]
        return partial(_with_delay, name) if groups else None
    return None


_LINK_FIELDS: Final = {
    "latency": "latency",
    "bandwidth": "bandwidth",
    "raw": "bandwidth",
    "coding": "bandwidth",
}
"""What a link's number becomes in the fabric, by its key: raw and coding are factors of the rate."""


def _with_link(name: str, field: str, fabric: Fabric, factor: float) -> Fabric:
    return rescaled(fabric, name, **{field: factor})


def _with_delay(name: str, fabric: Fabric, factor: float) -> Fabric:
    groups = [
        replace(group, device=replace(group.device, delay=group.device.delay * factor))
        if group.device.name == name
        else group
        for group in fabric.groups
    ]
    return replace(fabric, groups=tuple(groups))
