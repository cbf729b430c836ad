"""Flow control: whether a packet may start on a channel's lane, and what its buffer at the far end answers.

A gate stands for one lane of one channel: at the sender it is open or shut, at the far end it counts the buffer. Its
answers reach the sender later, in the order in which they were given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import simpy

from fabricsim.engines.ports import Bell, Wiring
from fabricsim.model import Model
from fabricsim.units import PS_PER_S, to_ps

ANSWER: Final = (1 << 60) - 1
"""Phase of what comes back over a channel, as a SimPy priority: with the arrivals of its instant, after them."""


class Gate:
    """A lane with a buffer that has no limit: always open. Sizes in wire bytes, times in ps."""

    __slots__ = ("drops", "pauses", "peak", "waiting_for")

    def __init__(self) -> None:
        self.drops = self.pauses = self.peak = 0
        self.waiting_for = ""

    def open(self, wire: int) -> bool:
        """Return whether a packet may start."""
        return True

    def take(self, wire: int) -> None:
        """Know that a packet starts."""

    def enter(self, wire: int) -> bool:
        """Put a packet that goes on from the far end into the buffer; return False if it does not fit and is lost."""
        return True

    def leave(self, wire: int) -> None:
        """Know that a packet's last bit has left the buffer, or has arrived where it ends."""

    def end(self, wire: int) -> None:
        """Know that a packet has arrived where it ends, without entering the buffer."""

    def lose(self, wire: int) -> None:
        """Know that a packet was lost on the channel."""

    def paused_ps(self, now: int) -> int:
        """Return how long the gate has been shut by a pause in all."""
        return 0


class Answering(Gate):
    """A gate whose far end answers; an answer reaches the sender `delay` after it was given."""

    __slots__ = ("_bell", "_delay", "_env", "_line", "_wake")

    def __init__(self, env: simpy.Environment, delay: int, wake: Callable[[], None]) -> None:
        super().__init__()
        self._env, self._delay, self._wake = env, delay, wake
        self._bell = Bell(env, self._ring)
        self._line: deque[tuple[int, int]] = deque()  # (due, answer)

    def _answer(self, value: int) -> None:
        self._line.append((int(self._env.now) + self._delay, value))
        if len(self._line) == 1:
            self._bell.ring_in(self._delay, ANSWER)

    def _ring(self, _: Any) -> None:
        now, value = self._line.popleft()
        if self._line:
            self._bell.ring_in(self._line[0][0] - now, ANSWER)
        self._heard(value, now)

    def _heard(self, value: int, now: int) -> None:
        """Act on an answer, at the sender."""
        raise NotImplementedError


