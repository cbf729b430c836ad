"""What a report shows of a verdict; anything with these fields will do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Judged(Protocol):
    """A statement, whether it holds, and the numbers (SI) that decided it."""

    @property
    def text(self) -> str:
        """The statement."""

    @property
    def ok(self) -> bool:
        """Whether it holds."""

    @property
    def actual(self) -> object:
        """What was found."""

    @property
    def limit(self) -> object:
        """What it was held against."""


def reason(verdict: Judged) -> str:
    """Return why a verdict is what it is: its own words where it has some, its numbers otherwise."""
    why = getattr(verdict, "why", "")
    return str(why) if why else f"is {verdict.actual}, limit {verdict.limit}"


def headline(verdict: Sequence[Judged]) -> str:
    """Return one sentence for all verdicts together."""
    failed = sum(not entry.ok for entry in verdict)
    count = len(verdict)
    if not count:
        return "Nothing was expected of this run."
    if failed:
        return f"{failed} of {count} expectation{'s' * (count > 1)} violated"
    return "The expectation holds" if count == 1 else f"All {count} expectations hold"
