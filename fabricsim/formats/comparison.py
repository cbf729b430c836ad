"""Two answers to one question, side by side: by message size where both are one collective, else metric by metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from fabricsim.errors import InputError
from fabricsim.formats.measured import Log, LogRow

_GRAIN: Final = 16
"""Bytes of each rank's share that a simulated size is a multiple of."""


@dataclass(frozen=True)
class SizeRow:
    """What both say of one size [B]: times [s], and the second's error against the first, B/A − 1."""

    size: int
    time_a: float
    time_b: float
    busbw_a: float | None
    busbw_b: float | None

    @property
    def error(self) -> float:
        """Relative difference in time: above 0 where B is slower."""
        return self.time_b / self.time_a - 1


@dataclass(frozen=True)
class Comparison:
    """Two logs by size. only_a, only_b: sizes [B] that only one of them has."""

    a: Log
    b: Log
    rows: tuple[SizeRow, ...]
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]

    @property
    def mean_error(self) -> float:
        """Mean of the absolute relative differences in time."""
        return sum(abs(row.error) for row in self.rows) / len(self.rows)

    @property
    def worst(self) -> SizeRow:
        """The size on which they differ most."""
        return max(self.rows, key=lambda row: abs(row.error))


def compare_logs(a: Log, b: Log) -> Comparison:
    """Return two logs side by side. Raises InputError if they are of different collectives or share no size.

    A simulated collective rounds its size down to a multiple of ranks × 16 B, a measured one need not: sizes that
    differ by less than that are one.
    """
    if a.collective and b.collective and a.collective != b.collective:
        raise InputError(
            f"{a.source} is {a.collective}, {b.source} is {b.collective}", "compare like with like"
        )
    if a.ranks and b.ranks and a.ranks != b.ranks:
        raise InputError(
            f"{a.source} has {a.ranks} ranks, {b.source} has {b.ranks}", "compare equal rank counts"
        )
    of_a, of_b = _by_size(a), _by_size(b)
    pairs = _pairs(of_a, of_b, _GRAIN * (a.ranks or b.ranks or 0))
    if not pairs:
        what = f"{a.source} and {b.source} have no size in common"
        raise InputError(what, f"run one of {', '.join(f'{size} B' for size in sorted(of_a)[:8])}")
    rows = tuple(
        SizeRow(i, of_a[i].time, of_b[j].time, of_a[i].busbw, of_b[j].busbw) for i, j in pairs.items()
    )
    return Comparison(
        a, b, rows, tuple(sorted(of_a.keys() - pairs)), tuple(sorted(of_b.keys() - pairs.values()))
    )


def _pairs(of_a: Collection[int], of_b: Collection[int], grain: int) -> dict[int, int]:
    """Return the sizes of A that B has too, rising, each with B's: the same, else the nearest within `grain`."""
    free = sorted(set(of_b) - set(of_a))
    pairs = {}
    for size in sorted(of_a):
        if size in of_b:
            pairs[size] = size
            continue
        nearest = min(free, key=lambda other: abs(other - size), default=size + grain)
        if abs(nearest - size) < grain:
            pairs[size] = nearest
            free.remove(nearest)
    return pairs


def _by_size(log: Log) -> dict[int, LogRow]:
    """Return the rows by size; a size measured several times (`-N`) counts with its median time."""
    rows: dict[int, list[LogRow]] = {}
    for row in log.rows:
        rows.setdefault(row.size, []).append(row)
    return {size: sorted(same, key=lambda row: row.time)[len(same) // 2] for size, same in rows.items()}


def compare_metrics(
    a: Mapping[str, float], b: Mapping[str, float]
) -> list[tuple[str, float | None, float | None]]:
    """Return (metric, value in A, value in B), in A's order, then what only B has; None where one lacks it."""
    names = [*a, *(name for name in b if name not in a)]
    return [(name, a.get(name), b.get(name)) for name in names]
