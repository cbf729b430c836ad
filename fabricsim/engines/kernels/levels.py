"""Levels: one level of channels after another, each with all packets that ever pass it.

Where the channels can be ordered so that every path goes up that order, and every message's release is known
beforehand, nothing that happens at a channel can depend on a later one: a whole level is served at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels.cargo import packets_of, times_of
from fabricsim.engines.kernels.service import Service, record_of
from fabricsim.engines.record import Record
from fabricsim.engines.watch import Watch
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule

IntArray = NDArray[np.int64]
_TABLE: Final = 100_000_000
_TIERS: Final = 8
_PIECE: Final = 100_000
_ROWS: Final = 65_536
"""How many packets are served together, about: their columns then stay in a processor's cache."""


def channel_levels(fabric: Fabric, paths: Routes) -> IntArray | None:
    """Return (channels,) the level of each: above all channels that come before it on any path; None if they go round.

    A channel that no path uses has any level.
    """
    guess = _up_and_down(fabric)
    return guess if _rises(guess, paths) else _sorted_out(fabric, paths)


def _up_and_down(fabric: Fabric) -> IntArray:
    """Return levels that are right where every path goes up tiers of switches, and then down."""
    tier = np.where(np.arange(fabric.nodes) < fabric.ranks, 0, fabric.nodes)
    src, dst = fabric.channel_src, fabric.channel_dst
    for number in range(1, _TIERS + 1):
        tier[dst[(tier[src] == number - 1) & (tier[dst] > number)]] = number
    level: IntArray = np.where(tier[dst] > tier[src], tier[src], 2 * _TIERS - tier[src])
    return level


def _rises(level: IntArray, paths: Routes) -> bool:
    """Return whether the level rises along every path."""
    small = level.astype(np.int16)
    for first in range(0, len(paths.starts) - 1, _PIECE):
        starts = paths.starts[first : first + _PIECE + 1]
        along = small[paths.channels[starts[0] : starts[-1]]]
        rises = along[1:] > along[:-1]
        rises[starts[1:-1] - starts[0] - 1] = True  # from the last hop of a path to the first of the next
        if not rises.all():
            return False
    return True


def _sorted_out(fabric: Fabric, paths: Routes) -> IntArray | None:
    """Return the lowest levels that are right, or None."""
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
    fabric: Fabric,
    schedule: Schedule,
    paths: Routes,
    model: Model,
    level: IntArray,
    *,
    watch: Watch | None = None,
) -> Record:
    """Return the Record of a schedule without feedback; level: (channels,) of `channel_levels`."""
    times = times_of(schedule, model)
    packets = packets_of(fabric, schedule, paths, model)
    entering = times.entering
    service = Service(fabric, paths.channels, packets, model)
    service.quantum = math.gcd(service.channels.quantum, int(np.gcd.reduce(entering)))
    rows = _Rows(fabric, level, len(packets))
    for first in range(0, len(packets), _ROWS):
        packet = np.arange(first, min(first + _ROWS, len(packets)))
        rows.add(entering[packets.message[packet]], *service.sources(packet))
    latest = arrived = 0
    while rows.left:
        done = service.serve(*rows.take())
        rows.add(done.ready, done.channel, done.packet)
        if watch and len(done.arrived):
            latest = max(latest, int(service.arrived[done.arrived].max()))
            arrived += len(done.arrived)
            watch(latest, len(packets), arrived)
    return record_of(fabric, model, packets, service, times.entry, times.release)


class _Rows:
    """Packets that wait, by level and by block of nodes: what a block holds fits into a processor's cache."""

    def __init__(self, fabric: Fabric, level: IntArray, packets: int) -> None:
        blocks = 1 + packets * int(level.max() - level.min() + 1) // _ROWS
        starts, _ = fabric.out
        block = starts[fabric.channel_src] * blocks // fabric.channels
        self._bin = (level * blocks + block).astype(np.int32)
        self.left: dict[int, list[tuple[IntArray, ...]]] = {}

    def add(self, *columns: IntArray) -> None:
        """Enter rows of ready, channel and tie."""
        bins = self._bin[columns[1]]
        if np.any(bins[1:] < bins[:-1]):
            order = np.argsort(bins, kind="stable")
            bins, columns = bins[order], tuple(column[order] for column in columns)
        cuts = np.flatnonzero(np.diff(bins, prepend=-1, append=-1)).tolist()
        for begin, end in pairwise(cuts):
            rows = tuple(column[begin:end] for column in columns)
            self.left.setdefault(int(bins[begin]), []).append(rows)

    def take(self) -> Iterator[IntArray]:
        """Remove a block of the lowest level, and yield its columns."""
        rows = self.left.pop(min(self.left))
        return (np.concatenate(column) for column in zip(*rows, strict=True))
