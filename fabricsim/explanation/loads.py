"""What each round asks of the channels, and which of them it keeps busy the longest: the links that bind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from fabricsim.explanation.traffic import Floats, IntArray, Traffic
from fabricsim.explanation.ways import Finder
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.units import PS_PER_S

_CELLS: Final = 4_000_000
"""Rounds times channels that are added up at a time."""
_EQUAL: Final = 1e-3
"""Channels within this share of the busiest one bind a round together with it."""


@dataclass(frozen=True)
class Binding:
    """The channels that are busy longest in a round, or in rounds alike that follow each other.

    start, end [s]: first release and last delivery. channel: the first of them, by id; channels: how many are as busy.
    busy_s: how long it transmits in all of these rounds together.
    """

    operation: int
    first: int
    last: int
    start: float
    end: float
    channel: int
    channels: int
    busy_s: float

    @property
    def share(self) -> float:
        """The busy share of the rounds' time."""
        return self.busy_s / (self.end - self.start) if self.end > self.start else 0.0


@dataclass(frozen=True, eq=False)
class Loads:
    """bindings: of every round in order. busiest: of each row asked for, the busiest channel among those it uses."""

    bindings: list[Binding]
    busiest: dict[int, int]


def loads_of(fabric: Fabric, failures: Failures, traffic: Traffic, find: Finder, wanted: IntArray) -> Loads:
    """Return what binds each round, and for each row of `wanted` the channel it may have waited for."""
    bindings: list[Binding] = []
    busiest: dict[int, int] = {}
    for rows, number, keys in _pieces(fabric, traffic):
        ways = find(rows)
        owner = number[ways.message]
        wire = np.bincount(
            owner * fabric.channels + ways.channel, ways.wire, len(keys) * fabric.channels
        ).reshape(len(keys), fabric.channels)
        busy = wire / fabric.bandwidth
        spans = _spans(traffic, rows, number, len(keys))
        faulty = failures.channels
        for index, (start, end) in enumerate(spans):
            busy[index, faulty] *= slowdown(failures, faulty, start, end)
        repeat = np.ones(len(keys), np.int64)
        repeat[number] = traffic.count[rows]
        bindings += [
            _binding(key, span, row, many)
            for key, span, row, many in zip(keys, spans, busy, repeat.tolist(), strict=True)
        ]
        _note_busiest(busiest, rows, wanted, ways.message, ways.channel, busy[owner, ways.channel])
    return Loads(_joined(fabric, bindings), busiest)


def _pieces(fabric: Fabric, traffic: Traffic) -> Iterator[tuple[IntArray, IntArray, list[tuple[int, int]]]]:
    """Yield rows, the round of each counted from 0, and (operation, round) of these rounds; a round is never split."""
    key, number = np.unique(np.stack([traffic.operation, traffic.round]), axis=1, return_inverse=True)
    number = number.reshape(-1)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(key.shape[1] + 1))
    step = max(1, _CELLS // max(1, fabric.channels))
    for first in range(0, key.shape[1], step):
        last = min(first + step, key.shape[1])
        rows = order[starts[first] : starts[last]]
        pairs = [(int(op), int(number)) for op, number in key[:, first:last].T.tolist()]
        yield rows, number[rows] - first, pairs


def _spans(traffic: Traffic, rows: IntArray, number: IntArray, rounds: int) -> list[tuple[float, float]]:
    start, end = np.full(rounds, np.inf), np.zeros(rounds)
    np.minimum.at(start, number, traffic.release[rows])
    np.maximum.at(end, number, traffic.round_end[rows])
    return list(zip(start.tolist(), end.tolist(), strict=True))


def _binding(key: tuple[int, int], span: tuple[float, float], busy: Floats, repeat: int) -> Binding:
    most = float(busy.max())
    near = np.flatnonzero(busy >= most * (1 - _EQUAL))
    return Binding(*key, key[1] + repeat - 1, *span, int(near[0]), len(near), most * repeat)


def _joined(fabric: Fabric, bindings: list[Binding]) -> list[Binding]:
    """Return rounds that follow each other and that links of one level and class bind as one."""
    out: list[Binding] = []
    for one in bindings:
        last = out[-1] if out else None
        if (
            last
            and last.operation == one.operation
            and _kind(fabric, last.channel) == _kind(fabric, one.channel)
        ):
            out[-1] = Binding(
                last.operation, last.first, one.last, min(last.start, one.start), max(last.end, one.end),
                last.channel, last.channels, last.busy_s + one.busy_s,
            )  # fmt: skip
        else:
            out.append(one)
    return out


def _kind(fabric: Fabric, channel: int) -> tuple[int, int]:
    return int(fabric.level[channel // 2]), int(fabric.link_class[channel // 2])


def _note_busiest(
    busiest: dict[int, int],
    rows: IntArray,
    wanted: IntArray,
    message: IntArray,
    channel: IntArray,
    busy: Floats,
) -> None:
    """Note for each wanted row its channel that is busy longest, the lowest id of several."""
    own = np.flatnonzero(np.isin(rows[message], wanted))
    order = own[np.lexsort((channel[own], -busy[own], message[own]))]
    new = np.append(True, np.diff(message[order]) != 0)[: len(order)]
    for entry in order[new].tolist():
        busiest[int(rows[message[entry]])] = int(channel[entry])


def slowdown(failures: Failures, channels: IntArray, start: float, end: float) -> Floats:
    """Return by how much longer each of some channels transmits than when healthy, from its mean factor in a time.

    A channel that is down all the while transmits nothing: 0.
    """
    slow = np.ones(len(channels))
    if not len(failures):
        return slow
    begin, stop = round(start * PS_PER_S), max(round(end * PS_PER_S), round(start * PS_PER_S) + 1)
    for place in np.flatnonzero(np.isin(channels, failures.channels)).tolist():
        own = failures.channel == channels[place]
        times = np.clip(np.append(failures.time_ps[own], stop), begin, stop)
        lost = float(np.sum(np.diff(times) * (1 - failures.factor[own])))
        mean = 1 - lost / (stop - begin)
        slow[place] = 1 / mean if mean > 1e-12 else 0.0
    return slow
