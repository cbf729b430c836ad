"""What the loops of `ticks` know: rows of integers for packets, channels and messages, and the calendar of events.

A packet, a channel and a message are each a row, of which the columns are named below, so that what one event asks
about lies together. Times are in ps, sizes in bytes; −1 stands for none. The events of a tick hang together in chains,
one a kind, that begin in `slots`: packets that become ready, answers, credits that come back, and channels that become
free.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

# Packets: when it is ready for the next channel; its position in the route; the next in its queue; and what it is: the
# channel before plus one, 0 at the source, then bits for its class of size, and one for a mark.
READY, AT, NEXT, WHAT = range(4)
PACKET_COLUMNS = 4
SIZE_BITS = 24
# Channels: what they are;
LATENCY, ONWARD, HEADER, RATE, BANDWIDTH = range(5)
# when it is free, its queue and the bytes in it, and its credits;
FREE, FIRST, LAST, WAITING, CREDITS, TOTAL = range(5, 11)
# what joins and comes back in this tick, as stretches; whether it is called in it, and whether it will be woken;
JOIN, JOIN_END, CREDIT, CREDIT_END, CALLED, WOKEN = range(11, 17)
# and what it did.
SENT, WIRE, BUSY, PEAK, TAKEN, MARKS = range(17, 23)
CHANNEL_COLUMNS = 24
# Messages: packets that have entered; payload that is in and not acknowledged; the window; payload acknowledged and
# marked since the last update, and the packet with which the next one comes;
ENTERED, OPEN, WINDOW, ACKNOWLEDGED, MARKED_BYTES, UPDATE_AT = range(6)
# packets that have not left, and not arrived, and the last time of both.
UNSENT, MISSING, LAST_LEFT, LAST_ARRIVAL = range(6, 10)
MESSAGE_COLUMNS = 10
# Kinds of events, with owner, tie and item: a packet is ready (channel, its tie, packet), an answer comes (message,
# packet, packet), credits come back (channel, 0, cells), a channel with a queue becomes free (channel, 0, 0). For each
# kind a slot has the open page and, as many columns later, the rows that are written on it.
TRANSIT, ANSWERS, RETURNS, WAKES = range(4)
KINDS = 4
PAGE = 32
# Counts: events to come; the first free page; messages to tell of as sent, and as delivered; arrivals, and the last.
PENDING, FREE_PAGE, TOLD_SENT, TOLD_THERE, ARRIVALS, LATEST = range(6)
COUNTS = 6


class Rules(NamedTuple):
    """What holds for a whole run. A tick is 2 ** shift ps.

    plain: nothing comes back, and the peak is a time. at_once: packets are served when they become ready. marks:
    whether there are any, kmin, kmax [B] and pmax as in the model. adapts: whether marks change windows, by `gain`.
    seed: a uint64.
    """

    shift: int
    plain: bool
    at_once: bool
    cut_through: bool
    credited: bool
    answers: bool
    adapts: bool
    marks: bool
    kmin: int
    kmax: int
    pmax: float
    gain: float
    mtu: int
    seed: np.uint64


class Job(NamedTuple):
    """What moves, and over what. (hops,) route: a channel, or −1 − channel where a path ends.

    (paths + 1,) starts: of each path; (paths,) answer: how long an answer takes back. (messages,) first_path; paths,
    packets: how many; last_size, last_payload: of the last packet; standing: in the order of sources; sent_awaited,
    delivered_awaited: whether somebody is to be told. (messages + 1,) first: packet. full_size: of all other packets.
    (packets,) message. (sizes · rates,) transmit; (sizes,) wires, cells. (channels,)
    back: how long credits take.
    """

    route: NDArray[np.int32]
    starts: IntArray
    answer: IntArray
    first_path: IntArray
    paths: IntArray
    packets: IntArray
    first: IntArray
    last_size: IntArray
    last_payload: IntArray
    full_size: int
    standing: IntArray
    message: NDArray[np.int32]
    sent_awaited: NDArray[np.bool_]
    delivered_awaited: NDArray[np.bool_]
    transmit: IntArray
    rates: int
    wires: IntArray
    cells: IntArray
    back: IntArray


class State(NamedTuple):
    """What lives from tick to tick: rows of packets, channels and messages, (messages,) alpha, and the calendar.

    book: (pages · PAGE, 4), the rows of events; pages: the one before each, or the next free one. told_sent,
    told_there: (messages,) room for those to tell of. (packets,) arrived.
    """

    packet: IntArray
    channel: IntArray
    message: IntArray
    alpha: NDArray[np.float64]
    slots: IntArray
    book: IntArray
    pages: IntArray
    counts: IntArray
    told_sent: IntArray
    told_there: IntArray
    arrived: IntArray


class Desk(NamedTuple):
    """Room for the events of one tick.

    joining, returning: rows of time, tie and item, by owner. came: (owners,) zeros, and zeros again afterwards. owners,
    bounds: who has a stretch, and where it begins. called: channels.
    """

    joining: IntArray
    returning: IntArray
    came: IntArray
    owners: IntArray
    bounds: IntArray
    called: IntArray
