"""Packets that leave a link which is known to be down: `local`, `source` and `recompute` on ports that plan ahead.

`Failures.known` says when a failure, and later its repair, becomes known. From then on (with `recompute`, `converge`
later) new paths are in force: docs/model.md, "Rerouting".
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

import numpy as np
import simpy

from fabricsim.engines.detours import Detours
from fabricsim.engines.kernel import Kernel
from fabricsim.engines.ports import FAULT, RELEASE, Packet, Port, Wiring
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes, Routing, first_numbers
from fabricsim.schedule import Schedule
from fabricsim.units import to_ps

Divert = Callable[[Packet, "ReroutedPort", int], int | None]
SWITCH = FAULT + 1
"""Phase in which new paths come into force: with the faults of the instant, after them."""


class ReroutedPort(Port):
    """A port whose packets are led elsewhere while its channel is down and that is known."""

    __slots__ = ("_divert", "known_down")

    def __init__(
        self,
        divert: Divert,
        env: simpy.Environment,
        wiring: Wiring,
        hops: list[Port],
        receive: Callable[[Packet], None],
    ) -> None:
        super().__init__(env, wiring, hops, receive, faulty=True)  # what has not started may be called back
        self._divert, self.known_down = divert, False

    def accept(self, packet: Packet, now: int) -> int | None:
        """Queue a packet here or elsewhere; return when its last bit leaves, None if that is unknown."""
        if self.known_down and self.down_since is not None:
            return self._divert(packet, self, now)
        return super().accept(packet, now)

    def wait(self, packet: Packet) -> None:
        """Keep a packet for which no other way is left."""
        self._waiting.append(packet)

    def take_waiting(self) -> list[Packet]:
        """Remove and return the packets that wait for the channel to come up."""
        taken, self._waiting = self._waiting, []
        return taken

    def call_back(
        self, strays: Callable[[Packet], bool], now: int
    ) -> tuple[list[Packet], list[tuple[Packet, int | None]]]:
        """Remove the `strays` among the packets that have not started; return them, and the others planned anew."""
        if not any(strays(packet) for _, start, packet in self._line if start >= now):
            return [], []
        pending = self._recall(now)
        self._rearm(now)
        gone = [packet for packet in pending if strays(packet)]
        return gone, [(packet, self.accept(packet, now)) for packet in pending if packet not in gone]


class ReroutingKernel(Kernel):
    """One simulation of a network that reroutes; `run` returns its Record."""

    def __init__(
        self, fabric: Fabric, schedule: Schedule, routes: Routes, failures: Failures, model: Model, seed: int,
        routing: Routing,
    ) -> None:  # fmt: skip
        self.routing, self.first_message = routing, schedule.first_message
        self.dead: set[int] = set()
        self.avoided: set[int] = set()
        self.ways: dict[tuple[int, ...], tuple[int, int]] = {}
        super().__init__(fabric, schedule, routes, failures, model, seed)
        self.reroute = failures.recovery.reroute
        self.detours = Detours(fabric, routing, seed, ())
        self.first_number = first_numbers(schedule.messages, seed).tolist()
        self.path_of_hop = np.repeat(np.arange(len(routes.hops)), routes.hops)

    def _port(self, wiring: Wiring) -> Port:
        return ReroutedPort(self._divert, self.env, wiring, self.hops, self.receive)

    # -- paths in force -----------------------------------------------------------------------------

    def _schedule_faults(self) -> None:
        super()._schedule_faults()
        converge = to_ps(float(self.failures.recovery.converge))
        for time, rows in groupby(self.failures.known, key=lambda row: row[0]):
            changes = [(channel, down) for _, channel, down in rows]
            self._later(time + converge, SWITCH, lambda _, c=changes: self._switch(c))

    def _switch(self, changes: list[tuple[int, bool]]) -> None:
        """Bring paths into force that avoid what is known to be down by now."""
        for channel, down in changes:
            (self.dead.add if down else self.dead.discard)(channel)
            self._rerouted(channel).known_down = down
        self.detours = Detours(self.fabric, self.routing, self.seed, self.dead)
        if self.reroute != "local":
            hit = np.isin(self.routes.channels, sorted(self.dead))
            self.avoided = set(self.path_of_hop[hit].tolist())
            self._sources_switch()
        for channel in sorted(self.dead):
            self._clear(self._rerouted(channel))

    def _rerouted(self, channel: int) -> ReroutedPort:
        port = self.ports[channel]
        assert isinstance(port, ReroutedPort)
        return port

    def _fault(self, channel: int, factor: float) -> None:
        super()._fault(channel, factor)
        self._clear(self._rerouted(channel))  # it may have come up and gone down again unnoticed

    def _clear(self, port: ReroutedPort) -> None:
        """Lead what waits at a port elsewhere, if its channel is down and that is known."""
        if not port.known_down or port.down_since is None:
            return
        now, planned = int(self.env.now), []
        for packet in port.take_waiting():
            leaving = self._is_leaving(packet)
            end = self._divert(packet, port, now)
            planned += [(packet, end)] if leaving else []
        self._note(planned)

    def _sources_switch(self) -> None:
        """Have each source's packets that have not started take the paths in force."""
        now, strays, planned = int(self.env.now), [], []
        for channel in sorted(self.ports):
            gone, others = self._rerouted(channel).call_back(self._is_astray, now)
            strays += gone
            planned += others
        for packet in strays:
            packet.origin, packet.end = self._path(*self._named(packet))
            packet.at = packet.origin
            planned.append((packet, self.hops[packet.at].accept(packet, now)))
        self._note([(packet, end) for packet, end in planned if self._is_leaving(packet)])

    def _is_astray(self, packet: Packet) -> bool:
        """Return whether a packet stands at its source, and not on its path in force."""
        at_source = packet.at == packet.origin and not packet.lost
        return at_source and self._path(*self._named(packet)) != (packet.origin, packet.end)

    def _named(self, packet: Packet) -> tuple[int, int]:
        return packet.message, packet.id - self.first_packet[packet.message]

    def _note(self, planned: list[tuple[Packet, int | None]]) -> None:
        """Know when packets that are on their way out of their source leave it now."""
        for packet, end in planned:
            self.leaving[packet.message][packet.id] = end
        for message in sorted({packet.message for packet, _ in planned}):
            self._watch_sent(message, int(self.env.now))

    # -- packets ------------------------------------------------------------------------------------

    def _packet(self, message: int, index: int) -> Packet:
        packet = super()._packet(message, index)
        packet.origin, packet.end = self._path(message, index)
        packet.at = packet.origin
        return packet

    def _path(self, message: int, index: int) -> tuple[int, int]:
        """Return the hops of a packet from its source, by the paths in force."""
        path = self.first_path[message] + index % self.path_count[message]
        way = self._way(self.src[message], message, index) if path in self.avoided else None
        return way or (self.path_starts[path], self.path_ends[path])

    def _way(self, node: int, message: int, index: int) -> tuple[int, int] | None:
        """Return the hops from a node to a message's destination that avoid what is dead; None if there are none."""
        ends, ident = (self.src[message], self.dst[message]), self.first_message + message
        channels = self.detours.way(node, ends, ident, self.first_number[message] + index)
        if channels is None:
            return None
        if channels not in self.ways:
            start = len(self.hops)
            self.hops.extend(self._wired(channel) for channel in channels)
            self.ways[channels] = start, len(self.hops)
        return self.ways[channels]

    def _divert(self, packet: Packet, port: ReroutedPort, now: int) -> int | None:
        """Lead a packet around a dead channel; return when its last bit leaves, None if that is unknown."""
        message, index = self._named(packet)
        at_source = packet.at == packet.origin
        if packet.lost:
            return None  # only its head came as far as this
        if self.reroute == "source" and not at_source:
            if self._way(self.src[message], message, index):
                self._send_back(packet)
            else:
                port.wait(packet)
            return None
        way = self._way(int(self.fabric.channel_src[port.wiring.channel]), message, index)
        if way is None:
            port.wait(packet)
            return None
        packet.at, packet.end = way
        if at_source:
            packet.origin = packet.at
        return self.hops[packet.at].accept(packet, now)

    def _send_back(self, packet: Packet) -> None:
        """Throw a packet away that only its source can lead elsewhere; the source is told, and sends it again."""
        packet.lost = True
        self.dropped += packet.payload
        again = Packet(
            packet.id, packet.message, packet.payload, packet.wire, packet.origin, packet.end, repeat=True
        )
        self._later(0, RELEASE, lambda _: self._resend(again))

    def _resend(self, packet: Packet) -> None:
        packet.origin, packet.end = self._path(*self._named(packet))
        packet.at = packet.origin
        super()._resend(packet)
