"""Holding results that a Python test made to a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fabricsim.errors import UsageError, close_match
from fabricsim.metrics import METRICS
from fabricsim.regression.baseline import (
    Baseline,
    Point,
    make_baseline,
    metric_name,
    read_baseline,
    write_baseline,
)
from fabricsim.regression.changes import Comparison, compare
from fabricsim.regression.origin import attribution
from fabricsim.result import Result


def check_results(
    result: Result | Sequence[Result],
    path: Path,
    *,
    update: bool = False,
    reason: str = "",
    rel: float | None = None,
    metrics: Sequence[str] = (),
) -> Comparison | None:
    """Return what changed in results against the baseline in `path`, None where there is no such file.

    With `update` it is written where it is missing or differs, and None is returned. rel and metrics are the
    relative tolerance and the metrics of a new baseline. Raises InputError for a baseline that cannot be read.
    """
    _check_choice(rel, metrics)
    results = [result] if isinstance(result, Result) else list(result)
    held = read_baseline(path) if path.exists() else None
    comparison = compare(held, results) if held else None
    if not update:
        return comparison
    if comparison is None or comparison.differs:
        why = reason or (attribution(comparison.origins) if comparison else "first baseline")
        made = make_baseline(results, why, held)
        write_baseline(path, made if held else _chosen(made, rel, metrics))
    return None


def _check_choice(rel: float | None, metrics: Sequence[str]) -> None:
    if rel is not None and rel < 0:
        raise UsageError(f"rel is {rel}: a tolerance is 0 or more")
    for path in metrics:
        if metric_name(path) not in METRICS:
            raise UsageError(f"unknown metric {path!r}; {close_match(metric_name(path), METRICS)}")


def _chosen(baseline: Baseline, rel: float | None, metrics: Sequence[str]) -> Baseline:
    return replace(baseline, points=tuple(_chosen_point(point, rel, metrics) for point in baseline.points))


def _chosen_point(point: Point, rel: float | None, metrics: Sequence[str]) -> Point:
    absent = [path for path in metrics if path not in point.metrics]
    if absent:
        raise UsageError(f"the result has no {absent[0]}; {close_match(absent[0], point.metrics)}")
    held = {
        path: held if rel is None else replace(held, rel=rel)
        for path, held in point.metrics.items()
        if not metrics or path in metrics
    }
    return replace(point, metrics=held)
