"""Adaptive packets with an escape network (Duato, IEEE Transactions on Parallel and Distributed Systems 4, 1993).

A packet on its way takes an adaptive lane only if that has room for it at once, and takes the room with the choice:
it never waits for it while it fills a buffer. Else it enters the escape network, on lanes of its own, and stays there;
what waits for room there waits along the escape routes alone, in no circle (`routing.dependencies`). At its source a
packet fills no buffer, and waits for an adaptive lane.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from fabricsim.engines.paths import AdaptivePaths
from fabricsim.engines.ports import Packet
from fabricsim.engines.queues import QueuedPort
from fabricsim.fabric import Fabric
from fabricsim.routing.dependencies import escape_lanes

CHOOSING = -1
"""Stands for the history of a packet that is not on the escape network."""


class EscapePaths(AdaptivePaths):
    """Paths that packets choose on their way, until nothing has room: then the first of all shortest ones."""

    def __init__(self, fabric: Fabric, *known: Any, **columns: Any) -> None:
        super().__init__(fabric, *known, **columns)
        self._rule = escape_lanes(fabric)
        self._advance = cache(self._advanced)

    def onward(self, packet: Packet) -> QueuedPort:
        """Return the port that a packet takes from where it is, and set its lane there."""
        if packet.via is None or self._is_leg[packet.message]:
            packet.escape = CHOOSING
            return super().onward(packet)
        if packet.escape == CHOOSING:
            port = self._with_room(packet)
            if port is not None:
                return port
            packet.escape = 0
        return self._escaped(packet)

    def _with_room(self, packet: Packet) -> QueuedPort | None:
        """Return the port with the least queued of those whose adaptive lane has room, and take it; None for none."""
        lane, wire = self._lane_of[packet.message], packet.wire
        able = [
            port for port in self._in_turn(packet) if port.down_since is None and port.gates[lane].open(wire)
        ]
        if not able:
            return None
        port = min(able, key=lambda port: port.queued(lane))
        packet.lane, packet.granted = lane, True
        port.gates[lane].take(wire)
        packet.trail.append(port.wiring.channel)
        return port

    def _escaped(self, packet: Packet) -> QueuedPort:
        """Return the first port that leads nearer, on the lane of the escape network."""
        message = packet.message
        port = self._candidates(packet.via.target, self._dst[message])[0]
        channel = port.wiring.channel
        lane, packet.escape = self._advance(packet.escape, channel)
        packet.lane = self._first_lane[message] + lane
        packet.trail.append(channel)
        return port

    def _advanced(self, history: int, channel: int) -> tuple[int, int]:
        """Return the lane of a hop, and what is to be remembered of it."""
        at = np.array([channel])
        lane, after = self._rule(np.array([history]), at, at)  # no rule here looks at the hop before
        return int(lane[0]), int(after[0])
