"""Levels, compiled: every packet is a row that carries all that is asked about it, and rows are only ever streamed.

A row knows the ports of the rest of its way, so that a channel that serves it looks nothing up by packet. Each channel
has one stretch of rows, as long as the packets that will pass it; serving it appends rows to the stretches of the
channels after it. Levels go in order, and of a level as many channels at a time as fit into a processor's cache.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels import stream_loops as loops
from fabricsim.engines.kernels.arrivals import arrivals_of
from fabricsim.engines.kernels.cargo import Rates, Times, backlog, cargo_of, times_of
from fabricsim.engines.kernels.compiled import compiled
from fabricsim.engines.record import Record
from fabricsim.engines.watch import Watch
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule
from fabricsim.units import to_ps

IntArray = NDArray[np.int64]
_TOGETHER: Final = 32_768
"""How many rows are served together, about."""
MOST_HOPS: Final = 100_000_000
"""Packet-hops from which the rows, 24 B each, take too much memory."""


class _Ways(NamedTuple):
    """How ways are written: the bits of a port and of a class of size. (channels,) port: which of its node's it is."""

    bits: int
    size_bits: int
    port: IntArray


def in_streams(
    fabric: Fabric,
    schedule: Schedule,
    paths: Routes,
    model: Model,
    level: IntArray,
    watch: Watch | None = None,
) -> Record | None:
    """Return the Record of a schedule without feedback, by compiled loops.

    None if a way is too long for one number, or there are more rows than memory is for.

    level: (channels,) of `levels.channel_levels`.
    """
    run = _Streams(fabric, schedule, paths, model)
    ways = _ways(fabric, len(run.cargo.wires), run.longest)
    if ways is None or run.passing.sum() > MOST_HOPS:
        return None
    times = times_of(schedule, model)
    run.enter(ways, times.entering, level)
    run.serve(ways, watch)
    return run.record(times)


class _Streams:
    """One run: what lives from level to level."""

    def __init__(self, fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> None:
        self.fabric, self.messages, self.paths, self.model = fabric, schedule.messages, paths, model
        self.cargo = cargo_of(self.messages.size, model)
        self.rates = Rates(fabric, self.cargo.wires, model)
        self.passing, self.place = np.zeros((2, fabric.channels), np.int64)
        self.longest: int = compiled(loops.tally)(
            self.cargo.packets, paths.first, paths.count, paths.starts, paths.channels, self.passing
        )
        self.sent, self.wire, self.busy, self.peak = np.zeros((4, fabric.channels), np.int64)
        self.left, self.arrived = np.zeros((2, int(self.cargo.first[-1])), np.int64)

    def enter(self, ways: _Ways, entering: IntArray, level: IntArray) -> None:
        """Write the rows of all packets at their sources."""
        used = np.flatnonzero(self.passing)
        self.order = used[np.lexsort((self.fabric.channel_src[used], level[used]))]
        self.level = level[self.order]
        self.base = np.concatenate([[0], np.cumsum(self.passing[self.order])])
        self.place[self.order] = self.base[:-1]
        self.rows = np.empty((int(self.base[-1]), 3), np.int64)
        self.in_turn = np.empty(len(self.left), np.int32)
        messages, paths, cargo, ranks = self.messages, self.paths, self.cargo, self.fabric.ranks
        peer = (messages.dst - messages.src) % ranks
        by_source = np.argsort(messages.src * ranks + peer, kind="stable")
        stretch = np.concatenate([[0], np.cumsum(np.bincount(messages.src, minlength=ranks))])
        compiled(loops.enter)(
            by_source, stretch, cargo.packets, cargo.first, paths.first, paths.count, paths.starts, paths.channels,
            entering, ways.port, ways.bits, cargo.last_size, cargo.full_size, ways.size_bits, self.place, self.rows,
            self.in_turn,
        )  # fmt: skip

    def serve(self, ways: _Ways, watch: Watch | None) -> None:
        """Serve level after level, in batches of channels."""
        batches = _batches(self.level, self.base)
        most = max(int(self.base[last] - self.base[first]) for first, last in batches)
        arranged, heads = np.empty((most, 3), np.int64), np.empty(most + 2, np.int64)
        rates, (out_starts, out) = self.rates, self.fabric.out
        arrange, serve = compiled(loops.arrange), compiled(loops.serve)
        latest = arrivals = 0
        for first, last in batches:
            arrange(first, last, self.base, self.rows, arranged, heads)
            there, time = serve(
                first, last, self.order, self.base, arranged, self.in_turn, ways.size_bits, ways.bits, out, out_starts,
                self.fabric.channel_dst, rates.wires, rates.rate_class, rates.table, rates.rates, rates.latency,
                rates.onward, rates.head, rates.cut_through, self.place, self.rows, self.sent, self.wire, self.busy,
                self.peak, self.left, self.arrived,
            )  # fmt: skip
            latest, arrivals = max(latest, time), arrivals + there
            if watch and there:
                watch(latest, len(self.left), arrivals)
        del self.rows, self.in_turn

    def record(self, times: Times) -> Record:
        """Return the Record of a run that is over."""
        cargo, model, used = self.cargo, self.model, np.flatnonzero(self.sent)
        first = cargo.first[:-1]
        sent, delivered = (np.maximum.reduceat(when, first) for when in (self.left, self.arrived))
        arrivals = arrivals_of(self.arrived, cargo, self.messages.size, model.mtu)
        return Record(
            entry_ps=times.entry,
            release_ps=times.release,
            sent_ps=sent,
            delivered_ps=delivered + to_ps(model.endpoint.recv_overhead),
            channels=used,
            channel_packets=self.sent[used],
            channel_wire=self.wire[used],
            channel_busy_ps=self.busy[used],
            channel_peak=backlog(self.peak[used], self.fabric.bandwidth[used]),
            arrival_ps=arrivals.time,
            arrival_bytes=arrivals.payload,
            arrival_message=arrivals.message,
            packets=len(self.arrived),
            dropped=0,
            retransmitted=0,
        )


def _ways(fabric: Fabric, sizes: int, longest: int) -> _Ways | None:
    """Return how ways of up to so many channels are written; None if 63 bits do not hold them."""
    starts, order = fabric.out
    ports = np.diff(starts)
    port = np.empty(fabric.channels, np.int64)
    port[order] = np.arange(fabric.channels) - np.repeat(starts[:-1], ports)
    bits, size_bits = int(ports.max() - 1).bit_length(), (sizes - 1).bit_length()
    return _Ways(bits, size_bits, port) if (longest - 1) * bits + 1 + size_bits <= 63 else None


def _batches(level: IntArray, base: IntArray) -> list[tuple[int, int]]:
    """Return stretches of one level each, from and to, with some `_TOGETHER` rows or a single channel."""
    cuts = np.flatnonzero(np.diff(level, prepend=-1, append=-1)).tolist()
    batches = []
    for begin, end in pairwise(cuts):
        while begin < end:
            enough = int(np.searchsorted(base, base[begin] + _TOGETHER, "right")) - 1
            last = min(end, max(enough, begin + 1))
            batches.append((begin, last))
            begin = last
    return batches
