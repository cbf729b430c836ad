"""Windows with feedback: packets wait in queues until credits let them start, are marked, and are acknowledged.

As in `windows`, everything in a window of time is known when it begins: a credit, and an answer, act no earlier than
the window is wide. Channels serve first come, first served, so a channel's packets start in the order in which they
became ready, and the number of credits that must have come back before a packet may start does not depend on when
the ones before it started: it is one more time before which it cannot start. Then the same running maximum serves
all channels, and what would start after the window waits for the next one.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels.calendar import NEVER, NOTHING, Calendar
from fabricsim.engines.kernels.cargo import Channels, answers_ps, packets_of
from fabricsim.engines.kernels.progress import Progress
from fabricsim.engines.kernels.sending import SENDING
from fabricsim.engines.kernels.service import served, service_order
from fabricsim.engines.record import Extras, Record
from fabricsim.engines.watch import Watch
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routes, packets_on, splitmix64
from fabricsim.schedule import Schedule
from fabricsim.units import PS_PER_S, to_ps

IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]
_CELLS: Final = 32
"""Bits that a number of cells may take beside its channel."""


def with_feedback(
    fabric: Fabric, schedule: Schedule, paths: Routes, model: Model, seed: int, watch: Watch | None = None
) -> Record | None:
    """Return the Record of a schedule on a network with credits, marks or windows; None if everything stands still."""
    return _Feedback(fabric, schedule, paths, model, seed).record(watch)


class _Queues:
    """One queue a channel: all packets that ever pass it, in the order in which they came; a row of columns for each.

    (channels + 1,) base: where each queue's rows begin. (channels,) head: how many have started, tail: how many came.
    (rows,) packet; ready, end [ps]; wire [B] and cells, summed from the queue's beginning, this packet included.
    """

    def __init__(self, fabric: Fabric, paths: Routes, taking: IntArray) -> None:
        passing = packets_on(fabric, paths, taking)
        self.base = np.concatenate([[0], np.cumsum(passing)])
        self.head, self.tail = np.zeros((2, fabric.channels), np.int64)
        self.packet, self.ready, self.end, self.wire, self.cells = np.zeros((5, int(self.base[-1])), np.int64)

    def join(
        self, channel: IntArray, packet: IntArray, ready: IntArray, wire: IntArray, cells: IntArray
    ) -> IntArray:
        """Put packets, sorted by channel and order, at the ends of their queues; return their rows."""
        first = np.flatnonzero(np.diff(channel, prepend=-1))
        count = np.diff(np.append(first, len(channel)))
        row = np.arange(len(channel)) + np.repeat(
            self.base[channel[first]] + self.tail[channel[first]] - first, count
        )
        self.packet[row], self.ready[row] = packet, ready
        for column, size in ((self.wire, wire), (self.cells, cells)):
            total = np.cumsum(size)
            before = self.before(column, channel[first], self.tail[channel[first]])
            column[row] = total + np.repeat(before - (total - size)[first], count)
        self.tail[channel[first]] += count
        return row

    def before(self, column: IntArray, channel: IntArray, position: IntArray) -> IntArray:
        """Return what a summed column says just before a position in a queue: 0 at its beginning."""
        row = self.base[channel] + position - 1
        return np.where(position > 0, column[np.maximum(row, 0)], 0)


class _Joined(NamedTuple):
    """What joined queues in a window, in order of channel and time, with its rows in the queues."""

    channel: IntArray
    ready: IntArray
    row: IntArray


class _Returned(NamedTuple):
    """Credits that came back in a window, in order of channel and time; `total` sums their cells over all of them."""

    channel: IntArray
    time: IntArray
    total: IntArray
    cells: IntArray


class _Started(NamedTuple):
    """Packets that start in a window, in order of channel and time, with their rows in the queues."""

    channel: IntArray
    row: IntArray
    start: IntArray
    end: IntArray


class _Feedback:
    """One run: what lives from window to window."""

    def __init__(self, fabric: Fabric, schedule: Schedule, paths: Routes, model: Model, seed: int) -> None:
        self.fabric, self.paths, self.model, self.seed = fabric, paths, model, seed
        self.packets = packets = packets_of(fabric, schedule, paths, model)
        self.channels = Channels(fabric, packets, model)
        self.cells = -(-packets.wire // model.cell)
        owner = np.repeat(np.arange(len(paths.count)), paths.count)
        turn = np.arange(len(owner)) - paths.first[owner]
        taking = -(-(np.diff(packets.first)[owner] - turn) // paths.count[owner])
        self.queues = _Queues(fabric, paths, taking)
        self.credited = model.buffer is not None
        self.credits = np.full(fabric.channels, (model.buffer or 0) // model.cell)
        self.total = self.credits.copy()
        self.back = fabric.latency_ps + to_ps(model.credit_delay)
        self.at = packets.start.copy()
        self.free, self.sent, self.wire, self.busy = np.zeros((4, fabric.channels), np.int64)
        self.peak, self.buffer_peak, self.marks = np.zeros((3, fabric.channels), np.int64)
        self.left, self.arrived = np.zeros((2, len(packets)), np.int64)
        self.marked = np.zeros(len(packets), np.bool_)
        self.unsent, self.missing = np.diff(packets.first), np.diff(packets.first)
        self.last_left, self.last_arrival = np.zeros((2, len(self.missing)), np.int64)
        self.recv_overhead = to_ps(model.endpoint.recv_overhead)
        self.sender = SENDING[model.sender.kind](packets, model)
        self.path = np.searchsorted(paths.starts, packets.start)
        answered = model.sender.kind != "unlimited"
        self.answer = answers_ps(fabric, paths, model.sender.ack_size) if answered else None
        peer = (schedule.messages.dst - schedule.messages.src) % fabric.ranks
        self.standing = np.empty(len(peer), np.int64)
        self.standing[np.argsort(peer, kind="stable")] = np.arange(len(peer))
        self.progress = Progress(schedule, fabric.ranks, model.endpoint, int(self.channels.reach.min()))
        self.width = self._width()
        self.transit, self.returns, self.answers = (Calendar(self.width) for _ in range(3))

    def _width(self) -> int:
        """Return the least time [ps] after which anything in a window acts."""
        used = np.unique(self.paths.channels)
        widths = [int(self.channels.reach[used].min())]
        if self.credited:
            widths.append(int((self.back[used] + self.channels.least.min()).min()))
        awaited = np.flatnonzero(self.progress.sent_awaited)
        if len(awaited):  # any packet of a message may be the last to leave
            packet = self.packets.first[awaited + 1] - 1
            widths.append(
                int(self.channels.transmit(packet, self.paths.channels[self.packets.start[packet]]).min())
            )
        return min(widths)

    # -- a window -----------------------------------------------------------------------------------

    def record(self, watch: Watch | None) -> Record | None:
        """Run window after window to the end, and return the Record; None if packets wait and nothing happens."""
        while (now := self._now()) != NEVER:
            self._window(now, now + self.width)
            if watch:
                watch(now, len(self.packets), len(self.packets) - int(self.missing.sum()))
        return self._record() if self.missing.max() == 0 else None

    def _now(self) -> int:
        """Return when the next thing happens."""
        queues = self.queues
        waiting = np.flatnonzero(queues.head < queues.tail)
        if self.credited:
            row = queues.base[waiting] + queues.head[waiting]
            waiting = waiting[self.cells[queues.packet[row]] <= self.credits[waiting]]
        coming = min(c.first for c in (self.transit, self.returns, self.answers))
        return min(int(self.free[waiting].min(initial=NEVER)), coming, self.progress.first)

    def _window(self, now: int, until: int) -> None:
        joined = self._join(until)
        back = self._come_back(until) if self.credited else None
        self._start(now, until, joined, back)

    def _join(self, until: int) -> _Joined:
        """Let what becomes ready before `until` join the queues."""
        ready, packet = self.transit.take(until)
        entry, own, position = self._entering(until)
        standing = self.standing[self.packets.message[own]]
        tie = np.concatenate([packet, len(self.packets) + position * len(self.standing) + standing])
        ready, packet = np.concatenate([ready, entry]), np.concatenate([packet, own])
        channel = self.paths.channels[self.at[packet]]
        order = service_order(channel, ready, tie)
        channel, packet, ready = channel[order], packet[order], ready[order]
        row = self.queues.join(channel, packet, ready, self.packets.wire[packet], self.cells[packet])
        return _Joined(channel, ready, row)

    def _entering(self, until: int) -> tuple[IntArray, IntArray, IntArray]:
        time, message = self.progress.entering(until)
        heard, about = self.answers.take(until)
        if not len(time) and not len(heard):
            return NOTHING, NOTHING, NOTHING
        packet, entry, position = self.sender.enter(time, message, heard, about, self.marked[about])
        return entry, packet, position

    def _come_back(self, until: int) -> _Returned:
        """Return the credits that come back before `until`."""
        time, item = self.returns.take(until)
        channel = item >> _CELLS
        order = np.lexsort((time, channel))
        time, channel, cells = time[order], channel[order], (item & ((1 << _CELLS) - 1))[order]
        return _Returned(channel, time, np.cumsum(cells), cells)

    def _start(self, now: int, until: int, joined: _Joined, back: _Returned | None) -> None:
        """Start what can start before `until`, and work out what follows from it."""
        candidates = self._candidates(now, until)
        if len(candidates[0]):
            started = self._served(until, *candidates, back)
            self._see_peaks(now, joined, started)
            if back is not None:
                self._take_credits(now, started, back)
            self._account(started, joined, now)
            self._follow(started)
        else:
            self._see_peaks(now, joined, _Started(NOTHING, NOTHING, NOTHING, NOTHING))
        if back is not None:
            np.add.at(self.credits, back.channel, back.cells)

    def _candidates(self, now: int, until: int) -> tuple[IntArray, IntArray]:
        """Return the channels whose queues may move, and how many of each queue's packets could start at most."""
        queues = self.queues
        channel = np.flatnonzero((queues.head < queues.tail) & (self.free < until))
        most = 1 + (until - np.maximum(self.free[channel], now)) // self.channels.least[channel]
        return channel, np.minimum(queues.tail[channel] - queues.head[channel], most)

    def _served(self, until: int, channel: IntArray, count: IntArray, back: _Returned | None) -> _Started:
        """Return which of the candidates start before `until`, and when."""
        queues = self.queues
        first = np.cumsum(count) - count
        begin = queues.base[channel] + queues.head[channel]
        row = np.arange(int(count.sum())) + np.repeat(begin - first, count)
        of, packet, ready = np.repeat(channel, count), queues.packet[row], queues.ready[row]
        if back is not None:
            ready = np.maximum(ready, self._credited_from(until, channel, of, row, back))
        ready[first] = np.maximum(ready[first], self.free[channel])
        tx = self.channels.transmit(packet, of)
        end = served(ready, tx, first)
        starts = end - tx < until
        return _Started(of[starts], row[starts], (end - tx)[starts], end[starts])

    def _credited_from(
        self, until: int, channel: IntArray, of: IntArray, row: IntArray, back: _Returned
    ) -> IntArray:
        """Return when the credits of each candidate have come back: `until` if not before that."""
        queues = self.queues
        taken = queues.cells[row] - queues.before(queues.cells, of, queues.head[of])
        short = taken - self.credits[of]
        if not len(back.time):
            return np.where(short > 0, until, 0)
        first, last = (np.searchsorted(back.channel, of, side) for side in ("left", "right"))
        before = np.where(first > 0, back.total[first - 1], 0)
        which = np.searchsorted(back.total, before + short)
        known = which < last
        time = back.time[np.minimum(which, len(back.time) - 1)]
        return np.where(short <= 0, 0, np.where(known, time, until))

    def _take_credits(self, now: int, started: _Started, back: _Returned) -> None:
        """Take the credits of packets that start, and keep the most that were ever taken."""
        queues, channel = self.queues, started.channel
        taken = queues.cells[started.row] - queues.before(queues.cells, channel, queues.head[channel])
        first = np.searchsorted(back.channel, channel)
        came = _count_before(back.channel, back.time - now, channel, started.start - now, "right")
        sums = np.concatenate([[0], back.total])
        out = self.total[channel] - self.credits[channel] + taken - (sums[first + came] - sums[first])
        np.maximum.at(self.buffer_peak, channel, out * self.model.cell)
        np.subtract.at(self.credits, channel, self.cells[queues.packet[started.row]])

    def _see_peaks(self, now: int, joined: _Joined, started: _Started) -> None:
        """Keep the largest backlog that a packet found when it joined, itself and the rest on the wire included."""
        if not len(joined.row):
            return
        queues, channel = self.queues, joined.channel
        # starts of this window before each joining; at the same instant, packets join first
        begun = _count_before(started.channel, started.start - now, channel, joined.ready - now, "left")
        position = queues.head[channel] + begun
        waiting = queues.wire[joined.row] - queues.before(queues.wire, channel, position)
        on_the_wire = np.maximum(0, self._end_before(started, channel, position, begun) - joined.ready)
        backlog = waiting + on_the_wire * self.fabric.bandwidth[channel] // PS_PER_S
        np.maximum.at(self.peak, channel, backlog)

    def _end_before(
        self, started: _Started, channel: IntArray, position: IntArray, begun: IntArray
    ) -> IntArray:
        """Return when the packet before a position in a queue leaves, which may start in this window."""
        first = np.searchsorted(started.channel, channel)
        inside = first + begun - 1
        if not len(started.end):
            return self.free[channel]
        return np.where(begun > 0, started.end[np.maximum(inside, 0)], self.free[channel])

    def _account(self, started: _Started, joined: _Joined, now: int) -> None:
        """Note what the channels did, and mark packets by what waits behind them."""
        channel, queues, row = started.channel, self.queues, started.row
        packet = queues.packet[row]
        if self.model.ecn is not None:
            came = _count_before(joined.channel, joined.ready - now, channel, started.start - now, "right")
            new = np.bincount(joined.channel, minlength=len(self.free))[channel]
            position = queues.tail[channel] - new + came
            behind = queues.before(queues.wire, channel, position) - queues.wire[row]
            marked = self._marked(packet, channel, behind)
            self.marked[packet] |= marked
            np.add.at(self.marks, channel[marked], 1)
        if len(row):
            first = np.flatnonzero(np.diff(channel, prepend=-1))
            used, last = channel[first], np.append(first[1:], len(row)) - 1
            queues.head[used] += last - first + 1
            self.free[used] = started.end[last]
            self.sent[used] += last - first + 1
            self.wire[used] += np.add.reduceat(self.packets.wire[packet], first)
            self.busy[used] += np.add.reduceat(started.end - started.start, first)

    def _marked(self, packet: IntArray, channel: IntArray, behind: IntArray) -> Flags:
        ecn = self.model.ecn
        assert ecn is not None
        marked: Flags = behind > ecn.kmax
        between = np.flatnonzero((behind > ecn.kmin) & ~marked)
        if len(between):
            share = (splitmix64(self.seed, packet[between], channel[between]) >> np.uint64(11)) * 2.0**-53
            odds = ecn.pmax * (behind[between] - ecn.kmin) / (ecn.kmax - ecn.kmin)
            marked[between] = share < odds
        return marked

    def _follow(self, started: _Started) -> None:
        """Work out where packets that start go on or arrive, and what comes back for them."""
        packet, channel, channels = self.queues.packet[started.row], started.channel, self.channels
        hop = self.at[packet]
        source, last = hop == self.packets.start[packet], hop + 1 == self.packets.end[packet]
        on = ~last
        arrival = (started.end + channels.latency[channel])[last]
        self.arrived[packet[last]] = arrival
        self.at[packet] = hop + 1
        ready = started.end[on] + channels.onward[channel[on]]
        if channels.cut_through:
            head = started.start[on] + channels.head[channel[on]] + channels.onward[channel[on]]
            ahead = channels.transmit(packet[on], self.paths.channels[hop[on] + 1])
            ready = np.maximum(head, ready - ahead)
        self.transit.add(ready, packet[on])
        if self.credited:
            inner = ~source
            self._give_back(started.end[inner], self.paths.channels[hop[inner] - 1], packet[inner])
            self._give_back(arrival, channel[last], packet[last])
        self._have_left(packet[source], started.end[source])
        self._have_arrived(packet[last], arrival)

    def _give_back(self, time: IntArray, channel: IntArray, packet: IntArray) -> None:
        self.returns.add(time + self.back[channel], (channel << _CELLS) | self.cells[packet])

    def _have_left(self, packet: IntArray, time: IntArray) -> None:
        self.left[packet] = time
        message = self.packets.message[packet]
        awaited = self.progress.sent_awaited[message]
        message, time = message[awaited], time[awaited]
        if len(message):
            np.subtract.at(self.unsent, message, 1)
            np.maximum.at(self.last_left, message, time)
            whole = np.unique(message[self.unsent[message] == 0])
            self.progress.sent(whole, self.last_left[whole])

    def _have_arrived(self, packet: IntArray, time: IntArray) -> None:
        message = self.packets.message[packet]
        np.subtract.at(self.missing, message, 1)
        np.maximum.at(self.last_arrival, message, time)
        whole = np.unique(message[self.missing[message] == 0])
        whole = whole[self.progress.delivered_awaited[whole]]
        self.progress.delivered(whole, self.last_arrival[whole] + self.recv_overhead)
        if self.answer is not None:
            self.answers.add(time + self.answer[self.path[packet]], packet)

    # -- the end ------------------------------------------------------------------------------------

    def _record(self) -> Record:
        packets = self.packets
        order = np.argsort(self.arrived, kind="stable")
        used = np.flatnonzero(self.sent)
        none = np.zeros(len(used), np.int64)
        first = packets.first[:-1]
        return Record(
            entry_ps=self.progress.entry, release_ps=self.progress.release,
            sent_ps=np.maximum.reduceat(self.left, first),
            delivered_ps=np.maximum.reduceat(self.arrived, first) + self.recv_overhead,
            channels=used, channel_packets=self.sent[used], channel_wire=self.wire[used],
            channel_busy_ps=self.busy[used], channel_peak=self.peak[used],
            arrival_ps=self.arrived[order], arrival_bytes=packets.payload[order],
            arrival_message=packets.message[order],
            packets=len(packets), dropped=0, retransmitted=0,
            extras=Extras(
                channel_marks=self.marks[used], channel_pauses=none, channel_pause_ps=none, channel_drops=none,
                channel_repeats=none, channel_buffer_peak=self.buffer_peak[used], duplicates=0, discarded=0,
                reordered=_reordered(packets.message[order], order),
            ),
        )  # fmt: skip


def _count_before(
    of: IntArray, time: IntArray, channel: IntArray, until: IntArray, side: Literal["left", "right"]
) -> IntArray:
    """Return how many rows of `of` and `time`, sorted, each channel has before a time; with `right`, at it as well."""
    span = 2 + int(max(time.max(initial=0), until.max(initial=0)))
    rows = of * span + time
    found: IntArray = np.searchsorted(rows, channel * span + until, side) - np.searchsorted(
        rows, channel * span
    )
    return found


def _reordered(message: IntArray, packet: IntArray) -> int:
    """Return how many packets, in order of arrival, came after one of their message with a larger id."""
    order = np.argsort(message, kind="stable")
    packet = packet[order]
    # ids grow with messages, so that one running maximum serves all messages
    return int(np.sum(packet[1:] < np.maximum.accumulate(packet)[:-1]))
