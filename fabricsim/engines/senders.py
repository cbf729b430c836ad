"""Senders: which packets of a message may enter its source queue now.

A flow is one message as its source sees it. `take` hands out packets, `answered` hears what came back. Words and
formulas: docs/model.md, "Senders".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fabricsim.model import Model, transmit_ps
from fabricsim.units import PS_PER_S, to_ps


@dataclass(frozen=True)
class Source:
    """What a flow knows of its message and its source.

    line_rate [B/s]: what the message's first channels carry. later: call something after so many ps. wake: have the
    source take from this flow at the end of the instant.
    """

    model: Model
    size: int
    line_rate: int
    later: Callable[[int, Callable[[], None]], None]
    wake: Callable[[], None]

    @property
    def packets(self) -> int:
        """How many packets the message has."""
        return self.model.packets(self.size)

    def payload(self, index: int) -> int:
        """Return the payload bytes of a packet."""
        return self.model.mtu if index + 1 < self.packets else self.model.last_payload(self.size)


class Flow:
    """A flow without limit: everything enters at once."""

    __slots__ = ("_source", "entered")

    def __init__(self, source: Source) -> None:
        self._source = source
        self.entered = 0
        """How many packets have entered, once each."""

    def take(self, now: int) -> list[int]:
        """Return the packets that enter now, in order."""
        first = self.entered
        while self.entered < self._source.packets and self._may_enter(self.entered, now):
            self.entered += 1
        return list(range(first, self.entered))

    def _may_enter(self, index: int, now: int) -> bool:
        """Return whether a packet may enter, and know that it does."""
        return True

    def answered(self, index: int, marked: bool, now: int) -> None:
        """Hear that a packet has arrived; called once for each."""

    def notified(self, now: int) -> None:
        """Hear that the destination saw a mark."""

    def pulled(self, packets: int = 1) -> None:
        """Hear that the other end asks for more packets."""


class Window(Flow):
    """At most a window of payload bytes is in and not acknowledged."""

    __slots__ = ("_open", "window")

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.window = source.model.sender.window or 0
        self._open = 0

    def _may_enter(self, index: int, now: int) -> bool:
        payload = self._source.payload(index)
        if self._open + payload > self.window:
            return False
        self._open += payload
        return True

    def answered(self, index: int, marked: bool, now: int) -> None:
        """Make room for what the acknowledged packet had taken."""
        self._open -= self._source.payload(index)
        self._source.wake()


class Dctcp(Window):
    """A window that shrinks by the share of marked bytes, once a window, and else grows by one packet (RFC 8257)."""

    __slots__ = ("_acknowledged", "_alpha", "_marked", "_update_at")

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._alpha = 1.0
        self._acknowledged = self._marked = 0
        self._update_at: int | None = None

    def answered(self, index: int, marked: bool, now: int) -> None:
        """Sum up marks, and change the window once a window."""
        payload = self._source.payload(index)
        self._acknowledged += payload
        self._marked += payload if marked else 0
        if self._update_at is None:
            self._update_at = self.entered  # the first window is watched to its end
        elif index >= self._update_at:
            self._update()
        super().answered(index, marked, now)

    def _update(self) -> None:
        model = self._source.model
        g = model.sender.g
        self._alpha = (1 - g) * self._alpha + g * (self._marked / self._acknowledged)
        if self._marked:
            self.window = max(model.mtu, int(self.window * (1 - self._alpha / 2)))
        else:
            self.window += model.mtu
        self._acknowledged = self._marked = 0
        self._update_at = self.entered


class Dcqcn(Flow):
    """A rate that shrinks by notifications, and grows by time and bytes (Zhu et al., SIGCOMM 2015).

    Three stages of growth: fast recovery, additive increase, hyper increase.
    """

    __slots__ = ("_alpha", "_by_bytes", "_by_time", "_bytes", "_epoch", "_next", "_running", "rate", "target")

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.rate = self.target = float(source.line_rate)
        self._alpha = 1.0
        self._bytes = self._by_bytes = self._by_time = self._epoch = self._next = 0
        self._running = False

    def _may_enter(self, index: int, now: int) -> bool:
        if now < self._next:
            return False
        wire = self._source.model.wire(self._source.payload(index))
        pace = transmit_ps(wire, int(self.rate))
        self._next = now + pace
        if index + 1 < self._source.packets:
            self._source.later(pace, self._source.wake)
        self._count(wire)
        return True

    def _count(self, wire: int) -> None:
        """Count bytes towards the next increase; nothing counts before the first notification."""
        if not self._running:
            return
        self._bytes += wire
        if self._bytes >= self._source.model.sender.byte_counter:
            self._bytes -= self._source.model.sender.byte_counter
            self._by_bytes += 1
            self._increase()

    def notified(self, now: int) -> None:
        """Cut the rate, and start the timer and the count of bytes anew."""
        sender = self._source.model.sender
        self.target = self.rate
        self.rate = max(float(sender.min_rate), self.rate * (1 - self._alpha / 2))
        self._alpha = (1 - sender.g) * self._alpha + sender.g
        self._bytes = self._by_bytes = self._by_time = 0
        self._running = True
        self._epoch += 1
        self._start_timer(self._epoch)

    def _start_timer(self, epoch: int) -> None:
        self._source.later(to_ps(self._source.model.sender.timer), lambda: self._timer(epoch))

    def _timer(self, epoch: int) -> None:
        if epoch != self._epoch or self.entered == self._source.packets:
            return  # a notification has started it anew, or nothing is left to send
        self._alpha *= 1 - self._source.model.sender.g
        self._by_time += 1
        self._increase()
        self._start_timer(epoch)

    def _increase(self) -> None:
        sender = self._source.model.sender
        hyper = min(self._by_time, self._by_bytes) - sender.fast_recovery
        if max(self._by_time, self._by_bytes) > sender.fast_recovery:
            step = hyper * sender.hyper_increase if hyper > 0 else sender.increase
            self.target = min(float(self._source.line_rate), self.target + step)
        self.rate = (self.target + self.rate) / 2


class Granted(Flow):
    """So many packets at once, then one packet for each that is asked for."""

    __slots__ = ("_allowed",)

    def __init__(self, source: Source, allowed: int) -> None:
        super().__init__(source)
        self._allowed = allowed

    def _may_enter(self, index: int, now: int) -> bool:
        return index < self._allowed

    def pulled(self, packets: int = 1) -> None:
        """Let more packets in."""
        self._allowed += packets
        self._source.wake()


def pull(source: Source) -> Flow:
    """Return a flow whose destination asks for what is beyond the first window (Handley et al., SIGCOMM 2017)."""
    return Granted(source, (source.model.sender.window or 0) // source.model.mtu)


FLOWS: Final[Mapping[str, Callable[[Source], Flow]]] = {
    "unlimited": Flow,
    "window": Window,
    "dctcp": Dctcp,
    "dcqcn": Dcqcn,
    "pull": pull,
}
"""What makes the flow of a message, by kind of sender."""


class Puller:
    """The destination's side of `pull`: one queue of pulls a rank, sent at the pace of the channels into it."""

    __slots__ = ("_free", "_later", "_pace")

    def __init__(self, model: Model, rate: int, later: Callable[[int, Callable[[], None]], None]) -> None:
        self._pace = -(-model.full_wire * PS_PER_S // rate)
        self._later = later
        self._free = 0

    def ask(self, now: int, send: Callable[[], None]) -> None:
        """Send one pull when its turn comes."""
        due = max(now, self._free)
        self._free = due + self._pace
        self._later(due - now, send)
