"""Which channels a packet takes.

Among shortest paths, and never through a node that does not forward. At each node the candidates are the
channels that come one hop nearer, in order of their ids; a policy picks one of n:

    minimal   the first
    ecmp      splitmix64(seed, src, dst, message, node) mod n, per message; `hash: pair` leaves the message out
    spray     (splitmix64(seed, message, node) + packet index // stride) mod n, per packet, where stride is the
              product of the candidates there were at the nodes before

With the stride a message's packets take all their paths in turn. Without it, packets that meet in a second-tier
switch would agree in their index mod n, and all take one of its n channels. A choice depends on names alone,
never on the order in which things happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps_of
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]
Words = NDArray[np.uint64]
UNREACHABLE: Final = -1
_CHUNK: Final = 4_000_000  # (target, channel) pairs looked at in one go: some 100 MB of temporaries


@dataclass(frozen=True)
class Routing:
    """How paths are chosen. hash: what an ECMP choice depends on, the `message` or only the `pair` of ranks."""

    policy: str = "minimal"
    hash: str = "message"

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise InputError(f"{self.policy!r} is not a routing policy", close_match(self.policy, POLICIES))
        if self.hash not in ("message", "pair"):
            raise InputError(f"{self.hash!r} is not a hash", "known: message, pair")


@dataclass(frozen=True, eq=False)
class NextHops:
    """The channels one hop nearer to each target, in CSR form over (target, node).

    targets: (T,) node ids. distance: (T, nodes) hops, UNREACHABLE where there is no path.
    channels[starts[t, v] : starts[t, v] + counts[t, v]] are node v's candidates toward target t, ascending.
    """

    targets: IntArray
    distance: NDArray[np.int16]
    starts: IntArray
    counts: NDArray[np.int32]
    channels: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Routes:
    """The path of every packet, in CSR form.

    Path p is channels[starts[p] : starts[p + 1]]. Message m's packet i takes path first[m] + i mod count[m].
    """

    starts: IntArray
    channels: IntArray
    first: IntArray
    count: IntArray

    @property
    def hops(self) -> IntArray:
        """(paths,) channels on each path."""
        return np.diff(self.starts)


# -- shortest paths ------------------------------------------------------------------------------------


def distances(fabric: Fabric, targets: IntArray) -> NDArray[np.int16]:
    """Return (targets, nodes) hops from each node to each target, UNREACHABLE where no path forwards.

    Breadth first from all targets at once, over the channels as one array.
    """
    distance = np.full((len(targets), fabric.nodes), UNREACHABLE, np.int16)
    step = max(1, _CHUNK // max(1, fabric.channels))
    for first in range(0, len(targets), step):
        _spread(fabric, targets[first : first + step], distance[first : first + step])
    return distance


def _spread(fabric: Fabric, targets: IntArray, distance: NDArray[np.int16]) -> None:
    rows = np.arange(len(targets))
    distance[rows, targets] = 0
    src, dst = fabric.channel_src, fabric.channel_dst
    through = fabric.forwards[dst]
    hops = 0
    reached = (dst == targets[:, None]) & (distance[:, src] == UNREACHABLE)
    while reached.any():
        hops += 1
        row, channel = np.nonzero(reached)
        distance[row, src[channel]] = hops
        reached = (distance[:, dst] == hops) & through & (distance[:, src] == UNREACHABLE)


def next_hops(fabric: Fabric, targets: IntArray) -> NextHops:
    """Return every shortest-path candidate toward each target."""
    distance = distances(fabric, targets)
    starts_of, order = fabric.out
    src, dst = fabric.channel_src[order], fabric.channel_dst[order]
    through = fabric.forwards[dst]
    step = max(1, _CHUNK // max(1, fabric.channels))
    found, counts = [], []
    for first in range(0, len(targets), step):
        near = distance[first : first + step]
        chosen = targets[first : first + step, None]
        candidate = (
            (near[:, src] == near[:, dst] + 1) & (near[:, dst] != UNREACHABLE) & (through | (dst == chosen))
        )
        found.append(order[np.nonzero(candidate)[1]].astype(np.int32))
        sums = np.concatenate(
            [np.zeros((len(near), 1), np.int32), np.cumsum(candidate, axis=1, dtype=np.int32)], axis=1
        )
        counts.append(np.diff(sums[:, starts_of], axis=1).astype(np.int32))
    count = np.concatenate(counts) if counts else np.zeros((0, fabric.nodes), np.int32)
    starts = np.concatenate([[0], np.cumsum(count.reshape(-1), dtype=np.int64)[:-1]]).reshape(count.shape)
    return NextHops(
        targets, distance, starts, count, np.concatenate(found) if found else np.zeros(0, np.int32)
    )


def unreachable(fabric: Fabric, src: IntArray, dst: IntArray) -> list[tuple[int, int]]:
    """Return the (src, dst) pairs, each once and sorted, between which no path forwards."""
    targets, column = np.unique(dst, return_inverse=True)
    missing = distances(fabric, targets)[column, src] == UNREACHABLE
    return sorted({(int(a), int(b)) for a, b in zip(src[missing], dst[missing], strict=True)})


# -- choice --------------------------------------------------------------------------------------------


def splitmix64(*words: int | IntArray) -> Words:
    """Return a 64-bit hash of the words, element by element.

    Each word is xored into the state, which then takes one step of SplitMix64
    (Steele, Lea, Flood, OOPSLA 2014).
    """
    state = np.zeros(np.broadcast_shapes(*(np.shape(word) for word in words)), np.uint64)
    with np.errstate(over="ignore"):
        for word in words:
            z = (state ^ np.asarray(word).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = z ^ (z >> np.uint64(31))
    return state


@dataclass(frozen=True, eq=False)
class Choice:
    """What a policy may look at, one row per packet or message standing at a node before n candidates."""

    seed: int
    hash: str
    src: IntArray
    dst: IntArray
    message: IntArray
    packet: IntArray
    stride: IntArray
    node: IntArray
    n: IntArray


def _minimal(choice: Choice) -> IntArray:
    return np.zeros(len(choice.n), np.int64)


def _ecmp(choice: Choice) -> IntArray:
    message = choice.message if choice.hash == "message" else 0
    value = splitmix64(choice.seed, choice.src, choice.dst, message, choice.node)
    return (value % choice.n.astype(np.uint64)).astype(np.int64)


def _spray(choice: Choice) -> IntArray:
    value = splitmix64(choice.seed, choice.message, choice.node)
    with np.errstate(over="ignore"):
        turn = value + (choice.packet // choice.stride).astype(np.uint64)
    return (turn % choice.n.astype(np.uint64)).astype(np.int64)


POLICIES: Final[Mapping[str, Callable[[Choice], IntArray]]] = {
    "minimal": _minimal,
    "ecmp": _ecmp,
    "spray": _spray,
}
"""The index of the candidate that each row takes, by name of policy."""

PER_PACKET: Final = frozenset({"spray"})
"""Policies whose choice depends on the packet, not only on the message."""


def routes(fabric: Fabric, messages: Messages, routing: Routing, model: Model, seed: int) -> Routes:
    """Return the path of every packet of every message; message ids are their positions.

    Raises InputError if some pair of ranks has no path.
    """
    total = len(messages)
    count = -(-messages.size // model.mtu) if routing.policy in PER_PACKET else np.ones(total, np.int64)
    first = np.concatenate([[0], np.cumsum(count)])
    message = np.repeat(np.arange(total), count)
    packet = np.arange(len(message)) - first[message]
    hops = next_hops(fabric, np.unique(messages.dst))
    walked = _walk(fabric, hops, messages, routing, seed, message, packet)
    starts = np.concatenate([[0], np.cumsum((walked >= 0).sum(axis=1))])
    return Routes(starts, walked[walked >= 0], first[:-1], count)


def _walk(
    fabric: Fabric,
    hops: NextHops,
    messages: Messages,
    routing: Routing,
    seed: int,
    message: IntArray,
    packet: IntArray,
) -> IntArray:
    """Return (paths, longest) channels, −1 beyond a path's end."""
    src, dst = messages.src[message], messages.dst[message]
    row = np.searchsorted(hops.targets, dst)
    length = hops.distance[row, src] if len(row) else np.zeros(0, np.int16)
    if np.any(length == UNREACHABLE):
        pair = int(np.argmax(length == UNREACHABLE))
        a, b = fabric.node_name(int(src[pair])), fabric.node_name(int(dst[pair]))
        raise InputError(f"there is no path from {a} to {b}", "join them, or let the nodes between forward")
    walked = np.full((len(message), int(length.max(initial=0))), -1, np.int64)
    pick = POLICIES[routing.policy]
    node, stride, alive = src.copy(), np.ones(len(message), np.int64), np.arange(len(message))
    for hop in range(walked.shape[1]):
        at, to = node[alive], row[alive]
        n = hops.counts[to, at].astype(np.int64)
        choice = Choice(
            seed, routing.hash, src[alive], dst[alive], message[alive], packet[alive], stride[alive], at, n
        )
        channel = hops.channels[hops.starts[to, at] + pick(choice)].astype(np.int64)
        walked[alive, hop] = channel
        node[alive] = fabric.channel_dst[channel]
        stride[alive] *= n
        alive = alive[node[alive] != dst[alive]]
    return walked


