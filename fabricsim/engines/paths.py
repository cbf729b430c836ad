"""Where packets go next in a network with feedback: the port and the lane, and how long an answer takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from fabricsim.engines.ports import Packet
from fabricsim.engines.queues import QueuedPort
from fabricsim.fabric import Fabric
from fabricsim.model import transmit_ps
from fabricsim.routing import NextHops, Routes, first_numbers, next_hops, turn_of
from fabricsim.schedule import Schedule


class FixedPaths:
    """Paths that are known before the run: a packet's hops are a row of the routes."""

    def __init__(
        self, fabric: Fabric, routes: Routes, ports: Mapping[int, QueuedPort], lanes: Sequence[int], ack: int
    ) -> None:
        self._channels = routes.channels.tolist()
        self._hops = [ports[channel] for channel in self._channels]
        self._lanes = lanes
        self._fabric, self._ack = fabric, ack
        self.back_ps = cache(self._back_ps)

    def onward(self, packet: Packet) -> QueuedPort:
        """Return the port that a packet takes from where it is, and set its lane there."""
        packet.lane = self._lanes[packet.at]
        return self._hops[packet.at]

    def ahead(self, packet: Packet) -> int:
        """Return how long the port after the next takes for a packet [ps]."""
        return self._hops[packet.at + 1].transmit(packet.wire)

    def answer_ps(self, packet: Packet) -> int:
        """Return how long an answer takes back over the way that a packet took [ps]."""
        return self.back_ps(packet.origin, packet.end)

    def _back_ps(self, start: int, end: int) -> int:
        """Return how long an answer takes back over the hops [start, end) [ps]."""
        return answer_ps(self._fabric, self._channels[start:end], self._ack)


class AdaptivePaths(FixedPaths):
    """Paths that packets choose on their way: of all channels that come nearer, the one with the least queued.

    Legs of meetings keep to their trees.
    """

    def __init__(
        self,
        fabric: Fabric,
        routes: Routes,
        ports: Mapping[int, QueuedPort],
        lanes: Sequence[int],
        ack: int,
        *,
        schedule: Schedule,
        seed: int,
        first_packet: Sequence[int],
    ) -> None:
        super().__init__(fabric, routes, ports, lanes, ack)
        self._ports, self._first_packet = ports, first_packet
        messages = schedule.messages
        self._first_number: list[int] = first_numbers(messages, seed).tolist()
        self._first_lane: list[int] = (schedule.lanes * routes.lanes).tolist()
        self._lane_of = [first + routes.lanes - 1 for first in self._first_lane]
        self._src, self._dst = messages.src.tolist(), messages.dst.tolist()
        self._is_leg = (messages.meeting >= 0).tolist()
        self._next = hops_of(fabric, schedule)
        self._row = {target: row for row, target in enumerate(self._next.targets.tolist())}
        self._candidates = cache(self._find)

    def onward(self, packet: Packet) -> QueuedPort:
        """Return the port with the least queued, and note it; ties go round from the choice of spray on."""
        if self._is_leg[packet.message]:
            return super().onward(packet)
        ports = self._in_turn(packet)
        packet.lane = lane = self._lane_of[packet.message]
        port = min(ports, key=lambda port: port.queued(lane))
        packet.trail.append(port.wiring.channel)
        return port

    def _in_turn(self, packet: Packet) -> list[QueuedPort]:
        """Return the ports that lead nearer to a packet's target, from the choice of spray on."""
        message = packet.message
        here = self._src[message]
        if packet.via is None:
            packet.trail = []
            packet.stride = 1
        else:
            here = packet.via.target
        ports = self._candidates(here, self._dst[message])
        index = packet.id - self._first_packet[message]
        first = turn_of(self._first_number[message] + index, packet.stride, len(ports))
        packet.stride *= len(ports)
        return ports[first:] + ports[:first]

    def ahead(self, packet: Packet) -> int:
        """Return the least that a port after the next takes for a packet [ps]: whichever it is, it never runs dry."""
        if self._is_leg[packet.message]:
            return super().ahead(packet)
        ports = self._candidates(packet.out.target, self._dst[packet.message])
        return min(port.transmit(packet.wire) for port in ports)

    def answer_ps(self, packet: Packet) -> int:
        """Return how long an answer takes back over the way that a packet took [ps]."""
        return answer_ps(self._fabric, packet.trail, self._ack)

    def _find(self, node: int, target: int) -> list[QueuedPort]:
        """Return the ports that lead nearer to a target."""
        known, row = self._next, self._row[target]
        start = int(known.starts[row, node])
        found = known.channels[start : start + int(known.counts[row, node])].tolist()
        return [self._ports[channel] for channel in found]


def hops_of(fabric: Fabric, schedule: Schedule) -> NextHops:
    """Return every shortest-path candidate towards each rank that messages go to."""
    messages = schedule.messages
    return next_hops(fabric, np.unique(messages.dst[messages.meeting < 0]))


def answer_ps(fabric: Fabric, channels: Sequence[int], ack: int) -> int:
    """Return how long an answer of `ack` wire bytes takes back over a path, on an idle network [ps]."""
    total = 0
    for channel in channels:
        back = channel ^ 1  # the other direction of the link
        total += int(fabric.latency_ps[back]) + transmit_ps(ack, int(fabric.bandwidth[back]))
    return total + sum(int(fabric.delay_ps[fabric.channel_dst[channel]]) for channel in channels[:-1])
