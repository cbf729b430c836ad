"""Two answers to one question, side by side: by message size where both are one collective, else metric by metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fabricsim.errors import InputError
from fabricsim.formats.measured import Log, LogRow


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
    """Return two logs side by side. Raises InputError if they are of different collectives or share no size."""
    if a.collective and b.collective and a.collective != b.collective:
        raise InputError(
            f"{a.source} is {a.collective}, {b.source} is {b.collective}", "compare like with like"
        )
    if a.ranks and b.ranks and a.ranks != b.ranks:
        raise InputError(
            f"{a.source} has {a.ranks} ranks, {b.source} has {b.ranks}", "compare equal rank counts"
        )
    of_a, of_b = _by_size(a), _by_size(b)
    shared = sorted(of_a.keys() & of_b.keys())
    if not shared:
        what = f"{a.source} and {b.source} have no size in common"
        raise InputError(what, f"run one of {', '.join(f'{size} B' for size in sorted(of_a)[:8])}")
    rows = tuple(
        SizeRow(size, of_a[size].time, of_b[size].time, of_a[size].busbw, of_b[size].busbw) for size in shared
    )
    return Comparison(
        a, b, rows, tuple(sorted(of_a.keys() - of_b.keys())), tuple(sorted(of_b.keys() - of_a.keys()))
    )


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
