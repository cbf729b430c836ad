"""Rates after a few changes: only the flows that these concern are filled anew, and the rest keep what they have.

Rates are max-min fair exactly if every flow has a bottleneck, a full link on which nobody has more. So a flow need not
be touched as long as its bottleneck stays one. The flows that start, and those whose bottleneck lost a flow or changed
its capacity, are filled in what the others leave; whoever has then lost his bottleneck, or has more than one of them on
a link that limits it, joins them, and they are filled once more, until all have one.

`refill` has the loops. They are written once, compiled or as they stand, over memory that both share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.refill import Lists, Notes, State, concerned, fill, relink, survey
from fabricsim.engines.flow.solver import TOLERANCE, Flows, levels_of
from fabricsim.engines.kernels.compiled import compiled

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
NOTED: Final = (*[np.float64] * 4, np.int64, *[np.float64] * 2, np.int64, *[np.float64] * 2)
"""What is noted of links: from `Notes.room` to `Notes.high`, numbers of flows as integers."""


class Neighbours:
    """Which flows under way use which link, so that a change finds those that it concerns.

    The flows on a link are a list: `head` holds the first entry of each link, `after` and `before` the next ones.
    bottleneck: (flows,) the link that limits each. rate [B/s] and capacity [B/s] are the pool's own arrays.
    """

    def __init__(self, flows: Flows, capacity: Floats, rate: Floats, solver: str, most: int) -> None:
        self.flows, self.capacity, self.rate, self.solver = flows, capacity, rate, solver
        count, links, entries = len(flows), len(capacity), len(flows.links)
        self.bottleneck = np.full(count, -1)
        self.head = np.full(links, -1)
        self.after, self.before = np.full(entries, -1), np.full(entries, -1)
        self.inside = np.zeros(count, np.bool_)
        self.some, self.was = np.zeros(most, np.int64), np.zeros(most)
        self.used, self.mark = np.zeros(links, np.int64), np.zeros(links, np.int8)

        def seen(array: Any) -> Any:
            return array if solver == "numba" else memoryview(array)

        flow_arrays = (flows.starts, flows.links, flows.weights, flows.flow, capacity)
        self._lists = Lists(*map(seen, (*flow_arrays, self.head, self.after, self.before)))
        self._state = State(*map(seen, (rate, self.bottleneck, self.inside, self.some, self.was)))
        notes = [np.zeros(links, kind) for kind in NOTED]
        self._notes = Notes(*map(seen, (self.used, np.zeros(links, np.int64), self.mark, *notes)))
        loops: tuple[Callable[..., Any], ...] = (relink, survey, fill, concerned)
        self._loops = tuple(map(compiled, loops)) if solver == "numba" else loops

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
        relink, survey, fill, concerned = self._loops
        count = relink(*self._columns(started, gone, altered), self._lists, self._state)
        known = used = 0
        while count > known:
            used = survey(known, count, used, self._lists, self._state, self._notes)
            fill(count, used, self._lists, self._state, self._notes)
            known, count = count, concerned(count, used, self._lists, self._state, self._notes)
        self.mark[self.used[:used]] = 0
        if count < 0:
            self.rate[self.some] = self.was
            self.inside[:] = False
            return None
        self.inside[self.some[:count]] = False
        return self.some[:count].copy(), self.was[:count].copy()

    def _columns(self, *columns: IntArray) -> tuple[Any, ...]:
        return columns if self.solver == "numba" else tuple(column.tolist() for column in columns)
