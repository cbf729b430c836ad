"""What the time of each piece of a critical path went into: waiting, transmission, latency, overheads, by level.

Of a message's time, what the workload and the endpoints state comes first, then the latency of the slowest of its
paths, then what its packets take to transmit by themselves: the channel that they keep busy longest, and one packet
(one header in cut-through) on each other hop of the path. The rest it waited: behind packets of others, for credits,
or for a part that was down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fabricsim.explanation.critical import NOBODY, SENT, Segment
from fabricsim.explanation.loads import slowdown
from fabricsim.explanation.traffic import Floats, IntArray, Traffic
from fabricsim.explanation.ways import Finder, Ways
from fabricsim.fabric import Fabric
from fabricsim.job import Job
from fabricsim.units import PS_PER_S

Used = tuple[IntArray, Floats, IntArray]
"""The channels a message uses, the wire bytes it puts on each, and the channels of its slowest path."""

_ROUNDING: Final = 1e-14
"""Seconds that are no waiting: times are whole picoseconds, read back from floats."""

PARTS: Final = ("transmit_s", "latency_s", "waiting_s", "overhead_s", "stated_s")
"""What time goes into; the first three belong to a level."""


@dataclass(frozen=True, eq=False)
class Parts:
    """(segments, levels) transmit, latency, waiting [s], and (segments,) overhead, stated [s].

    Transmit and latency: of the level whose link it is; waiting: of the busiest link on the message's ways. Together
    they are the duration of each segment.
    """

    transmit: Floats
    latency: Floats
    waiting: Floats
    overhead: Floats
    stated: Floats

    @property
    def totals(self) -> dict[str, Floats]:
        """(segments,) of each of PARTS."""
        of_levels = [part.sum(axis=1) for part in (self.transmit, self.latency, self.waiting)]
        return dict(zip(PARTS, [*of_levels, self.overhead, self.stated], strict=True))


def parts_of(
    job: Job, traffic: Traffic, path: Sequence[Segment], find: Finder, busiest: dict[int, int]
) -> Parts:
    """Return what each segment's time went into. busiest: of some rows, the channel that waiting is put down to."""
    levels = len(job.fabric.levels)
    parts = Parts(
        *(np.zeros((len(path), levels)) for _ in range(3)), *(np.zeros(len(path)) for _ in range(2))
    )
    rows = np.unique([segment.row for segment in path if segment.row != NOBODY])
    ways = _by_row(find(rows), len(rows))
    for index, segment in enumerate(path):
        if segment.row == NOBODY:
            parts.stated[index] = segment.end - segment.start
        else:
            own = ways[int(np.searchsorted(rows, segment.row))]
            _split(job, traffic, segment, own, busiest.get(segment.row), parts, index)
    return parts


def _by_row(ways: Ways, rows: int) -> list[Used]:
    """Return what each message uses."""
    channels = int(ways.channel.max(initial=0)) + 1
    # packets of one message that share a channel are entries of their own
    key, entry = np.unique(ways.message * channels + ways.channel, return_inverse=True)
    wire = np.bincount(entry, ways.wire, len(key)).astype(np.float64)
    starts = np.searchsorted(key, np.arange(rows + 1) * channels)
    return [
        (
            key[starts[row] : starts[row + 1]] % channels,
            wire[starts[row] : starts[row + 1]],
            ways.path[ways.path_starts[row] : ways.path_starts[row + 1]],
        )
        for row in range(rows)
    ]


def _split(
    job: Job, traffic: Traffic, segment: Segment, ways: Used, busiest: int | None,
    parts: Parts, index: int,
) -> None:  # fmt: skip
    """Divide one message's time; each part takes at most what the ones before have left."""
    fabric, row = job.fabric, segment.row
    left = segment.end - segment.start
    stated = min(left, float(traffic.delay[row]))
    overhead = min(left - stated, segment.repeat * _overhead(job, traffic, segment))
    left -= stated + overhead
    parts.stated[index], parts.overhead[index] = stated, overhead
    channel, wire, path = ways
    if segment.until == SENT:
        first = fabric.channel_src[channel] == traffic.src[row]
        channel, wire, path = channel[first], wire[first], path[:0]
    latency = segment.repeat * _latency(fabric, path)
    transmit = segment.repeat * _transmit(job, traffic, segment, channel, wire, path)
    for wanted, part in ((latency, parts.latency), (transmit, parts.transmit)):
        total = float(wanted.sum())
        taken = min(left, total)
        part[index] = wanted * (taken / total if total else 0.0)
        left -= taken
    place = busiest if busiest is not None else int(channel[np.argmax(wire / fabric.bandwidth[channel])])
    parts.waiting[index, fabric.level[place // 2]] = left if left > _ROUNDING else 0.0


def _overhead(job: Job, traffic: Traffic, segment: Segment) -> float:
    """Return what the endpoints add to a message: until it is sent, or until it is delivered [s]."""
    ends, row = job.model.endpoint, segment.row
    if segment.until == SENT:
        return ends.send_overhead
    adding = 0.0
    if ends.reduce_rate is not None and traffic.single and job.schedule.reduces[row]:
        adding = float(traffic.size[row]) / ends.reduce_rate
    return ends.send_overhead + ends.recv_overhead + adding


def _latency(fabric: Fabric, path: IntArray) -> Floats:
    """Return (levels,) [s] latency of a path's links, and delay of the nodes they lead to but the last."""
    delay = fabric.delay_ps[fabric.channel_dst[path]]
    delay[-1:] = 0
    fixed = (fabric.latency_ps[path] + delay) / PS_PER_S
    return np.bincount(fabric.level[path // 2], fixed, len(fabric.levels)).astype(np.float64)


def _transmit(
    job: Job, traffic: Traffic, segment: Segment, channel: IntArray, wire: Floats, path: IntArray
) -> Floats:
    """Return (levels,) [s] what a message takes to transmit alone: its busiest channel, and a packet on other hops."""
    fabric, model = job.fabric, job.model
    busy = wire / fabric.bandwidth[channel] * slowdown(job.failures, channel, segment.start, segment.end)
    most = int(np.argmax(busy))
    out = np.zeros(len(fabric.levels))
    out[fabric.level[channel[most] // 2]] = busy[most]
    if model.switching == "cut-through":
        fill = model.wire(0)
    else:
        fill = model.wire(min(model.mtu, int(traffic.size[segment.row])))
    others = path[path != channel[most]] if channel[most] in path else path[1:]
    np.add.at(out, fabric.level[others // 2], fill / fabric.bandwidth[others])
    return out
