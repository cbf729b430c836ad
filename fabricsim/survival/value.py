"""What losing parts costs: settings, and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fabricsim.table import Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Question:
    """What is asked of a machine and its workload.

    parts: kinds of part, see `failures.elements`. metric: path of what is compared, such as `ar.busbw`. keep: the share
    of its healthy value that must be left. members: how many of a class are simulated where two of them differ.
    faults: numbers of parts that are lost at once; samples: how many draws of each.
    """

    parts: tuple[str, ...] = ("link", "switch")
    metric: str = "completion_time"
    keep: float = 0.9
    members: int = 16
    faults: tuple[int, ...] = ()
    samples: int = 10


@dataclass(frozen=True)
class Loss:
    """One loss simulated: what the metric came to [SI], the share that is kept, ranks cut off, why the job stops.

    value is None, and kept 0, where the ranks that are left cannot run the workload.
    """

    value: float | None
    kept: float
    cut_off: int
    stops: str = ""


@dataclass(frozen=True)
class PartClass:
    """Parts that are alike: kind, level and record, one of them by name, how many, and some of them lost one by one."""

    part: str
    level: str
    record: str
    example: str
    count: int
    losses: tuple[Loss, ...]

    @property
    def worst(self) -> Loss:
        """The loss that keeps least."""
        return min(self.losses, key=lambda loss: loss.kept)

    @property
    def mean(self) -> float:
        """The share kept in the mean of those simulated."""
        return float(np.mean([loss.kept for loss in self.losses]))

    @property
    def label(self) -> str:
        """What people call it: `link of pod, ub-x4-optical`."""
        where = f"{self.part} of {self.level}" if self.level and self.level != self.part else self.part
        return f"{where}, {self.record}" if self.record else where


@dataclass(frozen=True)
class Draw:
    """Some parts lost at once, by name, and what that cost."""

    names: tuple[str, ...]
    loss: Loss


@dataclass(frozen=True, eq=False)
class Survival:
    """What losing one part, and some parts at once, leaves of a metric; healthy: its value with nothing lost [SI]."""

    question: Question
    healthy: float
    classes: tuple[PartClass, ...]
    draws: tuple[Draw, ...]

    @property
    def worst(self) -> PartClass:
        """The class that hurts most; of equals the one with most parts."""
        return min(self.classes, key=lambda one: (one.worst.kept, -one.count))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """What expectations compare, by the names in METRICS."""
        count = np.array([one.count for one in self.classes])
        mean = np.array([one.mean for one in self.classes])
        below = [one.count for one in self.classes if one.worst.kept < self.question.keep]
        found = {
            "n_minus_1_worst_over_healthy": self.worst.worst.kept,
            "n_minus_1_mean_over_healthy": float((mean * count).sum() / count.sum()),
            "n_minus_1_ranks_cut_off": max(one.worst.cut_off for one in self.classes),
            "n_minus_1_parts": int(count.sum()),
            "n_minus_1_parts_below": sum(below),
        }
        return {**found, **dict(self._of_draws())}

    def _of_draws(self) -> Iterator[tuple[str, float]]:
        kept = {
            faults: [d.loss.kept for d in self.draws if len(d.names) == faults] for faults in self.numbers
        }
        if 2 in kept:
            yield "n_minus_2_worst_over_healthy", min(kept[2])
            yield "n_minus_2_mean_over_healthy", float(np.mean(kept[2]))
        if kept:
            survived = 0
            for faults, shares in kept.items():
                if min(shares) < self.question.keep:
                    break
                survived = faults
            yield "faults_survived", survived

    @property
    def numbers(self) -> list[int]:
        """The numbers of parts that were lost at once, ascending."""
        return sorted({len(draw.names) for draw in self.draws})

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """The classes, those that hurt most first, and the draws, as tables of a result."""
        order = sorted(self.classes, key=lambda one: (one.worst.kept, -one.count))
        columns: dict[str, list[Any]] = {
            "part": [one.part for one in order],
            "level": [one.level for one in order],
            "record": [one.record for one in order],
            "example": [one.example for one in order],
            "count": [one.count for one in order],
            "simulated": [len(one.losses) for one in order],
            "healthy": [self.healthy] * len(order),
            "value": [np.nan if one.worst.value is None else one.worst.value for one in order],
            "kept": [one.worst.kept for one in order],
            "kept_mean": [one.mean for one in order],
            "cut_off": [one.worst.cut_off for one in order],
        }
        tables = {"losses": Table({name: np.array(column) for name, column in columns.items()})}
        if self.draws:
            drawn: dict[str, list[Any]] = {
                "faults": [len(draw.names) for draw in self.draws],
                "kept": [draw.loss.kept for draw in self.draws],
                "cut_off": [draw.loss.cut_off for draw in self.draws],
                "parts": ["; ".join(draw.names) for draw in self.draws],
            }
            tables["draws"] = Table({name: np.array(column) for name, column in drawn.items()})
        return tables

    @property
    def frame(self) -> pd.DataFrame:
        """One row per class of parts, those that hurt most first."""
        return self.tables["losses"].frame
