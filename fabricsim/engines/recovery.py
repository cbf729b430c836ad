"""Losses end to end: what a destination takes of what arrives, and what its source sends again.

One recovery stands for one message. Words: docs/model.md, "Losses end to end".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fabricsim.errors import StallError
from fabricsim.model import Model
from fabricsim.units import to_ps

Verdict = Literal["new", "duplicate", "out of order", "discarded"]
"""What becomes of a packet: taken; there already; discarded, and the first since progress, or a later one."""


@dataclass(frozen=True)
class Ends:
    """What a recovery may ask of the two ends of its message.

    later: call something after so many ps. again: have the source send a packet again. back_to: have it send everything
    from a packet on again. name: the message, for an error.
    """

    later: Callable[[int, Callable[[], None]], None]
    again: Callable[[int], None]
    back_to: Callable[[int], None]
    name: Callable[[], str]


class Recovery:
    """A message of a network that loses nothing: each packet arrives once."""

    __slots__ = ()

    def arrived(self, index: int) -> tuple[Verdict, int]:
        """Judge a packet at the destination; return the verdict, and the packet that the answer is about."""
        return "new", index

    def left(self, index: int) -> None:
        """Know that a packet's last bit has left the source."""

    def answered(self, verdict: Verdict, about: int) -> list[int]:
        """Hear an answer at the source; return the packets that it acknowledges for the first time."""
        return [about]


class SelectiveRepeat(Recovery):
    """Every packet is acknowledged, and sent again where that does not come in time."""

    __slots__ = ("_acknowledged", "_ends", "_repeats", "_seen", "_sender", "_timeout")

    def __init__(self, ends: Ends, model: Model, packets: int) -> None:
        self._ends, self._sender = ends, model.sender
        self._timeout = to_ps(model.sender.timeout)
        self._seen, self._acknowledged = bytearray(packets), bytearray(packets)
        self._repeats: dict[int, int] = {}

    def arrived(self, index: int) -> tuple[Verdict, int]:
        """Take each packet once, in any order."""
        verdict: Verdict = "duplicate" if self._seen[index] else "new"
        self._seen[index] = 1
        return verdict, index

    def left(self, index: int) -> None:
        """Give a packet its time to be acknowledged."""
        self._ends.later(self._timeout, lambda: self._check(index))

    def answered(self, verdict: Verdict, about: int) -> list[int]:
        """Note that a packet has arrived."""
        if self._acknowledged[about]:
            return []
        self._acknowledged[about] = 1
        return [about]

    def _check(self, index: int) -> None:
        if self._acknowledged[index]:
            return
        self._repeats[index] = self._repeats.get(index, 0) + 1
        if self._repeats[index] > self._sender.retries:
            raise StallError(
                f"{self._ends.name()}: packet {index} was sent {self._repeats[index]} times in vain"
            )
        self._ends.again(index)


class GoBackN(Recovery):
    """The destination takes packets in order only; the source goes back to the first one that is missing."""

    __slots__ = (
        "_asked",
        "_base",
        "_ends",
        "_epoch",
        "_expected",
        "_high",
        "_repeats",
        "_sender",
        "_timeout",
    )

    def __init__(self, ends: Ends, model: Model, packets: int) -> None:
        self._ends, self._sender = ends, model.sender
        self._timeout = to_ps(model.sender.timeout)
        self._expected = self._base = self._high = self._epoch = self._repeats = 0
        self._asked = False

    def arrived(self, index: int) -> tuple[Verdict, int]:
        """Take the packet that is next; ask for it where another one comes, once until it is there."""
        if index == self._expected:
            self._expected += 1
            self._asked = False
            return "new", index
        if index < self._expected:
            return "duplicate", self._expected - 1
        if self._asked:
            return "discarded", self._expected - 1
        self._asked = True
        return "out of order", self._expected

    def left(self, index: int) -> None:
        """Give the oldest packet its time, from now on."""
        self._high = max(self._high, index + 1)
        self._restart()

    def answered(self, verdict: Verdict, about: int) -> list[int]:
        """Note that all packets up to one have arrived; go back where the one asked for is missing."""
        new = list(range(self._base, about if verdict == "out of order" else about + 1))
        if new:
            self._base += len(new)
            self._repeats = 0
            self._restart()
        if verdict == "out of order" and about >= self._base:
            self._go_back()
        return new

    def _restart(self) -> None:
        self._epoch += 1
        epoch = self._epoch
        self._ends.later(self._timeout, lambda: self._check(epoch))

    def _check(self, epoch: int) -> None:
        if epoch == self._epoch and self._base < self._high:
            self._go_back()

    def _go_back(self) -> None:
        self._repeats += 1
        if self._repeats > self._sender.retries:
            raise StallError(
                f"{self._ends.name()}: packet {self._base} was sent {self._repeats} times in vain"
            )
        self._ends.back_to(self._base)


RECOVERIES: Final[Mapping[str, Callable[[Ends, Model, int], Recovery]]] = {
    "selective-repeat": SelectiveRepeat,
    "go-back-n": GoBackN,
}
"""What makes the recovery of a message, by what is sent again after a loss."""
