"""Flows through time where links go down: what stops before a dead link, what was on it, and who leaves it.

The same timeline as that of packets (docs/model.md, "Faults" and "Rerouting"), for fluids:

* What is on a link when it breaks (rate · latency) is lost, and its source has it again `detect` later.
* What still comes to it waits before it: a flow that is split goes on with what is left of it.
* Once the link is known to be down, ways that avoid it are in force; what waits goes on from there, or from its source.
* A message ends when all of its parts have ended: what never stopped, what waited, and what was sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

import numpy as np

from fabricsim.engines.curve import Pieces
from fabricsim.engines.detours import Detours, cut_apart
from fabricsim.engines.flow.events import Run
from fabricsim.engines.flow.fill import Paths, tails
from fabricsim.engines.flow.pool import Settings
from fabricsim.engines.flow.rewired import RewiredPool
from fabricsim.engines.flow.rows import Rows
from fabricsim.engines.flow.transfers import Transfers
from fabricsim.engines.flow.ways import Cut, Way, beyond, cut, detour, joined, layered
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.schedule import IntArray, Messages, Steps
from fabricsim.units import PS_PER_S, format_time, to_ps

SHOWN: Final = 5


@dataclass(frozen=True)
class Stock:
    """What waits before a dead channel [wire B], and the way on which it came."""

    size: float
    way: Way


class ReroutedRun(Run):
    """A run of flows over links that go down: first the transfers, then parts that were split off from them."""

    pool: RewiredPool

    def __init__(
        self, fabric: Fabric, messages: Messages, steps: Steps, transfers: Transfers,
        failures: Failures, model: Model, settings: Settings, routing: Routing, seed: int,
    ) -> None:  # fmt: skip
        self.failures, self.routing, self.seed, self.model = failures, routing, seed, model
        self.reroute = failures.recovery.reroute
        self.down: set[int] = set()
        self.dead: set[int] = set()  # those that ways in force avoid
        self.down_since: dict[int, float] = {}
        self.detours = Detours(fabric, routing, seed, ())
        self.rows = Rows(fabric, transfers.flows, transfers.channels)
        # of flows that differ from their transfer: the way in force, what of it is cut, what was left then
        self.ways: dict[int, Way] = {}
        self.cuts: dict[int, Cut] = {}
        self.left_at: dict[int, float] = {}
        self.births: list[Way] = []
        self.owner: list[int] = []
        self.least_late: list[float] = []
        self.more: list[float] = []
        self.stocks: dict[tuple[int, int], Stock] = {}
        self.ended = np.zeros(len(transfers), np.bool_)
        self.parts = np.ones(len(transfers), np.int64)
        self.latest = np.full(
            len(transfers), -np.inf
        )  # when the last bit of parts that have ended arrives [s]
        self.lost = self.again = 0.0
        super().__init__(fabric, messages, steps, transfers, failures, model, settings)
        self.payload = messages.size / transfers.wire
        self._later(self._switch, self._known())

    def _pool_of(self) -> RewiredPool:
        t = self.transfers
        return RewiredPool(t.flows, t.wire, t.capacity.copy(), t.arrived, self.settings)

    def _faults(self, failures: Failures) -> Iterator[tuple[float, Any]]:
        """Yield when which channels get which share of their capacity."""
        for time, rows in groupby(failures.rows(), key=lambda row: row[0]):
            yield time / PS_PER_S, (time, [(channel, factor) for _, channel, factor in rows])

    def _known(self) -> Iterator[tuple[float, list[tuple[int, bool]]]]:
        """Yield when ways come into force that know more channels to be down, or up again."""
        if self.reroute == "none":
            return
        converge = to_ps(float(self.failures.recovery.converge))
        for time, rows in groupby(self.failures.known, key=lambda row: row[0]):
            yield (time + converge) / PS_PER_S, [(channel, down) for _, channel, down in rows]

    # -- what happens: each says whether rates may change -------------------------------------------

    def _fault(self, about: Any, now: float) -> bool:
        time, rows = about
        self._lose(
            [channel for channel, factor in rows if not factor and channel not in self.down], time, now
        )
        before = set(self.down)
        for channel, factor in rows:
            self._alter(channel, factor, now)
        if self.down != before:
            self._rewire(self.down ^ before, now)
        return True

    def _alter(self, channel: int, factor: float, now: float) -> None:
        self.rows.factor[channel] = factor
        if factor == 0 and channel not in self.down:
            self.down.add(channel)
            self.down_since[channel] = now
        elif factor:
            self.down.discard(channel)
        for link in self.rows.links_of([channel]).tolist():
            self.pool.alter(link, float(self.fabric.bandwidth[channel]) * factor)

    def _switch(self, changes: list[tuple[int, bool]], now: float) -> bool:
        """Bring ways into force that avoid what is known to be down by now."""
        for channel, down in changes:
            (self.dead.add if down else self.dead.discard)(channel)
        self.detours = Detours(self.fabric, self.routing, self.seed, self.dead)
        self._rewire({channel for channel, _ in changes}, now)
        return True

    def _resend(self, about: tuple[int, float], now: float) -> bool:
        """Let a source have again what was lost."""
        transfer, size = about
        self.again += size * self.payload[transfer]
        self._give(transfer, size, now)
        self._rebuild()
        return True

    def _end(self, flows: IntArray, now: Any) -> None:
        """End flows: a transfer has left when its own flow has, and is over when all its parts are."""
        left: list[int] = []
        for flow in np.sort(flows).tolist():
            transfer = self._transfer(flow)
            self._bank(flow)
            self.latest[transfer] = max(self.latest[transfer], now + self.pool.late[flow])
            self.ended[flow] = True
            self.ways.pop(flow, None)
            self.cuts.pop(flow, None)
            self.left_at.pop(flow, None)
            self.parts[transfer] -= 1
            if flow == transfer and not self._waits_at_source(transfer):
                left.append(transfer)
        self._leave(np.array(left, np.int64), now)
        over = np.unique(np.array([self._transfer(flow) for flow in flows.tolist()], np.int64))
        over = over[self.parts[over] == 0]
        self._leave(over[np.isnan(self.gone[over])], now)
        self._finish(over, self.latest[over] - self.transfers.arrived[over])

    def _waits_at_source(self, transfer: int) -> bool:
        src = int(self.messages.src[transfer])
        return any(
            of == transfer and int(self.fabric.channel_src[channel]) == src for of, channel in self.stocks
        )

    # -- losses -------------------------------------------------------------------------------------

    def _lose(self, falling: list[int], time_ps: int, now: float) -> None:
        """Take back what is on channels that break: its sources miss it once that is detected."""
        flows = self.pool.flows
        hit = np.flatnonzero(np.isin(flows.links, self.rows.links_of(falling)) & self.pool.alive[flows.flow])
        again = (time_ps + self.failures.detect_ps) / PS_PER_S
        self.pool.settle(np.unique(flows.flow[hit]), now)
        for entry in hit.tolist():
            flow, share = int(flows.flow[entry]), float(flows.weights[entry])
            rate = float(self.pool.rate[flow]) * share
            sent = float(self.pool.given[flow] - self.pool.left[flow]) * share
            span = float(self.fabric.latency_ps[self._channel(flows.links[entry])]) / PS_PER_S
            size = min(rate * span, sent)
            if size > 0:
                transfer = self._transfer(flow)
                self.pool.take_back(flow, size, now - size / rate, now)
                self.lost += size * self.payload[transfer]
                self.parts[transfer] += 1
                self._later(self._resend, iter([(again, (transfer, size))]))

    def _give(self, transfer: int, size: float, now: float) -> None:
        """Have a source send a part again that is counted already: with what it still sends, or by itself."""
        if self.pool.alive[transfer]:
            self.pool.give(transfer, size, now)
            if transfer in self.left_at:
                self.left_at[transfer] += size
            self.rows.add(transfer, size, self._planned(transfer))
            self.parts[transfer] -= 1
        else:
            self._add(transfer, size, self._original(transfer), now)

    # -- ways ---------------------------------------------------------------------------------------

    def _transfer(self, flow: int) -> int:
        return flow if flow < len(self.transfers) else self.owner[flow - len(self.transfers)]

    def _original(self, flow: int) -> Way:
        """Return the way of a flow as it was first planned."""
        if flow >= len(self.transfers):
            return self.births[flow - len(self.transfers)]
        flows, src = self.transfers.flows, int(self.messages.src[flow])
        own = slice(int(flows.starts[flow]), int(flows.starts[flow + 1]))
        channels = self.transfers.channels[flows.links[own]].tolist()
        if self.routing.per_packet:
            return layered(self.fabric, src, dict(zip(channels, flows.weights[own].tolist(), strict=True)))
        return Way(src, tuple((hop, channel, 1.0) for hop, channel in enumerate(channels)))

    def _planned(self, flow: int) -> Mapping[int, float]:
        """Return the share of a flow on each channel as planned; nothing of a part that was split off later."""
        return self._original(flow).shares if flow < len(self.transfers) else {}

    def _in_force(self, flow: int) -> Way:
        """Return the way that a flow takes by what is known of the fabric."""
        way, transfer = self._original(flow), self._transfer(flow)
        avoided = self.dead & self.down if self.reroute == "local" else self.dead
        if not way.crosses(avoided):
            return way
        if self.reroute != "local":
            at_source = way.start == int(self.messages.src[transfer])
            other = self._detour(way.start, transfer) if at_source or self.reroute == "recompute" else None
            return other or way
        done = cut(self.fabric, way, avoided)
        found, kept = [], list(done.left)
        for channel, (share, hop) in done.stopped.items():
            other = self._detour(int(self.fabric.channel_src[channel]), transfer)
            if other is None:
                kept.append((hop, channel, share))
            else:
                found.append((other, share, hop))
        return joined(way.start, kept, found)

    def _detour(self, node: int, transfer: int) -> Way | None:
        """Return the way of a message from a node on that avoids what is known to be down; None for none."""
        ends = int(self.messages.src[transfer]), int(self.messages.dst[transfer])
        return detour(self.detours, self.routing, node, ends, transfer)

    def _rewire(self, changed: set[int], now: float) -> None:
        """Give flows the ways that are in force, as far as channels are up, and let go what need not wait any more."""
        flows = self._touched(changed | self.down | self.dead)
        self.pool.settle(flows, now)
        for flow in flows.tolist():
            self._bank(flow)
        for flow in flows.tolist():
            self._lay(flow, self._in_force(flow))
        for transfer, channel in sorted(self.stocks):
            self._move_stock(transfer, channel, now)
        self._rebuild()

    def _touched(self, channels: set[int]) -> IntArray:
        """Return the flows that have not ended and were to go over some channels, or go another way than planned."""
        flows = self.transfers.flows
        own = flows.flow[np.isin(flows.links, self.rows.links_of(channels))]
        added = np.arange(len(self.transfers), len(self.ended))
        some = np.unique(np.concatenate([own, added, np.array(sorted({*self.ways, *self.cuts}), np.int64)]))
        touched: IntArray = some[~self.ended[some]]
        return touched

    def _lay(self, flow: int, way: Way) -> None:
        """Put a flow on a way: it sends what its first channels take, and what dead ones stop waits before them."""
        done = cut(self.fabric, way, self.down)
        stuck = not done.left
        row = {min(done.stopped): 1.0} if stuck else dict(Way(way.start, done.left).shares)
        self.rows.put(flow, row, float(self.pool.left[flow]), self._planned(flow))
        self.ways[flow] = way
        self.pool.through[flow], self.pool.late[flow] = 1.0, self._late(flow, way)
        self.cuts.pop(flow, None)
        if done.stopped and not stuck:
            self.cuts[flow], self.left_at[flow] = done, float(self.pool.left[flow])
            self.pool.through[flow] = 1.0 - sum(share for share, _ in done.stopped.values())

    def _late(self, flow: int, way: Way) -> float:
        """Return what packets take on a way on top of a fluid [s]: of a whole message, on an idle path."""
        transfer, shares = self._transfer(flow), way.shares
        if flow == transfer and way == self._original(flow):
            return float(self.transfers.arrived[transfer])
        path, node = [], way.start
        for _, channel, _ in way.steps:
            if int(self.fabric.channel_src[channel]) == node:
                path.append(channel)
                node = int(self.fabric.channel_dst[channel])
        size = int(self.messages.size[transfer])
        late = self._late_on(tuple(path), tuple(shares[channel] for channel in path), size)
        return late if flow == transfer else max(late, self.least_late[flow - len(self.transfers)])

    def _late_on(self, path: tuple[int, ...], shares: tuple[float, ...], size: int) -> float:
        paths = Paths(np.array([0, len(path)]), np.array(path, np.int64), np.array(shares))
        wire = np.array([self.model.message_wire(size)], np.float64)
        return float(tails(self.fabric, paths, np.array([size]), wire, self.model)[1][0])

    # -- what waits ---------------------------------------------------------------------------------

    def _bank(self, flow: int) -> None:
        """Put what a flow has sent towards dead channels, since that was last done, to what waits there."""
        done = self.cuts.get(flow)
        if done is None:
            return
        sent = self.left_at[flow] - float(self.pool.left[flow])
        self.left_at[flow] -= sent
        if sent <= 0:
            return
        transfer = self._transfer(flow)
        for channel, (share, _) in done.stopped.items():
            held = self.stocks.get((transfer, channel))
            if held is None:
                self.parts[transfer] += 1
                held = Stock(0.0, self.ways[flow])
            self.stocks[transfer, channel] = replace(held, size=held.size + share * sent)

    def _move_stock(self, transfer: int, channel: int, now: float) -> None:
        """Let what waits before a channel go: over it if it is up, around it, or back to its source."""
        stock, node = self.stocks[transfer, channel], int(self.fabric.channel_src[channel])
        src, at_source = int(self.messages.src[transfer]), node == int(self.messages.src[transfer])
        if channel not in self.down:
            way: Way | None = beyond(self.fabric, stock.way, channel)
        elif channel not in self.dead:
            return
        else:
            way = self._detour(src if self.reroute == "source" else node, transfer)
        if way is None:
            return
        del self.stocks[transfer, channel]
        if channel in self.down and self.reroute == "source" and not at_source:
            self.lost += stock.size * self.payload[transfer]
            self.again += stock.size * self.payload[transfer]
        if channel in self.down and self.reroute == "source":
            self._give(transfer, stock.size, now)
        else:
            self._add(transfer, stock.size, way, now)

    def _add(self, transfer: int, size: float, way: Way, now: float) -> None:
        """Start a flow of its own for a part of a transfer that is counted already."""
        flow = len(self.ended)
        self.ended = np.append(self.ended, False)
        self.births.append(way)
        self.owner.append(transfer)
        # the first byte has come as far as it could since the message was released, and not further
        self.least_late.append(float(self.transfers.arrived[transfer] - (now - self.release[transfer])))
        self.more.append(size)
        self.starting.append(np.array([flow]))

    # -- the solver's view --------------------------------------------------------------------------

    def _rebuild(self) -> None:
        """Have the pool see the ways as they are now."""
        added, self.more = np.array(self.more), []
        self.pool.rewire(self.pool.flows, self.pool.capacity, added)
        for flow in range(len(self.ended) - len(added), len(self.ended)):
            self._lay(flow, self._in_force(flow))
        flows = self.rows.flows(len(self.ended))
        self.pool.rewire(flows, self.rows.capacity(), np.zeros(0))

    def _channel(self, link: int) -> int:
        return self.rows.channels[link]

    # -- what came of it ----------------------------------------------------------------------------

    def arrived(self) -> Pieces:
        """Return what arrived when of each message."""
        flows, begin, end, size = (np.concatenate(column) for column in zip(*self.pool.legs, strict=True))
        owners = np.concatenate([np.arange(len(self.transfers)), np.array(self.owner, np.int64)])
        return Pieces(owners[flows], begin, end, size * self.payload[owners[flows]])

    def _held_up(self) -> list[str]:
        """Return where flows and parts of them wait in vain, and who is on each side where the fabric is cut apart."""
        waiting = [
            f"  {round(stock.size)} B wait at {self.fabric.channel_name(channel)}, which is down since "
            f"{format_time(self.down_since[channel])} and not repaired"
            for (_, channel), stock in sorted(self.stocks.items())
        ]
        missing = np.flatnonzero(np.isnan(self.over) & ~np.isnan(self.release)).tolist()
        pairs = {(int(self.messages.src[m]), int(self.messages.dst[m])) for m in missing}
        pairs |= {
            (int(self.fabric.channel_src[channel]), int(self.messages.dst[transfer]))
            for transfer, channel in self.stocks
        }
        return [*super()._held_up(), *waiting[:SHOWN], *cut_apart(self.fabric, self.down, pairs)]
