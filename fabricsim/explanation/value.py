"""An explanation as it is stored in a result: plain data, read as frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from fabricsim.accessors import borrow
from fabricsim.errors import UsageError
from fabricsim.result import Result
from fabricsim.units import format_time

if TYPE_CHECKING:
    import pandas as pd

WORDS: Final[Mapping[str, str]] = {
    "transmit_s": "transmission",
    "latency_s": "latency",
    "waiting_s": "waiting behind other packets or for parts",
    "overhead_s": "overheads of endpoints",
    "stated_s": "computation and stated starts",
}
"""What time goes into, in words."""

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a run took as long as it did.

    time: where the critical path's time went, by level, and what belongs to no level; its seconds add up to the
    completion time. rounds: the links that bind each round. what_if: the completion time with one link class changed,
    each solved anew; empty unless it was asked for. left_out: what could not be said, and why. path: the critical path.
    """

    name: str
    completion_time_s: float
    time: Sequence[Row]
    rounds: Sequence[Row]
    what_if: Sequence[Row] = ()
    left_out: Sequence[str] = ()
    path_table: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> pd.DataFrame:
        """One row per message, or stated time, of the critical path, in order of time."""
        import pandas as pd

        return pd.DataFrame(dict(self.path_table))

    def frame(self, part: str) -> pd.DataFrame:
        """Return `time`, `rounds` or `what_if` as a DataFrame."""
        import pandas as pd

        return pd.DataFrame([dict(row) for row in getattr(self, part)])

    @property
    def headline(self) -> str:
        """What most of the time goes into, in one sentence."""
        cells = [
            (row[part], word, row["level"])
            for row in self.time
            for part, word in WORDS.items()
            if row[part] > 0
        ]
        cells.sort(key=lambda cell: -cell[0])
        shown = [
            f"{seconds / self.completion_time_s:.0%} is {word}" + (f" on level {level}" if level else "")
            for seconds, word, level in cells[:3]
            if seconds >= 0.01 * self.completion_time_s
        ]
        return f"Of {format_time(self.completion_time_s)}, {_listed(shown)}.{self._busiest()}"

    def _busiest(self) -> str:
        """Return what share of the whole time the links work that bind rounds longest, as a sentence."""
        busy: dict[tuple[str, str], float] = {}
        for row in self.rounds:
            key = row["link"], row["level"]
            busy[key] = busy.get(key, 0.0) + row["busy_s"]
        if not busy:
            return ""
        (link, level), seconds = max(busy.items(), key=lambda item: item[1])
        share = seconds / self.completion_time_s
        return f" The busiest links, {link} on level {level}, transmit for {share:.0%} of it."

    def as_dict(self) -> dict[str, Any]:
        """Return what result.json holds; the path is a table of the result."""
        return {
            "headline": self.headline,
            "time": [dict(row) for row in self.time],
            "rounds": [dict(row) for row in self.rounds],
            "what_if": [dict(row) for row in self.what_if],
            "left_out": list(self.left_out),
        }

    def __getattr__(self, name: str) -> Any:
        return borrow(self, name)

    def __repr__(self) -> str:
        return f"<Explanation of {self.name}: {self.headline}>"

    def __str__(self) -> str:
        return str(borrow(self, "text"))


def _listed(parts: Sequence[str]) -> str:
    return (
        ", ".join(parts[:-1]) + (" and " if parts[:-1] else "") + parts[-1] if parts else "nothing stands out"
    )


def explanation_in(result: Result) -> Explanation:
    """Return the explanation that a result holds. Raises UsageError if it holds none, saying how to get one."""
    data = result.explanation
    if not data:
        what = f"{result.name} was run without an explanation"
        raise UsageError(f"{what}; use simulate(..., explain=True), or fabricsim explain FILE")
    path = result.tables["path"].columns if "path" in result.tables else {}
    parts = {name: data[name] for name in ("time", "rounds", "what_if", "left_out")}
    return Explanation(result.name, result.metrics["completion_time_s"], path_table=path, **parts)


def explainer(result: Result) -> Callable[[], Explanation]:
    """Return what `result.explain` is: a call that gives the Explanation that the result holds."""
    return lambda: explanation_in(result)