class Credits(Answering):
    """A lane with so many credits of one cell each: a packet takes its cells, and they come back from its buffer."""

    __slots__ = ("_cell", "credits", "total")

    def __init__(
        self, env: simpy.Environment, delay: int, wake: Callable[[], None], cell: int, total: int
    ) -> None:
        super().__init__(env, delay, wake)
        self._cell = cell
        self.credits = self.total = total
        self.waiting_for = "credits"

    def open(self, wire: int) -> bool:
        """Return whether there are credits for all cells of a packet."""
        return self.credits >= -(-wire // self._cell)

    def take(self, wire: int) -> None:
        """Take the credits of a packet that starts."""
        self.credits -= -(-wire // self._cell)
        self.peak = max(self.peak, (self.total - self.credits) * self._cell)

    def leave(self, wire: int) -> None:
        """Send the credits of a packet back."""
        self._answer(-(-wire // self._cell))

    end = leave

    def lose(self, wire: int) -> None:
        """Have the credits of a packet back at once: a link that comes up again knows of none."""
        self._heard(-(-wire // self._cell), int(self._env.now))

    def _heard(self, value: int, now: int) -> None:
        self.credits += value
        self._wake()


class Pause(Answering):
    """A lane whose buffer asks for a pause when it fills, and for more when it has emptied."""

    __slots__ = ("_asked", "_limit", "_occupied", "_pause_at", "_paused", "_resume_at", "_shut_ps", "_since")

    def __init__(
        self,
        env: simpy.Environment,
        delay: int,
        wake: Callable[[], None],
        thresholds: tuple[int, int],
        limit: int,
    ) -> None:
        super().__init__(env, delay, wake)
        self._pause_at, self._resume_at = thresholds
        self._limit = limit
        self._occupied = self._since = self._shut_ps = 0
        self._asked = self._paused = False
        self.waiting_for = "the end of a pause"

    def open(self, wire: int) -> bool:
        """Return whether no pause is in force."""
        return not self._paused

    def enter(self, wire: int) -> bool:
        """Put a packet into the buffer, and ask for a pause if that fills it above the threshold."""
        if self._occupied + wire > self._limit:
            self.drops += 1
            return False
        self._occupied += wire
        self.peak = max(self.peak, self._occupied)
        if self._occupied > self._pause_at and not self._asked:
            self._asked = True
            self._answer(1)
        return True

    def leave(self, wire: int) -> None:
        """Take a packet out of the buffer, and end the pause if that empties it to the threshold."""
        self._occupied -= wire
        if self._asked and self._occupied <= self._resume_at:
            self._asked = False
            self._answer(0)

    def _heard(self, value: int, now: int) -> None:
        self._paused = bool(value)
        if self._paused:
            self.pauses += 1
            self._since = now
        else:
            self._shut_ps += now - self._since
            self._wake()

    def paused_ps(self, now: int) -> int:
        """Return how long pauses have been in force, the present one up to now."""
        return self._shut_ps + (now - self._since if self._paused else 0)


class TailDrop(Gate):
    """A lane that is always open, and whose buffer drops what does not fit."""

    __slots__ = ("_limit", "_occupied")

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit, self._occupied = limit, 0

    def enter(self, wire: int) -> bool:
        """Put a packet into the buffer if it fits."""
        if self._occupied + wire > self._limit:
            self.drops += 1
            return False
        self._occupied += wire
        self.peak = max(self.peak, self._occupied)
        return True

    def leave(self, wire: int) -> None:
        """Take a packet out of the buffer."""
        self._occupied -= wire


Maker = Callable[[simpy.Environment, Wiring, Model, Callable[[], None]], Gate]


def _credits(env: simpy.Environment, wiring: Wiring, model: Model, wake: Callable[[], None]) -> Gate:
    delay = wiring.latency + to_ps(model.credit_delay)
    return Credits(env, delay, wake, model.cell, (model.buffer or 0) // model.cell)


def _pause(env: simpy.Environment, wiring: Wiring, model: Model, wake: Callable[[], None]) -> Gate:
    headroom = model.headroom
    if headroom is None:
        # what is sent until a pause takes effect, what is still in the node's pipeline, and the packets at both ends
        loop = 2 * wiring.latency + wiring.delay
        headroom = -(-loop * wiring.bandwidth // PS_PER_S) + 2 * model.full_wire
    thresholds = (model.pause_at, model.resume_at)
    return Pause(env, wiring.latency, wake, thresholds, (model.buffer or 0) + headroom)


def _tail_drop(env: simpy.Environment, wiring: Wiring, model: Model, wake: Callable[[], None]) -> Gate:
    return TailDrop(model.buffer or 0)


GATES: Final[Mapping[str, Maker]] = {"credits": _credits, "pfc": _pause, "none": _tail_drop}
"""What makes the gates of a finite buffer, by flow control."""


def gate_of(env: simpy.Environment, wiring: Wiring, model: Model, wake: Callable[[], None]) -> Gate:
    """Return the gate of one lane of a channel; `wake` is called when it may have opened."""
    return Gate() if model.buffer is None else GATES[model.flow_control](env, wiring, model, wake)
