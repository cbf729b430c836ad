"""What a fabric, damaged as it is at a time, can carry of the messages that are under way then.

Max-min fair, each message on its planned way, or, where that crosses a link that is down, on the ways that routing
would find without all links that are down. Whoever detects or reroutes nothing is measured by the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.curve import Pieces
from fabricsim.engines.detours import Detours
from fabricsim.engines.flow.rows import Rows
from fabricsim.engines.flow.solver import Flows, rates_of
from fabricsim.engines.flow.ways import detour
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.routing import Routing
from fabricsim.units import PS_PER_S

Floats = NDArray[np.float64]
IntArray = NDArray[np.int64]
SAMPLES: Final = 400
"""Instants at which it is found, at most."""
ENTRIES: Final = 50_000_000
"""Channels of flows, each counted at each instant, beyond which there are fewer instants."""


@dataclass(frozen=True, eq=False)
class Course:
    """What became of a run with failures, as either engine tells it.

    (messages,) src, dst; payload: payload over wire bytes; begin_s: when the first byte of each can arrive; until_s:
    when it was delivered. flows: the links of each as planned, numbered by `channels`. start_s, end_s of the run;
    packet: payload bytes of a full one.
    """

    fabric: Fabric
    failures: Failures
    routing: Routing
    seed: int
    src: IntArray
    dst: IntArray
    payload: Floats
    begin_s: Floats
    until_s: Floats
    flows: Flows
    channels: IntArray
    arrived: Pieces
    start_s: float
    end_s: float
    packet: int

    @cached_property
    def fault_s(self) -> float:
        """When the first fault comes [s]."""
        return float(self.failures.time_ps[self.failures.is_fault].min()) / PS_PER_S


@dataclass(frozen=True, eq=False)
class Carrying:
    """(intervals + 1,) edge_s: bounds of intervals, each with what could be carried in it of which message [B]."""

    edge_s: Floats
    messages: list[IntArray]
    could: list[Floats]

    def within(self, first: int, after: int, left: Floats) -> float:
        """Return what could be carried in intervals `first` to `after` − 1, of each message at most its `left` [B]."""
        messages = np.concatenate(self.messages[first:after])
        could = np.bincount(messages, np.concatenate(self.could[first:after]), len(left))
        return float(np.minimum(could, left).sum())


def carrying(course: Course, begin_s: float, step_s: float) -> Carrying:
    """Return what the fabric could have carried from `begin_s` to the end, found every `step_s` or as often as fits."""
    count = max(1, min(samples(course), int(np.ceil((course.end_s - begin_s) / step_s))))
    # an interval is measured in its middle; faults and repairs are bounds of intervals
    changes = np.unique(course.failures.time_ps) / PS_PER_S
    inside = changes[(changes > begin_s) & (changes < course.end_s)]
    edges = np.union1d(np.linspace(begin_s, course.end_s, count + 1), inside)
    middle, state = (edges[1:] + edges[:-1]) / 2, np.searchsorted(changes, edges[:-1], side="right")
    messages = [np.flatnonzero((course.begin_s <= t) & (t < course.until_s)) for t in middle.tolist()]
    could: list[Floats] = []
    for number in np.unique(state).tolist():
        here = np.flatnonzero(state == number).tolist()
        until = float(changes[number - 1]) if number else -1.0
        could += rates_at(course, until, [messages[index] for index in here])
    return Carrying(
        edges, messages, [rate * width for rate, width in zip(could, np.diff(edges), strict=True)]
    )


def samples(course: Course) -> int:
    """Return at how many instants a run is looked at."""
    return max(16, min(SAMPLES, ENTRIES // max(1, len(course.flows.links))))


def rates_at(course: Course, until_s: float, under_way: list[IntArray]) -> list[Floats]:
    """Return the payload rates [B/s] of sets of messages, the fabric being damaged as it is from `until_s` on."""
    rows = _led_around(course, _factors(course.failures, until_s), np.unique(np.concatenate(under_way)))
    flows, capacity = rows.flows(len(course.src)), rows.capacity()
    found: list[Floats] = []
    for index, some in enumerate(under_way):
        if index and np.array_equal(some, under_way[index - 1]):
            found.append(found[-1])
        else:
            rates = rates_of(capacity, flows, some, "numpy") if len(some) else np.zeros(0)
            found.append(rates * course.payload[some])
    return found


class Remaining:
    """What is left of each message as time goes on [B]."""

    def __init__(self, course: Course) -> None:
        self._pieces, self._count = course.arrived, len(course.src)
        self._by_end = np.argsort(self._pieces.end_s, kind="stable")
        self._ends = self._pieces.end_s[self._by_end]
        self._size = np.bincount(self._pieces.message, self._pieces.size, self._count)
        self._there, self._done = np.zeros(self._count), 0

    def at(self, time_s: float) -> Floats:
        """Return (messages,) what has not arrived by a time, which is not before the time asked for last."""
        upto = int(np.searchsorted(self._ends, time_s, side="right"))
        p, ended = self._pieces, self._by_end[self._done : upto]
        self._there += np.bincount(p.message[ended], p.size[ended], self._count)
        self._done = upto
        rest = self._by_end[upto:]
        rest = rest[p.begin_s[rest] < time_s]
        part = p.size[rest] * (time_s - p.begin_s[rest]) / (p.end_s[rest] - p.begin_s[rest])
        left: Floats = np.maximum(
            self._size - self._there - np.bincount(p.message[rest], part, self._count), 0.0
        )
        return left


def _factors(failures: Failures, until_s: float) -> dict[int, float]:
    """Return what is left of each channel that has changed by a time."""
    upto = np.searchsorted(failures.time_ps / PS_PER_S, until_s, side="right")
    return dict(zip(failures.channel[:upto].tolist(), failures.factor[:upto].tolist(), strict=True))


def _led_around(course: Course, factors: dict[int, float], concerned: IntArray) -> Rows:
    """Return the rows of flows, those of the concerned ones without links that are down."""
    rows = Rows(course.fabric, course.flows, course.channels)
    rows.factor.update(factors)
    down = {channel for channel, factor in factors.items() if not factor}
    if not down:
        return rows
    detours = Detours(course.fabric, course.routing, course.seed, down)
    hit = course.flows.flow[np.isin(course.flows.links, rows.links_of(down))]
    for flow in np.intersect1d(hit, concerned).tolist():
        ends = int(course.src[flow]), int(course.dst[flow])
        way = detour(detours, course.routing, ends[0], ends, flow)
        if way is not None:
            rows.put(flow, way.shares, 0.0, {})
    return rows