# -- what the routes load ---------------------------------------------------------------------------------


def channel_busy_ps(fabric: Fabric, messages: Messages, paths: Routes, model: Model) -> IntArray:
    """Return (channels,) [ps], how long each channel transmits in all: the sum over its packets, each rounded up."""
    packets = -(-messages.size // model.mtu)
    last = np.array(
        [model.wire(model.last_payload(int(size))) for size in np.unique(messages.size)], np.int64
    )
    last_wire = last[np.searchsorted(np.unique(messages.size), messages.size)]
    owner = np.repeat(np.arange(len(messages)), paths.count)
    index = np.arange(len(owner)) - paths.first[owner]
    # packet i of K takes path i mod count, so a path carries ceil((K − index) / count) of them, the last one short
    carried = -(-(packets[owner] - index) // paths.count[owner])
    short = (packets[owner] - 1) % paths.count[owner] == index
    hop_path = np.repeat(np.arange(len(owner)), paths.hops)
    rate = fabric.bandwidth[paths.channels]
    full = transmit_ps_of(np.full(len(rate), model.wire(model.mtu)), rate)
    busy = (carried[hop_path] - short[hop_path]) * full
    busy += short[hop_path] * transmit_ps_of(last_wire[owner[hop_path]], rate)
    total = np.zeros(fabric.channels, np.int64)
    np.add.at(total, paths.channels, busy)
    return total


def path_ps(fabric: Fabric, paths: Routes) -> IntArray:
    """Return (paths,) [ps], latency of all channels plus delay of all nodes passed through."""
    delay = fabric.delay_ps[fabric.channel_dst[paths.channels]]
    ends = paths.starts[1:] - 1
    delay[ends] = 0  # the last node receives, it does not forward
    return (
        np.add.reduceat(fabric.latency_ps[paths.channels] + delay, paths.starts[:-1]) if len(ends) else ends
    )
