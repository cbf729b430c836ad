"""An all-to-all over single paths with every flow listed: tens of millions of them, as columns of small integers.

All flows are equal and start together, so one solution holds for all of their time: a flow that ends has had the
highest rate on its bottleneck, and frees nothing there for another. The solution is kept by link: the level at which a
link has limited its flows. A flow's rate is the least level on its path, so that nothing but paths is kept of a flow,
and flows of the same rate and the same kind of path are one row of the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.fill import Paths, tails
from fabricsim.engines.flow.loops import fill_table
from fabricsim.engines.flow.outcome import Outcome
from fabricsim.engines.flow.pool import Settings
from fabricsim.engines.flow.solver import TIE, TOLERANCE, Flows, levels_of, max_min_rates, refuse_if_missing
from fabricsim.engines.flow.transfers import message_wire, path_fixed_ps
from fabricsim.engines.kernels.compiled import compiled
from fabricsim.errors import SimulationError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Router, Routing
from fabricsim.schedule import EveryPair, Schedule
from fabricsim.units import PS_PER_S

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
Column = NDArray[np.int32]
LEAST_FLOWS: Final = 1_000_000
"""Flows from which on they are taken so: fewer have a row of the outcome each."""
MOST_FLOWS: Final = 200_000_000
"""Flows that are listed at most: 16 B each on paths of four channels."""
TAIL: Final = 1 << 21
"""Flows that still grow, below which the solver takes over: it goes link by link where rounds fix little."""
BLOCK: Final = 1 << 20
"""Flows at a time, to bound memory."""


def misfit(schedule: Schedule, routing: Routing, model: Model) -> str:
    """Return why a schedule is not one all-to-all over single paths; empty if it is."""
    if len(schedule.operations) != 1 or len(schedule.operations[0].rounds) != 1:
        return "it is not one all-to-all in one round"
    if not isinstance(schedule.operations[0].rounds[0], EveryPair):
        return "it is not an all-to-all"
    if routing.per_packet:
        return f"{routing.policy} splits its flows"
    return "endpoint.gap makes messages wait for each other" if model.endpoint.gap else ""


@dataclass(frozen=True, eq=False)
class Block:
    """The paths of some flows: a column of channels for each hop, the fabric's number of channels where there is none.

    kind: (flows,) number of the kind of path, which says all that packets find on it.
    """

    columns: list[Column]
    kind: NDArray[np.uint16]


def by_links(
    fabric: Fabric, schedule: Schedule, routing: Routing, model: Model, seed: int, settings: Settings
) -> Outcome:
    """Return the Outcome of an all-to-all over single paths."""
    one = schedule.operations[0].rounds[0]
    assert isinstance(one, EveryPair)
    kinds = Kinds(fabric)
    blocks = list(_blocks(fabric, one, Router(fabric, routing, seed), kinds, schedule.first_message))
    paths = [block.columns for block in blocks]
    capacity = np.append(fabric.bandwidth.astype(np.float64), np.inf)  # the last stands for no channel
    flows = _count(paths, len(capacity))
    level = _levels(paths, capacity, flows, settings.solver)
    if settings.verified:
        _verify(paths, capacity, level)
    return _outcome(fabric, schedule, (blocks, kinds), level, flows[:-1], model)


def _blocks(fabric: Fabric, one: EveryPair, router: Router, kinds: Kinds, begin: int) -> Iterator[Block]:
    """Yield the flows, a block after another; begin: the id of the first."""
    for first in range(0, one.messages, BLOCK):
        ids = np.arange(first, min(first + BLOCK, one.messages))
        starts, channels = router.paths(*_ends(one, ids), begin + ids)
        counts = np.diff(starts)
        columns = []
        for hop in range(int(counts.max())):
            column = np.full(len(ids), fabric.channels, np.int32)
            there = counts > hop
            column[there] = channels[(starts[:-1] + hop)[there]]
            columns.append(column)
        yield Block(columns, kinds.of(columns))


class Kinds:
    """Kinds of paths, numbered as they turn up: those of one kind have equal channels and nodes, hop by hop."""

    def __init__(self, fabric: Fabric) -> None:
        ends = fabric.delay_ps[fabric.channel_dst]
        looks = np.stack([fabric.bandwidth, fabric.latency_ps, ends])
        _, look = np.unique(looks, axis=1, return_inverse=True)
        self._look = np.append(look.reshape(-1) + 1, 0)  # 0 stands for no channel
        self._words, self._number = np.zeros(0, np.int64), np.zeros(0, np.uint16)
        self.examples: list[list[int]] = []
        self._none = fabric.channels

    def of(self, columns: list[Column]) -> NDArray[np.uint16]:
        """Return (flows,) the number of each path's kind."""
        word, looks = np.zeros(len(columns[0]), np.int64), int(self._look.max()) + 1
        for place, column in enumerate(columns):
            word += self._look[column] * looks**place
        if not len(self._words):
            self._learn(word[:1], columns)
        at = np.minimum(np.searchsorted(self._words, word), len(self._words) - 1)
        new = word[self._words[at] != word]
        if len(new):
            self._learn(word, columns)
            at = np.searchsorted(self._words, word)
        return self._number[at]

    def _learn(self, word: IntArray, columns: list[Column]) -> None:
        words, first = np.unique(word, return_index=True)
        new = ~np.isin(words, self._words)
        for row in first[new].tolist():
            path = (int(column[row]) for column in columns)
            self.examples.append([channel for channel in path if channel != self._none])
        numbers = len(self._number) + np.arange(int(new.sum()))
        order = np.argsort(np.concatenate([self._words, words[new]]))
        self._words = np.concatenate([self._words, words[new]])[order]
        self._number = np.concatenate([self._number, numbers])[order].astype(np.uint16)


