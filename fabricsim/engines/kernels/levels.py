"""Levels: one level of channels after another, each with all packets that ever pass it.

Where the channels can be ordered so that every path goes up that order, and every message's release is known
beforehand, nothing that happens at a channel can depend on a later one: a whole level is served at once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels.cargo import Channels, packets_of
from fabricsim.engines.kernels.service import Service, record_of
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule
from fabricsim.units import to_ps

IntArray = NDArray[np.int64]
_TABLE: Final = 100_000_000


def channel_levels(fabric: Fabric, paths: Routes) -> IntArray | None:
    """Return (channels,) the level of each: above all channels that come before it on any path; None if they go round.

    A channel that no path uses has level 0.
    """
    before, after = _successions(fabric, paths)
    level = np.zeros(fabric.channels, np.int64)
    waits_for = np.bincount(after, minlength=fabric.channels)
    while len(before):  # take away what waits for nothing, again and again (Kahn, CACM 1962)
        free = waits_for[before] == 0
        if not free.any():
            return None
        np.maximum.at(level, after[free], level[before[free]] + 1)
        waits_for -= np.bincount(after[free], minlength=fabric.channels)
        before, after = before[~free], after[~free]
    return level


def _successions(fabric: Fabric, paths: Routes) -> tuple[IntArray, IntArray]:
    """Return the pairs (channel, next channel) that any path has, each once."""
    inner = np.ones(len(paths.channels), np.bool_)
    inner[paths.starts[1:] - 1] = False  # the last hop of each path leads to no other
    place = np.flatnonzero(inner)
    before, after = paths.channels[place], paths.channels[place + 1]
    starts, order = fabric.out
    port = np.empty(fabric.channels, np.int64)
    port[order] = np.arange(fabric.channels) - np.repeat(starts[:-1], np.diff(starts))
    ports = int(port.max(initial=0)) + 1
    if fabric.channels * ports > _TABLE + 8 * len(before):
        pair = np.unique(before * fabric.channels + after)
        return pair // fabric.channels, pair % fabric.channels
    seen = np.zeros(fabric.channels * ports, np.bool_)  # marking a table is faster than sorting
    seen[before * ports + port[after]] = True
    pair = np.flatnonzero(seen)
    before = pair // ports
    return before, order[starts[fabric.channel_dst[before]] + pair % ports]


def in_levels(
    fabric: Fabric, schedule: Schedule, paths: Routes, model: Model, level: IntArray, *, compiled: bool
) -> Record:
    """Return the Record of a schedule without feedback; level: (channels,) of `channel_levels`."""
    packets = packets_of(fabric, schedule, paths, model)
    channels = Channels(fabric, packets, model)
    service = Service(paths.channels, packets, channels, fabric.channels, compiled=compiled)
    messages = schedule.messages
    start = np.array([to_ps(op.start) for op in schedule.operations], np.int64)
    entry = start[messages.operation]
    release = entry + np.array([to_ps(seconds) for seconds in messages.delay.tolist()], np.int64)
    waiting: dict[int, list[tuple[IntArray, IntArray]]] = {}

    def queue(packet: IntArray, ready: IntArray) -> None:
        of = level[paths.channels[service.hop[packet]]]
        for number in np.flatnonzero(np.bincount(of)).tolist():
            rows = of == number
            waiting.setdefault(number, []).append((packet[rows], ready[rows]))

    queue(np.arange(len(packets)), (release + to_ps(model.endpoint.send_overhead))[packets.message])
    while waiting:
        rows = waiting.pop(min(waiting))
        packet, ready = (np.concatenate(column) for column in zip(*rows, strict=True))
        done = service.serve(packet, ready)
        queue(done.packet, done.ready)
    return record_of(fabric, model, packets, service, entry, release)
