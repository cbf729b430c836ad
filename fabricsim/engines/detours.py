"""Ways around dead channels, one packet at a time: shortest among those that are left, picked as the policy picks.

`minimal` takes the first candidate, `spray` takes them in turn, every other policy one by hash, as ecmp does.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.chance import splitmix64_of
from fabricsim.fabric import Fabric
from fabricsim.routing import UNREACHABLE, Routing, turn_of
from fabricsim.routing.search import hops_to, part_of


class Detours:
    """The shortest ways that avoid some channels."""

    def __init__(self, fabric: Fabric, routing: Routing, seed: int, dead: Collection[int]) -> None:
        self._fabric, self._policy, self._seed = fabric, routing.policy, seed
        self._by_pair = routing.hash == "pair"
        self._alive = np.ones(fabric.channels, np.bool_)
        self._alive[list(dead)] = False
        self._part = part_of(fabric, np.arange(fabric.nodes), self._alive)
        self.hops = cache(self._hops)
        self._candidates = cache(self._found)

    def way(self, node: int, ends: tuple[int, int], message: int, number: int) -> tuple[int, ...] | None:
        """Return the channels from `node` to the second of a message's ends, for packet `number`; None for none.

        A way from the source itself is the path that the policy would have found without the dead channels.
        """
        src, dst = ends
        if self.hops(dst)[node] == UNREACHABLE:
            return None
        found, stride = [], 1
        while node != dst:
            channels = self._candidates(node, dst)
            n = len(channels)
            if self._policy == "minimal" or n == 1:
                turn = 0
            elif self._policy == "spray":
                turn = turn_of(number, stride, n)
            else:
                turn = splitmix64_of(self._seed, src, dst, 0 if self._by_pair else message, node)
            stride *= n
            channel = channels[turn % n]
            found.append(channel)
            node = int(self._fabric.channel_dst[channel])
        return tuple(found)

    def shares(self, node: int, dst: int) -> tuple[tuple[int, int, float], ...] | None:
        """Return (hop, channel, share) of a flow from `node` to `dst`, split evenly at every node; None for no way."""
        if self.hops(dst)[node] == UNREACHABLE:
            return None
        found, held, hop = [], {node: 1.0}, 0
        while any(at != dst for at in held):
            reached: dict[int, float] = {}
            for at, share in sorted(held.items()):
                channels = self._candidates(at, dst)
                for channel in channels:
                    into = int(self._fabric.channel_dst[channel])
                    reached[into] = reached.get(into, 0.0) + share / len(channels)
                    found.append((hop, channel, share / len(channels)))
            held, hop = reached, hop + 1
        return tuple(found)

    def _hops(self, dst: int) -> NDArray[np.int16]:
        """Return (nodes,) the hops from everywhere to one target, UNREACHABLE where no way is left."""
        everywhere = np.arange(self._fabric.nodes)
        target, row = np.array([dst]), np.zeros(self._fabric.nodes, np.int64)
        found: NDArray[np.int16] = hops_to(self._fabric, self._part, target, row, everywhere)[0]
        return found

    def _found(self, node: int, dst: int) -> list[int]:
        """Return the channels that come one hop nearer, ascending."""
        fabric, hops = self._fabric, self.hops(dst)
        starts, order = fabric.out
        channels = order[starts[node] : starts[node + 1]]
        into = fabric.channel_dst[channels]
        near = self._alive[channels] & (hops[into] == hops[node] - 1) & (hops[into] != UNREACHABLE)
        near &= fabric.forwards[into] | (into == dst)
        found: list[int] = channels[near].tolist()
        return found


def cut_apart(fabric: Fabric, dead: Collection[int], pairs: Collection[tuple[int, int]]) -> list[str]:
    """Return a line that names the ranks on each side, for the first pair that dead channels separate; else none."""
    detours = Detours(fabric, Routing("minimal"), 0, dead)
    for src, dst in sorted(pairs):
        hops = detours.hops(dst)
        if hops[src] == UNREACHABLE:
            reach = hops[: fabric.ranks] != UNREACHABLE
            here, there = (_named(fabric, np.flatnonzero(side)) for side in (~reach, reach))
            return [
                f"  the fabric is cut apart: no way is left from {here or fabric.node_name(src)} to {there}"
            ]
    return []


def _named(fabric: Fabric, ranks: NDArray[np.int64], most: int = 8) -> str:
    names = ", ".join(fabric.node_name(rank) for rank in ranks[:most].tolist())
    return names + (f" and {len(ranks) - most} more" if len(ranks) > most else "")
