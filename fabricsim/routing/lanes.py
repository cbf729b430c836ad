"""Which virtual lane each hop of a route uses, so that routes that wait for each other do not wait in a circle.

    single     lane 0 everywhere
    dateline   in a ring dimension, lane 1 once the route has crossed the ring's link between its last and first member
    up-down    the number of times that the route has turned up again after coming down, seen from the ranks
    tfc        lane 0 while levels rise from hop to hop, up before down, and lane 1 from the first that does not
    escape     for adaptive packets, whose lanes are known on the way only: lane 2 while they choose; on the escape
               network, as dateline where there are rings with coordinates, else lane 0
    a list     the lane of each hop by its number; the last one holds for all hops after it

TFC (topology-aware deadlock-free flow control) is the name of UB-Mesh's two-lane scheme (arXiv 2503.20377); the rule
here is our own with that many lanes: on each lane the level (of a full mesh of many dimensions: the dimension) strictly
rises along a route, so that (lane, level, up or down) orders all dependencies. Routes that would need a third lane are
refused; `all-path` leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.policies import Routing

IntArray = NDArray[np.int64]
Lanes = NDArray[np.int8]


class Paths(Protocol):
    """Paths in CSR form: path p is channels[starts[p] : starts[p + 1]]."""

    @property
    def starts(self) -> IntArray:
        """(paths + 1,) where each path begins."""

    @property
    def channels(self) -> IntArray:
        """(hops,) the channels of all paths."""


def lanes_of(fabric: Fabric, paths: Paths, routing: Routing) -> Lanes:
    """Return (hops,) the lane of each hop of each path, below `routing.lane_count`.

    Raises InputError where the rule does not fit the fabric, or a route needs more lanes than it has.
    """
    return hop_lanes(fabric, paths.starts, paths.channels, routing)


def hop_lanes(fabric: Fabric, starts: IntArray, channels: IntArray, routing: Routing) -> Lanes:
    """Return the same of paths in CSR form: path p is channels[starts[p] : starts[p + 1]]."""
    hop = np.arange(len(channels)) - np.repeat(starts[:-1], np.diff(starts))
    if not isinstance(routing.lanes, str):
        table = np.array(routing.lanes, np.int8)
        return table[np.minimum(hop, len(table) - 1)]
    lanes = _RULES[routing.lanes](fabric, channels, hop)
    refuse_third(fabric, routing, channels, lanes)
    return lanes.astype(np.int8)


def refuse_third(fabric: Fabric, routing: Routing, channels: IntArray, lanes: IntArray) -> None:
    """Raise InputError where a hop is on a lane that the rule does not have."""
    short = np.flatnonzero(lanes >= routing.lane_count)
    if len(short):
        name = fabric.channel_name(int(channels[short[0]]))
        what = f"a route by {name} needs more than the {routing.lane_count} lanes of {routing.lanes}"
        raise InputError(what, "use dimension-order or all-path, or a list with a lane for each hop")


def _single(fabric: Fabric, channels: IntArray, hop: IntArray) -> IntArray:
    return np.zeros(len(channels), np.int64)


def _dateline(fabric: Fabric, channels: IntArray, hop: IntArray) -> IntArray:
    wraps, ring = level_rules(fabric)
    link = channels // 2
    lanes = np.zeros(len(channels), np.int64)
    for level in np.unique(fabric.level[link[ring[link]]]).tolist():
        own = fabric.level[link] == level
        lanes += own & (_before(wraps[link] & own, hop) > 0)
    return lanes


def level_rules(fabric: Fabric) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (links,) which close a ring, and which belong to one; raises InputError where no level is a ring."""
    infos = fabric.about.levels
    rings = [index for index, info in enumerate(infos) if info.rule == "ring" and info.members > 2]
    if not has_rings(fabric):
        raise InputError(f"{fabric.name} has no rings with coordinates", "dateline is for a ring or a torus")
    apart = np.abs(fabric.src - fabric.dst)
    wraps = np.zeros(fabric.link_count, np.bool_)
    for index in rings:
        wraps |= (fabric.level == index) & (apart == (infos[index].members - 1) * infos[index].points)
    return wraps, np.isin(fabric.level, rings)


def has_rings(fabric: Fabric) -> bool:
    """Return whether some level is a ring of ranks with coordinates."""
    return fabric.nodes == fabric.ranks and any(info.rule == "ring" for info in fabric.about.levels)


def _up_down(fabric: Fabric, channels: IntArray, hop: IntArray) -> IntArray:
    height = heights(fabric)
    rise = height[fabric.channel_dst[channels]] - height[fabric.channel_src[channels]]
    turned = np.zeros(len(channels), np.bool_)
    turned[1:] = (rise[1:] > 0) & (_last_move(rise, hop)[1:] < 0)
    return _before(turned, hop) + turned


def _last_move(rise: IntArray, hop: IntArray) -> IntArray:
    """Return, for each hop, the last change of height before it on its path; 0 where there was none."""
    index = np.arange(len(rise))
    moved = np.maximum.accumulate(np.where(rise != 0, index, -1)) if len(rise) else index
    last = np.concatenate([[-1], moved[:-1]])[: len(rise)]
    return np.asarray(np.where(last >= index - hop, rise[last], 0), np.int64)


def _tfc(fabric: Fabric, channels: IntArray, hop: IntArray) -> IntArray:
    step = steps_of(fabric)[channels]
    falls = np.zeros(len(channels), np.bool_)
    falls[1:] = (step[1:] <= step[:-1]) & (hop[1:] > 0)
    return np.asarray(_before(falls, hop) + falls, np.int64)


def steps_of(fabric: Fabric) -> IntArray:
    """Return (channels,) the step that each channel is for tfc: 2 · level, and one more where it leads down."""
    height = heights(fabric)
    down = height[fabric.channel_dst] < height[fabric.channel_src]
    return 2 * np.repeat(fabric.level.astype(np.int64), 2) + down


def _before(event: NDArray[np.bool_], hop: IntArray) -> IntArray:
    """Return, for each hop, how many earlier hops of its path have the event."""
    total = np.concatenate([[0], np.cumsum(event)]).astype(np.int64)
    index = np.arange(len(event))
    before: IntArray = total[index] - total[index - hop]
    return before


def heights(fabric: Fabric) -> IntArray:
    """Return (nodes,) how many hops each node is away from the nearest rank; ranks are at 0."""
    height = np.full(fabric.nodes, fabric.nodes)
    height[: fabric.ranks] = 0
    src, dst = fabric.channel_src, fabric.channel_dst
    for hops in range(1, fabric.nodes):
        found = dst[(height[src] == hops - 1) & (height[dst] > hops)]
        if not len(found):
            break
        height[found] = hops
    return height


_RULES: Final[Mapping[str, Callable[[Fabric, IntArray, IntArray], IntArray]]] = {
    "single": _single,
    "dateline": _dateline,
    "up-down": _up_down,
    "tfc": _tfc,
}
