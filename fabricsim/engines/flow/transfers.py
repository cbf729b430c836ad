"""Messages as flows: which channels each loads, how many bytes it puts on the wire, what its packets add.

A message between ranks is one transfer. The legs of a meeting are one transfer together, over every channel of the
trees up to the switch and down from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.fill import Paths, tails
from fabricsim.engines.flow.solver import Flows
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routing, shares, tree_paths
from fabricsim.routing.paths import paths_of

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
TREE = Routing("minimal")

MAX_PARTS: Final = 80_000_000
"""Channels that split flows may load, each counted: finding them takes some 100 B each (measured)."""

SAMPLE: Final = 500
"""Pairs that tell over how many channels a flow splits."""
"""How the legs of a meeting are routed: so that the paths of all sources form a tree."""


@dataclass(frozen=True, eq=False)
class Traffic:
    """Columns of messages that become transfers: ranks (or the switch of a meeting), bytes, ids, meetings.

    meeting: the number of a meeting, −1 for a message between ranks; down: whether a leg leads from the switch.
    """

    src: IntArray
    dst: IntArray
    size: IntArray
    id: IntArray
    meeting: IntArray
    down: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.src)

    def some(self, rows: IntArray | NDArray[np.bool_]) -> Traffic:
        """Return these rows alone."""
        return Traffic(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Transfers:
    """What the solver sees. Links are the channels used, numbered from 0: channels[link] is the fabric's.

    transfer: (messages,) the transfer of each. (transfers,) wire [B]; solo [B/s], the rate on an idle fabric; sent,
    arrived [s]: what comes after the last byte of the fluid until the last bit has left the source's first channel,
    and has arrived. capacity: (links,) [B/s]. path_ps: the longest latency of any.
    """

    flows: Flows
    channels: IntArray
    capacity: Floats
    transfer: IntArray
    wire: Floats
    solo: Floats
    sent: Floats
    arrived: Floats
    path_ps: int

    def __len__(self) -> int:
        return len(self.wire)

    @property
    def channel_wire(self) -> Floats:
        """(links,) wire bytes that each link carries in all."""
        return self.flows.load(self.wire, len(self.channels))


def transfers_of(fabric: Fabric, traffic: Traffic, routing: Routing, model: Model, seed: int) -> Transfers:
    """Return the transfers of some messages. Raises InputError if two ranks that talk have no path."""
    plain = np.flatnonzero(traffic.meeting < 0)
    used, paths = _plain(fabric, traffic.some(plain), routing, seed)
    transfer = np.zeros(len(traffic), np.int64)
    transfer[plain] = np.arange(len(plain))
    size, fixed = traffic.size[plain], path_fixed_ps(fabric, paths)
    wire = message_wire(size, model)
    sent, arrived = tails(fabric, paths, size, wire, model)
    if len(plain) < len(traffic):
        met = np.flatnonzero(traffic.meeting >= 0)
        number, own = np.unique(traffic.meeting[met], return_inverse=True)
        transfer[met] = len(plain) + own
        trees, ways, sizes = _meetings(fabric, traffic.some(met), own, len(number))
        used = _joined(used, trees)
        wires = message_wire(sizes, model)
        after = tails(fabric, ways, sizes, wires, model)
        sent, arrived = np.concatenate([sent, after[0]]), np.concatenate([arrived, after[1]])
        wire, fixed = np.concatenate([wire, wires]), max(fixed, path_fixed_ps(fabric, ways))
    channels, links = _numbered(fabric, used.links)
    flows, capacity = Flows(used.starts, links, used.weights), fabric.bandwidth[channels].astype(np.float64)
    solo = _solo(capacity, flows)
    return Transfers(flows, channels, capacity, transfer, wire, solo, sent, arrived, fixed)


def message_wire(size: IntArray, model: Model) -> Floats:
    """Return (messages,) the wire bytes of messages of `size` payload bytes."""
    sizes, kind = np.unique(size, return_inverse=True)
    return np.array([model.message_wire(s) for s in sizes.tolist()], np.float64)[kind]


def path_fixed_ps(fabric: Fabric, paths: Paths) -> int:
    """Return the longest latency and delay [ps] of any path; 0 where there is none."""
    if not len(paths.channels):
        return 0
    delay = fabric.delay_ps[fabric.channel_dst[paths.channels]]
    delay[paths.starts[1:] - 1] = 0  # the last node receives, it does not forward
    return int(np.add.reduceat(fabric.latency_ps[paths.channels] + delay, paths.starts[:-1]).max())


def _solo(capacity: Floats, flows: Flows) -> Floats:
    rate = np.full(len(flows), np.inf)
    if len(flows):
        rate = np.minimum.reduceat(capacity[flows.links] / flows.weights, flows.starts[:-1])
    return rate


def _numbered(fabric: Fabric, channels: NDArray[np.integer[Any]]) -> tuple[IntArray, IntArray]:
    """Return the channels used, ascending, and the position of each entry's channel among them."""
    mark = np.zeros(fabric.channels, np.bool_)
    mark[channels] = True
    number = np.cumsum(mark, dtype=np.int32)
    return np.flatnonzero(mark), number[channels] - 1


