"""What a port does: it sends one packet at a time over its channel, first come, first served.

The buffer is infinite, so a packet's departure is known the moment it arrives: it starts when the channel is
free. A port therefore plans ahead, and one event per packet and hop is enough: the packet's arrival at the far
end. A fault changes the rate, and the port plans anew what has not started.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import simpy

from fabricsim.model import transmit_ps
from fabricsim.units import PS_PER_S

FAULT: Final = -(1 << 62)
COMPLETION: Final = 1 << 60
RELEASE: Final = 1 << 61
PICK: Final = 1 << 62
"""Phases of an instant, as SimPy priorities: faults, arrivals (by packet id), completions, releases, picks."""


class Packet:
    """One packet on its way. `at` and `end` index the kernel's list of hops, `origin` is where it began.

    A `lost` packet that was already passing through a switch travels on, and is discarded where it ends; a
    `repeat` replaces it.

    In networks with feedback: the port and the gate that it came `via`, None at its source; the port that it waits to
    go `out` by, its `lane` there, and its `turn` in the node; whether it is `marked`. Where it chooses its path, the
    `trail` of channels that it has taken, the `stride` of its choices, whether it was `granted`
    its room beforehand, and its history on the `escape` network.
    """

    __slots__ = (
        "at", "end", "escape", "gate", "granted", "id", "lane", "lost", "marked", "message", "origin", "out", "payload",
        "repeat", "stride", "trail", "turn", "via", "wire",
    )  # fmt: skip

    escape: int
    gate: Any
    granted: bool
    lane: int
    marked: bool
    out: Any
    stride: int
    trail: list[int]
    turn: int
    via: Any

    def __init__(
        self,
        ident: int,
        message: int,
        payload: int,
        wire: int,
        origin: int,
        end: int,
        *,
        repeat: bool = False,
    ) -> None:
        self.id = ident
        self.message = message
        self.payload = payload
        self.wire = wire
        self.at = self.origin = origin
        self.end = end
        self.lost = False
        self.repeat = repeat


class Bell(simpy.Event):
    """An event that rings again and again, each time at a time and with a priority of its own."""

    def __init__(self, env: simpy.Environment, ring: Callable[[Any], None]) -> None:
        super().__init__(env)
        self._ring = [ring]
        self._ok = True
        self._value = None

    def ring_in(self, delay: int, priority: int) -> None:
        """Ring after `delay` picoseconds. Not to be called again before it has rung."""
        self.callbacks = self._ring
        self.env.schedule(self, priority, delay)  # type: ignore[arg-type]  # any integer orders a heap

    def silence(self) -> None:
        """Do nothing when it rings; for a bell that has been replaced."""
        self.callbacks = []


@dataclass(frozen=True)
class Wiring:
    """What a port must know of its channel and of the node at its far end. Times in ps, bandwidth in B/s."""

    channel: int
    bandwidth: int
    latency: int
    delay: int
    header: int | None
    """Wire bytes that must be in before the head may move on; None for store-and-forward."""


class Port:
    """The port that feeds one channel."""

    __slots__ = (
        "_bell", "_env", "_far", "_head", "_hops", "_latency", "_line", "_peak_ps", "_receive", "_tails", "_tx",
        "_waiting", "busy", "down_since", "free", "peak_bytes", "rate", "sent", "wire", "wiring",
    )  # fmt: skip

    def __init__(
        self,
        env: simpy.Environment,
        wiring: Wiring,
        hops: list[Port],
        receive: Callable[[Packet], None],
        *,
        faulty: bool,
    ) -> None:
        self.wiring = wiring
        self._env = env
        self._hops = hops
        self._receive = receive
        self._latency = wiring.latency
        self._far = wiring.latency + wiring.delay
        self._bell = Bell(env, self._arrive)
        # (due at the far end, start, packet), in order
        self._line: deque[tuple[int, int, Packet]] = deque()
        # (last bit's arrival, start, packet), kept only where a fault can cut a packet off
        self._tails: deque[tuple[int, int, Packet]] | None = deque() if faulty else None
        self._waiting: list[Packet] = []
        self.down_since: int | None = None
        self.free = self.busy = self.sent = self.wire = self._peak_ps = 0
        self.peak_bytes = 0
        self.rate = 0
        self._set_rate(wiring.bandwidth)

    @property
    def stuck(self) -> tuple[Packet, ...]:
        """The packets that wait for the channel to come up."""
        return tuple(self._waiting)

    @property
    def waiting(self) -> int:
        """How many packets wait for a channel that is down."""
        return len(self._waiting)

    def queue_peak(self) -> int:
        """Return the largest backlog so far in wire bytes, the packet in transmission included."""
        return max(self.peak_bytes, self._peak_ps * self.rate // PS_PER_S)

    def transmit(self, wire: int) -> int:
        """Return how long `wire` bytes take here, in ps."""
        tx = self._tx.get(wire)
        if tx is None:
            tx = self._tx[wire] = transmit_ps(wire, self.rate)
        return tx

    def accept(self, packet: Packet, now: int) -> int | None:
        """Queue a packet that is ready to leave at `now`; return when its last bit leaves, None if that is unknown."""
        if self.down_since is not None:
            self._waiting.append(packet)
            return None
        wire = packet.wire
        start = self.free if self.free > now else now
        tx = self._tx.get(wire) or self.transmit(wire)
        self.free = end = start + tx
        self.busy += tx
        self.sent += 1
        self.wire += wire
        if end - now > self._peak_ps:
            self._peak_ps = end - now
        due = end + self._latency
        if packet.at + 1 < packet.end:
            due = end + self._far
            if self._head is not None:
                # the head moves on once it is in, but no earlier than lets the tail never run dry at the next rate
                due = max(start + self._head, due - self._hops[packet.at + 1].transmit(wire))
        if self._tails is not None:
            self._remember(end + self._latency, start, packet, now)
        line = self._line
        if line and (due, packet.id) < (line[-1][0], line[-1][2].id):
            self._overtake(due, start, packet, now)
            return end
        line.append((due, start, packet))
        if len(line) == 1:
            self._bell.ring_in(due - now, packet.id)
        return end

    def _overtake(self, due: int, start: int, packet: Packet, now: int) -> None:
        """Put a packet that ends at the far node before those that have yet to pass through it."""
        after = bisect_right(self._line, (due, packet.id), key=lambda entry: (entry[0], entry[2].id))
        self._line.insert(after, (due, start, packet))
        if after == 0:
            self._rearm(now)

    def _arrive(self, _: simpy.Event) -> None:
        line = self._line
        now, _start, packet = line.popleft()
        if line:
            due, _start, following = line[0]
            self._bell.ring_in(due - now, following.id)
        packet.at += 1
        if packet.at < packet.end:
            self._hops[packet.at].accept(packet, now)
        else:
            self._receive(packet)

    # -- faults -------------------------------------------------------------------------------------

    def change(self, factor: float, now: int) -> tuple[list[Packet], list[tuple[Packet, int | None]]]:
        """Set the rate to `factor` of the channel's, for transmissions that start at `now` or later.

        0 takes the channel down: packets whose last bit has not arrived are lost, the others wait. Returns the lost
        packets, and those planned anew with the time their last bit leaves.
        """
        pending = self._recall(now)
        lost = self._cut_off(now) if factor == 0 else []
        if factor == 0:
            self.down_since = now if self.down_since is None else self.down_since
            self._waiting.extend(pending)
            ends: list[int | None] = [None] * len(pending)
        else:
            self.down_since = None
            self._set_rate(max(1, round(self.wiring.bandwidth * factor)))
            pending, self._waiting = self._waiting + pending, []
            ends = []
        self._rearm(now)
        if factor != 0:
            ends = [self.accept(packet, now) for packet in pending]
        return lost, list(zip(pending, ends, strict=True))

    def _set_rate(self, rate: int) -> None:
        self.peak_bytes = max(self.peak_bytes, self._peak_ps * self.rate // PS_PER_S)
        self._peak_ps = 0
        self.rate = rate
        self._tx: dict[int, int] = {}
        header = self.wiring.header
        self._head = None if header is None else (transmit_ps(header, rate) if header else 0) + self._far

    def _remember(self, tail: int, start: int, packet: Packet, now: int) -> None:
        assert self._tails is not None
        while self._tails and self._tails[0][0] <= now:
            self._tails.popleft()
        self._tails.append((tail, start, packet))

    def _recall(self, now: int) -> list[Packet]:
        """Take back every packet that has not started."""
        assert self._tails is not None
        pending = [packet for _, start, packet in self._line if start >= now]
        self._line = deque(entry for entry in self._line if entry[1] < now)
        self._tails = deque(entry for entry in self._tails if entry[1] < now)
        for packet in pending:
            self.busy -= self.transmit(packet.wire)
            self.sent -= 1
            self.wire -= packet.wire
        started = [tail - self._latency for tail, _, _ in self._tails]
        self.free = max(started, default=now)
        return pending

    def _cut_off(self, now: int) -> list[Packet]:
        """Lose every packet whose last bit has not arrived."""
        assert self._tails is not None
        lost = [packet for tail, _, packet in self._tails if tail > now]
        self._tails = deque()
        gone = {packet.id for packet in lost}
        self._line = deque(entry for entry in self._line if entry[2].id not in gone)
        self.busy -= max(0, self.free - now)
        self.free = now
        return lost

    def _rearm(self, now: int) -> None:
        self._bell.silence()
        self._bell = Bell(self._env, self._arrive)
        if self._line:
            self._bell.ring_in(self._line[0][0] - now, self._line[0][2].id)
