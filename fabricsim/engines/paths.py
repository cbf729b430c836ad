"""Where packets go next in a network with feedback: the port and the lane, and how long an answer takes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from fabricsim.engines.ports import Packet
from fabricsim.engines.queues import QueuedPort
from fabricsim.fabric import Fabric
from fabricsim.model import transmit_ps
from fabricsim.routing import Routes


class FixedPaths:
    """Paths that are known before the run: a packet's hops are a row of the routes."""

    def __init__(
        self, fabric: Fabric, routes: Routes, ports: Mapping[int, QueuedPort], lanes: Sequence[int], ack: int
    ) -> None:
        self._channels = routes.channels.tolist()
        self._hops = [ports[channel] for channel in self._channels]
        self._lanes = lanes
        self._fabric, self._ack = fabric, ack
        self.answer_ps = cache(self._answer_ps)

    def onward(self, packet: Packet) -> QueuedPort:
        """Return the port that a packet takes from where it is, and set its lane there."""
        packet.lane = self._lanes[packet.at]
        return self._hops[packet.at]

    def ahead(self, packet: Packet) -> int:
        """Return how long the port after the next takes for a packet [ps]."""
        return self._hops[packet.at + 1].transmit(packet.wire)

    def _answer_ps(self, start: int, end: int) -> int:
        """Return how long an answer takes back over the hops [start, end) [ps]."""
        return answer_ps(self._fabric, self._channels[start:end], self._ack)


def answer_ps(fabric: Fabric, channels: Sequence[int], ack: int) -> int:
    """Return how long an answer of `ack` wire bytes takes back over a path, on an idle network [ps]."""
    total = 0
    for channel in channels:
        back = channel ^ 1  # the other direction of the link
        total += int(fabric.latency_ps[back]) + transmit_ps(ack, int(fabric.bandwidth[back]))
    return total + sum(int(fabric.delay_ps[fabric.channel_dst[channel]]) for channel in channels[:-1])