def _joined(a: Flows, b: Flows) -> Flows:
    return Flows(
        np.concatenate([a.starts, a.starts[-1] + b.starts[1:]]),
        np.concatenate([a.links, b.links]),
        np.concatenate([a.weights, b.weights]),
    )


# -- messages between ranks -------------------------------------------------------------------------------


def _plain(fabric: Fabric, traffic: Traffic, routing: Routing, seed: int) -> tuple[Flows, Paths]:
    """Return the channels that messages load, and one path of each in the order of its hops."""
    src, dst, ids = traffic.src, traffic.dst, traffic.id
    if not routing.per_packet:
        starts, channels = paths_of(fabric, src, dst, ids, routing, seed)
        ones = np.ones(len(channels))
        return Flows(starts, channels, ones), Paths(starts, channels, ones)
    if routing.policy != "spray":
        what = f"{routing.policy} leaves shortest paths packet by packet, and this engine fills one of those"
        raise InputError(what, "use engine: packet")
    pair, row = np.unique(src * fabric.nodes + dst, return_inverse=True)
    a, b = pair // fabric.nodes, pair % fabric.nodes
    _refuse_too_many(fabric, a, b, routing, seed)
    found = shares(fabric, a, b, routing, seed)
    flows = Flows(found.starts, found.channels, found.weights)
    # any one of the shortest paths shows the hops; they load it as the shares say
    starts, channels = paths_of(fabric, a, b, np.arange(len(a)), TREE, seed)
    own = np.repeat(np.arange(len(a)), np.diff(starts))
    place = np.searchsorted(flows.flow * fabric.channels + flows.links, own * fabric.channels + channels)
    paths = Flows(starts, channels, flows.weights[place])
    if len(pair) < len(src) or not np.array_equal(row, np.arange(len(src))):
        flows, paths = flows.some(row), paths.some(row)
    return flows, Paths(paths.starts, paths.links, paths.weights)


def _refuse_too_many(fabric: Fabric, src: IntArray, dst: IntArray, routing: Routing, seed: int) -> None:
    """Raise InputError where flows split over more channels than memory holds, told from some pairs of all."""
    if len(src) <= SAMPLE:
        return
    some = np.linspace(0, len(src) - 1, SAMPLE).astype(np.int64)
    each = len(shares(fabric, src[some], dst[some], routing, seed).channels) / SAMPLE
    if each * len(src) > MAX_PARTS:
        what = (
            f"{routing.policy} splits {len(src)} flows over {each:.0f} channels each, more than memory holds"
        )
        right = f"up to {MAX_PARTS:.0g} parts fit: write routing: {{policy: ecmp}}, or take fewer ranks"
        raise InputError([Fault(what, right, ("routing",))])


# -- meetings ---------------------------------------------------------------------------------------------


def _meetings(fabric: Fabric, legs: Traffic, own: IntArray, meetings: int) -> tuple[Flows, Paths, IntArray]:
    """Return for each meeting the channels of its trees, its longest way up and down, and its bytes."""
    rank, at = np.where(legs.down, legs.dst, legs.src), np.where(legs.down, legs.src, legs.dst)
    starts, channels = tree_paths(fabric, rank, at, legs.meeting)
    leg = np.repeat(np.arange(len(rank)), np.diff(starts))
    # down the tree of a sink's way up, each channel turned around
    turned = np.where(legs.down[leg], channels ^ 1, channels)
    entry = np.unique(own[leg] * fabric.channels + turned)
    counts = np.bincount(entry // fabric.channels, minlength=meetings)
    trees = Flows(np.concatenate([[0], np.cumsum(counts)]), entry % fabric.channels, np.ones(len(entry)))
    # every meeting has legs both ways: of each kind the longest
    kind = 2 * own + legs.down
    order = np.lexsort((starts[:-1] - starts[1:], kind))
    longest = order[np.unique(kind[order], return_index=True)[1]].reshape(meetings, 2)
    ways = [
        np.concatenate(
            [channels[starts[up] : starts[up + 1]], channels[starts[down] : starts[down + 1]][::-1] ^ 1]
        )
        for up, down in longest.tolist()
    ]
    lengths = np.cumsum([0, *(len(way) for way in ways)])
    way = np.concatenate(ways) if ways else np.zeros(0, np.int64)
    _, first = np.unique(own, return_index=True)
    return trees, Paths(lengths, way, np.ones(len(way))), legs.size[first]
