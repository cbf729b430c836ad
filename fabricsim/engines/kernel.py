"""One simulation on SimPy, from the first release to the last delivery, over ports that plan ahead.

Ranks walk through their steps (`schedule.Steps`); ports (see `ports`) carry the packets. The clock counts
whole picoseconds. An instant has phases, and within a phase ties go by id: faults; arrivals by packet id, and
completions; releases and timers; then the sources put what has become ready into their queues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import simpy

from fabricsim.engines.detours import cut_apart
from fabricsim.engines.ports import COMPLETION, FAULT, PICK, RELEASE, Bell, Packet, Port, Wiring
from fabricsim.engines.record import Record
from fabricsim.engines.trees import Trees
from fabricsim.engines.watch import Watch
from fabricsim.errors import StallError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model, transmit_ps
from fabricsim.routing import Routes
from fabricsim.schedule import IntArray, Schedule, expanded
from fabricsim.units import format_time, to_ps

UNKNOWN = -1


class Kernel:
    """One simulation from start to end; `run` returns its Record."""

    def __init__(
        self,
        fabric: Fabric,
        schedule: Schedule,
        routes: Routes,
        failures: Failures,
        model: Model,
        seed: int = 0,
    ) -> None:
        self.fabric = fabric
        self.schedule = schedule
        self.seed = seed
        self.model = model
        self.env = simpy.Environment(initial_time=0)
        self.messages = schedule.messages
        self._columns()
        self._wire_up(routes, failures, model)
        if self.meets:
            self._plant()
        self._plan_steps()
        self.released: dict[int, list[int]] = {}
        self.ready: dict[int, list[int]] = {}
        self.last_entry: dict[int, int] = {}
        self.gathering = False
        self.packets_sent = self.dropped = self.retransmitted = 0
        self.arrivals: list[tuple[int, int, int]] = []

    # -- set-up -------------------------------------------------------------------------------------

    def _columns(self) -> None:
        """Plain lists of the message columns: single items of a NumPy array are slow to read."""
        m, model = self.messages, self.model
        self.operation, self.src, self.dst = m.operation.tolist(), m.src.tolist(), m.dst.tolist()
        self.meeting: list[int] = m.meeting.tolist()
        self.size: list[int] = m.size.tolist()
        self.delay = [to_ps(delay) for delay in m.delay.tolist()]
        self.packets = [model.packets(size) for size in self.size]
        self.first_packet = np.concatenate([[0], np.cumsum(self.packets)]).astype(np.int64).tolist()
        self.undelivered = list(self.packets)
        count = len(self.size)
        self.entry_ps, self.release_ps, self.sent_ps, self.delivered_ps = (
            [UNKNOWN] * count for _ in range(4)
        )
        # when each packet's last bit leaves its source, kept per message only until the message is sent
        self.leaving: dict[int, dict[int, int | None]] = {}
        endpoint = model.endpoint
        self.send_overhead, self.recv_overhead = to_ps(endpoint.send_overhead), to_ps(endpoint.recv_overhead)
        self.gap = to_ps(endpoint.gap)
        # from each message's last bit to its delivery: receive overhead, and the time to add it up
        self.settle = [self.recv_overhead] * count
        if endpoint.reduce_rate is not None:
            for message in np.flatnonzero(self.schedule.reduces).tolist():
                self.settle[message] += transmit_ps(self.size[message], endpoint.reduce_rate)

    def _wire_up(self, routes: Routes, failures: Failures, model: Model) -> None:
        self.routes, self.failures = routes, failures
        self.meets = any(op.meets for op in self.schedule.operations)
        self.receive = self._arrived_anywhere if self.meets else self._arrived
        self.faulty = set(failures.channels.tolist())
        self.header = model.wire(0) if model.switching == "cut-through" else None
        self.hops: list[Port] = []
        self.ports: dict[int, Port] = {}
        for channel in self._used():
            self._wired(channel)
        self.hops.extend(self.ports[channel] for channel in routes.channels.tolist())
        self.path_starts, self.path_ends = routes.starts[:-1].tolist(), routes.starts[1:].tolist()
        self.first_path, self.path_count = routes.first.tolist(), routes.count.tolist()

    def _wired(self, channel: int) -> Port:
        """Return the port that feeds a channel, made when it is first asked for."""
        if channel not in self.ports:
            fabric = self.fabric
            wiring = Wiring(
                channel, int(fabric.bandwidth[channel]), int(fabric.latency_ps[channel]),
                int(fabric.delay_ps[fabric.channel_dst[channel]]), self.header,
            )  # fmt: skip
            self.ports[channel] = self._port(wiring)
        return self.ports[channel]

    def _plant(self) -> None:
        """Have the legs up of meetings end at the first node, where their trees take over."""
        self.trees = Trees(self.fabric, self.messages, self.routes, self.first_packet, self)
        self.summed_packets: dict[int, int] = {}
        for legs in self.trees.legs_up.values():
            for leg in legs:
                self.path_ends[self.first_path[leg]] = self.path_starts[self.first_path[leg]] + 1

    def _used(self) -> list[int]:
        """Return the channels that packets or faults may touch, ascending."""
        found: list[int] = np.unique(np.concatenate([self.routes.channels, self.failures.channels])).tolist()
        return found

    def _port(self, wiring: Wiring) -> Port:
        """Return the port of one channel."""
        faulty = wiring.channel in self.faulty
        return Port(self.env, wiring, self.hops, self.receive, faulty=faulty)

    def _plan_steps(self) -> None:
        """Read the steps of all ranks' progress as plain lists."""
        steps = expanded(self.schedule)
        self.waits = steps.waits.tolist()
        self.step_delay = [to_ps(delay) for delay in steps.delay.tolist()]
        self.next_steps = lists(steps.next_starts, steps.next_steps)
        self.releases = lists(steps.released_starts, steps.released)
        self.after_sent = lists(steps.sent_starts, steps.sent_steps)
        self.after_delivered = lists(steps.delivered_starts, steps.delivered_steps)
        self.unfinished = len(steps) + 2 * len(self.size)
        self.finished = self.env.event()

    # -- steps --------------------------------------------------------------------------------------

    def _begin(self) -> None:
        for step in [step for step, waits in enumerate(self.waits) if not waits]:
            self._tell(self._pass(step))

    def _tell(self, steps: Sequence[int]) -> None:
        """Let steps know that one of the things they wait for has come about."""
        told = list(steps)
        for step in told:  # grows while it is walked: no depth of recursion limits a chain
            self.waits[step] -= 1
            if self.waits[step] == 0:
                told += self._pass(step)

    def _pass(self, step: int) -> Sequence[int]:
        """Reach a step that waits for nothing more, after its delay; return the steps that hear of it now."""
        delay = self.step_delay[step]
        if not delay:
            return self._reach(step)
        self._later(delay, RELEASE, lambda _: self._tell(self._reach(step)))
        return ()

    def _reach(self, step: int) -> Sequence[int]:
        """Release a step's messages and return the steps that wait for it."""
        for message in self.releases[step]:
            self._release_after(self.delay[message], message)
        self._finish_one()
        return self.next_steps[step]

    def _finish_one(self) -> None:
        """Count one step less to reach, or one message less to send or to deliver."""
        self.unfinished -= 1
        if self.unfinished == 0:
            self.finished.succeed()

    def _later(self, delay: int, priority: int, act: Any) -> None:
        Bell(self.env, act).ring_in(delay, priority)

    # -- sources ------------------------------------------------------------------------------------

    def _release_after(self, delay: int, message: int) -> None:
        self.entry_ps[message] = int(self.env.now)
        if delay:
            self._later(delay, RELEASE, lambda _: self._release(message))
        else:
            self._release(message)

    def _release(self, message: int) -> None:
        now = int(self.env.now)
        self.release_ps[message] = now
        self.released.setdefault(self.src[message], []).append(message)
        self._gather()

    def _gather(self) -> None:
        """Have the sources act once this instant has brought all it brings."""
        if not self.gathering:
            self.gathering = True
            self._later(0, PICK, self._sources_act)

    def _sources_act(self, _: simpy.Event) -> None:
        self.gathering = False
        now = int(self.env.now)
        released, self.released = self.released, {}
        for rank in sorted(released):
            for message in self._in_turn(rank, released[rank]):
                self._admit(rank, message, now)
        ready, self.ready = self.ready, {}
        for rank in sorted(ready):
            self._inject(self._in_turn(rank, ready[rank]), now)

    def _in_turn(self, rank: int, messages: list[int]) -> list[int]:
        """Order one source's messages of an instant: by (dst − src) mod N, then id."""
        ranks = self.fabric.ranks
        return sorted(messages, key=lambda m: ((self.dst[m] - rank) % ranks, m))

    def _admit(self, rank: int, message: int, now: int) -> None:
        """Let a released message enter its source queue, after its overhead and the gap to the one before."""
        entry = now + self.send_overhead
        if self.gap:
            entry = max(entry, self.last_entry.get(rank, entry - self.gap) + self.gap)
            self.last_entry[rank] = entry
        if entry == now:
            self.ready.setdefault(rank, []).append(message)
        else:
            self._later(entry - now, RELEASE, lambda _: self._enter(rank, message))

    def _enter(self, rank: int, message: int) -> None:
        self.ready.setdefault(rank, []).append(message)
        self._gather()

    def _inject(self, messages: Sequence[int], now: int) -> None:
        """Put messages into the queues of their first channels, packet by packet in turn."""
        for message in messages:
            self.leaving[message] = {}
        for index in range(max(self.packets[message] for message in messages)):
            for message in messages:
                if index < self.packets[message]:
                    self._send(self._packet(message, index), now)
        for message in messages:
            self._watch_sent(message, now)

    def _packet(self, message: int, index: int) -> Packet:
        model, size = self.model, self.size[message]
        last = index == self.packets[message] - 1
        payload = size - index * model.mtu if last else model.mtu
        path = self.first_path[message] + index % self.path_count[message]
        start, end = self.path_starts[path], self.path_ends[path]
        ident = self.first_packet[message] + index
        return Packet(ident, message, payload, model.wire(payload), start, end)

    def _send(self, packet: Packet, now: int) -> None:
        self.packets_sent += 1
        self.leaving[packet.message][packet.id] = self.hops[packet.origin].accept(packet, now)

    def _watch_sent(self, message: int, now: int) -> None:
        """Ring when the message's last bit leaves, as far as is known now."""
        ends = self.leaving[message].values()
        known = [end for end in ends if end is not None]
        if len(known) == len(ends):
            self._later(max(known) - now, COMPLETION, lambda _: self._check_sent(message))

    def _check_sent(self, message: int) -> None:
        ends = self.leaving.get(message)
        now = int(self.env.now)
        if ends is not None and all(end is not None and end <= now for end in ends.values()):
            del self.leaving[message]
            self.sent_ps[message] = now
            self._tell(self.after_sent[message])
            self._finish_one()

    # -- arrivals -----------------------------------------------------------------------------------

    def _arrived(self, packet: Packet) -> None:
        if packet.lost:
            return
        self.sunk(packet.message, packet.payload)

    def sunk(self, message: int, payload: int) -> None:
        """Count a packet that has arrived where its message ends."""
        self.arrivals.append((int(self.env.now), payload, message))
        if self.watch and len(self.arrivals) % 1024 == 0:
            self.watch(int(self.env.now), self.first_packet[-1], len(self.arrivals))
        self.undelivered[message] -= 1
        if self.undelivered[message] == 0:
            if self.settle[message]:
                self._later(self.settle[message], COMPLETION, lambda _: self._delivered(message))
            else:
                self._delivered(message)

    def _delivered(self, message: int) -> None:
        self.delivered_ps[message] = int(self.env.now)
        self._tell(self.after_delivered[message])
        self._finish_one()

    # -- meetings -----------------------------------------------------------------------------------

    def _arrived_anywhere(self, packet: Packet) -> None:
        """Take a packet at the end of its path: a message's, or that of a hop in a tree."""
        if self.meeting[packet.message] < 0:
            self._arrived(packet)
        else:
            self.trees.arrived(packet)

    def forward(self, packet: Packet) -> None:
        """Put a packet of a tree into the queue of its port."""
        self.hops[packet.at].accept(packet, int(self.env.now))

    def after(self, delay: int, packet: int, act: Callable[[], None]) -> None:
        """Do something `delay` [ps] later, in the order of arrivals of packet ids."""
        if delay:
            self._later(delay, packet, lambda _: act())
        else:
            act()

    def summed(self, meeting: int, index: int) -> None:
        """Know that a packet of a meeting has come together: the first begins its legs down, the last ends those up."""
        now, down = int(self.env.now), self.trees.legs_down[meeting]
        count = self.summed_packets[meeting] = self.summed_packets.get(meeting, 0) + 1
        if count == 1:
            for leg in down:
                self.entry_ps[leg] = self.release_ps[leg] = now
        if count == self.packets[down[0]]:
            for leg in self.trees.legs_up[meeting]:
                self._delivered(leg)
            for leg in down:
                self.sent_ps[leg] = now
                self._tell(self.after_sent[leg])
                self._finish_one()

    # -- faults -------------------------------------------------------------------------------------

    def _schedule_faults(self) -> None:
        for time, channel, factor in self.failures.rows():
            self._later(time, FAULT, lambda _, c=channel, f=factor: self._fault(c, f))

    def _fault(self, channel: int, factor: float) -> None:
        now = int(self.env.now)
        lost, planned = self.ports[channel].change(factor, now)
        for packet in lost:
            self._lose(packet)
        touched = set()
        for packet, end in planned:
            if self._is_leaving(packet):
                self.leaving[packet.message][packet.id] = end
                touched.add(packet.message)
        for message in sorted(touched):
            self._watch_sent(message, now)

    def _is_leaving(self, packet: Packet) -> bool:
        """Return whether its message waits for this packet to leave its source."""
        return packet.at == packet.origin and not packet.repeat and packet.message in self.leaving

    def _lose(self, packet: Packet) -> None:
        if packet.lost:
            return  # its rest was still on its way when a second channel broke; it is replaced already
        packet.lost = True
        self.dropped += packet.payload
        if self._is_leaving(packet):
            # cut off half sent: for its sender it has left
            ends, now = self.leaving[packet.message], int(self.env.now)
            ends[packet.id] = min(ends[packet.id] or now, now)
            self._watch_sent(packet.message, now)
        again = Packet(
            packet.id, packet.message, packet.payload, packet.wire, packet.origin, packet.end, repeat=True
        )
        self._later(self.failures.detect_ps, RELEASE, lambda _: self._resend(again))

    def _resend(self, packet: Packet) -> None:
        self.retransmitted += packet.payload
        self.hops[packet.origin].accept(packet, int(self.env.now))

    # -- the run ------------------------------------------------------------------------------------

    def run(self, watch: Watch | None = None) -> Record:
        """Simulate to the last delivery. Raises StallError if nothing moves any more before that."""
        self.watch = watch
        self._schedule_faults()
        self._begin()
        try:
            self.env.run(until=self.finished)
        except RuntimeError as error:
            # SimPy's word for an empty queue before `until`; any other RuntimeError is a fault of ours
            if "No scheduled events left" not in str(error):
                raise
            raise StallError(self._stall()) from None
        return self._record()

    def _stall(self) -> str:
        missing = [
            m for m, time in enumerate(self.delivered_ps) if time == UNKNOWN and self.release_ps[m] != UNKNOWN
        ]
        name = self.fabric.node_name
        lines = [
            f"nothing moves after {format_time(float(self.env.now) * 1e-12)}: {len(missing)} messages are undelivered"
        ]
        lines += self._held_up()
        dead = [channel for channel, port in self.ports.items() if port.down_since is not None]
        if dead:
            # from where packets wait as well: their sources may have a way that they have no more
            waiting = {
                (int(self.fabric.channel_src[channel]), self.dst[packet.message])
                for channel in dead
                for packet in self.ports[channel].stuck
            }
            lines += cut_apart(self.fabric, dead, waiting | {(self.src[m], self.dst[m]) for m in missing})
        for message in missing[:5]:
            op = self.schedule.operations[self.operation[message]].name
            a, b = name(self.src[message]), name(self.dst[message])
            left = self.undelivered[message]
            lines.append(f"  {b} waits for {left} of {self.packets[message]} packets of {op!r} from {a}")
        return "\n".join(lines)

    def _held_up(self) -> list[str]:
        """Return a line for each channel that packets wait for in vain."""
        lines = []
        for port in self.ports.values():
            if port.waiting:
                since = format_time((port.down_since or 0) * 1e-12)
                channel = self.fabric.channel_name(port.wiring.channel)
                lines.append(
                    f"  {port.waiting} packets wait at {channel}, which is down since {since} and not repaired"
                )
        return lines

    def _record(self) -> Record:
        channels = np.array(sorted(c for c, port in self.ports.items() if port.sent), np.int64)
        ports = [self.ports[c] for c in channels.tolist()]
        arrivals = np.array(self.arrivals, np.int64).reshape(-1, 3)
        return Record(
            entry_ps=np.array(self.entry_ps, np.int64),
            release_ps=np.array(self.release_ps, np.int64), sent_ps=np.array(self.sent_ps, np.int64),
            delivered_ps=np.array(self.delivered_ps, np.int64), channels=channels,
            channel_packets=np.array([p.sent for p in ports], np.int64),
            channel_wire=np.array([p.wire for p in ports], np.int64),
            channel_busy_ps=np.array([p.busy for p in ports], np.int64),
            channel_peak=np.array([p.queue_peak() for p in ports], np.int64),
            arrival_ps=arrivals[:, 0], arrival_bytes=arrivals[:, 1], arrival_message=arrivals[:, 2],
            packets=self.packets_sent, dropped=self.dropped, retransmitted=self.retransmitted,
        )  # fmt: skip


def lists(starts: IntArray, items: IntArray) -> list[list[int]]:
    """Return CSR rows as plain lists."""
    flat, bounds = items.tolist(), starts.tolist()
    return [flat[begin:end] for begin, end in pairwise(bounds)]