def _ends(one: EveryPair, ids: IntArray) -> tuple[IntArray, IntArray]:
    """Return src and dst of some of the messages, as `EveryPair` numbers them."""
    step, place = np.divmod(ids, len(one.ranks))
    return one.ranks[place], one.ranks[(place + step + 1) % len(one.ranks)]


def _count(paths: list[list[Column]], links: int) -> IntArray:
    """Return (links,) how many flows cross each."""
    count = np.zeros(links, np.int64)
    for columns in paths:
        for column in columns:
            count += np.bincount(column, minlength=links)
    return count


# -- levels -------------------------------------------------------------------------------------------------


def _levels(paths: list[list[Column]], capacity: Floats, flows: IntArray, solver: str) -> Floats:
    """Return (links,) the level at which each link has limited its flows [B/s], inf where it has limited none.

    In each round every link is fixed that is the bottleneck of all of its flows that still grow, as in `solver`;
    compiled code goes link by link, and looks at each flow twice.
    """
    found, top = np.full(len(capacity), np.inf), np.zeros(len(capacity))
    if solver == "numba":
        refuse_if_missing()
        compiled(fill_table)(_table(paths, len(capacity) - 1), capacity.copy(), flows.copy(), found)
        return found
    free, growing = capacity.copy(), flows.astype(np.float64)
    rest = paths
    while sum(len(columns[0]) for columns in rest) > TAIL:
        level = np.divide(free, growing, out=np.full(len(free), np.inf), where=growing > 0.5)
        level[-1] = np.inf
        limits = _bottlenecks(rest, level)
        found[limits] = level[limits]
        going = [_without(columns, level, limits, free, growing, top) for columns in rest]
        rest = [columns for columns in going if columns]
        np.maximum(free, 0.0, out=free)
    if rest:
        _finish(rest, free, top, found, solver)
    return found


def _table(paths: list[list[Column]], none: int) -> NDArray[np.int32]:
    """Return (flows, hops) the links of each flow, `none` where it has fewer."""
    flows, hops = sum(len(columns[0]) for columns in paths), max(map(len, paths))
    table, first = np.full((flows, hops), none, np.int32), 0
    for columns in paths:
        last = first + len(columns[0])
        for hop, column in enumerate(columns):
            table[first:last, hop] = column
        first = last
    return table


def _finish(rest: list[list[Column]], free: Floats, top: Floats, found: Floats, solver: str) -> None:
    """Find the levels of the last flows, in what the others have left; top: the highest rate of those on each link."""
    none = len(free) - 1
    table = _table(rest, none)
    there = table != none
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    links = table[there].astype(np.int64)
    flows = Flows(starts, links, np.ones(len(links)))
    rates = max_min_rates(free[:-1], flows, solver)
    full, most, _ = levels_of(free[:-1], flows, np.arange(len(flows)), rates, "numpy")
    # a link that is full by chance limits nobody: somebody has more there
    limits = np.append(full & (most > 0) & (most >= top[:-1] * (1 - TOLERANCE)), False)
    found[limits] = most[limits[:-1]]


def _bottlenecks(paths: list[list[Column]], level: Floats) -> NDArray[np.bool_]:
    """Return (links,) whether no flow over a link finds a lower level elsewhere."""
    limits = level < np.inf
    for columns in paths:
        levels = [level[column] for column in columns]
        least = np.minimum.reduce(levels)
        for column, here in zip(columns, levels, strict=True):
            limits[column[least < here * (1 - TIE)]] = False
    return limits


