"""Link-level go-back-N: a channel that bit errors hit sends again what the far end could not take.

Words: docs/model.md, "Bit errors".
"""

from __future__ import annotations

from collections import deque
from typing import Any

import simpy

from fabricsim.engines.chance import share_of
from fabricsim.engines.gates import ANSWER
from fabricsim.engines.ports import Bell, Packet, Wiring
from fabricsim.engines.queues import LEAVE, Hooks, Node, QueuedPort
from fabricsim.model import Model
from fabricsim.units import to_ps


class RetryPort(QueuedPort):
    """A port whose channel has bit errors. Packets go on in order: after a hit the far end takes only the repeat."""

    __slots__ = ("_again", "_attempts", "_discarding", "_doomed", "_keeps", "_loop", "_refused")

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
        super().__init__(
            env, wiring, hooks, node, model, faulty=faulty, lanes=lanes, seed=seed, target=target
        )
        self._keeps = 1 - model.bit_error_rate  # the probability that one bit arrives as it left
        self._loop = 2 * (wiring.latency + to_ps(model.retry_delay))
        self._refused = Bell(env, self._go_back)
        self._discarding = False
        self._doomed: list[Packet] = []  # what was sent from the hit on
        self._again: deque[Packet] = deque()  # what is to be sent before anything else
        self._attempts: dict[int, int] = {}

    def _has_work(self) -> bool:
        return bool(self._again or self.contenders)

    def _pick(self, bell: Any) -> None:
        if not self._again:
            super()._pick(bell)
            return
        self._picking = False
        now = int(self._env.now)
        if self.free <= now:
            self.repeats += 1
            end = self._transmit(self._again.popleft(), now)
            self._end_bell.ring_in(end - now, LEAVE)

    def _ended(self, bell: Any) -> None:
        if self._sending is None:  # a repeat: what it held was let go of the first time
            self.pick_soon()
        else:
            super()._ended(bell)

    def _fly(self, packet: Packet, start: int, end: int) -> None:
        attempt = self._attempts.pop(packet.id, 0)
        if self._discarding or self._is_hit(packet, attempt):
            self._attempts[packet.id] = attempt + 1
            self._doomed.append(packet)
            if not self._discarding:
                self._discarding = True
                self._refused.ring_in(end - start + self._loop, ANSWER)
        else:
            super()._fly(packet, start, end)

    def _is_hit(self, packet: Packet, attempt: int) -> bool:
        odds = 1 - self._keeps ** (8 * packet.wire)
        return share_of(self.seed, packet.id, self.wiring.channel, attempt) < odds

    def _go_back(self, _: Any) -> None:
        """Hear of the hit: send again everything from there on."""
        self._again.extendleft(reversed(self._doomed))
        self._doomed = []
        self._discarding = False
        self.pick_soon()
