"""What a bandwidth test measured, whoever wrote it down: one row for each message size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TESTS: Final[Mapping[str, str]] = {
    "all-to-all": "alltoall",
    "all-to-all-v": "alltoallv",
    "send-recv": "sendrecv",
}
"""What nccl-tests calls a collective where it is not our name with underscores."""


@dataclass(frozen=True)
class LogRow:
    """One size [B] as nccl-tests counts it, its time [s], and busbw [B/s] where the log states it."""

    size: int
    time: float
    busbw: float | None = None

    @property
    def algbw(self) -> float:
        """Size over time [B/s]."""
        return self.size / self.time


@dataclass(frozen=True)
class Log:
    """A whole test. collective and ranks are None where the log does not say; `source` is who wrote it, and where."""

    source: str
    collective: str | None
    ranks: int | None
    rows: tuple[LogRow, ...]


def tool_name(collective: str) -> str:
    """Return what nccl-tests calls a collective: `all_reduce`."""
    return TESTS.get(collective, collective.replace("-", "_"))


def collective_name(test: str) -> str:
    """Return the collective that nccl-tests calls `test`, with or without its `_perf`."""
    name = test.removesuffix("_perf")
    return {of: ours for ours, of in TESTS.items()}.get(name, name.replace("_", "-"))
