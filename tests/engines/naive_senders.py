"""Senders that wait for what comes back, written from docs/model.md alone on top of the naive simulator, to test them.

DCTCP's window, DCQCN's rate and the receiver's pulls, each with tables by message in place of objects; timers are
events of a phase of their own, after arrivals, answers and credits.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps
from fabricsim.routing import Routes
from fabricsim.schedule import Messages
from fabricsim.units import PS_PER_S, to_ps
from tests.engines.naive_feedback import Item, Naive

TIMER = 3
"""The phase of timers."""


@dataclass
class Window:
    """What a DCTCP sender knows of a message."""

    size: int
    alpha: float = 1.0
    acknowledged: int = 0
    marked: int = 0
    update_at: int | None = None


@dataclass
class Rate:
    """What a DCQCN sender knows of a message."""

    line: int
    now: float
    target: float
    alpha: float = 1.0
    due: int = 0
    watched: bool = False
    bytes: int = 0
    by_bytes: int = 0
    by_time: int = 0
    round: int = 0


class NaiveSenders(Naive):
    def __init__(self, fabric: Fabric, messages: Messages, paths: Routes, model: Model, seed: int) -> None:
        super().__init__(fabric, messages, paths, model, seed)
        window = model.sender.window or 0
        count = range(len(messages))
        self.windows = [Window(window) for _ in count]
        lines = [self.bandwidth({item.route[0] for item in self.items[m]}) for m in count]
        self.rates = [Rate(line, float(line), float(line)) for line in lines]
        self.granted = [window // model.mtu for _ in count]
        self.to_pull = [len(self.items[m]) - self.granted[m] for m in count]
        self.pull_free: dict[int, int] = defaultdict(int)
        self.notified_at: dict[int, int] = {}
        self.now = 0

    def bandwidth(self, channels: set[int]) -> int:
        return int(np.sum(self.fabric.bandwidth[sorted(channels)]))

    # -- sources --

    def sources(self, now: int, fresh: set[int]) -> None:
        self.now = now
        super().sources(now, fresh)

    def allowed(self, m: int) -> bool:
        kind, item = self.model.sender.kind, self.items[m][self.next[m]]
        if kind == "dctcp":
            return self.open[m] + item.payload <= self.windows[m].size
        if kind == "pull":
            return self.next[m] < self.granted[m]
        if kind == "dcqcn":
            return self.paced(m, item)
        return super().allowed(m)

    def paced(self, m: int, item: Item) -> bool:
        rate = self.rates[m]
        if self.now < rate.due:
            return False
        rate.due = self.now + transmit_ps(item.wire, int(rate.now))
        self.at(rate.due, TIMER, m, "go_on", m)
        if rate.watched:
            rate.bytes += item.wire
            if rate.bytes >= self.model.sender.byte_counter:
                rate.bytes -= self.model.sender.byte_counter
                rate.by_bytes += 1
                self.raise_rate(rate)
        return True

    def go_on(self, now: int, m: int) -> set[int]:
        return {m}

    # -- what comes back --

    def arrive(self, now: int, item: Item, channel: int) -> None:
        super().arrive(now, item, channel)
        if item.hop < len(item.route):
            return
        m, sender = item.message, self.model.sender
        if sender.kind == "pull" and self.to_pull[m] > 0:
            self.to_pull[m] -= 1
            dst = int(self.messages.dst[m])
            into = self.bandwidth({other.route[-1] for other in self.items[m]})
            turn = max(now, self.pull_free[dst])
            self.pull_free[dst] = turn + -(-self.model.full_wire * PS_PER_S // into)
            self.at(turn, TIMER, item.ident, "pull", item)
        if sender.kind == "dcqcn" and item.marked:
            last = self.notified_at.get(m)
            if last is None or now >= last + to_ps(sender.cnp_interval):
                self.notified_at[m] = now
                self.at(now + self.way_back(item.route), 0, item.ident, "notified", m)

    def pull(self, now: int, item: Item) -> None:
        self.at(now + self.way_back(item.route), 0, item.ident, "pulled", item.message)

    def pulled(self, now: int, m: int) -> set[int]:
        self.granted[m] += 1
        return {m}

    def answered(self, now: int, item: Item) -> set[int]:
        if self.model.sender.kind == "dctcp":
            self.weigh(self.windows[item.message], item)
        return super().answered(now, item)

    def weigh(self, window: Window, item: Item) -> None:
        m, g = item.message, self.model.sender.g
        first = sum(len(items) for items in self.items[:m])
        window.acknowledged += item.payload
        window.marked += item.payload * item.marked
        if window.update_at is None:
            window.update_at = self.next[m]
        elif item.ident - first >= window.update_at:
            window.alpha = (1 - g) * window.alpha + g * (window.marked / window.acknowledged)
            if window.marked:
                window.size = max(self.model.mtu, int(window.size * (1 - window.alpha / 2)))
            else:
                window.size += self.model.mtu
            window.acknowledged = window.marked = 0
            window.update_at = self.next[m]

    def notified(self, now: int, m: int) -> None:
        rate, sender = self.rates[m], self.model.sender
        rate.target = rate.now
        rate.now = max(sender.min_rate, rate.now * (1 - rate.alpha / 2))
        rate.alpha = (1 - sender.g) * rate.alpha + sender.g
        rate.bytes = rate.by_bytes = rate.by_time = 0
        rate.watched = True
        rate.round += 1
        self.at(now + to_ps(sender.timer), TIMER, m, "timer", m, rate.round)

    def timer(self, now: int, m: int, started: int) -> None:
        rate = self.rates[m]
        if started == rate.round and self.next[m] < len(self.items[m]):
            rate.alpha *= 1 - self.model.sender.g
            rate.by_time += 1
            self.raise_rate(rate)
            self.at(now + to_ps(self.model.sender.timer), TIMER, m, "timer", m, started)

    def raise_rate(self, rate: Rate) -> None:
        sender = self.model.sender
        low, high = sorted((rate.by_bytes, rate.by_time))
        more = 0
        if low > sender.fast_recovery:
            more = (low - sender.fast_recovery) * sender.hyper_increase
        elif high > sender.fast_recovery:
            more = sender.increase
        rate.target = min(float(rate.line), rate.target + more)
        rate.now = (rate.target + rate.now) / 2
