"""First come, first served at many channels at once.

A sort orders the packets of every channel by (ready time, transit before source, id or turn); each starts when it is
ready and the one before has left. One running maximum serves all channels: with C the transmit time
of a channel's packets before this one, a packet ends at the maximum, over itself and those before it, of (ready − C),
plus C plus its own transmit time (Lindley, Proc. Cambridge Phil. Soc. 1952).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels.cargo import Channels, Packets, backlog
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.units import to_ps

IntArray = NDArray[np.int64]


class Outcome(NamedTuple):
    """What serving some packets leads to.

    packet, ready, channel: those that go on, when they are ready for their next channel, and which it is; in the order
    of the nodes where they are. arrived: those that have reached their destination. left: those that have left
    their source.
    """

    packet: IntArray
    ready: IntArray
    channel: IntArray
    arrived: IntArray
    left: IntArray


class Service:
    """The channels at work: what lives from one serving to the next.

    (packets,) left, arrived [ps]: when its last bit has left its source, and has arrived. (channels,) free [ps], and
    what they did: packets sent, wire bytes, busy [ps], and peak [ps], the longest time from a packet's readiness to
    the end of its service.
    quantum [ps] divides all times that packets become ready at; whoever knows a large one may say so.
    """

    def __init__(self, fabric: Fabric, route: IntArray, packets: Packets, model: Model) -> None:
        self.packets, self.channels = packets, Channels(fabric, packets, model)
        # looked up for every packet and channel in no order: the fewer bytes, the more of them are near at hand
        self._route = route.astype(np.int32)
        self._to_go = (packets.end - packets.start).astype(np.int16)
        self.left, self.arrived = np.zeros(len(packets), np.int64), np.zeros(len(packets), np.int64)
        self.free, self.sent, self.wire, self.busy, self.peak = np.zeros((5, fabric.channels), np.int64)
        self.quantum = 1
        # channels by the node that they lead to: then what is served comes out in the order of nodes
        self._by_node = np.argsort(fabric.channel_dst, kind="stable")
        self._code = np.empty(fabric.channels, np.int64)
        self._code[self._by_node] = np.arange(fabric.channels)

    def next_channel(self, packet: IntArray) -> IntArray:
        """Return the channel that each packet, still under way, is going to."""
        channel: IntArray = self._route[self.packets.end[packet] - self._to_go[packet]].astype(np.int64)
        return channel

    def sources(self, packet: IntArray) -> tuple[IntArray, IntArray]:
        """Return channel and tie of packets that are at their sources."""
        return self._route[self.packets.start[packet]].astype(np.int64), self.packets.turn[packet] + len(
            self.packets
        )

    def serve(self, ready: IntArray, channel: IntArray, tie: IntArray) -> Outcome:
        """Serve packets that are ready for their next channels, in any order.

        tie: a packet's id in transit, what `sources` says at its source; so it tells which packet it is. Nothing
        served later may be ready earlier for any of the channels.
        """
        channels, total = self.channels, len(self.packets)
        code, ready, tie = in_service_order(self._code[channel], ready, tie, self.quantum)
        source = tie >= total
        packet = tie
        if source.any():
            packet = tie.copy()
            packet[source] = self.packets.in_turn[tie[source] - total]
        channel = self._by_node[code]
        tx = channels.transmit(packet, channel)
        first = np.flatnonzero(np.append(True, code[1:] != code[:-1]))
        used = channel[first]
        since = ready.copy()
        since[first] = np.maximum(since[first], self.free[used])
        end = served(since, tx, first)
        self._enter(used, first, channels.wires[channels.size_class[packet]], tx, end, end - ready)
        left = packet[source]
        self.left[left] = end[source]
        return self._onward(packet, channel, end - tx, end, left)

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
        self, packet: IntArray, channel: IntArray, start: IntArray, end: IntArray, left: IntArray
    ) -> Outcome:
        channels = self.channels
        self._to_go[packet] -= 1
        on = self._to_go[packet] > 0
        arrived = packet[:0]
        if not on.all():
            there = ~on
            arrived = packet[there]
            self.arrived[arrived] = end[there] + channels.latency[channel[there]]
            packet, channel, start, end = (c[on] for c in (packet, channel, start, end))
        following = self.next_channel(packet)
        ready = end + channels.onward[channel]
        if channels.cut_through:
            # the head moves on once it is in, but no earlier than lets the tail never run dry at the next rate
            ahead = channels.transmit(packet, following)
            ready = np.maximum(start + channels.head[channel] + channels.onward[channel], ready - ahead)
        return Outcome(packet, ready, following, arrived, left)


def _in_quanta(time: IntArray, quantum: int) -> IntArray:
    return time if quantum == 1 else time // quantum


def in_service_order(
    channel: IntArray, ready: IntArray, tie: IntArray, quantum: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return the (rows,) columns sorted by channel, then ready time, then tie. `quantum` divides all times."""
    low, lane = int(ready.min()), int(channel.min())
    after = (int(ready.max()) - low) // quantum
    widths = [int(value).bit_length() for value in (channel.max() - lane, after, tie.max())]
    if sum(widths) > 63:
        order = np.lexsort((tie, ready, channel))
        return channel[order], ready[order], tie[order]
    # one number a row holds all three: sorting plain numbers is several times faster than sorting places
    key = channel - lane
    key <<= widths[1]
    key |= _in_quanta(ready - low, quantum)
    key <<= widths[2]
    key |= tie
    key.sort()
    tie = key & ((1 << widths[2]) - 1)
    key >>= widths[2]
    ready = key & ((1 << widths[1]) - 1)
    ready *= quantum
    ready += low
    key >>= widths[1]
    key += lane
    return key, ready, tie


def service_order(channel: IntArray, ready: IntArray, tie: IntArray) -> IntArray:
    """Return the order by channel, then ready time, then tie, of (rows,) columns; for ties too large to be found by."""
    if not len(tie):
        return tie
    low, lane = int(ready.min()), int(channel.min())
    widths = [int(value).bit_length() for value in (channel.max() - lane, int(ready.max()) - low, tie.max())]
    if sum(widths) > 63:
        return np.lexsort((tie, ready, channel))
    order: IntArray = np.argsort(((((channel - lane) << widths[1]) | (ready - low)) << widths[2]) | tie)
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
        arrival_message=packets.message[order],
        packets=len(packets),
        dropped=0,
        retransmitted=0,
    )
