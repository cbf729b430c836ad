"""Meetings: what switches add up on the way to one of them, and copy on the way from there.

Packet k of a meeting leaves a node upwards once packet k of all its children there has arrived whole, and the node's
delay is over; where all come together it goes down, a copy for each branch. docs/model.md, "Meetings in switches".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.ports import Packet
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing import Routes
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]


@dataclass
class Junction:
    """What one node does for one meeting, in one direction.

    children: channels whose packet k it waits for. hops: where packet k goes from here, as hops of the routes, by
    channel. sink: the leg that ends here, −1 for none. top: whether all come together here.
    """

    children: set[int] = field(default_factory=set)
    hops: dict[int, int] = field(default_factory=dict)
    sink: int = -1
    top: bool = False


class Host(Protocol):
    """What trees need of the simulation that they are part of."""

    def forward(self, packet: Packet) -> None:
        """Put a packet into the queue of the port that it is to take."""

    def summed(self, meeting: int, index: int) -> None:
        """Know that packet `index` of a meeting has come together."""

    def sunk(self, leg: int, payload: int) -> None:
        """Know that a packet of a leg down has arrived."""

    def after(self, delay: int, packet: int, act: Callable[[], None]) -> None:
        """Do something `delay` [ps] later, in the order of arrivals of packet ids."""


class Trees:
    """The trees of all meetings of a schedule, and what has arrived at their nodes."""

    def __init__(
        self, fabric: Fabric, messages: Messages, routes: Routes, first_packet: list[int], host: Host
    ) -> None:
        self._host = host
        self._first_packet = first_packet
        self._node_after: list[int] = fabric.channel_dst[routes.channels].tolist()
        self._delay: list[int] = fabric.delay_ps.tolist()
        self._meeting: list[int] = messages.meeting.tolist()
        self._down: list[bool] = messages.down.tolist()
        self._junctions: dict[tuple[int, bool, int], Junction] = {}
        self._arrived: dict[tuple[int, bool, int, int], int] = {}
        self.legs_up: dict[int, list[int]] = {}
        self.legs_down: dict[int, list[int]] = {}
        self._plant(fabric, messages, routes)

    def _plant(self, fabric: Fabric, messages: Messages, routes: Routes) -> None:
        source, target = fabric.channel_src.tolist(), fabric.channel_dst.tolist()
        for leg in np.flatnonzero(messages.meeting >= 0).tolist():
            meeting, down = self._meeting[leg], self._down[leg]
            (self.legs_down if down else self.legs_up).setdefault(meeting, []).append(leg)
            first = int(routes.starts[routes.first[leg]])
            path = routes.channels[first : int(routes.starts[routes.first[leg] + 1])].tolist()
            for position, channel in enumerate(path):
                if position or down:  # a rank's own first channel is no matter of a junction
                    hops = self._at(meeting, down and position > 0, source[channel]).hops
                    hops.setdefault(channel, first + position)
                self._at(meeting, down, target[channel]).children.add(channel)
            if down:
                self._at(meeting, True, target[path[-1]]).sink = leg
            else:
                self._at(meeting, False, target[path[-1]]).top = True
        self._refuse_sources_on_the_way(fabric, messages)

    def _at(self, meeting: int, down: bool, node: int) -> Junction:
        return self._junctions.setdefault((meeting, down, node), Junction())

    def _refuse_sources_on_the_way(self, fabric: Fabric, messages: Messages) -> None:
        for legs in self.legs_up.values():
            for leg in legs:
                rank = int(messages.src[leg])
                if (self._meeting[leg], False, rank) in self._junctions:
                    name = fabric.node_name(rank)
                    what = f"{name} is a source of a meeting and lies on the way of another source"
                    raise InputError(
                        what, "let the ranks meet in a switch that they are joined to by switches alone"
                    )

    def arrived(self, packet: Packet) -> None:
        """Take one packet of a meeting at the end of its hop."""
        meeting, down = self._meeting[packet.message], self._down[packet.message]
        node = self._node_after[packet.at - 1]
        junction = self._junctions[meeting, down, node]
        index = packet.id - self._first_packet[packet.message]
        place = (meeting, down, node, index)
        count = self._arrived.pop(place, 0) + 1
        if count < len(junction.children):
            self._arrived[place] = count
            return
        if junction.sink >= 0:
            self._host.sunk(junction.sink, packet.payload)
        if junction.top:
            self._host.summed(meeting, index)
        if junction.hops:
            self._host.after(self._delay[node], packet.id, lambda: self._go_on(junction, packet, index))

    def _go_on(self, junction: Junction, packet: Packet, index: int) -> None:
        """Send packet k on, once for each branch."""
        meeting = self._meeting[packet.message]
        down = junction.top or self._down[packet.message]
        leg = (self.legs_down if down else self.legs_up)[meeting][0]
        for hop in junction.hops.values():
            ident = self._first_packet[leg] + index
            self._host.forward(Packet(ident, leg, packet.payload, packet.wire, hop, hop + 1))
