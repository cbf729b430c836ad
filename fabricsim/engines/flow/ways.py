"""Ways of single flows, hop by hop: what is left of one where channels are dead, and what goes on beyond a channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fabricsim.engines.detours import Detours
from fabricsim.fabric import Fabric
from fabricsim.routing import Routing

Step = tuple[int, int, float]
"""The hop, counted from the start, a channel, and the share of the flow that crosses it."""


@dataclass(frozen=True)
class Way:
    """Where a flow starts and which share of it crosses which channel; steps in order of hops."""

    start: int
    steps: tuple[Step, ...]

    @property
    def shares(self) -> Mapping[int, float]:
        """The share of the flow on each channel, by channel."""
        found: dict[int, float] = defaultdict(float)
        for _, channel, share in self.steps:
            found[channel] += share
        return found

    def crosses(self, channels: Collection[int]) -> bool:
        """Return whether any of it goes over one of the channels."""
        return any(channel in channels for _, channel, _ in self.steps)


@dataclass(frozen=True)
class Cut:
    """What a flow still does where channels are dead: the steps that are left, and what stops before each dead one.

    stopped: the share that stops, and the hop at which it does, by channel.
    """

    left: tuple[Step, ...]
    stopped: Mapping[int, tuple[float, int]]


def layered(fabric: Fabric, start: int, shares: Mapping[int, float]) -> Way:
    """Return the Way of a flow over shortest paths from the share of it on each channel."""
    rest, nodes, steps, hop = sorted(shares), {start}, [], 0
    while rest and nodes:
        here = [channel for channel in rest if int(fabric.channel_src[channel]) in nodes]
        rest = [channel for channel in rest if int(fabric.channel_src[channel]) not in nodes]
        steps += [(hop, channel, shares[channel]) for channel in here]
        nodes = {int(fabric.channel_dst[channel]) for channel in here}
        hop += 1
    return Way(start, tuple(steps))


def cut(fabric: Fabric, way: Way, dead: Collection[int]) -> Cut:
    """Return what is left of a way: nodes send on what reaches them, split as before, none into a dead channel."""
    whole: dict[tuple[int, int], float] = defaultdict(float, {(0, way.start): 1.0})
    alive: dict[tuple[int, int], float] = defaultdict(float, {(0, way.start): 1.0})
    left, stopped = [], {}
    for hop, channel, share in way.steps:
        tail, head = (hop, int(fabric.channel_src[channel])), (hop + 1, int(fabric.channel_dst[channel]))
        whole[head] += share
        flows = share * (alive[tail] / whole[tail])
        if not flows:
            continue
        if channel in dead:
            stopped[channel] = (flows, hop)
        else:
            alive[head] += flows
            left.append((hop, channel, flows))
    return Cut(tuple(left), stopped)


def beyond(fabric: Fabric, way: Way, channel: int) -> Way:
    """Return the way of what waits before a channel of `way`, through it and on as the rest of the flow would."""
    first = next(hop for hop, crossed, _ in way.steps if crossed == channel)
    out: dict[tuple[int, int], float] = defaultdict(float)
    for hop, crossed, share in way.steps:
        out[hop, int(fabric.channel_src[crossed])] += share
    held: dict[tuple[int, int], float] = defaultdict(
        float, {(first + 1, int(fabric.channel_dst[channel])): 1.0}
    )
    steps = [(0, channel, 1.0)]
    for hop, crossed, share in way.steps:
        tail = hop, int(fabric.channel_src[crossed])
        if held[tail]:
            flows = held[tail] * share / out[tail]
            held[hop + 1, int(fabric.channel_dst[crossed])] += flows
            steps.append((hop - first, crossed, flows))
    return Way(int(fabric.channel_src[channel]), tuple(steps))


def detour(detours: Detours, routing: Routing, node: int, ends: tuple[int, int], message: int) -> Way | None:
    """Return the way of a message from a node to the second of its ends, around what is dead; None for none."""
    if routing.policy == "spray":
        shares = detours.shares(node, ends[1])
        return None if shares is None else Way(node, shares)
    channels = detours.way(node, ends, message, 0)
    return None if channels is None else Way(node, tuple((hop, c, 1.0) for hop, c in enumerate(channels)))


def joined(start: int, left: Iterable[Step], detours: Iterable[tuple[Way, float, int]]) -> Way:
    """Return one way of steps and of detours, each of a share of the flow and from a hop on."""
    found: dict[tuple[int, int], float] = defaultdict(float)
    for hop, channel, share in left:
        found[hop, channel] += share
    for way, part, first in detours:
        for hop, channel, share in way.steps:
            found[first + hop, channel] += part * share
    return Way(start, tuple((hop, channel, share) for (hop, channel), share in sorted(found.items())))
