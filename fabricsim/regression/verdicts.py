"""Judging results: does each expectation hold, by how much, and where not.

A verdict that judged nothing fails: an absent metric, or a `when` that never held, is said and is not a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fabricsim.expectations import Condition, Expectation, format_value, short_name
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


def judge(results: Result | Sequence[Result], expectations: Iterable[Expectation]) -> list[Verdict]:
    """Return one verdict per expectation, each over all points of a sweep (or the one result given)."""
    points = [results] if isinstance(results, Result) else list(results)
    return [_verdict(points, expectation) for expectation in expectations]


def value_of(result: Result, condition: Condition) -> float | None:
    """Return the value (SI) of the metric a condition names, or None where the result does not hold it."""
    if condition.operation is None:
        return result.metrics.get(condition.metric)
    metrics = (op.metrics for op in result.operations if op.name == condition.operation)
    return next(metrics, {}).get(condition.metric)


def _verdict(points: Sequence[Result], expectation: Expectation) -> Verdict:
    condition = expectation.condition
    nearest = condition.limits[0][1]
    for when in expectation.when:
        absent = [point for point in points if value_of(point, when) is None]
        if absent:
            return Verdict(
                str(expectation), False, None, nearest, f"cannot be judged: {_absence(absent[0], when)}"
            )
    judged = [index for index, point in enumerate(points) if _applies(point, expectation)]
    if not judged:
        return Verdict(str(expectation), False, None, nearest, _never_applied(points, expectation))
    values = {index: value_of(points[index], condition) for index in judged}
    for index, value in values.items():
        if value is None:
            why = f"cannot be judged: {_absence(points[index], condition)}"
            return Verdict(str(expectation), False, None, nearest, why)
    return _judged(
        expectation, {index: value for index, value in values.items() if value is not None}, len(points)
    )


def _applies(point: Result, expectation: Expectation) -> bool:
    values = ((when, value_of(point, when)) for when in expectation.when)
    return all(value is not None and when.holds(value) for when, value in values)


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


def _absence(point: Result, condition: Condition) -> str:
    name = short_name(condition.metric)
    having = [op.name for op in point.operations if condition.metric in op.metrics]
    if condition.operation is None:
        hint = f" of the whole run; write {having[0]}.{name}" if having else ""
        return f"the result has no {name}{hint}"
    if condition.operation not in [op.name for op in point.operations]:
        return f"the result has no operation {condition.operation!r}"
    return f"{condition.operation!r} has no {name}"


def _never_applied(points: Sequence[Result], expectation: Expectation) -> str:
    if not points:
        return "never applied: there is no result"
    return (
        f"never applied: its condition held in none of {len(points)} result{'s' if len(points) > 1 else ''}"
    )
