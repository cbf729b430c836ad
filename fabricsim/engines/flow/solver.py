"""Max-min fair rates: no flow can get more without another, that has no more than it, getting less.

Progressive filling (Bertsekas, Gallager: Data Networks, 1992, section 6.5): a link that is shared evenly by the flows
that still grow gives each of them its level; the link with the least level is their bottleneck and fixes their rates.
A flow that is split puts the share w of its rate on a link, so a link's level is its free capacity over the sum of w.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.loops import fill, levels
from fabricsim.engines.kernels.compiled import compiled, installed
from fabricsim.errors import InputError, SimulationError

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]

TIE: Final = 1e-12
"""Levels that differ by less than this share are one: they carry that much rounding."""
TOLERANCE: Final = 1e-9
"""What a certificate allows rounding."""
SLOW_ROUND: Final = 16
"""Where a round fixes less than a sixteenth of what is left, the heap is cheaper: it touches only what it fixes."""


@dataclass(frozen=True, eq=False)
class Flows:
    """Which links flows use: flow f puts the share weights[i] of its rate on links[i], i in starts[f] : starts[f + 1].

    A link occurs once in a flow. starts: (flows + 1,). links, weights: (entries,).
    """

    starts: IntArray
    links: NDArray[Any]
    weights: Floats

    def __len__(self) -> int:
        return len(self.starts) - 1

    @cached_property
    def flow(self) -> IntArray:
        """(entries,) the flow of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def some(self, flows: IntArray) -> Flows:
        """Return these flows alone, in the order given."""
        first = self.starts[flows]
        counts = self.starts[flows + 1] - first
        ends = np.cumsum(counts)
        item = np.arange(int(counts.sum())) + np.repeat(first - (ends - counts), counts)
        return Flows(np.concatenate([[0], ends]), self.links[item], self.weights[item])

    def least(self, of_links: Floats) -> Floats:
        """Return (flows,) the least of a quantity of links over the links of each flow; inf where it has none."""
        least: Floats = _reduced(np.minimum, of_links[self.links], self.starts, np.inf)
        return least

    def load(self, rates: Floats, links: int) -> Floats:
        """Return (links,) what these rates put on each link."""
        load: Floats = np.bincount(self.links, self.weights * rates[self.flow], links).astype(np.float64)
        return load


def _reduced(what: Any, values: NDArray[Any], starts: IntArray, empty: float) -> Any:
    """Return the reduction of each row of a CSR; `empty` for rows without entries."""
    filled = starts[1:] > starts[:-1]
    out = np.full(len(starts) - 1, empty, values.dtype if values.dtype.kind == "b" else np.float64)
    if filled.any():
        out[filled] = what.reduceat(values, starts[:-1][filled])
    return out


@dataclass(eq=False)
class Filling:
    """Rates so far: NaN where a flow still grows; the capacity that is left to those that do."""

    rates: Floats
    free: Floats


def _numpy(capacity: Floats, flows: Flows) -> Floats:
    """Fix in one round every link that is the bottleneck of all its flows; when rounds get slow, go link by link."""
    filling = Filling(np.full(len(flows), np.nan), capacity.astype(np.float64))
    filling.rates[np.diff(flows.starts) == 0] = np.inf
    left = np.flatnonzero(np.isnan(filling.rates))
    rest = flows if len(left) == len(flows) else flows.some(left)
    while len(left):
        level, fixed = _round(filling.free, rest)
        rates = level[fixed]
        filling.rates[left[fixed]] = rates
        done = rest.some(np.flatnonzero(fixed))
        filling.free -= done.load(rates, len(capacity))
        np.maximum(filling.free, 0.0, out=filling.free)
        before = len(rest.links)
        left, rest = left[~fixed], rest.some(np.flatnonzero(~fixed))
        if len(done.links) * SLOW_ROUND < before:
            _link_by_link(filling, left, rest)
            break
    return filling.rates


