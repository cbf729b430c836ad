"""A simulation with feedback: finite buffers, lanes, arbiters, marks, senders that wait, losses that are made good.

The ranks' progress is the plain kernel's; ports queue (`queues`), sources feed flows (`senders`), destinations judge
what arrives and answer (`recovery`). Answers take the time of the way back and never queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from fabricsim.engines.escape import EscapePaths
from fabricsim.engines.gates import Gate
from fabricsim.engines.kernel import Kernel
from fabricsim.engines.paths import AdaptivePaths, FixedPaths, hops_of
from fabricsim.engines.ports import RELEASE, Packet, Port, Wiring
from fabricsim.engines.queues import Hooks, Node, QueuedPort
from fabricsim.engines.record import Extras, Record
from fabricsim.engines.recovery import RECOVERIES, Ends, Recovery, Verdict
from fabricsim.engines.retry import RetryPort
from fabricsim.engines.rooms import Rooms
from fabricsim.engines.senders import FLOWS, Flow, Granted, Puller, Source
from fabricsim.engines.waiting import waits_for
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule
from fabricsim.units import to_ps


class FeedbackKernel(Kernel):
    """One simulation of a network that holds packets up; `run` returns its Record."""

    def __init__(
        self, fabric: Fabric, schedule: Schedule, routes: Routes, failures: Failures, model: Model, seed: int
    ) -> None:
        self.nodes: dict[int, Node] = {}
        self.queued: dict[int, QueuedPort] = {}
        super().__init__(fabric, schedule, routes, failures, model, seed)
        self.flows: dict[int, Flow] = {}
        self.recoveries: dict[int, Recovery] = {}
        self.again: dict[int, list[int]] = {}
        self.pullers: dict[int, Puller] = {}
        self.pulls_left: dict[int, int] = {}
        self.notified_ps: dict[int, int] = {}
        self.unsent = list(self.packets)
        self.gone = bytearray(self.first_packet[-1])
        self.newest = [-1] * len(self.packets)
        self.rooms = Rooms(model.open_meetings)
        self.sums = model.open_sums if model.open_sums is not None else max(self.packets, default=0)
        self.answers = model.may_drop or model.sender.kind in ("window", "dctcp")
        self.dropped_packets = self.duplicates = self.discarded = self.reordered = 0

    # -- set-up -------------------------------------------------------------------------------------

    def _wire_up(self, routes: Routes, failures: Failures, model: Model) -> None:
        lane_of = self._lanes(routes)
        self.lanes = model.lanes * routes.lanes
        super()._wire_up(routes, failures, model)
        known = (self.fabric, routes, self.queued, lane_of, model.sender.ack_size)
        self.paths = FixedPaths(*known)
        if routes.adaptive:
            kind = EscapePaths if routes.lanes > 1 else AdaptivePaths
            self.paths = kind(*known, schedule=self.schedule, seed=self.seed, first_packet=self.first_packet)

    def _used(self) -> list[int]:
        used = super()._used()
        if not self.routes.adaptive:
            return used
        found: list[int] = np.union1d(used, hops_of(self.fabric, self.schedule).channels).tolist()
        return found

    def _lanes(self, routes: Routes) -> list[int]:
        """Return the lane of each hop of the routes: those of the routing within each traffic class."""
        owner = np.repeat(np.arange(len(routes.first)), routes.count)
        lane = np.repeat(self.schedule.lanes[owner], routes.hops) * routes.lanes
        found: list[int] = (lane if routes.lane is None else lane + routes.lane).tolist()
        return found

    def _port(self, wiring: Wiring) -> Port:
        node = self.nodes.setdefault(int(self.fabric.channel_src[wiring.channel]), Node(self.model.queueing))
        hooks = Hooks(
            self.receive,
            self._left,
            self._drop,
            lambda p: self.paths.onward(p),
            lambda p: self.paths.ahead(p),
        )
        kind = RetryPort if self.model.bit_error_rate else QueuedPort
        port = kind(
            self.env, wiring, hooks, node, self.model,
            faulty=wiring.channel in self.faulty, lanes=self.lanes, seed=self.seed,
            target=int(self.fabric.channel_dst[wiring.channel]),
        )  # fmt: skip
        self.queued[wiring.channel] = port
        return port

    # -- sources ------------------------------------------------------------------------------------

    def _open(self, message: int) -> None:
        """Make the flow of a message, and what makes its losses good."""
        model = self.model
        rate = self._rate(self._ends_of(message, 0))
        source = Source(model, self.size[message], rate, self._timer, partial(self._wake, message))
        self.recoveries[message] = self._recovery(message)
        if self.meeting[message] >= 0:
            self.flows[message] = Granted(source, self._room(self.meeting[message], self.dst[message]))
            return
        self.flows[message] = FLOWS[model.sender.kind](source)
        if model.sender.kind == "pull":
            into = self._rate(self._ends_of(message, -1))
            self.pullers.setdefault(self.dst[message], Puller(model, into, self._timer))
            self.pulls_left[message] = self.packets[message] - (model.sender.window or 0) // model.mtu

    def _recovery(self, message: int) -> Recovery:
        if not self.model.may_drop:
            return Recovery()
        ends = Ends(
            self._timer, partial(self._again, message), partial(self._back_to, message),
            partial(self._name, message),
        )  # fmt: skip
        return RECOVERIES[self.model.sender.loss](ends, self.model, self.packets[message])

    def _ends_of(self, message: int, end: int) -> list[int]:
        """Return the channels that a message's paths begin with (end 0) or end with (end −1), ascending."""
        first = self.first_path[message]
        last = first + self.path_count[message]
        where = self.path_starts[first:last] if end == 0 else [e - 1 for e in self.path_ends[first:last]]
        found: list[int] = np.unique(self.routes.channels[where]).tolist()
        return found

    def _rate(self, channels: Sequence[int]) -> int:
        return sum(self.queued[channel].wiring.bandwidth for channel in channels)

    def _timer(self, delay: int, act: Callable[[], None]) -> None:
        self._later(delay, RELEASE, lambda _: act())

    def _wake(self, message: int) -> None:
        """Have the source look at a flow at the end of this instant."""
        self.ready.setdefault(self.src[message], []).append(message)
        self._gather()

    def _again(self, message: int, index: int) -> None:
        self.again.setdefault(message, []).append(index)
        self._wake(message)

    def _back_to(self, message: int, index: int) -> None:
        """Send everything from a packet on again; what still waits at the source is withdrawn first."""
        starts, order = self.fabric.out
        for channel in order[starts[self.src[message]] : starts[self.src[message] + 1]].tolist():
            if channel in self.queued:
                self.queued[channel].withdraw(message)
        self.again[message] = list(range(index, self.flows[message].entered))
        self._wake(message)

    def _name(self, message: int) -> str:
        op = self.schedule.operations[self.operation[message]].name
        a, b = (self.fabric.node_name(node) for node in (self.src[message], self.dst[message]))
        return f"{op!r} from {a} to {b}"

    def _inject(self, messages: Sequence[int], now: int) -> None:
        """Put what each flow lets go now into the queues of the first channels, packet by packet in turn."""
        batches = {}
        for message in dict.fromkeys(messages):
            if message not in self.flows:
                self._open(message)
            batches[message] = self.again.pop(message, []) + self.flows[message].take(now)
        for position in range(max(map(len, batches.values()))):
            for message, batch in batches.items():
                if position < len(batch):
                    self._launch(message, batch[position], now)

    def _launch(self, message: int, index: int, now: int) -> None:
        packet = self._packet(message, index)
        packet.via = packet.gate = None
        packet.marked = packet.granted = False
        packet.repeat = bool(self.gone[packet.id])
        self.paths.onward(packet).accept(packet, now)

    def _left(self, packet: Packet) -> None:
        """Know that a packet's last bit has left its source."""
        message = packet.message
        if self.gone[packet.id]:
            self.retransmitted += packet.payload
        else:
            self.gone[packet.id] = 1
            self.packets_sent += 1
            self.unsent[message] -= 1
            if self.unsent[message] == 0:
                self.sent_ps[message] = int(self.env.now)
                self._tell(self.after_sent[message])
                self._finish_one()
        self.recoveries[message].left(packet.id - self.first_packet[message])

    # -- meetings -----------------------------------------------------------------------------------

    def _room(self, meeting: int, switch: int) -> int:
        """Return how many packets of a meeting may be on their way before the first sum: none until it is open."""
        return self.sums if self.rooms.enter(switch, meeting) else 0

    def summed(self, meeting: int, index: int) -> None:
        """Know that a packet of a meeting has come together: its sources may send one more, or another one opens."""
        super().summed(meeting, index)
        self._grant(meeting, 1)
        legs = self.trees.legs_up[meeting]
        if self.summed_packets[meeting] == self.packets[legs[0]]:
            following = self.rooms.leave(self.dst[legs[0]], meeting)
            if following is not None:
                self._grant(following, self.sums)

    def _grant(self, meeting: int, packets: int) -> None:
        """Tell the sources of a meeting that they may send more; those that have not begun will see for themselves."""
        for leg in self.trees.legs_up[meeting]:
            if leg in self.flows:
                path = self.first_path[leg]
                back = self.paths.back_ps(self.path_starts[path], int(self.routes.starts[path + 1]))
                self._later(back, self.first_packet[leg], partial(self._granted, leg, packets))

    def _granted(self, leg: int, packets: int, _: object) -> None:
        self.flows[leg].pulled(packets)

    def forward(self, packet: Packet) -> None:
        """Put a packet of a tree into the queue of its port; it holds no buffer, but the switch's own memory."""
        packet.via, packet.gate, packet.marked = None, Gate(), False
        packet.granted = False
        self.paths.onward(packet).accept(packet, int(self.env.now))

    def _resend(self, packet: Packet) -> None:
        self._launch(packet.message, packet.id - self.first_packet[packet.message], int(self.env.now))

    # -- destinations -------------------------------------------------------------------------------

    def _drop(self, packet: Packet) -> None:
        """Count a packet for which a full buffer had no room."""
        self.dropped += packet.payload
        self.dropped_packets += 1

    def _arrived(self, packet: Packet) -> None:
        if packet.lost:
            return
        message, index = packet.message, packet.id - self.first_packet[packet.message]
        verdict, about = self.recoveries[message].arrived(index)
        if verdict == "new":
            self.reordered += index < self.newest[message]
            self.newest[message] = max(self.newest[message], index)
            super()._arrived(packet)
        elif verdict == "duplicate":
            self.duplicates += 1
        else:
            self.discarded += 1
        if self.answers:
            self._answer(packet, partial(self._answered, message, verdict, about, packet.marked))
        if packet.marked and self.model.sender.kind == "dcqcn":
            self._notify(packet)
        if self.pulls_left.get(message, 0) > 0:
            self.pulls_left[message] -= 1
            pull = partial(self._answer, packet, self.flows[message].pulled)
            self.pullers[self.dst[message]].ask(int(self.env.now), pull)

    def _answer(self, packet: Packet, act: Callable[[], None]) -> None:
        """Have something heard at the source of a packet, the way back later."""
        self._later(self.paths.answer_ps(packet), packet.id, lambda _: act())

    def _answered(self, message: int, verdict: Verdict, about: int, marked: bool) -> None:
        for index in self.recoveries[message].answered(verdict, about):
            self.flows[message].answered(index, marked, int(self.env.now))

    def _notify(self, packet: Packet) -> None:
        """Send a notification of congestion, unless one was sent a short while ago."""
        now, last = int(self.env.now), self.notified_ps.get(packet.message)
        if last is None or now - last >= to_ps(self.model.sender.cnp_interval):
            self.notified_ps[packet.message] = now
            self._answer(packet, lambda: self.flows[packet.message].notified(int(self.env.now)))

    # -- the end ------------------------------------------------------------------------------------

    def _held_up(self) -> list[str]:
        return [*super()._held_up(), *waits_for(self.fabric, self.queued.values())]

    def _record(self) -> Record:
        record = super()._record()
        ports = [self.queued[channel] for channel in record.channels.tolist()]
        now = int(self.env.now)
        gates = [port.gates for port in ports]
        extras = Extras(
            channel_marks=np.array([port.marks for port in ports], np.int64),
            channel_pauses=np.array([sum(g.pauses for g in of) for of in gates], np.int64),
            channel_pause_ps=np.array([sum(g.paused_ps(now) for g in of) for of in gates], np.int64),
            channel_drops=np.array([sum(g.drops for g in of) for of in gates], np.int64),
            channel_repeats=np.array([port.repeats for port in ports], np.int64),
            channel_buffer_peak=np.array([max(g.peak for g in of) for of in gates], np.int64),
            duplicates=self.duplicates,
            discarded=self.discarded,
            reordered=self.reordered,
        )
        return replace(record, extras=extras)
