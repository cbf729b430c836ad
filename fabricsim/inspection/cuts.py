"""Bounds that all pairs give, and the least that joins two halves of a machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric, LevelInfo
from fabricsim.inspection.pairs import MAX_EXACT_RANKS, Pairs
from fabricsim.inspection.ports import payload_share, sums_of
from fabricsim.inspection.symmetry import base, is_regular


def all_to_all_bound(fabric: Fabric, pairs: Pairs) -> float:
    """Return the payload rate [B/s] at which every NPU can send to all others evenly, its own share excluded.

    The channel with the highest load over capacity binds. Payload is mtu over wire bytes of a full packet.
    """
    return (fabric.ranks - 1) * pairs.rate * payload_share(fabric)


def bisection(fabric: Fabric, pairs: Pairs) -> tuple[int | None, bool]:
    """Return the smallest capacity [B/s, one direction] between two halves of the NPUs, and whether that is proven.

    Halves are cut along each coordinate of the machine; switches fall on whichever side makes the cut smaller
    (a minimum cut), so the figure is never below the true bisection. It is proven where a lower bound meets it:
    if uniform all-to-all carries λ for each of N NPUs, any halving is crossed by λ·N²/(4(N−1)); and where NPUs
    meet in one tree of switched tiers, no halving is cheaper an NPU than injection over the product of tapers.
    """
    if fabric.ranks < 2:
        return 0, False
    if fabric.ranks <= MAX_EXACT_RANKS:
        cut: int | None = min(_cut(fabric, half) for half in _halves(fabric))
    else:
        cut = level_cut(fabric)
    if cut is None:
        return None, False
    half, ranks = fabric.ranks // 2, fabric.ranks
    rate = all_to_all_bound(fabric, pairs) / payload_share(fabric)
    if pairs.rate_sampled:
        rate = 0.0
    least = max(rate * half * (ranks - half) / (ranks - 1), half * _tree_rate(fabric))
    return cut, bool(cut <= least * (1 + 1e-9))


def _tree_rate(fabric: Fabric) -> float:
    """Return what an NPU can at least send across any halving through trees of switched tiers that span all.

    With d ports down and d/t up, putting a of a switch's d NPUs on one side costs min(a, d − a + d/t) channels, so
    never less than 1/t an NPU; by induction the tapers of the tiers multiply. Trees share no link, so they add up.
    """
    infos = fabric.about.levels
    total = 0.0
    for index, info in enumerate(infos):
        chain = _chain(infos, index)
        if info.rule == "switched" and not info.attached and chain and chain[-1].copies == 1:
            own = np.arange(len(fabric.levels)) == index
            sums = sums_of([link.bandwidth for link in fabric.links], fabric, own)
            taper = math.prod(max(1.0, step.taper or 1.0) for step in chain)
            total += float(sums.min()) / taper
    return total


def _chain(infos: Sequence[LevelInfo], index: int) -> list[LevelInfo]:
    """Return a level and the tiers above it, one on the other; empty where they branch or are not switched."""
    chain = [infos[index]]
    while True:
        above = [info for info in infos if info.attached == chain[-1].name]
        if not above:
            return chain
        if len(above) > 1 or not above[0].planes:
            return []
        chain.append(above[0])


# -- by levels ------------------------------------------------------------------------------------------------


def level_cut(fabric: Fabric) -> int | None:
    """Return the least capacity [B/s, one direction] between halves along one coordinate, from the levels alone.

    None where no coordinate has an even number of members, where the arrays are not what the levels say, or where
    a wrap also advances an inner coordinate.
    Links between members of equal position do not cross unless their level is cut; switches below the cut lie
    on one side, so each tree of tiers is cut where it carries least on the way to the tier that both sides share.
    """
    infos = fabric.about.levels
    if not is_regular(fabric) or any(info.twisted for info in infos):
        return None
    even = [i for i, info in enumerate(infos) if not info.beside and info.members % 2 == 0]
    return min((_coordinate_cut(fabric, index) for index in even), default=None)


def _coordinate_cut(fabric: Fabric, cut: int) -> int:
    infos = fabric.about.levels
    carried = np.array([link.bandwidth for link in fabric.links], np.int64)
    total = [0] * len(infos)
    for level in range(len(infos)):
        classes = np.bincount(fabric.link_class[fabric.level == level], minlength=len(carried))
        total[level] = int(classes @ carried)

    def through(index: int) -> int:
        """Return what crosses by way of a level whose lower ends lie on one side each."""
        info = infos[index]
        if not info.planes:
            return _crossing(info, total[index]) if base(infos, index) == cut else 0
        own = total[index] // 2
        if base(infos, index) >= cut:
            return own
        above = [i for i, upper in enumerate(infos) if upper.attached == info.name]
        return min(own, sum(through(i) for i in above))

    return sum(through(index) for index, info in enumerate(infos) if not info.attached and info.links)


def _crossing(info: LevelInfo, total: int) -> int:
    """Return the share of a level's links that join its first half of members with the other."""
    low = info.edges[:, :2] < info.members // 2
    weight = info.edges[:, 2]
    return total * int(weight[low[:, 0] != low[:, 1]].sum()) // int(weight.sum())


# -- by maximum flow ----------------------------------------------------------------------------------------


def _halves(fabric: Fabric) -> list[NDArray[np.bool_]]:
    """Return (ranks,) masks of one half of the NPUs, one per coordinate of the first NPU group."""
    shape = fabric.groups[0].shape
    ranks = fabric.ranks
    if fabric.groups[0].count != ranks:
        shape = (ranks,)
    coordinates = np.unravel_index(np.arange(ranks), shape)
    halves = []
    for coordinate in coordinates:
        order = np.argsort(coordinate, kind="stable")
        mask = np.zeros(ranks, np.bool_)
        mask[order[: ranks // 2]] = True
        halves.append(mask)
    return halves


def _cut(fabric: Fabric, half: NDArray[np.bool_]) -> int:
    """Return the minimum cut [B/s] from one half of the NPUs to the other: each half is one node."""
    label = np.arange(fabric.nodes)
    label[: fabric.ranks] = np.where(half, -1, -2)
    a, b = label[fabric.channel_src], label[fabric.channel_dst]
    different = a != b
    pairs, index = np.unique(np.stack([a[different], b[different]], axis=1), axis=0, return_inverse=True)
    capacity = np.zeros(len(pairs), np.int64)
    np.add.at(capacity, index.reshape(-1), fabric.bandwidth[different])
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from((-1, -2))
    for (x, y), value in zip(pairs.tolist(), capacity.tolist(), strict=True):
        graph.add_edge(x, y, capacity=value)
    return int(nx.maximum_flow_value(graph, -1, -2, flow_func=nx.algorithms.flow.dinitz))
