"""Ports with feedback: packets wait in queues, and a port picks one when its channel and flow control let it go.

Nothing is planned ahead. An instant ends with the pick: every idle channel, by id, takes the packet that its arbiter
names among the first packets of the queues that it serves (docs/model.md, "Queues and arbiters").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import simpy

from fabricsim.engines.chance import share_of, splitmix64_of
from fabricsim.engines.gates import Gate, gate_of
from fabricsim.engines.ports import PICK, Bell, Packet, Port, Wiring
from fabricsim.model import Ecn, Model
from fabricsim.units import PS_PER_S

LEAVE: Final = -1
"""Phase of a packet's end, as a SimPy priority: it makes room before another one of the same instant enters."""

Place = tuple[int, int, int]
"""Which queue of a node it is: incoming channel, outgoing channel, lane; -1 where that does not matter."""


class Inlet:
    """An incoming channel of a node: until when one of its packets keeps it busy [ps], and its queues."""

    __slots__ = ("free", "queues")

    def __init__(self) -> None:
        self.free = 0
        self.queues: list[Queue] = []


class Queue:
    """Packets that wait in one line of a node."""

    __slots__ = ("inlet", "packets", "place")

    def __init__(self, inlet: Inlet, place: Place) -> None:
        self.inlet = inlet
        self.place = place
        self.packets: deque[Packet] = deque()


Discipline = Callable[[int, int, int], Place]

QUEUEING: Final[Mapping[str, Discipline]] = {
    "output": lambda incoming, outgoing, lane: (-1, outgoing, lane),
    "voq": lambda incoming, outgoing, lane: (incoming, outgoing, lane),
    "input": lambda incoming, outgoing, lane: (incoming, -1, lane),
}
"""Which queue a packet joins, by its incoming and outgoing channel and its lane; -1 for any."""


class Node:
    """The queues of one node."""

    __slots__ = ("_crossbar", "_discipline", "_inlets", "_queues", "_turn")

    def __init__(self, queueing: str) -> None:
        self._discipline = QUEUEING[queueing]
        self._crossbar = queueing != "output"
        self._inlets: dict[int, Inlet] = {}
        self._queues: dict[Place, Queue] = {}
        self._turn = 0

    def join(self, packet: Packet, incoming: int | None, outgoing: int) -> Queue:
        """Put a packet at the end of its queue and return that; incoming is None for a rank's own."""
        self._turn += 1
        packet.turn = self._turn
        if incoming is None:
            place = (
                -2 - outgoing,
                outgoing,
                packet.lane,
            )  # below every channel's id: a rank's own come first
        else:
            place = self._discipline(incoming, outgoing, packet.lane)
        queue = self._queues.get(place) or self._new(place)
        queue.packets.append(packet)
        return queue

    def _new(self, place: Place) -> Queue:
        inlet = Inlet()
        if self._crossbar and place[0] >= 0:
            inlet = self._inlets.setdefault(place[0], inlet)
        queue = self._queues[place] = Queue(inlet, place)
        inlet.queues.append(queue)
        return queue


Arbiter = Callable[["QueuedPort", Queue], Any]


def _oldest(port: QueuedPort, queue: Queue) -> int:
    """Return when the first packet came, among all of the node."""
    return queue.packets[0].turn


def _round_robin(port: QueuedPort, queue: Queue) -> tuple[bool, Place]:
    """Return how far the queue is after the one served last."""
    return queue.place <= port.last, queue.place


def _random(port: QueuedPort, queue: Queue) -> int:
    """Return a hash of the first packet's name."""
    return splitmix64_of(port.seed, port.wiring.channel, queue.packets[0].id)


ARBITER: Final[Mapping[str, Arbiter]] = {"oldest": _oldest, "round-robin": _round_robin, "random": _random}
"""What orders the queues that a port may serve, the least first, by name."""


@dataclass(frozen=True)
class Hooks:
    """Whom a port tells: that a packet has arrived where it ends, has left its source, was dropped by a full buffer.

    onward names the port that a packet takes from where it is, and sets its lane; ahead says how long that port
    takes for it [ps], before it is there.
    """

    receive: Callable[[Packet], None]
    left: Callable[[Packet], None]
    drop: Callable[[Packet], None]
    onward: Callable[[Packet], QueuedPort]
    ahead: Callable[[Packet], int]