def _without(
    columns: list[Column],
    level: Floats,
    limits: NDArray[np.bool_],
    free: Floats,
    growing: Floats,
    top: Floats,
) -> list[Column]:
    """Return the flows of a block that still grow; what the others take is no longer free."""
    fixed = np.logical_or.reduce([limits[column] for column in columns])
    done = [column[fixed] for column in columns]
    rate = np.minimum.reduce([level[column] for column in done])
    for column in done:
        free -= np.bincount(column, rate, len(free))
        growing -= np.bincount(column, minlength=len(free))
        np.maximum.at(top, column, rate)
    grows = ~fixed
    return [column[grows] for column in columns] if grows.any() else []


def _verify(paths: list[list[Column]], capacity: Floats, level: Floats) -> None:
    """Raise SimulationError unless each flow crosses a full link on which nobody has more."""
    used, most = np.zeros(len(level)), np.zeros(len(level))
    for columns in paths:
        rate = np.minimum.reduce([level[column] for column in columns])
        for column in columns:
            used += np.bincount(column, rate, len(level))
            np.maximum.at(most, column, rate)
    limits = level < np.inf
    over = used > capacity * (1 + TOLERANCE)
    wrong = limits & ((used < capacity * (1 - TOLERANCE)) | (most > level * (1 + TOLERANCE))) | over
    if wrong.any():
        raise SimulationError(
            f"the rates over {int(wrong.sum())} links are not max-min fair: this is a fault of fabricsim"
        )


# -- outcome ------------------------------------------------------------------------------------------------


def _outcome(
    fabric: Fabric, schedule: Schedule, flows: tuple[list[Block], Kinds], level: Floats, crossing: IntArray,
    model: Model,
) -> Outcome:  # fmt: skip
    (op,) = schedule.operations
    one = op.rounds[0]
    assert isinstance(one, EveryPair)
    blocks, kinds = flows
    first, count, kind, rate = _alike(blocks, len(kinds.examples), level)
    src, dst = _ends(one, first)
    size, wire = one.block, float(message_wire(np.array([one.block]), model)[0])
    sent, arrived, path_ps = _tails(fabric, kinds, size, wire, model)
    rows = len(first)
    release = np.full(rows, op.start)
    over = release + model.endpoint.send_overhead + wire / rate
    delivered = over + arrived[kind] + model.endpoint.recv_overhead
    used = np.flatnonzero(crossing)
    load: Floats = crossing[used] * np.float64(wire)
    zero, end = np.zeros(rows, np.int64), float(delivered.max())
    return Outcome(
        zero, zero, src, dst, np.full(rows, size), count, release, over + sent[kind], delivered, delivered,
        np.array([op.start]), np.array([end]),
        np.array([[0], [0], [1], [one.messages], [one.payload]]), np.array([[op.start], [end]]),
        used, load, one.payload, max(float((load / fabric.bandwidth[used]).max()), path_ps / PS_PER_S), 1,
        (f"{one.messages:,} flows are listed one by one; a row stands for those of one rate on paths alike",),
    )  # fmt: skip


def _alike(blocks: list[Block], kinds: int, level: Floats) -> tuple[IntArray, IntArray, IntArray, Floats]:
    """Return of each class of flows the first, how many they are, the kind of their paths and their rate [B/s]."""
    rates, rate_of = np.unique(level, return_inverse=True)
    count, first = np.zeros(kinds * len(rates), np.int64), np.zeros(kinds * len(rates), np.int64)
    end = sum(len(block.kind) for block in blocks)
    for block in reversed(blocks):  # backwards, so that the first of all is noted last
        lowest = np.minimum.reduce([rate_of[column] for column in block.columns])
        row = block.kind.astype(np.int64) * len(rates) + lowest
        count += np.bincount(row, minlength=len(count))
        first[row[::-1]] = np.arange(end - 1, end - 1 - len(row), -1)
        end -= len(row)
    rows = np.flatnonzero(count)
    kind, rate = np.divmod(rows, len(rates))
    return first[rows], count[rows], kind, rates[rate]


def _tails(fabric: Fabric, kinds: Kinds, size: int, wire: float, model: Model) -> tuple[Floats, Floats, int]:
    """Return (kinds,) [s] from the end of the fluid until a message is sent, and arrives; the longest latency [ps]."""
    starts = np.cumsum([0, *map(len, kinds.examples)])
    channels = np.concatenate([np.array(path, np.int64) for path in kinds.examples])
    paths = Paths(starts, channels, np.ones(len(channels)))
    count = len(kinds.examples)
    sent, arrived = tails(fabric, paths, np.full(count, size), np.full(count, wire), model)
    return sent, arrived, path_fixed_ps(fabric, paths)
