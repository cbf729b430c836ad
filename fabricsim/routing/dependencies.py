"""Which (channel, lane) waits for which: consecutive hops of all routes that a policy may use.

A packet on one hop holds its buffer until the next one takes it, so each hop depends on the one after it. Routes are
not listed one by one: whoever stands at one node with one target and one history of lanes goes on in the same ways, so
these are followed together. A history is what the rule for lanes remembers of a route, as a number.

With `lanes: escape` the routes are those of the escape network alone, from every node where a packet may enter it. That
is enough (Duato, IEEE TPDS 4 (1993)): from every node on a packet's ways to its target there is an escape route, and
since a packet never leaves the escape network, consecutive hops there are all that its channels wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.routing.detours import all_paths
from fabricsim.routing.lanes import has_rings, heights, hop_lanes, level_rules, refuse_third, steps_of
from fabricsim.routing.paths import searches, ways_round
from fabricsim.routing.policies import Routing
from fabricsim.routing.products import has_coordinates
from fabricsim.routing.search import expanded

IntArray = NDArray[np.int64]
Alive = NDArray[np.bool_]
Advance = Callable[[IntArray, IntArray, IntArray], tuple[IntArray, IntArray]]
NONE: Final = -1
"""Stands for the channel before the first."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What is under way, each once: where it stands and goes, and by which channel, lane and history it came.

    src: where it set out, where that matters, else 0.
    """

    src: IntArray
    node: IntArray
    dst: IntArray
    channel: IntArray
    lane: IntArray
    history: IntArray

    @property
    def columns(self) -> tuple[IntArray, ...]:
        """All columns, in order."""
        return self.src, self.node, self.dst, self.channel, self.lane, self.history

    def some(self, rows: IntArray) -> Rows:
        """Return some of the rows."""
        return Rows(*(column[rows] for column in self.columns))

    def once(self) -> Rows:
        """Return every row that occurs, once."""
        return Rows(*np.unique(np.stack(self.columns), axis=1))


def dependencies(
    fabric: Fabric, routing: Routing, ranks: IntArray, alive: Alive | None = None, alike: bool = False
) -> IntArray:
    """Return (E, 2) places that wait for another, each once, over all routes among `ranks`.

    A place is channel · lane_count + lane. alike: the ranks stand for others, for which `minimal` may take another
    channel of the same level, and a way round leads over the likes of them. Raises InputError where lanes do not fit.
    """
    src, dst = (column.reshape(-1) for column in np.meshgrid(ranks, ranks, indexing="ij"))
    apart = src != dst
    src, dst = src[apart], dst[apart]
    if routing.policy == "all-path":
        return _listed(fabric, routing, src, dst, alive)
    advance = _ADVANCE[routing.lanes](fabric) if isinstance(routing.lanes, str) else _by_hop(routing.lanes)
    if routing.lanes == "escape":
        starting = _starting(*_on_the_way(fabric, src, dst, alive))
        edges, _ = _followed(fabric, routing, starting, advance, alive, "innermost" if alike else "minimal")
        return np.unique(edges, axis=0)
    if routing.policy != "valiant":
        ways = "innermost" if routing.policy == "minimal" and alike else routing.policy
        edges, _ = _followed(fabric, routing, _starting(src, dst), advance, alive, ways)
        return np.unique(edges, axis=0)
    between = ways_round(fabric)
    if alike:
        near = fabric.channel_dst[np.isin(fabric.channel_src, ranks)]
        between = between[np.isin(between, ranks if between[0] < fabric.ranks else near)]
    a, b = (column.reshape(-1) for column in np.meshgrid(ranks, between, indexing="ij"))
    first, arrived = _followed(fabric, routing, replace(_starting(a, b), src=a), advance, alive)
    zero = np.zeros(len(ranks), np.int64)
    stays = Rows(ranks, ranks, ranks, zero + NONE, zero, zero)  # who goes by way of himself
    ends = Rows(*(np.concatenate(pair) for pair in zip(arrived.columns, stays.columns, strict=True)))
    row, target = (
        column.reshape(-1) for column in np.meshgrid(np.arange(len(ends.node)), ranks, indexing="ij")
    )
    onward = replace(ends.some(row), dst=target)
    onward = onward.some(np.flatnonzero(onward.src != target))
    second, _ = _followed(fabric, routing, onward, advance, alive)
    return np.unique(np.concatenate([first, second]), axis=0)


def _starting(src: IntArray, dst: IntArray) -> Rows:
    zero = np.zeros(len(src), np.int64)
    return Rows(zero, src, dst, zero + NONE, zero, zero)


def _on_the_way(
    fabric: Fabric, src: IntArray, dst: IntArray, alive: Alive | None
) -> tuple[IntArray, IntArray]:
    """Return every node on a shortest path of the pairs, beside the target of that path, each once."""
    found = [np.zeros((2, 0), np.int64)]
    for some, search in searches(fabric, src, dst, alive):
        at = np.stack([src[some], dst[some]])
        at = at[:, search.hops(*at) > 0]
        while at.shape[1]:
            found.append(at)
            starts, counts, channels = search.shared_candidates(at[0], at[1], ordered=False)
            row, item = expanded(starts, counts)
            at = np.unique(np.stack([fabric.channel_dst[channels[item]], at[1, row]]), axis=1)
            at = at[:, at[0] != at[1]]
    node, target = np.unique(np.concatenate(found, axis=1), axis=1)
    return node, target


def _listed(fabric: Fabric, routing: Routing, src: IntArray, dst: IntArray, alive: Alive | None) -> IntArray:
    """Return the dependencies of paths that are listed one by one."""
    paths = all_paths(fabric, src, dst, routing, alive)
    place = paths.channels * routing.lane_count + hop_lanes(fabric, paths.starts, paths.channels, routing)
    inner = np.ones(len(place), np.bool_)
    inner[paths.starts[1:] - 1] = False
    hop = np.flatnonzero(inner)
    return np.unique(np.stack([place[hop], place[hop + 1]], axis=1), axis=0)


def _followed(
    fabric: Fabric, routing: Routing, rows: Rows, advance: Advance, alive: Alive | None, ways: str = "ecmp"
) -> tuple[IntArray, Rows]:
    """Return the dependencies of all ways on from `rows`, and what arrives."""
    edges, arrived = [np.zeros((0, 2), np.int64)], [rows.some(np.zeros(0, np.int64))]
    ordered = ways == "innermost" or (ways == "dimension-order" and has_coordinates(fabric))
    rows = rows.some(np.flatnonzero(rows.node != rows.dst))
    for some, search in searches(fabric, rows.node, rows.dst, alive) if len(rows.node) else ():
        at = rows.some(some)
        at = at.some(np.flatnonzero(search.hops(at.node, at.dst) > 0))
        while len(at.node):
            starts, n, channels = search.shared_candidates(at.node, at.dst, ordered)
            n = np.minimum(n, 1) if ways == "minimal" else n
            of = np.repeat(np.arange(len(n)), n)
            channel = channels[starts[of] + np.arange(len(of)) - np.repeat(np.cumsum(n) - n, n)]
            first = np.unique(of * fabric.nodes + fabric.channel_dst[channel], return_index=True)[1]
            of, channel = of[first], channel[first]  # of parallel channels one stands for all
            before = at.some(of)
            lane, history = advance(before.history, before.channel, channel)
            refuse_third(fabric, routing, channel, lane)
            known = before.channel != NONE
            lanes = routing.lane_count
            edges.append(
                np.unique(
                    np.stack([before.channel * lanes + before.lane, channel * lanes + lane], axis=1)[known],
                    axis=0,
                )
            )
            at = Rows(before.src, fabric.channel_dst[channel], before.dst, channel, lane, history).once()
            arrived.append(at.some(np.flatnonzero(at.node == at.dst)))
            at = at.some(np.flatnonzero(at.node != at.dst))
    columns = zip(*(part.columns for part in arrived), strict=True)
    return np.concatenate(edges), Rows(*(np.concatenate(column) for column in columns))


# -- rules for lanes, hop by hop ----------------------------------------------------------------------------


def _single(fabric: Fabric) -> Advance:
    return lambda history, before, channel: (np.zeros_like(channel), history)


def _by_hop(table: tuple[int, ...]) -> Advance:
    lanes = np.array(table, np.int64)

    def advance(history: IntArray, before: IntArray, channel: IntArray) -> tuple[IntArray, IntArray]:
        return lanes[history], np.minimum(history + 1, len(lanes) - 1)

    return advance


def _dateline(fabric: Fabric) -> Advance:
    wraps, ring = level_rules(fabric)

    def advance(history: IntArray, before: IntArray, channel: IntArray) -> tuple[IntArray, IntArray]:
        bit = np.int64(1) << fabric.level[channel // 2].astype(np.int64)
        lane = (ring[channel // 2] & ((history & bit) > 0)).astype(np.int64)
        return lane, history | np.where(wraps[channel // 2], bit, 0)

    return advance


def _up_down(fabric: Fabric) -> Advance:
    height = heights(fabric)
    rise = np.sign(height[fabric.channel_dst] - height[fabric.channel_src])

    def advance(history: IntArray, before: IntArray, channel: IntArray) -> tuple[IntArray, IntArray]:
        turned, falling = np.divmod(history, 2)
        turned = turned + ((rise[channel] > 0) & (falling == 1))
        falling = np.where(rise[channel] == 0, falling, rise[channel] < 0)
        return turned, 2 * turned + falling

    return advance


def _tfc(fabric: Fabric) -> Advance:
    step = steps_of(fabric)

    def advance(history: IntArray, before: IntArray, channel: IntArray) -> tuple[IntArray, IntArray]:
        falls = (before != NONE) & (step[channel] <= step[before])
        return history + falls, history + falls

    return advance


def escape_lanes(fabric: Fabric) -> Advance:
    """Return the rule for lanes of the escape network, from the hop on by which a packet enters it (history 0)."""
    return _dateline(fabric) if has_rings(fabric) else _single(fabric)


_ADVANCE: Final[Mapping[str, Callable[[Fabric], Advance]]] = {
    "single": _single,
    "dateline": _dateline,
    "up-down": _up_down,
    "tfc": _tfc,
    "escape": escape_lanes,
}
