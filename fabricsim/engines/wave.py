"""The packet engine's NumPy kernel: whole levels of channels at a time, the same picoseconds as the SimPy kernel.

Where the channels can be ordered so that every path goes up that order, and every message's release is known
beforehand, nothing that happens at a channel can depend on a later one. Then all packets of all channels of one
level are sorted by (channel, ready time, tie order), and served by one running maximum: with C the transmit time
before a packet of its channel, it ends at max over those before it of (ready − C) plus C plus its own
(Lindley, Proc. Cambridge Phil. Soc. 1952).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.record import Record
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model, transmit_ps
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule
from fabricsim.units import PS_PER_S, to_ps

IntArray = NDArray[np.int64]


def applies(
    fabric: Fabric, schedule: Schedule, paths: Routes, failures: Failures, model: Model
) -> tuple[IntArray | None, str]:
    """Return the level of each channel and nothing, or None and why this kernel cannot run the job."""
    why = misfit(schedule, failures, model)
    level = None if why else channel_levels(paths, fabric.channels)
    if level is None:
        return None, why or "the paths form a circle of channels"
    return level, ""


def misfit(schedule: Schedule, failures: Failures, model: Model) -> str:
    """Return why this kernel cannot run a job, as far as that is known without its routes; empty if it can."""
    if model.feedback:
        return model.feedback
    if len(failures):
        return "links fail or degrade"
    if model.endpoint.gap:
        return "endpoint.gap makes messages wait for each other"
    if any(op.after for op in schedule.operations):
        return "an operation waits for another"
    if any(op.graph is not None for op in schedule.operations):
        return "an operation is a graph of tasks, which wait for each other"
    if any(op.meets for op in schedule.operations):
        return "messages meet in switches"
    if any(op.round_count > 1 for op in schedule.operations):
        return "an operation has several rounds, which wait for each other"
    return ""


def channel_levels(paths: Routes, channels: int) -> IntArray | None:
    """Return (channels,) the level of each: above all channels that come before it on any path; None if they go round.

    A channel that no path uses has level 0.
    """
    inner = np.ones(len(paths.channels), np.bool_)
    inner[paths.starts[1:] - 1] = False  # the last hop of each path leads to no other
    before = paths.channels[:-1][inner[:-1]]
    after = paths.channels[1:][inner[:-1]]
    level = np.zeros(channels, np.int64)
    waits_for = np.bincount(after, minlength=channels)
    while len(before):  # take away what waits for nothing, again and again (Kahn, CACM 1962)
        free = waits_for[before] == 0
        if not free.any():
            return None
        np.maximum.at(level, after[free], level[before[free]] + 1)
        waits_for -= np.bincount(after[free], minlength=channels)
        before, after = before[~free], after[~free]
    return level


@dataclass(frozen=True, eq=False)
class Packets:
    """All packets in id order: (packets,) message, wire bytes, payload, first hop and one past the last in the hops."""

    message: IntArray
    payload: IntArray
    wire: IntArray
    start: IntArray
    end: IntArray
    turn: IntArray
    """The order in which sources queue packets of one instant, as a rank over all packets."""


def packets_of(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> Packets:
    """Return every packet of a schedule, in id order."""
    messages = schedule.messages
    count = -(-messages.size // model.mtu)
    message = np.repeat(np.arange(len(messages)), count)
    index = np.arange(len(message)) - np.repeat(np.cumsum(count) - count, count)
    payload = np.minimum(model.mtu, messages.size[message] - index * model.mtu)
    wire = -(-(payload + model.header) // model.flit) * model.flit
    path = paths.first[message] + index % paths.count[message]
    turn = np.empty(len(message), np.int64)
    peer = (messages.dst - messages.src) % fabric.ranks
    turn[np.lexsort((message, peer[message], index))] = np.arange(len(message))
    return Packets(message, payload, wire, paths.starts[path], paths.starts[path + 1], turn)


class Ledger:
    """What the channels did: filled level by level."""

    def __init__(self, channels: int) -> None:
        self.packets, self.wire, self.busy, self.peak_ps = (np.zeros(channels, np.int64) for _ in range(4))

    def enter(self, channel: IntArray, first: IntArray, wire: IntArray, tx: IntArray, wait: IntArray) -> None:
        """Add one level: (channels of it,) ids and first positions in the sorted (packets,) columns."""
        self.packets[channel] = np.diff(np.append(first, len(wire)))
        self.wire[channel] = np.add.reduceat(wire, first)
        self.busy[channel] = np.add.reduceat(tx, first)
        self.peak_ps[channel] = np.maximum.reduceat(wait, first)


def served(ready: IntArray, tx: IntArray, first: IntArray) -> IntArray:
    """Return when each packet's last bit leaves, for columns sorted by channel and order of service.

    ready, tx: (packets,) [ps]. first: (channels,) the position where each channel's packets begin.
    """
    own = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(ready))))
    total = np.cumsum(tx)
    before = total - tx
    before -= before[first][own]  # transmit time ahead of each packet in its own channel
    slack = ready - before
    # channels are kept apart by lifting each above all that its predecessors can reach
    low = int(slack.min())
    step = int(slack.max()) - low + 1
    if step.bit_length() + len(first).bit_length() < 62:
        lift = own * step
        slack = np.maximum.accumulate(slack - low + lift) - lift + low
    else:
        for begin, end in zip(first.tolist(), [*first[1:].tolist(), len(slack)], strict=True):
            slack[begin:end] = np.maximum.accumulate(slack[begin:end])
    end_ps: IntArray = slack + before + tx
    return end_ps


def simulate_wave(
    fabric: Fabric, schedule: Schedule, paths: Routes, failures: Failures, model: Model
) -> Record:
    """Return what happened when `schedule` ran over `fabric`: the Record of the SimPy kernel, to the picosecond.

    Raises InputError where the kernel does not apply, saying why.
    """
    level, why = applies(fabric, schedule, paths, failures, model)
    if level is None:
        what = f"the numpy kernel does not apply: {why}"
        raise InputError([Fault(what, "write auto or simpy", ("kernel",))])
    return _Wave(fabric, schedule, paths, model, level).record()


class _Wave:
    """One run: the columns that live from level to level."""

    def __init__(
        self, fabric: Fabric, schedule: Schedule, paths: Routes, model: Model, level: IntArray
    ) -> None:
        self.fabric, self.schedule, self.paths, self.model = fabric, schedule, paths, model
        self.level = level
        self.packets = packets_of(fabric, schedule, paths, model)
        messages = schedule.messages
        start = np.array([to_ps(op.start) for op in schedule.operations], np.int64)
        delay = np.array([to_ps(seconds) for seconds in messages.delay.tolist()], np.int64)
        self.entry = start[messages.operation]
        self.release = self.entry + delay
        entered = self.release + to_ps(model.endpoint.send_overhead)
        self.ready = entered[self.packets.message]
        self.left = np.zeros(len(self.ready), np.int64)
        # few sizes and few rates: a table of transmit times is looked up, where division would cost time
        wires, self.size_class = np.unique(self.packets.wire, return_inverse=True)
        rates, self.rate_class = np.unique(fabric.bandwidth, return_inverse=True)
        self.transmit = np.array(
            [[transmit_ps(w, b) for b in rates.tolist()] for w in wires.tolist()], np.int64
        )
        self.header = np.array([transmit_ps(model.wire(0), b) for b in rates.tolist()], np.int64)
        self.ledger = Ledger(fabric.channels)

    def record(self) -> Record:
        """Run level after level and return the Record."""
        first = self.level[self.paths.channels[self.packets.start]]
        waiting = first.astype(np.int32)  # the level of each packet's next channel, −1 once it has arrived
        hop = self.packets.start.copy()
        for level in range(int(self.level.max(initial=0)) + 1):
            packet = np.flatnonzero(waiting == level)
            if not len(packet):
                continue
            self._serve(packet, hop[packet])
            hop[packet] += 1
            going = packet[hop[packet] < self.packets.end[packet]]
            waiting[packet] = -1
            waiting[going] = self.level[self.paths.channels[hop[going]]]
        return self._record()

    def _serve(self, packet: IntArray, hop: IntArray) -> None:
        """Serve one level: for each packet that has a hop in it, by id, the hop."""
        packets = self.packets
        channel = self.paths.channels[hop]
        order = self._order(packet, hop, channel)
        packet, hop, channel = packet[order], hop[order], channel[order]
        ready, size = self.ready[packet], self.size_class[packet]
        tx = self.transmit[size, self.rate_class[channel]]
        first = np.flatnonzero(np.append(True, channel[1:] != channel[:-1]))
        end = served(ready, tx, first)
        self.ledger.enter(channel[first], first, packets.wire[packet], tx, end - ready)
        source = hop == packets.start[packet]
        self.left[packet[source]] = end[source]
        self.ready[packet] = self._next_ready(packet, hop, channel, end - tx, end)

    def _order(self, packet: IntArray, hop: IntArray, channel: IntArray) -> IntArray:
        """Return the order by channel, ready time, and of one instant: transit by id, then the source's own by turn."""
        packets, total = self.packets, len(self.packets.message)
        tie = np.where(hop == packets.start[packet], total + packets.turn[packet], packet)
        used = np.zeros(self.fabric.channels, np.bool_)
        used[channel] = True
        dense = np.cumsum(used)[channel] - 1
        ready = self.ready[packet]
        low = int(ready.min())
        widths = [int(value).bit_length() for value in (dense.max(), ready.max() - low, 2 * total)]
        if sum(widths) > 63:
            return np.lexsort((tie, ready, dense))
        # one number a packet holds all three, and sorting plain numbers is several times faster than sorting places
        key = (((dense << widths[1]) | (ready - low)) << widths[2]) | tie
        key.sort()
        place = np.empty(2 * total, np.int64)
        place[tie] = np.arange(len(tie))
        order: IntArray = place[key & ((1 << widths[2]) - 1)]
        return order

    def _next_ready(
        self,
        packet: IntArray,
        hop: IntArray,
        channel: IntArray,
        start: IntArray,
        end: IntArray,
    ) -> IntArray:
        """Return when each packet is ready for its next channel, or has arrived where it ends."""
        fabric, model = self.fabric, self.model
        last = hop + 1 == self.packets.end[packet]
        far = fabric.latency_ps[channel] + np.where(last, 0, fabric.delay_ps[fabric.channel_dst[channel]])
        if model.switching == "store-and-forward":
            return end + far
        head = self.header[self.rate_class[channel]]
        following = self.paths.channels[np.where(last, hop, hop + 1)]
        ahead = self.transmit[self.size_class[packet], self.rate_class[following]]
        return np.where(last, end + far, np.maximum(start + head + far, end + far - ahead))

    def _record(self) -> Record:
        packets, ledger = self.packets, self.ledger
        count = -(-self.schedule.messages.size // self.model.mtu)
        first = np.cumsum(count) - count
        arrival = np.argsort(self.ready, kind="stable")
        used = np.flatnonzero(ledger.packets)
        return Record(
            entry_ps=self.entry,
            release_ps=self.release,
            sent_ps=np.maximum.reduceat(self.left, first),
            delivered_ps=np.maximum.reduceat(self.ready, first) + to_ps(self.model.endpoint.recv_overhead),
            channels=used,
            channel_packets=ledger.packets[used],
            channel_wire=ledger.wire[used],
            channel_busy_ps=ledger.busy[used],
            channel_peak=_backlog(ledger.peak_ps[used], self.fabric.bandwidth[used]),
            arrival_ps=self.ready[arrival],
            arrival_bytes=packets.payload[arrival],
            packets=len(packets.message),
            dropped=0,
            retransmitted=0,
        )


def _backlog(wait_ps: IntArray, rate: IntArray) -> IntArray:
    """Return the bytes that take `wait_ps` at `rate`; exact, though their product may exceed 64 bits."""
    return np.array(
        [w * r // PS_PER_S for w, r in zip(wait_ps.tolist(), rate.tolist(), strict=True)], np.int64
    )
