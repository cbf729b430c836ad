"""Jobs that share a machine."""

from __future__ import annotations

from dataclasses import dataclass

from fabricsim.schedule.columns import IntArray, column


@dataclass(frozen=True, eq=False)
class Tenant:
    """One of several jobs on a machine: its ranks in its own order, when it arrives [s], its operations by name."""

    name: str
    ranks: IntArray
    start: float
    operations: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", column(self.ranks))