def _round(free: Floats, rest: Flows) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the level of each flow that still grows, and whether a link that limits all of its flows is on its way."""
    wanted = np.bincount(rest.links, rest.weights, len(free))
    level = np.divide(free, wanted, out=np.full(len(free), np.inf), where=wanted > 0)
    here = level[rest.links]
    least = rest.least(level)
    elsewhere = least[rest.flow] < here * (1 - TIE)
    limits = np.bincount(rest.links[elsewhere], minlength=len(free)) == 0
    return least, _reduced(np.logical_or, limits[rest.links], rest.starts, False)


def _link_by_link(filling: Filling, left: IntArray, rest: Flows) -> None:
    """Fix the rates of the flows `left`, whose links are `rest`: always the link of the least level next.

    Levels only rise, so what the heap says of a link is never too much: a link whose level has risen goes back in.
    """
    order = np.argsort(rest.links, kind="stable")
    bounds = np.searchsorted(rest.links[order], np.arange(len(filling.free) + 1))
    on_link = rest.flow[order]
    wanted = np.bincount(rest.links, rest.weights, len(filling.free))
    growing = np.ones(len(left), np.bool_)
    used = np.flatnonzero(np.diff(bounds))
    heap = list(zip((filling.free[used] / wanted[used]).tolist(), used.tolist(), strict=True))
    heapq.heapify(heap)
    while heap:
        level, link = heapq.heappop(heap)
        mine = on_link[bounds[link] : bounds[link + 1]]
        mine = mine[growing[mine]]
        if not len(mine):
            continue
        now = max(0.0, float(filling.free[link] / wanted[link]))
        if now > level * (1 + TIE) and heap and now > heap[0][0]:
            heapq.heappush(heap, (now, link))
            continue
        growing[mine] = False
        filling.rates[left[mine]] = now
        gone = rest.some(mine)
        np.subtract.at(filling.free, gone.links, gone.weights * now)
        np.subtract.at(wanted, gone.links, gone.weights)


def _numba(capacity: Floats, flows: Flows) -> Floats:
    """Go link by link in compiled code; needs Numba (`pip install fabricsim[fast]`)."""
    return rates_of(capacity, flows, np.arange(len(flows)), "numba")


SOLVERS: Final[Mapping[str, Callable[[Floats, Flows], Floats]]] = {"numpy": _numpy, "numba": _numba}
"""What finds the rates, by name; they agree to 1e-9."""


def max_min_rates(capacity: Floats, flows: Flows, solver: str = "numpy") -> Floats:
    """Return (flows,) the max-min fair rate of each flow [B/s].

    capacity: (links,) [B/s], 0 for a link that is down. A flow over such a link gets 0, one without links inf.
    Raises InputError where Numba is asked for and not installed.
    """
    return SOLVERS[solver](capacity, flows)


def rates_of(capacity: Floats, flows: Flows, active: IntArray, solver: str) -> Floats:
    """Return (active,) the rates of some flows while all others rest; compiled code picks them out by itself."""
    if solver != "numba":
        return max_min_rates(capacity, flows.some(active), solver)
    refuse_if_missing()
    rates: Floats = compiled(fill)(capacity, flows.starts, flows.links, flows.weights, active)
    return rates


def refuse_if_missing() -> None:
    """Raise InputError where Numba is asked for and not installed."""
    if not installed():
        what = "the numba kernel needs Numba, which is not installed"
        raise InputError(what, "pip install fabricsim[fast]")


def levels_of(
    capacity: Floats, flows: Flows, active: IntArray, rate: Floats, solver: str
) -> tuple[NDArray[np.bool_], Floats, IntArray]:
    """Return of each link whether it is full, the highest rate on it, and how many of the flows have that rate.

    rate: of all flows, those that rest included.
    """
    if solver == "numba":
        used, most, left = compiled(levels)(capacity, flows.starts, flows.links, flows.weights, active, rate)
    else:
        own, rates = flows.some(active), rate[active]
        used, most = own.load(rates, len(capacity)), np.zeros(len(capacity))
        np.maximum.at(most, own.links, rates[own.flow])
        highest = rates[own.flow] >= most[own.links] * (1 - TOLERANCE)
        left = np.bincount(own.links[highest], minlength=len(capacity))
    return used >= capacity * (1 - TOLERANCE), most, left


def certified(
    capacity: Floats, flows: Flows, rates: Floats, tolerance: float = TOLERANCE
) -> NDArray[np.bool_]:
    """Return (flows,) whether each rate has its bottleneck: a full link on which no flow has more.

    Rates within all capacities that all have one are the max-min fair ones, and only they (Bertsekas, Gallager, 1992).
    No flow is certified over a link that carries more than its capacity.
    """
    used = flows.load(rates, len(capacity))
    most = np.zeros(len(capacity))
    np.maximum.at(most, flows.links, rates[flows.flow])
    full = (used >= capacity * (1 - tolerance)) & (most > 0) | (capacity == 0)
    here = full[flows.links] & (rates[flows.flow] >= most[flows.links] * (1 - tolerance))
    within = (used <= capacity * (1 + tolerance))[flows.links]
    has: NDArray[np.bool_] = _reduced(np.logical_or, here, flows.starts, True)
    keeps: NDArray[np.bool_] = _reduced(np.logical_and, within, flows.starts, True)
    return has & keeps


def verify(capacity: Floats, flows: Flows, rates: Floats) -> None:
    """Raise SimulationError unless every rate has its bottleneck."""
    wrong = np.flatnonzero(~certified(capacity, flows, rates))
    if len(wrong):
        raise SimulationError(
            f"{len(wrong)} of {len(rates)} rates have no bottleneck, the first that of flow {wrong[0]}: "
            "this is a fault of fabricsim"
        )
