"""Which virtual lane each hop of a route uses, so that routes that wait for each other do not wait in a circle.

    single     lane 0 everywhere
    dateline   in a ring dimension, lane 1 once the route has crossed the ring's link between its last and first member
    up-down    the number of times that the route has turned up again after coming down, seen from the ranks
    tfc        full meshes: lane 0 while dimensions rise from hop to hop, lane 1 from the first one that does not
    a list     the lane of each hop by its number; the last one holds for all hops after it

TFC (topology-aware deadlock-free flow control) is the name of UB-Mesh's two-lane scheme (arXiv 2503.20377); the rule
here is our own with that many lanes: on each lane dimensions strictly rise along a route, so that (lane, dimension)
orders all dependencies. Routes that would need a third lane are refused; `all-path` leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.paths import Routes
from fabricsim.routing.policies import Routing

IntArray = NDArray[np.int64]
Lanes = NDArray[np.int8]


def lanes_of(fabric: Fabric, paths: Routes, routing: Routing) -> Lanes:
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
    short = np.flatnonzero(lanes >= routing.lane_count)
    if len(short):
        path = int(np.searchsorted(starts, short[0], side="right")) - 1
        a, b = fabric.channel_src[channels[starts[path]]], fabric.channel_dst[channels[starts[path + 1] - 1]]
        ends = f"{fabric.node_name(int(a))} to {fabric.node_name(int(b))}"
        what = f"a route from {ends} needs more than the {routing.lane_count} lanes of {routing.lanes}"
        raise InputError(what, "use dimension-order or all-path, or a list with a lane for each hop")
    return lanes.astype(np.int8)


def _single(fabric: Fabric, channels: IntArray, hop: IntArray) -> IntArray:
    return np.zeros(len(channels), np.int64)


def _dateline(fabric: Fabric, channels: IntArray, hop: IntArray) -> IntArray:
    infos = fabric.about.levels
    if fabric.nodes != fabric.ranks or not any(info.rule == "ring" for info in infos):
        raise InputError(f"{fabric.name} has no rings with coordinates", "dateline is for a ring or a torus")
    link = channels // 2
    level = fabric.level[link]
    lanes = np.zeros(len(channels), np.int64)
    for index, info in enumerate(infos):
        if info.rule != "ring":
            continue
        apart = np.abs(fabric.src[link] - fabric.dst[link])
        wraps = (level == index) & (apart == (info.members - 1) * info.points) & (info.members > 2)
        lanes += (level == index) & (_before(wraps, hop) > 0)
    return lanes


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
    level = fabric.level[channels // 2].astype(np.int64)
    rules = (
        {fabric.about.levels[index].rule for index in np.unique(level).tolist()}
        if fabric.about.levels
        else {""}
    )
    if rules - {"full-mesh"}:
        raise InputError(
            f"routes on {fabric.name} leave its full meshes", "tfc is for full meshes of any dimensions"
        )
    falls = np.zeros(len(channels), np.bool_)
    falls[1:] = (level[1:] <= level[:-1]) & (hop[1:] > 0)
    return np.asarray(_before(falls, hop) + falls, np.int64)


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
