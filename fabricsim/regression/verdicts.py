"""Judging results: does each expectation hold, by how much, and where not.

A verdict that judged nothing fails: an absent metric, or a `when` that never held, is said and is not a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from fabricsim.expectations import Condition, Expectation, Quantity, format_value, short_name
from fabricsim.result import Result


@dataclass(frozen=True)
class Verdict:
    """What became of one expectation.

    text: the expectation as written. actual and limit: SI numbers, the value closest to failing or failing by
    most, over all points judged, and the limit it was held against; actual is None where nothing was judged.
    why: one line for people, units included.
    """

    text: str
    ok: bool
    actual: float | None
    limit: float
    why: str


class NotJudgedError(Exception):
    """Why a quantity cannot be measured."""


class Beside(Protocol):
    """What lies beside the results: the designs they are of, and the runs that ratios are to."""

    def value(self, index: int, expectation: Expectation) -> float:
        """Return what point `index` is held against, the value of `expectation.of`. Raises NotJudgedError."""

    def figure(self, index: int, metric: str) -> float:
        """Return a figure of the design of point `index`. Raises NotJudgedError."""


def judge(
    results: Result | Sequence[Result], expectations: Iterable[Expectation], beside: Beside | None = None
) -> list[Verdict]:
    """Return one verdict per expectation, each over all points of a sweep (or the one result given).

    Designs and other runs, which results do not hold, are asked of `beside`; without it what needs them fails.
    """
    points = [results] if isinstance(results, Result) else list(results)
    return [_verdict(points, expectation, beside) for expectation in expectations]


def value_in(result: Result, quantity: Quantity) -> float:
    """Return the value (SI) of a quantity in a result. Raises NotJudgedError where the result does not hold it."""
    if quantity.operation is None:
        value = result.metrics.get(quantity.metric)
    else:
        metrics = (part.metrics for part in result.parts if part.name == quantity.operation)
        value = next(metrics, {}).get(quantity.metric)
    if value is None:
        raise NotJudgedError(_absence(result, quantity))
    return value


def _verdict(points: Sequence[Result], expectation: Expectation, beside: Beside | None) -> Verdict:
    nearest = expectation.condition.limits[0][1]
    try:
        judged = [index for index in range(len(points)) if _applies(points, index, expectation, beside)]
        values = {index: _measured(points, index, expectation, beside) for index in judged}
    except NotJudgedError as error:
        return Verdict(str(expectation), False, None, nearest, f"cannot be judged: {error}")
    if not judged:
        return Verdict(str(expectation), False, None, nearest, _never_applied(points))
    return _judged(expectation, values, len(points))


def _applies(points: Sequence[Result], index: int, expectation: Expectation, beside: Beside | None) -> bool:
    values = [(when, _value(points, index, when.quantity, beside)) for when in expectation.when]
    return all(when.holds(value) for when, value in values)


def _measured(points: Sequence[Result], index: int, expectation: Expectation, beside: Beside | None) -> float:
    """Return what is held against the limits at one point: the value, or its ratio to the one it is `of`."""
    value = _value(points, index, expectation.condition.quantity, beside)
    if expectation.of is None:
        return value
    if expectation.of.is_same_run:
        other = _value(points, index, expectation.of.quantity, beside)
    elif beside is None:
        raise NotJudgedError("it compares with another run, which `fabricsim run` and `check` make")
    else:
        other = beside.value(index, expectation)
    if not other:
        raise NotJudgedError(f"{expectation.of} is 0, so there is no ratio to it")
    return value / other


def _value(points: Sequence[Result], index: int, quantity: Quantity, beside: Beside | None) -> float:
    if not quantity.of_design:
        return value_in(points[index], quantity)
    if beside is None:
        raise NotJudgedError("it is of the design, which `fabricsim run` and `check` look at")
    return beside.figure(index, quantity.metric)


def _judged(expectation: Expectation, values: dict[int, float], points: int) -> Verdict:
    condition = expectation.condition
    worst = min(values, key=lambda index: _slack(condition, values[index])[0])
    _, limit = _slack(condition, values[worst])
    failed = [index for index, value in values.items() if not condition.holds(value)]
    why = (
        f"is {_shown(values[worst], limit, condition.kind)}{_difference(values[worst], limit, bool(failed))}"
    )
    if points > 1:
        share = f"fails in {len(failed)} of" if failed else "worst of"
        why += f" at point {worst} ({share} {len(values)} judged)"
    return Verdict(str(expectation), not failed, values[worst], limit, why)


def _slack(condition: Condition, value: float) -> tuple[float, float]:
    """Return how far `value` is inside the tightest limit (negative: outside), and that limit."""
    if math.isnan(value):
        return -math.inf, condition.limits[0][1]
    inside = {"<": 1, "<=": 1, ">": -1, ">=": -1}
    return min(
        (inside[sign] * (limit - value) if sign in inside else -abs(limit - value), limit)
        for sign, limit in condition.limits
    )


def _shown(value: float, limit: float, kind: str) -> str:
    """Return the value for people, with as many digits as it takes to differ from the limit."""
    texts = (
        (format_value(value, kind, digits), format_value(limit, kind, digits)) for digits in (4, 7, 10, 13)
    )
    return next((text for text, other in texts if value == limit or text != other), repr(value))


def _difference(value: float, limit: float, failed: bool) -> str:
    if not failed or not limit or math.isnan(value):
        return ""
    share = 100 * abs(value - limit) / limit
    return f", {share:.3g} % {'below' if value < limit else 'above'} the limit" if share else ""


def _absence(point: Result, quantity: Quantity) -> str:
    name = short_name(quantity.metric)
    having = [part.name for part in point.parts if quantity.metric in part.metrics]
    if quantity.operation is None:
        hint = f" of the whole run; write {having[0]}.{name}" if having else ""
        return f"the result has no {name}{hint}"
    if quantity.operation not in [part.name for part in point.parts]:
        return f"the result has no operation {quantity.operation!r}"
    return f"{quantity.operation!r} has no {name}"


def _never_applied(points: Sequence[Result]) -> str:
    if not points:
        return "never applied: there is no result"
    return (
        f"never applied: its condition held in none of {len(points)} result{'s' if len(points) > 1 else ''}"
    )
