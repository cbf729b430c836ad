"""Windows, compiled: all that happens in a tick of time at once, channel by channel; with feedback or without.

A tick is as long as nothing that happens in it can act within it, as the windows of `windows` and `feedback` are, and a
power of two picoseconds. Packets, credits and answers wait in a calendar of ticks. A channel that is called in a tick
goes through what joins its queue, what credits come back and what starts, in the order of time.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels import stream_loops, tick_state
from fabricsim.engines.kernels import tick_loops as loops
from fabricsim.engines.kernels.arrivals import Arrivals, arrivals_of
from fabricsim.engines.kernels.calendar import NEVER
from fabricsim.engines.kernels.cargo import Rates, answers_ps, backlog, cargo_of
from fabricsim.engines.kernels.compiled import compiled, compiled_module
from fabricsim.engines.kernels.progress import Progress
from fabricsim.engines.record import Extras, Record
from fabricsim.engines.watch import Watch
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule
from fabricsim.units import to_ps

IntArray = NDArray[np.int64]
_MOST_SLOTS: Final = 1 << 22
_AT_ONCE: Final = 256
"""Ticks that are run before somebody who watches is told."""
_ENDLESS: Final = 1 << 60


class Ticks:
    """One run of a schedule whose channels all have a reach: what lives from tick to tick."""

    def __init__(self, fabric: Fabric, schedule: Schedule, paths: Routes, model: Model, seed: int) -> None:
        self.fabric, self.messages, self.paths, self.model = fabric, schedule.messages, paths, model
        self.cargo = cargo_of(self.messages.size, model)
        self.rates = Rates(fabric, self.cargo.wires, model)
        self.used = np.unique(paths.channels)
        self.cells = -(-self.cargo.wires // model.cell)
        self.back = fabric.latency_ps + to_ps(model.credit_delay)
        self.answers = model.sender.kind != "unlimited"
        self.answer = (
            answers_ps(fabric, paths, model.sender.ack_size) if self.answers else np.zeros(1, np.int64)
        )
        self.progress = Progress(
            schedule, fabric.ranks, model.endpoint, int(self.rates.reach[self.used].min())
        )
        self.rules = self._rules(seed)
        waiting = self._longest_queue() if self.rules.at_once else 0
        self._calendar = self._slots(self.rules.shift, waiting)
        self.job = self._job()

    @property
    def fits(self) -> bool:
        """Whether the calendar is of a size that memory is for: ticks are not too short for what takes longest."""
        return self._calendar <= _MOST_SLOTS

    # -- set-up -------------------------------------------------------------------------------------

    def _width(self) -> int:
        """Return the least time [ps] after which anything in a tick acts."""
        widths = [int(self.rates.reach[self.used].min())]
        if self.model.buffer is not None:
            widths.append(int((self.back[self.used] + self.rates.least.min()).min()))
        awaited = self.progress.sent_awaited
        if awaited.any():  # any packet of a message may be the last to leave
            source = self.paths.channels[self.paths.starts[self.paths.first[awaited]]]
            size = np.minimum(self.cargo.last_size[awaited], self.cargo.full_size)
            widths.append(
                int(self.rates.table[size * self.rates.rates + self.rates.rate_class[source]].min())
            )
        return min(widths)

    def _rules(self, seed: int) -> tick_state.Rules:
        model, ecn, shift = self.model, self.model.ecn, self._width().bit_length() - 1
        return tick_state.Rules(
            shift=shift,
            plain=not model.feedback,
            at_once=not model.feedback and self._slots(shift, self._longest_queue()) <= _MOST_SLOTS,
            cut_through=self.rates.cut_through,
            credited=model.buffer is not None,
            answers=self.answers,
            adapts=model.sender.kind == "dctcp",
            marks=ecn is not None,
            kmin=0 if ecn is None else ecn.kmin,
            kmax=0 if ecn is None else ecn.kmax,
            pmax=0.0 if ecn is None else float(ecn.pmax),
            gain=float(model.sender.g),
            mtu=model.mtu,
            seed=np.uint64(seed),
        )

    def _job(self) -> tick_state.Job:
        messages, paths, cargo, model = self.messages, self.paths, self.cargo, self.model
        route = paths.channels.astype(np.int32)
        last = paths.starts[1:] - 1
        route[last] = -1 - route[last]
        peer = (messages.dst - messages.src) % self.fabric.ranks
        standing = np.empty(len(peer), np.int64)
        standing[np.argsort(peer, kind="stable")] = np.arange(len(peer))
        return tick_state.Job(
            route=route,
            starts=paths.starts,
            answer=self.answer,
            first_path=paths.first,
            paths=paths.count,
            packets=cargo.packets,
            first=cargo.first,
            last_size=cargo.last_size,
            last_payload=messages.size - (cargo.packets - 1) * model.mtu,
            full_size=cargo.full_size,
            standing=standing,
            message=np.repeat(np.arange(len(peer), dtype=np.int32), cargo.packets),
            sent_awaited=self.progress.sent_awaited,
            delivered_awaited=self.progress.delivered_awaited,
            transmit=self.rates.table,
            rates=self.rates.rates,
            wires=self.rates.wires,
            cells=self.cells,
            back=self.back,
        )

    def _state(self) -> tick_state.State:
        count, packets = len(self.messages), int(self.cargo.first[-1])
        message = np.zeros((count, tick_state.MESSAGE_COLUMNS), np.int64)
        message[:, tick_state.WINDOW] = (self.model.sender.window or 0) if self.answers else _ENDLESS
        message[:, tick_state.UPDATE_AT] = -1
        message[:, tick_state.UNSENT] = message[:, tick_state.MISSING] = self.cargo.packets
        slots = self._calendar
        pages = self._pages(slots)
        return tick_state.State(
            packet=np.empty((packets, tick_state.PACKET_COLUMNS), np.int64),
            channel=self._channel(),
            message=message,
            alpha=np.ones(count),
            slots=np.full((slots, 2 * tick_state.KINDS), -1),
            book=np.empty((pages * tick_state.PAGE, 4), np.int64),
            pages=np.arange(1, pages + 1),
            counts=np.zeros(tick_state.COUNTS, np.int64),
            told_sent=np.empty(count, np.int64),
            told_there=np.empty(count, np.int64),
            arrived=np.zeros(packets, np.int64),
        )

    def _channel(self) -> IntArray:
        fabric, rates, model = self.fabric, self.rates, self.model
        channel = np.zeros((fabric.channels, tick_state.CHANNEL_COLUMNS), np.int64)
        channel[:, tick_state.LATENCY], channel[:, tick_state.ONWARD] = rates.latency, rates.onward
        channel[:, tick_state.HEADER], channel[:, tick_state.RATE] = rates.head, rates.rate_class
        channel[:, tick_state.BANDWIDTH] = fabric.bandwidth
        channel[:, tick_state.FIRST] = -1
        channel[:, tick_state.CREDITS] = channel[:, tick_state.TOTAL] = (model.buffer or 0) // model.cell
        return channel

    def _slots(self, shift: int, waiting: int = 0) -> int:
        """Return how many ticks the calendar has, a power of two: more than anything takes to act.

        waiting [ps]: how long a packet may wait that was served when it became ready.
        """
        rates, used = self.rates, self.used
        farthest = int(max(rates.onward[used].max(), (rates.latency + self.back)[used].max()))
        farthest = max(farthest, int(rates.latency[used].max() + self.answer.max()))
        farthest += int(rates.table.max()) + waiting
        return 1 << ((farthest >> shift) + 2).bit_length()

    def _longest_queue(self) -> int:
        """Return a time [ps] that no packet waits longer than: the longest that a channel transmits in all."""
        passing, paths = np.zeros(self.fabric.channels, np.int64), self.paths
        compiled(stream_loops.tally)(
            self.cargo.packets, paths.first, paths.count, paths.starts, paths.channels, passing
        )
        return int((passing[self.used] * self.rates.table.max()).max())

    def _pages(self, slots: int) -> int:
        """Return how many pages hold all events that there can be at once."""
        events = int(self.cargo.first[-1]) + len(self.used) + self._returns()
        return min(events, events // tick_state.PAGE + tick_state.KINDS * slots) + 1

    def _returns(self) -> int:
        """Return how many times credits can be on their way back at once: as often as packets may hold them."""
        if self.model.buffer is None:
            return 1
        held = self.model.buffer // self.model.cell // int(self.cells.min())
        return min(held * len(self.used), int(self.cargo.first[-1]) * int(self.paths.hops.max()))

    def _desk(self) -> tick_state.Desk:
        packets, channels = len(self.state.arrived), self.fabric.channels
        owners = max(channels, len(self.messages))
        return tick_state.Desk(
            joining=np.empty((packets, 3), np.int64),
            returning=np.empty((self._returns(), 3), np.int64),
            came=np.zeros(owners, np.int64),
            owners=np.empty(owners, np.int64),
            bounds=np.empty(owners + 1, np.int64),
            called=np.empty(channels, np.int64),
        )

    # -- the run ------------------------------------------------------------------------------------

    def run(self, watch: Watch | None = None) -> Record | None:
        """Run tick after tick until nothing is to come; return the Record, None if packets still wait then."""
        self.state = self._state()
        self.desk = self._desk()
        own = compiled_module(loops, loops.APART)
        tick, shift, counts, progress = 0, self.rules.shift, self.state.counts, self.progress
        most = _AT_ONCE if watch else _ENDLESS
        while counts[tick_state.PENDING] or progress.first != NEVER:
            if not counts[tick_state.PENDING]:
                tick = max(tick, progress.first >> shift)
            time, message = progress.entering((tick + 1) << shift)
            own.admit(self.rules, self.job, self.state, message, time)
            stop = max(tick + 1, progress.first >> shift)
            tick = own.run(self.rules, self.job, self.state, self.desk, tick, stop, most)
            self._tell()
            if watch:
                watch(
                    int(counts[tick_state.LATEST]), len(self.state.arrived), int(counts[tick_state.ARRIVALS])
                )
        return None if self.state.message[:, tick_state.MISSING].any() else self._record()

    def _tell(self) -> None:
        """Have ranks go on after messages that are sent and delivered."""
        state, counts = self.state, self.state.counts
        if sent := int(counts[tick_state.TOLD_SENT]):
            message = np.sort(state.told_sent[:sent])
            self.progress.sent(message, state.message[message, tick_state.LAST_LEFT])
        if there := int(counts[tick_state.TOLD_THERE]):
            message = np.sort(state.told_there[:there])
            overhead = to_ps(self.model.endpoint.recv_overhead)
            self.progress.delivered(message, state.message[message, tick_state.LAST_ARRIVAL] + overhead)
        counts[tick_state.TOLD_SENT] = counts[tick_state.TOLD_THERE] = 0

    def _record(self) -> Record:
        channel, message = self.state.channel, self.state.message
        used = np.flatnonzero(channel[:, tick_state.SENT])
        peak = channel[used, tick_state.PEAK]
        arrivals = arrivals_of(self.state.arrived, self.cargo, self.messages.size, self.model.mtu)
        return Record(
            entry_ps=self.progress.entry,
            release_ps=self.progress.release,
            sent_ps=message[:, tick_state.LAST_LEFT].copy(),
            delivered_ps=message[:, tick_state.LAST_ARRIVAL] + to_ps(self.model.endpoint.recv_overhead),
            channels=used,
            channel_packets=channel[used, tick_state.SENT],
            channel_wire=channel[used, tick_state.WIRE],
            channel_busy_ps=channel[used, tick_state.BUSY],
            channel_peak=backlog(peak, self.fabric.bandwidth[used]) if self.rules.plain else peak,
            arrival_ps=arrivals.time,
            arrival_bytes=arrivals.payload,
            arrival_message=arrivals.message,
            packets=len(self.state.arrived),
            dropped=0,
            retransmitted=0,
            extras=None if self.rules.plain else self._extras(used, arrivals),
        )

    def _extras(self, used: IntArray, arrivals: Arrivals) -> Extras:
        channel, none = self.state.channel, np.zeros(len(used), np.int64)
        return Extras(
            channel_marks=channel[used, tick_state.MARKS],
            channel_pauses=none,
            channel_pause_ps=none,
            channel_drops=none,
            channel_repeats=none,
            channel_buffer_peak=channel[used, tick_state.TAKEN] * self.model.cell,
            duplicates=0,
            discarded=0,
            reordered=arrivals.reordered(),
        )
