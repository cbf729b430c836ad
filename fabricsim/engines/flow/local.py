"""Rates after a few changes: only the flows that these concern are filled anew, and the rest keep what they have.

Rates are max-min fair exactly if every flow has a bottleneck, a full link on which nobody has more. So a flow need not
be touched as long as its bottleneck stays one. The flows that start, and those whose bottleneck lost a flow or changed
its capacity, are filled in what the others leave; whoever has then lost his bottleneck, or has more than one of them on
a link that limits it, joins them, and they are filled once more, until all have one.

The loops are written once: compiled where the solver is numba, else as they stand, over memory that both share.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.solver import TOLERANCE, Flows, levels_of
from fabricsim.engines.kernels.compiled import compiled

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


class Neighbours:
    """Which flows under way use which link, so that a change finds those that it concerns.

    The flows on a link are a list: `head` holds the first entry of each link, `after` and `before` the next ones.
    bottleneck: (flows,) the link that limits each. rate [B/s] and capacity [B/s] are the pool's own arrays.
    """

    def __init__(self, flows: Flows, capacity: Floats, rate: Floats, solver: str, most: int) -> None:
        self.flows, self.capacity, self.rate, self.solver = flows, capacity, rate, solver
        count, links, entries = len(flows), len(capacity), len(flows.links)
        self.owner = flows.flow
        self.bottleneck = np.full(count, -1)
        self.head = np.full(links, -1)
        self.after, self.before = np.full(entries, -1), np.full(entries, -1)
        self.some, self.was = np.zeros(most, np.int64), np.zeros(most)
        self._number(links, count)

        def seen(array: NDArray[Any]) -> Any:
            return array if solver == "numba" else memoryview(array)  # type: ignore[arg-type]

        rows = tuple(map(seen, (flows.starts, flows.links)))
        lists = tuple(map(seen, (self.head, self.after, self.before)))
        state = tuple(map(seen, (self.rate, self.bottleneck, self.some, self.was, self.inside)))
        shares = tuple(map(seen, (flows.weights, self.owner, self.capacity)))
        self._links = (*rows, seen(self.owner), *lists, *state)
        self._fill = (*rows, *shares, *lists[:2], *state, *map(seen, self.scratch))
        self._relink = self._loop(relink)
        self._refill = self._loop(refill)

    def _number(self, links: int, flows: int) -> None:
        """Set up what one filling notes about flows and links; it leaves the marks as it has found them."""
        self.inside, marked = np.zeros(flows, np.bool_), np.zeros(links, np.bool_)
        numbers = (np.zeros(links, np.int64), np.zeros(links, np.int64))
        self.scratch = (*numbers, marked, np.zeros(links), np.zeros(links), np.zeros(links))

    def _loop(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return compiled(function) if self.solver == "numba" else function

    def list_all(self, active: IntArray) -> None:
        """List the flows under way anew, and find the bottleneck of each, after a filling of all of them."""
        own = self.flows.some(active)
        first, count = self.flows.starts[active], np.diff(own.starts)
        entry = np.arange(len(own.links)) + np.repeat(first - own.starts[:-1], count)
        order = np.argsort(own.links, kind="stable")
        entry, link = entry[order], own.links[order]
        same = link[1:] == link[:-1]
        self.head[:] = -1
        self.head[link[::-1]] = entry[::-1]
        self.after[entry] = np.append(np.where(same, entry[1:], -1), -1)[: len(entry)]
        self.before[entry] = np.append(-1, np.where(same, entry[:-1], -1))[: len(entry)]
        full, most, _ = levels_of(self.capacity, self.flows, active, self.rate, self.solver)
        limits = full[own.links] & (self.rate[active][own.flow] >= most[own.links] * (1 - TOLERANCE))
        self.bottleneck[active] = -1
        self.bottleneck[active[own.flow[limits]]] = own.links[limits]

    def change(self, started: IntArray, gone: IntArray, altered: IntArray) -> tuple[IntArray, Floats] | None:
        """Find the rates after some flows have started, some have gone, and some links have another capacity.

        Returns the flows that have been filled anew and the rates that they had; None if they are too many, after
        which rates are as they were and the lists void. What has gone gets the rate 0.
        """
        count = self._relink(*self._columns(started, gone, altered), *self._links)
        if count >= 0:
            count = self._refill(count, *self._fill)
        if count < 0:
            self.rate[self.some] = self.was
            self.inside[:] = False
            self.scratch[2][:] = False
            return None
        return self.some[:count].copy(), self.was[:count].copy()

    def _columns(self, *columns: IntArray) -> tuple[Any, ...]:
        return columns if self.solver == "numba" else tuple(column.tolist() for column in columns)


def relink(
    started: Any, gone: Any, altered: Any, starts: Any, links: Any, owner: Any, head: Any, after: Any, before: Any,
    rate: Any, bottleneck: Any, some: Any, was: Any, inside: Any,
) -> int:  # fmt: skip
    """Take flows off the lists of their links, put others on; return how many must be filled, −1 if too many.

    Those are what has started, and whoever was limited by a link that something has left, or that is altered.
    """
    count, most = 0, len(some)
    for flow in gone:
        rate[flow] = 0.0
        for entry in range(starts[flow], starts[flow + 1]):
            here, there = before[entry], after[entry]
            if here < 0:
                head[links[entry]] = there
            else:
                after[here] = there
            if there >= 0:
                before[there] = here
    for flow in started:
        if count == most:
            return -1
        inside[flow] = True
        some[count], was[count] = flow, 0.0
        count += 1
        for entry in range(starts[flow], starts[flow + 1]):
            link = links[entry]
            there = head[link]
            before[entry], after[entry] = -1, there
            if there >= 0:
                before[there] = entry
            head[link] = entry
    for flow in gone:
        for entry in range(starts[flow], starts[flow + 1]):
            link = links[entry]
            item = head[link]
            while item >= 0:
                other = owner[item]
                if bottleneck[other] == link and not inside[other]:
                    if count == most:
                        return -1
                    inside[other] = True
                    some[count], was[count] = other, rate[other]
                    count += 1
                item = after[item]
    for link in altered:
        item = head[link]
        while item >= 0:
            other = owner[item]
            if not inside[other]:
                if count == most:
                    return -1
                inside[other] = True
                some[count], was[count] = other, rate[other]
                count += 1
            item = after[item]
    return count


def refill(
    count: int, starts: Any, links: Any, weights: Any, owner: Any, capacity: Any, head: Any, after: Any,
    rate: Any, bottleneck: Any, some: Any, was: Any, inside: Any,
    used: Any, growing: Any, marked: Any, free: Any, wanted: Any, level: Any,
) -> int:  # fmt: skip
    """Fill the first `count` flows of `some`, and whoever proves to be concerned; return how many, −1 if too many."""
    most, above = len(some), 1 + 1e-11  # levels that differ by less carry the rounding of many fillings
    while True:
        # what the others leave on the links of these flows, and how these share it
        links_used = 0
        for place in range(count):
            flow = some[place]
            rate[flow] = -1.0
            for entry in range(starts[flow], starts[flow + 1]):
                link = links[entry]
                if not marked[link]:
                    marked[link] = True
                    used[links_used] = link
                    links_used += 1
        for place in range(links_used):
            link = used[place]
            room, share, many = capacity[link], 0.0, 0
            item = head[link]
            while item >= 0:
                other = owner[item]
                if inside[other]:
                    share += weights[item]
                    many += 1
                else:
                    room -= weights[item] * rate[other]
                item = after[item]
            free[link], wanted[link], growing[link], level[link] = max(room, 0.0), share, many, -1.0
        # always the link of the least level next, as in a filling of all
        heap = [(free[used[place]] / wanted[used[place]], used[place]) for place in range(links_used)]
        heapq.heapify(heap)
        left = count
        while left:
            key, link = heapq.heappop(heap)
            if not growing[link]:
                continue
            now = max(free[link] / wanted[link], 0.0)
            if now > key * (1 + 1e-12) and len(heap) and now > heap[0][0]:
                heapq.heappush(heap, (now, link))
                continue
            level[link] = now
            item = head[link]
            while item >= 0:
                flow = owner[item]
                if rate[flow] < 0.0:
                    rate[flow] = now
                    bottleneck[flow] = link
                    left -= 1
                    for entry in range(starts[flow], starts[flow + 1]):
                        other = links[entry]
                        free[other] -= weights[entry] * now
                        wanted[other] -= weights[entry]
                        growing[other] -= 1
                item = after[item]
        # who of the others has lost his bottleneck, or has more than those whom a link limits
        known = count
        for place in range(links_used):
            link = used[place]
            marked[link] = False
            load, top = 0.0, 0.0
            item = head[link]
            while item >= 0:
                other = owner[item]
                load += weights[item] * rate[other]
                top = max(top, rate[other])
                item = after[item]
            full = load >= capacity[link] / above
            item = head[link]
            while item >= 0:
                other = owner[item]
                if not inside[other] and (
                    (bottleneck[other] == link and (not full or rate[other] < top / above))
                    or (level[link] >= 0.0 and rate[other] > level[link] * above)
                ):
                    if count == most:
                        return -1
                    inside[other] = True
                    some[count], was[count] = other, rate[other]
                    count += 1
                item = after[item]
        if count == known:
            break
    for place in range(count):
        inside[some[place]] = False
    return count
