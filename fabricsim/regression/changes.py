"""What changed against a baseline: each number held, each number now, and whether that is a loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fabricsim.regression.baseline import Baseline, Held, Point, label_of, metric_name
from fabricsim.regression.origin import Origin, origin_of, same_question
from fabricsim.regression.watched import better
from fabricsim.result import Result

Outcome = Literal["same", "better", "worse", "absent"]


@dataclass(frozen=True)
class Change:
    """One number of a baseline and what it is now (SI); `now` is None where the result lacks it."""

    metric: str
    point: str
    held: Held
    now: int | float | None
    outcome: Outcome

    @property
    def lost(self) -> bool:
        """Whether this is a regression."""
        return self.outcome in ("worse", "absent")

    @property
    def share(self) -> float:
        """The change relative to the baseline; infinite from zero, not a number where there is none."""
        if self.now is None:
            return math.nan
        difference = self.now - self.held.value
        if not difference:
            return 0.0
        return difference / abs(self.held.value) if self.held.value else math.copysign(math.inf, difference)


@dataclass(frozen=True)
class Comparison:
    """A baseline held against results.

    unheld: points that the baseline lacks. unused: points that it has and the results lack. stale: the values are
    those of another design or scenario. origins: (before, now) of every point with a loss.
    """

    changes: tuple[Change, ...]
    unheld: tuple[str, ...]
    unused: tuple[str, ...]
    stale: bool
    origins: tuple[tuple[Origin, Origin], ...]

    @property
    def lost(self) -> tuple[Change, ...]:
        """The regressions, largest first."""
        return tuple(sorted((change for change in self.changes if change.lost), key=_severity))

    @property
    def gained(self) -> tuple[Change, ...]:
        """The improvements, largest first."""
        return tuple(sorted((change for change in self.changes if change.outcome == "better"), key=_severity))

    @property
    def differs(self) -> bool:
        """Whether a baseline made of the results would be another."""
        moved = any(change.now != change.held.value for change in self.changes)
        return moved or self.stale or bool(self.unheld or self.unused)


def _severity(change: Change) -> tuple[float, str, str]:
    size = math.inf if math.isnan(change.share) else abs(change.share)
    return -size, change.point, change.metric


def compare(baseline: Baseline, results: Sequence[Result]) -> Comparison:
    """Return what changed in results against their baseline, point by point."""
    pairs = [(result, baseline.point(result.provenance.get("varied", {}))) for result in results]
    known = [(result, point) for result, point in pairs if point]
    labels = {point.label for _, point in known}
    changes = {id(point): _changes(result, point) for result, point in known}
    origins = [(point.origin, origin_of(result), changes[id(point)]) for result, point in known]
    return Comparison(
        changes=tuple(change for found in changes.values() for change in found),
        unheld=tuple(label_of(result.provenance.get("varied", {})) for result, point in pairs if not point),
        unused=tuple(point.label for point in baseline.points if point.label not in labels),
        stale=any(not same_question(before, now) for before, now, _ in origins),
        origins=tuple(
            (before, now) for before, now, found in origins if any(change.lost for change in found)
        ),
    )


def _changes(result: Result, point: Point) -> list[Change]:
    found = result.numbers
    return [
        Change(path, point.label, held, found.get(path), _outcome(path, held, found.get(path)))
        for path, held in sorted(point.metrics.items())
    ]


def _outcome(path: str, held: Held, now: int | float | None) -> Outcome:
    if now is None:
        return "absent"
    difference = now - held.value
    # results carry rounding of one part in 10^12 between machines, no more
    if abs(difference) <= held.allowed or math.isclose(now, held.value, rel_tol=1e-12, abs_tol=0.0):
        return "same"
    way = better(metric_name(path))
    return (
        "better" if (way == "lower" and difference < 0) or (way == "higher" and difference > 0) else "worse"
    )
