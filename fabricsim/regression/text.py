"""A check for people: one line a scenario, a table of what changed, what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from fabricsim.expectations import format_value, kind_of, short_name
from fabricsim.metrics import METRICS
from fabricsim.regression.baseline import baseline_path, metric_name
from fabricsim.regression.changes import Change, Comparison
from fabricsim.regression.check import Checked
from fabricsim.regression.origin import attribution
from fabricsim.regression.watched import better

HEAD: Final = ("metric", "baseline", "now", "change", "limit")
_MOST_ROWS: Final = 20
_LIMIT_SIGN: Final = {"lower": "+", "higher": "-", "same": "±"}


def check_lines(checked: Checked) -> list[str]:
    """Return everything worth saying about a checked scenario, its headline first."""
    lines = [f"{'ok  ' if checked.ok else 'FAIL'} {checked.file}: {headline(checked)}"]
    lines += [f"     {verdict.text}: {verdict.why}" for verdict in checked.verdicts if not verdict.ok]
    if checked.comparison and not checked.written:
        lines += [f"     {line}" for line in comparison_lines(checked.comparison)]
    return lines + [f"note {line}" for line in notes(checked)]


def headline(checked: Checked) -> str:
    """Return how much of a scenario holds, in one line."""
    held = sum(verdict.ok for verdict in checked.verdicts)
    parts = [f"{held} of {len(checked.verdicts)} expectations hold"]
    if checked.comparison and not checked.written:
        kept = sum(not change.lost for change in checked.comparison.changes)
        before = f"are as at {checked.against}" if checked.against else "hold their baseline"
        parts.append(f"{kept} of {len(checked.comparison.changes)} numbers {before}")
    return ", ".join(parts)


def comparison_lines(comparison: Comparison) -> list[str]:
    """Return the table of regressions and who moved; nothing where there are none."""
    if not comparison.lost:
        return []
    lines = []
    for point in dict.fromkeys(change.point for change in comparison.lost):
        changes = [change for change in comparison.lost if change.point == point]
        lines += [f"where {point}:"] if point else []
        lines += table([cells(change) for change in changes[:_MOST_ROWS]])
        if len(changes) > _MOST_ROWS:
            lines.append(f"and {len(changes) - _MOST_ROWS} more")
    return [*lines, attribution(comparison.origins)]


def notes(checked: Checked) -> list[str]:
    """Return what is no failure and still worth knowing: improvements; missing, stale and unused baselines."""
    path = baseline_path(checked.file)
    if checked.written:
        return [f"{checked.written}: written"]
    if checked.against:
        return _notes_against(checked)
    if checked.comparison is None:
        return [f"{checked.file} has no baseline; make one: fabricsim check --update {checked.file}"]
    comparison = checked.comparison
    found = [f"{path}: better: {_one_line(change)}" for change in comparison.gained[:_MOST_ROWS]]
    found += [f"{path}: no baseline where {point}" for point in comparison.unheld]
    found += [f"{path}: unused, the scenario has no point where {point}" for point in comparison.unused]
    if comparison.stale:
        found.append(f"{path}: stale, made for another design or scenario")
    if found:
        found.append(f"bring it up to date: fabricsim check --update --reason '...' {checked.file}")
    return found


def _notes_against(checked: Checked) -> list[str]:
    comparison = checked.comparison
    if comparison is None:
        return [f"{checked.file} is not in {checked.against}: there is nothing to compare with"]
    found = [f"better: {_one_line(change)}" for change in comparison.gained[:_MOST_ROWS]]
    found += [f"new since {checked.against}: the point where {point}" for point in comparison.unheld]
    found += [f"gone since {checked.against}: the point where {point}" for point in comparison.unused]
    return [f"{checked.file}: {line}" for line in found]


def cells(change: Change) -> tuple[str, ...]:
    """Return one change as the cells of a table: metric, baseline, now, change, limit."""
    before, now = _values(change)
    operation, dot, _ = change.metric.rpartition(".")
    return f"{operation}{dot}{_short(change)}", before, now, _percent(change), _limit(change)


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = HEAD) -> list[str]:
    """Return aligned lines, the first column to the left and the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]


def _one_line(change: Change) -> str:
    name, before, now, share, _ = cells(change)
    where = f" where {change.point}" if change.point else ""
    return f"{name} {before} → {now} ({share}){where}"


def _short(change: Change) -> str:
    name = metric_name(change.metric)
    return short_name(name) if name in METRICS else name


def _values(change: Change) -> tuple[str, str]:
    """Return both values for people, with as many digits as it takes to tell them apart."""
    kind = kind_of(metric_name(change.metric))
    before = change.held.value
    if change.now is None:
        return format_value(before, kind), "absent"
    now = change.now
    pairs = ((format_value(before, kind, n), format_value(now, kind, n)) for n in (4, 7, 10, 13))
    return next((pair for pair in pairs if pair[0] != pair[1]), (repr(before), repr(now)))


def _percent(change: Change) -> str:
    if math.isnan(change.share):
        return "-"
    return "from 0" if math.isinf(change.share) else f"{100 * change.share:+.3g} %"


def _limit(change: Change) -> str:
    """Return how far the metric may move, and which way that is a loss."""
    sign = _LIMIT_SIGN[better(metric_name(change.metric))]
    if not change.held.allowed:
        return "exact" if sign == "±" else "none"
    if change.held.abs >= change.held.rel * abs(change.held.value):
        return f"{sign}{format_value(change.held.abs, kind_of(metric_name(change.metric)))}"
    return f"{sign}{100 * change.held.rel:.3g} %"
