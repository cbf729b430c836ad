"""What breaks when, and when it works again: a value that engines read, never a change of the fabric.

A user names links; compiled, a failure is rows (time, channel, factor), repairs included, in time order. A
factor of 0 is down, 1 is healthy, between is degraded. Both directions of a link fail together. Where faults
of one channel overlap the worst one counts, and each repair ends its own fault only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, FaultList, InputError
from fabricsim.fabric import Fabric
from fabricsim.units import EXAMPLES, PS_PER_S, format_time, parse_time, to_ps

IntArray = NDArray[np.int64]
LinkEnds = tuple[str, str] | tuple[str, str, int]
"""Two adjacent nodes by name: all parallel links between them, or with a number k the k-th one."""

HEALTHY = 1.0


@dataclass(frozen=True)
class LinkDegraded:
    """A link runs at `factor` of its bandwidth from `at` on, until `repair_after` later if that is given.

    Times are text such as '100 us', or seconds.
    """

    at: str | float
    link: LinkEnds
    factor: float
    repair_after: str | float | None = None


@dataclass(frozen=True)
class LinkDown:
    """A link carries nothing from `at` on, until `repair_after` later if that is given.

    Times are text such as '100 us', or seconds.
    """

    at: str | float
    link: LinkEnds
    repair_after: str | float | None = None

    @property
    def factor(self) -> float:
        """The share of its bandwidth that is left: none."""
        return 0.0


@dataclass(frozen=True, eq=False)
class Failures:
    """Failures of one fabric: (rows,) columns in order of time [ps], then channel.

    factor is what holds for the channel from then on. detect [s]: how long a sender takes to notice a loss.
    """

    time_ps: IntArray
    channel: IntArray
    factor: NDArray[np.float64]
    detect: float = 0.0

    def __post_init__(self) -> None:
        for name, dtype in (("time_ps", np.int64), ("channel", np.int64), ("factor", np.float64)):
            column = np.array(getattr(self, name), dtype)
            column.flags.writeable = False
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.time_ps)

    def rows(self) -> Iterator[tuple[int, int, float]]:
        """Yield (time [ps], channel, factor), in order."""
        return zip(self.time_ps.tolist(), self.channel.tolist(), self.factor.tolist(), strict=True)

    @property
    def channels(self) -> IntArray:
        """The channels that ever change, each once, ascending."""
        return np.unique(self.channel)

    @cached_property
    def is_fault(self) -> NDArray[np.bool_]:
        """(rows,) whether a row makes its channel slower than it was; the others are repairs."""
        now: dict[int, float] = {}
        worse = np.zeros(len(self), np.bool_)
        for row, (_, channel, factor) in enumerate(self.rows()):
            worse[row] = factor < now.get(channel, HEALTHY)
            now[channel] = factor
        return worse

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that an engine can see of the failures."""
        state = hashlib.sha256(f"{to_ps(self.detect)}".encode())
        for column in (self.time_ps, self.channel):
            state.update(column.astype("<i8").tobytes())
        state.update(" ".join(f"{factor:.9g}" for factor in self.factor.tolist()).encode())
        return state.hexdigest()


def compile_failures(
    fabric: Fabric, entries: Sequence[LinkDown | LinkDegraded], *, detect: float = 0.0
) -> Failures:
    """Return the failures of `fabric` that `entries` state; detect [s] is kept with them.

    Raises InputError with every fault found, keyed by the entry's index: an unknown node, nodes that no link
    joins, a parallel link that is not there, a negative time, a factor outside 0 … 1.
    """
    faults = FaultList()
    spans: dict[int, list[_Span]] = {}
    for index, entry in enumerate(entries):
        with faults.at(index):
            span = _span(entry)
            for link in _links(fabric, entry.link):
                for channel in (2 * link, 2 * link + 1):
                    spans.setdefault(channel, []).append(span)
    faults.raise_if_any()
    rows = sorted((time, channel, factor) for channel in spans for time, factor in _worst(spans[channel]))
    times, channels, factors = (np.array([row[column] for row in rows]) for column in range(3))
    return Failures(times, channels, factors, detect)


@dataclass(frozen=True)
class _Span:
    """One fault of one channel, from `start` until `end` [ps]; `end` is None where nothing repairs it."""

    start: int
    end: int | None
    factor: float

    def covers(self, time: int) -> bool:
        return self.start <= time and (self.end is None or time < self.end)


def _worst(spans: Iterable[_Span]) -> Iterator[tuple[int, float]]:
    """Yield (time [ps], factor) wherever the worst of the spans changes."""
    spans = list(spans)
    now = HEALTHY
    for time in sorted({t for span in spans for t in (span.start, span.end) if t is not None}):
        worst = min((span.factor for span in spans if span.covers(time)), default=HEALTHY)
        if worst != now:
            yield time, worst
            now = worst


def _span(entry: LinkDown | LinkDegraded) -> _Span:
    faults = FaultList()
    start, end = 0, None
    with faults.at("at"):
        start = _instant(entry.at)
    if entry.repair_after is not None:
        with faults.at("repair_after"):
            end = start + _instant(entry.repair_after, least=1)
    if not 0 <= entry.factor <= 1:
        faults.add(f"{entry.factor} is not between 0 and 1", "0 is down, 1 is healthy", ("factor",))
    faults.raise_if_any()
    return _Span(start, end, float(entry.factor))


def _instant(time: str | float, least: int = 0) -> int:
    """Return a time in picoseconds; text has a unit, a number counts seconds."""
    seconds = parse_time(time) if isinstance(time, str) else float(time)
    if not abs(seconds) * PS_PER_S < 2**62:
        raise InputError(f"{time!r} is out of range", EXAMPLES["time"])
    if to_ps(seconds) < least:
        what = "negative" if seconds < 0 else "less than a picosecond"
        shown = repr(time) if isinstance(time, str) else format_time(time)
        raise InputError(f"{shown} is {what}", EXAMPLES["time"])
    return to_ps(seconds)


def _links(fabric: Fabric, ends: LinkEnds) -> list[int]:
    """Return the links that `ends` name; raises InputError keyed below `link`."""
    if isinstance(ends, str) or len(ends) not in (2, 3):
        right = "name two adjacent nodes, and a number for one of several links"
        raise InputError([Fault(f"{ends!r} does not name a link", right, ("link",))])
    faults, nodes = FaultList(), []
    for position, name in enumerate(ends[:2]):
        with faults.at("link", position):
            nodes.append(fabric.node(name))
    faults.raise_if_any()
    found = fabric.links_between(*nodes)
    with faults.at("link"):
        if not found:
            raise InputError(f"no link joins {ends[0]} and {ends[1]}", _neighbours(fabric, nodes[0]))
        if len(ends) == 3:
            found = [_parallel(found, ends)]
    faults.raise_if_any()
    return found


def _parallel(found: list[int], ends: tuple[str, str, int]) -> int:
    if not 0 <= ends[2] < len(found):
        what = f"there is no link {ends[2]} between {ends[0]} and {ends[1]}"
        raise InputError(what, f"they are joined by {len(found)}, numbered from 0")
    return found[ends[2]]


def _neighbours(fabric: Fabric, node: int, most: int = 8) -> str:
    starts, channels = fabric.out
    near = np.unique(fabric.channel_dst[channels[starts[node] : starts[node + 1]]]).tolist()
    names = ", ".join(fabric.node_name(n) for n in near[:most])
    more = f" and {len(near) - most} more" if len(near) > most else ""
    return f"{fabric.node_name(node)} is joined to {names or 'nothing'}{more}"
