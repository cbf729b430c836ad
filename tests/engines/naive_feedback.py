"""A second, slow simulator of networks with feedback, written from docs/model.md alone, to test the kernel.

It keeps plain lists of everything that waits, and a table of what happens when; at each instant it plays the phases
one after another until nothing new comes, and then lets every channel pick. One round, one lane, store-and-forward or
cut-through; buffers of every kind, queues of every kind, marks, and windows. Nothing is sent again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from fabricsim.fabric import Fabric
from fabricsim.model import Model, transmit_ps
from fabricsim.routing import Routes, splitmix64
from fabricsim.schedule import Messages
from fabricsim.units import PS_PER_S, to_ps


@dataclass
class Outcome:
    """When each message is delivered [ps], and how many packets were marked and dropped."""

    delivered: list[int]
    marked: int = 0
    dropped: int = 0


@dataclass
class Item:
    """A packet that waits at the hop `hop` of its route."""

    ident: int
    message: int
    wire: int
    payload: int
    route: list[int]
    hop: int = 0
    marked: bool = False
    number: int = 0
    last: bool = field(default=False)


class Naive:
    def __init__(self, fabric: Fabric, messages: Messages, paths: Routes, model: Model, seed: int) -> None:
        self.fabric, self.messages, self.paths, self.model, self.seed = fabric, messages, paths, model, seed
        self.events: dict[int, list[tuple]] = defaultdict(list)  # time -> (phase, order, what, …)
        self.queues: dict[tuple, list[Item]] = defaultdict(list)
        self.free: dict[int, int] = defaultdict(int)  # channel -> idle from
        self.busy_inlet: dict[tuple, int] = defaultdict(int)
        self.credits = defaultdict(lambda: (model.buffer or 0) // model.cell)
        self.held = defaultdict(int)  # channel -> bytes in the buffer at its far end
        self.asked, self.paused = defaultdict(bool), defaultdict(bool)
        self.last_served: dict[int, tuple] = {}
        self.number = 0
        self.outcome = Outcome([-1] * len(messages))
        self.items = [self.packets_of(m) for m in range(len(messages))]
        self.left = [len(items) for items in self.items]
        self.next = [0] * len(messages)
        self.open = [0] * len(messages)

    def packets_of(self, m: int) -> list[Item]:
        size, model, paths = int(self.messages.size[m]), self.model, self.paths
        first = sum(model.packets(int(s)) for s in self.messages.size[:m])
        found = []
        for index in range(model.packets(size)):
            payload = min(model.mtu, size - index * model.mtu)
            p = int(paths.first[m]) + index % int(paths.count[m])
            route = paths.channels[paths.starts[p] : paths.starts[p + 1]].tolist()
            found.append(Item(first + index, m, model.wire(payload), payload, route))
        return found

    # -- the clock --

    def run(self) -> Outcome:
        fresh = set(range(len(self.messages)))
        self.events[0] = []
        while self.events:
            now = min(self.events)
            again = True
            while again:
                while self.events.get(now):  # arrivals by id, then answers, completions; they may bring more
                    todo = sorted(self.events[now], key=lambda event: event[:2])
                    self.events[now] = todo[1:]
                    fresh |= getattr(self, todo[0][2])(now, *todo[0][3:]) or set()
                self.sources(now, fresh)
                fresh = set()
                for channel in range(self.fabric.channels):
                    self.pick(channel, now)
                again = bool(self.events.get(now))
            del self.events[now]
        return self.outcome

    def at(self, time: int, phase: int, order: int, what: str, *args: object) -> None:
        self.events[time].append((phase, order, what, *args))

    # -- sources --

    def sources(self, now: int, fresh: set[int]) -> None:
        rows = []
        for m in fresh:
            position = 0
            while self.next[m] < len(self.items[m]) and self.allowed(m):
                item = self.items[m][self.next[m]]
                self.next[m] += 1
                self.open[m] += item.payload
                turn = (int(self.messages.dst[m]) - int(self.messages.src[m])) % self.fabric.ranks
                rows.append((int(self.messages.src[m]), position, turn, m, item))
                position += 1
        for _, _, _, _, item in sorted(rows, key=lambda row: row[:4]):
            self.join(item, None)

    def allowed(self, m: int) -> bool:
        window = self.model.sender.window
        return window is None or self.open[m] + self.items[m][self.next[m]].payload <= window

    def answered(self, now: int, item: Item) -> set[int]:
        self.open[item.message] -= item.payload
        return {item.message}

    # -- nodes --

    def join(self, item: Item, came: int | None) -> None:
        out = item.route[item.hop]
        if came is None:
            place = (-2 - out, out)
        else:
            place = {"output": (-1, out), "voq": (came, out), "input": (came, -1)}[self.model.queueing]
        node = int(self.fabric.channel_src[out])
        self.number += 1
        item.number = self.number
        self.queues[node, *place].append(item)

    def pick(self, channel: int, now: int) -> None:
        if self.free[channel] > now:
            return
        node = int(self.fabric.channel_src[channel])
        able = []
        for key, items in self.queues.items():
            if not items or key[0] != node or items[0].route[items[0].hop] != channel:
                continue
            if self.model.queueing != "output" and self.busy_inlet[key[:2]] > now:
                continue
            if self.may_start(channel, items[0].wire):
                able.append(key)
        if able:
            self.start(channel, min(able, key=lambda key: self.rank(channel, key)), now)

    def rank(self, channel: int, key: tuple) -> tuple:
        item = self.queues[key][0]
        if self.model.arbiter == "oldest":
            return (item.number,)
        if self.model.arbiter == "random":
            return (int(splitmix64(self.seed, channel, item.ident)),)
        return (key[1:] <= self.last_served.get(channel, (-(10**9), 0)), key[1:])

    def may_start(self, channel: int, wire: int) -> bool:
        if self.model.buffer is None or self.model.flow_control == "none":
            return True
        if self.model.flow_control == "pfc":
            return not self.paused[channel]
        return self.credits[channel] >= -(-wire // self.model.cell)

    def start(self, channel: int, key: tuple, now: int) -> None:
        item = self.queues[key].pop(0)
        self.last_served[channel] = key[1:]
        fabric, model = self.fabric, self.model
        rate, latency = int(fabric.bandwidth[channel]), int(fabric.latency_ps[channel])
        end = now + transmit_ps(item.wire, rate)
        self.free[channel] = end
        self.busy_inlet[key[:2]] = end
        if model.buffer is not None and model.flow_control == "credits":
            self.credits[channel] -= -(-item.wire // model.cell)
        self.mark(channel, item)
        self.at(end, 2, 0, "wake")
        if item.hop:
            self.at(end, -1, 0, "leave", item.route[item.hop - 1], item.wire)
        ready = end + latency
        if item.hop + 1 < len(item.route):
            if model.switching == "cut-through":
                head = now + transmit_ps(model.wire(0), rate) + latency
                following = int(fabric.bandwidth[item.route[item.hop + 1]])
                ready = max(head, ready - transmit_ps(item.wire, following))
            ready += int(fabric.delay_ps[fabric.channel_dst[channel]])
        self.at(ready, 0, item.ident, "arrive", item, channel)

    def mark(self, channel: int, item: Item) -> None:
        ecn = self.model.ecn
        if ecn is None:
            return
        behind = sum(
            other.wire
            for items in self.queues.values()
            for other in items
            if other.route[other.hop] == channel
        )
        share = int(splitmix64(self.seed, item.ident, channel)) >> 11
        odds = ecn.pmax * (behind - ecn.kmin) / max(1, ecn.kmax - ecn.kmin)
        hit = behind > ecn.kmax or (behind > ecn.kmin and share * 2.0**-53 < odds)
        item.marked |= hit
        self.outcome.marked += hit

    # -- what happens --

    def wake(self, now: int) -> None:
        """Have the channels look: they do at the end of every instant."""

    def arrive(self, now: int, item: Item, channel: int) -> None:
        item.hop += 1
        if item.hop == len(item.route):
            if self.model.buffer is not None and self.model.flow_control == "credits":
                self.give_back(now, channel, item.wire)
            self.left[item.message] -= 1
            if self.left[item.message] == 0:
                self.outcome.delivered[item.message] = now
            if self.model.sender.window is not None:
                self.at(now + self.way_back(item.route), 0, item.ident, "answered", item)
        elif self.enter(now, channel, item.wire):
            self.join(item, channel)
        else:
            self.outcome.dropped += 1

    def way_back(self, route: list[int]) -> int:
        fabric = self.fabric
        hops = sum(
            int(fabric.latency_ps[c]) + transmit_ps(self.model.sender.ack_size, int(fabric.bandwidth[c]))
            for c in route
        )
        return hops + sum(int(fabric.delay_ps[fabric.channel_dst[c]]) for c in route[:-1])

    def enter(self, now: int, channel: int, wire: int) -> bool:
        model = self.model
        if model.buffer is None or model.flow_control == "credits":
            return True
        if self.held[channel] + wire > model.buffer + self.headroom(channel):
            return False
        self.held[channel] += wire
        if model.flow_control == "pfc" and self.held[channel] > model.pause_at and not self.asked[channel]:
            self.asked[channel] = True
            self.at(now + int(self.fabric.latency_ps[channel]), 1, 0, "obey", channel, True)
        return True

    def headroom(self, channel: int) -> int:
        if self.model.flow_control == "none":
            return 0
        if self.model.headroom is not None:
            return self.model.headroom
        fabric = self.fabric
        loop = 2 * int(fabric.latency_ps[channel]) + int(fabric.delay_ps[fabric.channel_dst[channel]])
        return -(-loop * int(fabric.bandwidth[channel]) // PS_PER_S) + 2 * self.model.full_wire

    def leave(self, now: int, channel: int, wire: int) -> None:
        model = self.model
        if model.buffer is None:
            return
        if model.flow_control == "credits":
            self.give_back(now, channel, wire)
            return
        self.held[channel] -= wire
        if model.flow_control == "pfc" and self.asked[channel] and self.held[channel] <= model.resume_at:
            self.asked[channel] = False
            self.at(now + int(self.fabric.latency_ps[channel]), 1, 0, "obey", channel, False)

    def give_back(self, now: int, channel: int, wire: int) -> None:
        delay = int(self.fabric.latency_ps[channel]) + to_ps(self.model.credit_delay)
        self.at(now + delay, 1, 0, "credit", channel, -(-wire // self.model.cell))

    def credit(self, now: int, channel: int, count: int) -> None:
        self.credits[channel] += count

    def obey(self, now: int, channel: int, paused: bool) -> None:
        self.paused[channel] = paused
