"""Failures in time order: what engines read, compiled from the parts that a user names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import FaultList, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures.parts import Failure
from fabricsim.failures.response import Recovery
from fabricsim.units import EXAMPLES, PS_PER_S, format_time, parse_time, to_ps

IntArray = NDArray[np.int64]
HEALTHY = 1.0
MAX_FLAPS: Final = 100_000


@dataclass(frozen=True, eq=False)
class Failures:
    """Failures of one fabric: (rows,) columns in order of time [ps], then channel.

    factor is what holds for the channel from then on. recovery: what is done about it.
    """

    time_ps: IntArray
    channel: IntArray
    factor: NDArray[np.float64]
    recovery: Recovery = field(default_factory=Recovery)

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
    def avoided(self) -> bool:
        """Whether routes never know what fails: down from 0 s on for good, and recomputed at once."""
        at_once = self.recovery.reroute == "recompute" and not self.detect_ps and not self.recovery.converge
        return at_once and len(self) > 0 and not np.any(self.time_ps > 0) and not np.any(self.factor > 0)

    @property
    def links(self) -> IntArray:
        """The links that ever change, each once, ascending."""
        return np.unique(self.channel >> 1)

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

    @property
    def detect_ps(self) -> int:
        """How long a failure takes to be noticed [ps]."""
        return to_ps(float(self.recovery.detect))

    @cached_property
    def known(self) -> tuple[tuple[int, int, bool], ...]:
        """(time [ps], channel, whether it is down) in order: what is known of the channels, and from when on.

        A channel is known to be down once it was so for `detect`, and up likewise. What lasts no longer than that
        passes unnoticed; at the instant at which it would be known, a repair counts first.
        """
        found = []
        for channel in self.channels.tolist():
            own = np.flatnonzero(self.channel == channel)
            changes = list(_changes(self.time_ps[own].tolist(), (self.factor[own] == 0).tolist()))
            down = False
            ends = [time for time, _ in changes[1:]] + [None] * bool(changes)  # none where it only slows down
            for (time, state), end in zip(changes, ends, strict=True):
                due = time + self.detect_ps
                if state != down and (end is None or due < end):
                    found.append((due, channel, state))
                    down = state
        return tuple(sorted(found))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that an engine can see of the failures."""
        state = hashlib.sha256(f"{self.detect_ps}".encode())
        if self.recovery.reroute != "none":
            state.update(f"{self.recovery.reroute} {to_ps(float(self.recovery.converge))}".encode())
        for column in (self.time_ps, self.channel):
            state.update(column.astype("<i8").tobytes())
        state.update(" ".join(f"{factor:.9g}" for factor in self.factor.tolist()).encode())
        return state.hexdigest()


NO_FAILURES: Final = Failures(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def _changes(times: Iterable[int], states: Iterable[bool]) -> Iterator[tuple[int, bool]]:
    """Yield when a channel goes down (True) and comes up again; it is up at first."""
    down = False
    for time, state in zip(times, states, strict=True):
        if state != down:
            yield time, state
            down = state


def compile_failures(
    fabric: Fabric, entries: Sequence[Failure], *, recovery: Recovery | None = None
) -> Failures:
    """Return the failures of `fabric` that `entries` state; recovery is kept with them.

    Raises InputError with every fault found, keyed by the entry's index: a part that is not there, a negative time, a
    factor outside 0 … 1, a flap that does not come back before it fails again.
    """
    faults = FaultList()
    spans: dict[int, list[_Span]] = {}
    for index, entry in enumerate(entries):
        with faults.at(index):
            times = _times(entry)
            for links, factor in entry.parts(fabric):
                own = [_Span(start, end, factor) for start, end in times]
                for link in links.tolist():
                    spans.setdefault(2 * link, []).extend(own)
    faults.raise_if_any()
    rows = sorted(
        (time, channel, factor)
        for forth in spans
        for time, factor in _worst(spans[forth])
        for channel in (forth, forth + 1)
    )
    times_ps, channels, factors = (np.array([row[column] for row in rows]) for column in range(3))
    return Failures(times_ps, channels, factors, recovery or Recovery())


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


def _times(entry: Failure) -> list[tuple[int, int | None]]:
    """Return when an entry's part fails and is repaired [ps], once or as often as it flaps."""
    faults = FaultList()
    start, end = 0, None
    with faults.at("at"):
        start = _instant(entry.at)
    if entry.repair_after is not None:
        with faults.at("repair_after"):
            end = start + _instant(entry.repair_after, least=1)
    factor = getattr(entry, "factor", 0.0)
    if not 0 <= factor <= 1:
        faults.add(f"{factor} is not between 0 and 1", "0 is down, 1 is healthy", ("factor",))
    times: list[tuple[int, int | None]] = [(start, end)]
    if entry.flap is not None:
        with faults.at("flap"):
            times = _flapping(start, entry)
    faults.raise_if_any()
    return times


def _flapping(start: int, entry: Failure) -> list[tuple[int, int | None]]:
    flap, faults = entry.flap, FaultList()
    assert flap is not None
    period, down = 1, 1
    with faults.at("period"):
        period = _instant(flap.period, least=1)
    with faults.at("down"):
        down = _instant(flap.down, least=1)
    if entry.repair_after is not None:
        faults.add("a part that flaps is repaired each time", "leave repair_after out", ())
    if not 1 <= flap.times <= MAX_FLAPS:
        faults.add(f"{flap.times} times cannot be meant", f"write 1 to {MAX_FLAPS}", ("times",))
    if not faults.faults and down >= period:
        what = f"down for {format_time(down / PS_PER_S)} of every {format_time(period / PS_PER_S)} is down for good"
        faults.add(what, "write a period that is longer", ("down",))
    faults.raise_if_any()
    return [(start + turn * period, start + turn * period + down) for turn in range(flap.times)]


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
