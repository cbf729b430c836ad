"""First come, first served at many channels at once, by NumPy or by loops that Numba compiles.

Both orders the packets of every channel by (ready time, transit before source, id or turn), and let each start when
it is ready and the one before has left. In NumPy one running maximum serves all channels: with C the transmit time
of a channel's packets before this one, a packet ends at the maximum, over itself and those before it, of (ready − C),
plus C plus its own transmit time (Lindley, Proc. Cambridge Phil. Soc. 1952).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels import loops
from fabricsim.engines.kernels.cargo import Channels, Packets, backlog
from fabricsim.engines.kernels.compiled import compiled
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.units import to_ps

IntArray = NDArray[np.int64]


class Outcome(NamedTuple):
    """What serving some packets leads to.

    packet, ready: those that go on, and when they are ready for their next channel. arrived: those that have reached
    their destination. left: those that have left their source.
    """

    packet: IntArray
    ready: IntArray
    arrived: IntArray
    left: IntArray


class Service:
    """The channels at work: what lives from one serving to the next.

    (packets,) hop: the position in the channels of the routes of what each packet waits for; left, arrived [ps]: when
    its last bit has left its source, and has arrived. (channels,) free [ps], and what they did: packets, wire bytes,
    busy [ps], and peak [ps], the longest time from a packet's readiness to the end of its service.
    """

    def __init__(
        self, route: IntArray, packets: Packets, channels: Channels, count: int, *, compiled: bool
    ) -> None:
        self.route, self.packets, self.channels = route, packets, channels
        self.hop = packets.start.copy()
        self.left, self.arrived = np.zeros(len(packets), np.int64), np.zeros(len(packets), np.int64)
        self.free, self.sent, self.wire, self.busy, self.peak = (np.zeros(count, np.int64) for _ in range(5))
        self._place = np.zeros(count, np.int64) if compiled else None

    def serve(self, packet: IntArray, ready: IntArray) -> Outcome:
        """Serve packets that are ready for their next channels, in any order.

        Nothing served later may be ready earlier, where it meets these.
        """
        return self._in_arrays(packet, ready) if self._place is None else self._in_loops(packet, ready)

    # -- with NumPy ---------------------------------------------------------------------------------

    def _in_arrays(self, packet: IntArray, ready: IntArray) -> Outcome:
        packets, channels = self.packets, self.channels
        hop = self.hop[packet]
        channel = self.route[hop]
        source = hop == packets.start[packet]
        order = service_order(channel, ready, np.where(source, packets.turn[packet] + len(packets), packet))
        packet, ready, hop, channel, source = (c[order] for c in (packet, ready, hop, channel, source))
        tx = channels.transmit(packet, channel)
        first = np.flatnonzero(np.append(True, channel[1:] != channel[:-1]))
        used = channel[first]
        since = ready.copy()
        since[first] = np.maximum(since[first], self.free[used])
        end = served(since, tx, first)
        self._enter(used, first, packets.wire[packet], tx, end, end - ready)
        left = packet[source]
        self.left[left] = end[source]
        return self._onward(packet, hop, channel, end - tx, end, left)

    def _enter(
        self, used: IntArray, first: IntArray, wire: IntArray, tx: IntArray, end: IntArray, wait: IntArray
    ) -> None:
        """Add to what the channels did, from (packets,) columns in which each channel's begin at `first`."""
        last = np.append(first[1:], len(end)) - 1
        self.free[used] = end[last]
        self.sent[used] += last - first + 1
        self.wire[used] += np.add.reduceat(wire, first)
        self.busy[used] += np.add.reduceat(tx, first)
        self.peak[used] = np.maximum(self.peak[used], np.maximum.reduceat(wait, first))

    def _onward(
        self,
        packet: IntArray,
        hop: IntArray,
        channel: IntArray,
        start: IntArray,
        end: IntArray,
        left: IntArray,
    ) -> Outcome:
        channels = self.channels
        on = hop + 1 < self.packets.end[packet]
        there = ~on
        arrived = packet[there]
        self.arrived[arrived] = end[there] + channels.latency[channel[there]]
        packet, hop, channel, start, end = (c[on] for c in (packet, hop, channel, start, end))
        self.hop[packet] = hop + 1
        ready = end + channels.onward[channel]
        if channels.cut_through:
            # the head moves on once it is in, but no earlier than lets the tail never run dry at the next rate
            ahead = channels.transmit(packet, self.route[hop + 1])
            ready = np.maximum(start + channels.head[channel] + channels.onward[channel], ready - ahead)
        return Outcome(packet, ready, arrived, left)

    # -- with Numba ---------------------------------------------------------------------------------

    def _in_loops(self, packet: IntArray, ready: IntArray) -> Outcome:
        packets, channels = self.packets, self.channels
        assert self._place is not None
        rows = len(packet)
        by_channel, due, tie, spare_packet, spare_due, spare_tie = np.empty((6, rows), np.int64)
        bounds, touched = np.empty(rows + 1, np.int64), np.empty(rows, np.int64)
        used = compiled(loops.group)(
            packet, ready, self.route, self.hop, packets.start, packets.turn, self._place, by_channel, due, tie,
            bounds, touched,
        )  # fmt: skip
        compiled(loops.sort)(used, bounds, due, tie, by_channel, spare_due, spare_tie, spare_packet)
        left, arrived = np.empty((2, rows), np.int64)
        going, there, gone = compiled(loops.serve)(
            used, bounds, touched, by_channel, due, self.route, self.hop, packets.start, packets.end, packets.wire,
            channels.size_class, channels.rate_class, channels.table, channels.rates, channels.latency,
            channels.onward, channels.head, channels.cut_through, self.free, self.sent, self.wire, self.busy,
            self.peak, self.left, self.arrived, spare_packet, spare_due, arrived, left,
        )  # fmt: skip
        return Outcome(spare_packet[:going], spare_due[:going], arrived[:there], left[:gone])


