"""What the array kernels work on: packets as columns, and what each channel takes for them, as tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps, transmit_ps_of
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule
from fabricsim.units import PS_PER_S, to_ps

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Packets:
    """All packets in id order: (packets,) columns.

    start, end: its first hop and one past its last, as positions in the channels of the routes. turn: its place in the
    order in which sources queue packets of one instant, and in_turn: the packets in that order. first: (messages +
    1,) the id of each message's first packet.
    """

    message: IntArray
    payload: IntArray
    wire: IntArray
    start: IntArray
    end: IntArray
    turn: IntArray
    in_turn: IntArray
    first: IntArray

    def __len__(self) -> int:
        return len(self.message)


def packets_of(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> Packets:
    """Return every packet of a schedule, in id order."""
    messages = schedule.messages
    count = -(-messages.size // model.mtu)
    first = np.concatenate([[0], np.cumsum(count)])
    message = np.repeat(np.arange(len(messages)), count)
    index = np.arange(len(message)) - first[message]
    payload = np.minimum(model.mtu, messages.size[message] - index * model.mtu)
    wire = -(-(payload + model.header) // model.flit) * model.flit
    path = paths.first[message] + index % paths.count[message]
    peer = (messages.dst - messages.src) % fabric.ranks
    in_turn = _in_turn(index, peer, message)
    turn = np.empty(len(message), np.int64)
    turn[in_turn] = np.arange(len(message))
    return Packets(message, payload, wire, paths.starts[path], paths.starts[path + 1], turn, in_turn, first)


def _in_turn(index: IntArray, peer: IntArray, message: IntArray) -> IntArray:
    """Return the packets in the order of (index, peer of its message, message)."""
    standing = np.empty(len(peer), np.int64)
    standing[np.argsort(peer, kind="stable")] = np.arange(len(peer))
    widths = [len(peer).bit_length(), len(message).bit_length()]
    if int(index.max(initial=0)).bit_length() + sum(widths) > 63:
        return np.lexsort((standing[message], index))
    # sorting numbers that hold their own place is twice as fast as sorting places
    key = (((index << widths[0]) | standing[message]) << widths[1]) | np.arange(len(message))
    key.sort()
    order: IntArray = key & ((1 << widths[1]) - 1)
    return order


class Cargo(NamedTuple):
    """The messages as compiled loops want them.

    packets: (messages,) how many; first: (messages + 1,) the first one's id.
    wires [B]: the classes of size; last_size: (messages,) which one the last packet has, full_size: all others.
    """

    packets: IntArray
    first: IntArray
    wires: IntArray
    last_size: IntArray
    full_size: int


def cargo_of(size: IntArray, model: Model) -> Cargo:
    """Return the messages of (messages,) payload bytes as compiled loops want them."""
    packets = -(-size // model.mtu)
    full, last = (
        -(-(payload + model.header) // model.flit) * model.flit
        for payload in (np.int64(model.mtu), size - (packets - 1) * model.mtu)
    )
    wires = np.unique(np.append(last, full))
    first = np.concatenate([[0], np.cumsum(packets)])
    return Cargo(packets, first, wires, np.searchsorted(wires, last), int(np.searchsorted(wires, full)))


class Rates:
    """What channels do to packets, by class of size and of rate: few of each, so tables are small.

    wires: [B] of each class of size, ascending. rate_class: (channels,) which rate; table: [ps] that a size takes at a
    rate, row by row. latency: (channels,) [ps] to the far end; onward: through the far node as well. head: (channels,)
    [ps] that a header takes, and least: that the smallest size takes. quantum [ps] divides all times.
    """

    def __init__(self, fabric: Fabric, wires: IntArray, model: Model) -> None:
        self.wires = wires
        rates, self.rate_class = np.unique(fabric.bandwidth, return_inverse=True)
        self.rates = len(rates)
        self.table = np.array([transmit_ps(w, b) for w in wires.tolist() for b in rates.tolist()], np.int64)
        self.latency = fabric.latency_ps
        self.onward = fabric.latency_ps + fabric.delay_ps[fabric.channel_dst]
        head = np.array([transmit_ps(model.wire(0), b) for b in rates.tolist()], np.int64)
        self.head = head[self.rate_class]
        self.least = self.table[: self.rates][self.rate_class]
        self.quantum = math.gcd(
            *(int(np.gcd.reduce(c)) for c in (self.table, self.latency, self.onward, head))
        )
        self.cut_through = model.switching == "cut-through"

    @property
    def reach(self) -> IntArray:
        """(channels,) [ps], the least time between a packet's readiness for a channel and for the next."""
        reach: IntArray = np.add(self.latency, self.head if self.cut_through else self.least)
        return reach


class Channels(Rates):
    """The same, asked packet by packet. size_class: (packets,) the class of size of each."""

    def __init__(self, fabric: Fabric, packets: Packets, model: Model) -> None:
        wires, size_class = np.unique(packets.wire, return_inverse=True)
        super().__init__(fabric, wires, model)
        # as few bytes as they need: they are looked up for every packet and channel, in no order
        self.size_class = size_class.astype(np.uint8 if len(wires) <= 256 else np.int32)

    def transmit(self, packet: IntArray, channel: IntArray) -> IntArray:
        """Return the transmit time [ps] of each packet on a channel."""
        row = self.size_class[packet].astype(np.int64)
        if self.rates > 1:
            row = row * self.rates + self.rate_class[channel]
        time: IntArray = self.table[row]
        return time


def backlog(wait_ps: IntArray, rate: IntArray) -> IntArray:
    """Return the bytes that take `wait_ps` at `rate`; exact, though their product may exceed 64 bits."""
    return np.array(
        [w * r // PS_PER_S for w, r in zip(wait_ps.tolist(), rate.tolist(), strict=True)], np.int64
    )


def ps_of(seconds: NDArray[np.float64]) -> IntArray:
    """Return `to_ps` element by element: both round halves to even."""
    return np.rint(seconds * PS_PER_S).astype(np.int64)


class Times(NamedTuple):
    """(messages,) [ps]: when each one's rank enters its round, its release, and when it enters its source's queue."""

    entry: IntArray
    release: IntArray
    entering: IntArray


def times_of(schedule: Schedule, model: Model) -> Times:
    """Return the times of a schedule in which no message waits for another."""
    messages = schedule.messages
    start = np.array([to_ps(op.start) for op in schedule.operations], np.int64)
    entry = start[messages.operation]
    release = entry + ps_of(messages.delay)
    return Times(entry, release, release + to_ps(model.endpoint.send_overhead))


def answers_ps(fabric: Fabric, paths: Routes, ack_size: int) -> IntArray:
    """Return (paths,) [ps], how long an answer of `ack_size` bytes takes back over each path; it never queues."""
    ack = np.full(fabric.channels, ack_size)
    way_back = fabric.latency_ps + transmit_ps_of(ack, fabric.bandwidth)
    time = way_back[paths.channels ^ 1] + fabric.delay_ps[fabric.channel_dst[paths.channels]]
    last = paths.starts[1:] - 1
    time[last] -= fabric.delay_ps[fabric.channel_dst[paths.channels[last]]]
    total: IntArray = np.add.reduceat(time, paths.starts[:-1])
    return total
