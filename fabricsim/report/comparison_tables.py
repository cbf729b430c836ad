"""Two answers side by side, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping

from fabricsim.formats.comparison import Comparison, compare_metrics
from fabricsim.report.tables import TextTable, metric_name, metric_text
from fabricsim.units import format_bandwidth, format_size, format_time


def sizes_table(comparison: Comparison) -> TextTable:
    """Return one row for each size that both have: times, busbw, and how far B's time is from A's."""
    rows = tuple(
        (
            format_size(row.size),
            format_time(row.time_a),
            format_time(row.time_b),
            _bandwidth(row.busbw_a),
            _bandwidth(row.busbw_b),
            f"{row.error:+.2%}",
        )
        for row in comparison.rows
    )
    head = ("size", "time A", "time B", "busbw A", "busbw B", "time B over A")
    return TextTable(f"A: {comparison.a.source}   B: {comparison.b.source}", head, rows, _summary(comparison))


def _summary(comparison: Comparison) -> str:
    worst = comparison.worst
    parts = [
        f"mean |difference| {comparison.mean_error:.2%}, largest {worst.error:+.2%} at {format_size(worst.size)}"
    ]
    for name, sizes in (("A", comparison.only_a), ("B", comparison.only_b)):
        if sizes:
            shown = ", ".join(map(format_size, sizes[:6])) + (", …" if len(sizes) > 6 else "")
            parts.append(f"only in {name}: {shown}")
    return "; ".join(parts)


def _bandwidth(rate: float | None) -> str:
    return "–" if rate is None else format_bandwidth(rate)


def metrics_beside(title: str, a: Mapping[str, float], b: Mapping[str, float]) -> TextTable:
    """Return one row for each metric of two results: both values, and the change."""
    rows = tuple(
        (
            metric_name(name),
            *("–" if value is None else metric_text(name, value) for value in (of_a, of_b)),
            _change(of_a, of_b),
        )
        for name, of_a, of_b in compare_metrics(a, b)
    )
    return TextTable(title, ("metric", "A", "B", "B over A"), rows)


def _change(a: float | None, b: float | None) -> str:
    if a is None or b is None:
        return "–"
    if a == b:
        return "same"
    return f"{b / a - 1:+.2%}" if a else "–"