def service_order(channel: IntArray, ready: IntArray, tie: IntArray) -> IntArray:
    """Return the order by channel, then ready time, then tie, for (rows,) columns."""
    low = int(ready.min())
    widths = [int(value).bit_length() for value in (channel.max(), int(ready.max()) - low, tie.max())]
    if sum(widths) > 63:
        return np.lexsort((tie, ready, channel))
    key = channel << widths[1]
    key |= ready - low
    key <<= widths[2]
    key |= tie
    order: IntArray = np.argsort(key)
    return order


def served(ready: IntArray, tx: IntArray, first: IntArray) -> IntArray:
    """Return when each packet's last bit leaves, for columns sorted by channel and order of service.

    ready, tx: (packets,) [ps]. first: (channels,) the position where each channel's packets begin.
    """
    total = np.cumsum(tx)
    before = total - tx
    length = np.diff(np.append(first, len(ready)))
    before -= np.repeat(before[first], length)  # transmit time ahead of each packet in its own channel
    slack: IntArray = ready - before
    # channels are kept apart by lifting each above all that its predecessors can reach
    low = int(slack.min())
    step = int(slack.max()) - low + 1
    if step.bit_length() + len(first).bit_length() < 62:
        lift = np.repeat(np.arange(len(first)) * step - low, length)
        slack += lift
        np.maximum.accumulate(slack, out=slack)
        slack -= lift
    else:
        for begin, end in zip(first.tolist(), [*first[1:].tolist(), len(slack)], strict=True):
            slack[begin:end] = np.maximum.accumulate(slack[begin:end])
    slack += before
    slack += tx
    return slack


def record_of(
    fabric: Fabric, model: Model, packets: Packets, service: Service, entry: IntArray, release: IntArray
) -> Record:
    """Return the Record of a run that is over; entry, release: (messages,) [ps]."""
    order = np.argsort(service.arrived, kind="stable")
    used = np.flatnonzero(service.sent)
    first = packets.first[:-1]
    return Record(
        entry_ps=entry,
        release_ps=release,
        sent_ps=np.maximum.reduceat(service.left, first),
        delivered_ps=np.maximum.reduceat(service.arrived, first) + to_ps(model.endpoint.recv_overhead),
        channels=used,
        channel_packets=service.sent[used],
        channel_wire=service.wire[used],
        channel_busy_ps=service.busy[used],
        channel_peak=backlog(service.peak[used], fabric.bandwidth[used]),
        arrival_ps=service.arrived[order],
        arrival_bytes=packets.payload[order],
        packets=len(packets),
        dropped=0,
        retransmitted=0,
    )