class QueuedPort(Port):
    """The port that feeds one channel, with queues, lanes, flow control and marks."""

    __slots__ = (
        "_arbiter", "_ecn", "_end_bell", "_hooks", "_node", "_pick_bell", "_picking", "_priority", "_sending",
        "backlog", "contenders", "gates", "last", "marks", "repeats", "seed", "target",
    )  # fmt: skip

    def __init__(
        self,
        env: simpy.Environment,
        wiring: Wiring,
        hooks: Hooks,
        node: Node,
        model: Model,
        *,
        faulty: bool,
        lanes: int,
        seed: int,
        target: int,
    ) -> None:
        super().__init__(env, wiring, [], hooks.receive, faulty=faulty)
        self.target = target
        """The node at the channel's far end."""
        self._hooks, self._node, self._ecn, self.seed = hooks, node, model.ecn, seed
        self._arbiter = ARBITER[model.arbiter]
        ranking = model.priorities or (0,) * model.lanes
        self._priority = [-ranking[lane * model.lanes // lanes] for lane in range(lanes)]
        self._pick_bell, self._end_bell = Bell(env, self._pick), Bell(env, self._ended)
        self._picking = False
        self._sending: tuple[Packet, Queue, Gate | None] | None = None
        self.contenders: dict[Queue, None] = {}
        self.gates = [gate_of(env, wiring, model, self.pick_soon) for _ in range(lanes)]
        self.backlog = [0] * lanes
        self.last: Place = (-1 << 62, 0, 0)
        self.marks = self.repeats = 0

    @property
    def waiting(self) -> int:
        """How many packets wait for a channel that is down."""
        down = self.down_since is not None
        return sum(len(queue.packets) for queue in self.contenders) if down else 0

    # -- a packet comes and waits -------------------------------------------------------------------

    def accept(self, packet: Packet, now: int) -> None:
        """Queue a packet that is ready to leave at `now`."""
        came = packet.via
        queue = self._node.join(packet, None if came is None else came.wiring.channel, self.wiring.channel)
        packet.out = self
        self.backlog[packet.lane] += packet.wire
        on_the_wire = max(0, self.free - now) * self.rate // PS_PER_S
        self.peak_bytes = max(self.peak_bytes, sum(self.backlog) + on_the_wire)
        if len(queue.packets) == 1:
            self.contenders[queue] = None
            self.pick_soon()

    def queued(self, lane: int) -> tuple[bool, int]:
        """Return whether the channel is down, and the bytes that wait in a lane, the packet on the wire in full."""
        on_the_wire = self._sending[0].wire if self._sending is not None else 0
        return self.down_since is not None, self.backlog[lane] + on_the_wire

    def pick_soon(self) -> None:
        """Pick at the end of this instant, if there is anything to pick and the channel is free."""
        now = self._env.now
        if self._has_work() and not self._picking and self.free <= now and self.down_since is None:
            self._picking = True
            self._pick_bell.ring_in(0, PICK + 1 + self.wiring.channel)

    def _has_work(self) -> bool:
        return bool(self.contenders)

    def withdraw(self, message: int) -> None:
        """Take back what still waits of a message of this rank's own."""
        for queue in [queue for queue in self.contenders if queue.packets[0].via is None]:
            kept = deque(packet for packet in queue.packets if packet.message != message)
            for packet in queue.packets:
                self.backlog[packet.lane] -= packet.wire if packet.message == message else 0
            queue.packets = kept
            if not kept:
                del self.contenders[queue]

    def _pick(self, _: Any) -> None:
        self._picking = False
        now = int(self._env.now)
        able = [queue for queue in self.contenders if queue.inlet.free <= now and self._may_start(queue)]
        if able and self.free <= now and self.down_since is None:
            self._start(min(able, key=self._order), now)

    def _may_start(self, queue: Queue) -> bool:
        packet = queue.packets[0]
        return packet.granted or self.gates[packet.lane].open(packet.wire)

    def _order(self, queue: Queue) -> tuple[int, Any]:
        return self._priority[queue.packets[0].lane], self._arbiter(self, queue)

    # -- a packet leaves ----------------------------------------------------------------------------

    def _start(self, queue: Queue, now: int) -> None:
        packet = queue.packets.popleft()
        del self.contenders[queue]
        if queue.packets:
            queue.packets[0].out.contenders[queue] = None  # it is picked when its inlet is free again
        self.last = queue.place
        self.backlog[packet.lane] -= packet.wire
        if not packet.granted:
            self.gates[packet.lane].take(packet.wire)
        packet.granted = False
        if self._ecn is not None and self._marked(self._ecn, packet):
            packet.marked = True
            self.marks += 1
        self._sending = (packet, queue, packet.gate)
        queue.inlet.free = end = self._transmit(packet, now)
        self._end_bell.ring_in(end - now, LEAVE)

    def _transmit(self, packet: Packet, now: int) -> int:
        """Put a packet on the wire and return when its last bit leaves."""
        tx = self.transmit(packet.wire)
        self.free = end = now + tx
        self.busy += tx
        self.sent += 1
        self.wire += packet.wire
        self._fly(packet, now, end)
        return end

    def _fly(self, packet: Packet, start: int, end: int) -> None:
        """Have a packet arrive at the far end."""
        due = end + self._latency
        if packet.at + 1 < packet.end:
            due = end + self._far
            if self._head is not None:
                due = max(start + self._head, due - self._hooks.ahead(packet))
        if self._tails is not None:
            self._remember(end + self._latency, start, packet, start)
        if self._line and (due, packet.id) < (self._line[-1][0], self._line[-1][2].id):
            self._overtake(due, start, packet, start)
            return
        self._line.append((due, start, packet))
        if len(self._line) == 1:
            self._bell.ring_in(due - start, packet.id)

    def _marked(self, ecn: Ecn, packet: Packet) -> bool:
        behind = self.backlog[packet.lane]
        if behind <= ecn.kmin or behind > ecn.kmax:
            return behind > ecn.kmax
        odds = ecn.pmax * (behind - ecn.kmin) / (ecn.kmax - ecn.kmin)
        return share_of(self.seed, packet.id, self.wiring.channel) < odds

    def _ended(self, _: Any) -> None:
        """Let go of what a packet held, whose last bit has left, and look for the next."""
        assert self._sending is not None
        packet, queue, gate = self._sending
        self._sending = None
        if gate is None:
            self._hooks.left(packet)
        else:
            gate.leave(packet.wire)
        self.pick_soon()
        for other in queue.inlet.queues:
            if other.packets:
                other.packets[0].out.pick_soon()

    def _arrive(self, _: Any) -> None:
        now, _start, packet = self._line.popleft()
        if self._line:
            due, _start, following = self._line[0]
            self._bell.ring_in(due - now, following.id)
        self._hand_over(packet, now)

    def _hand_over(self, packet: Packet, now: int) -> None:
        """Give a packet to the node at the far end."""
        gate = self.gates[packet.lane]
        packet.at += 1
        if packet.at == packet.end:
            gate.end(packet.wire)
            self._hooks.receive(packet)
        elif gate.enter(packet.wire):
            packet.via, packet.gate = self, gate
            self._hooks.onward(packet).accept(packet, now)
        else:
            self._hooks.drop(packet)

    # -- faults -------------------------------------------------------------------------------------

    def change(self, factor: float, now: int) -> tuple[list[Packet], list[tuple[Packet, int | None]]]:
        """Set the rate to `factor` of the channel's, for transmissions that start at `now` or later.

        0 takes the channel down: packets whose last bit has not arrived are lost, the others wait. Returns the lost
        ones; nothing is planned anew, since nothing was planned.
        """
        if factor:
            self.down_since = None
            self._set_rate(max(1, round(self.wiring.bandwidth * factor)))
            self.pick_soon()
            return [], []
        self.down_since = now if self.down_since is None else self.down_since
        under_way = {id(packet) for _, _, packet in self._line}
        lost = self._cut_off(now)
        for packet in lost:
            if (
                id(packet) in under_way
            ):  # in cut-through its head may be beyond already, and takes up room there
                self.gates[packet.lane].lose(packet.wire)
        self._rearm(now)
        self._break_off(now)
        return lost, []

    def _break_off(self, now: int) -> None:
        """End the transmission that a fault cuts off."""
        if self._sending is None:
            return
        self._sending[1].inlet.free = now
        self._end_bell.silence()
        self._end_bell = Bell(self._env, self._ended)
        self._ended(None)
