"""Whether packets can wait for each other in a circle: a proof that they cannot, or a smallest circle by name.

Routes cannot deadlock with finite lossless buffers if their dependencies, between places (channel, lane), form no
circle (Dally and Seitz, IEEE Transactions on Computers, 1987). How that is shown without listing every route:

    order   all-path routes with `lanes: tfc` rise in (lane, level, up or down) by construction, whatever is lost
    all     every pair of ranks is followed, on machines of up to MAX_PAIRS pairs
    lines   products whose routes take one dimension after another: between dimensions dependencies only lead on, so
            one line in each is enough, and the lines of a dimension are alike
    box     machines of full meshes and switches, where members may change places in each level: the routes between
            ranks whose coordinates are 0 or 1 (2, where a loss or a way round sets a third apart) are all routes up to
            such changes. Kinds of places (level, up or down, lane) that follow each other in no circle prove it for all

A circle that is named is always one of real places. Where kinds follow each other in a circle and no places do, nothing
is claimed: InputError. After the loss of a link all routes are found again, around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric, LevelInfo
from fabricsim.routing.cycles import on_circles, shortest_circle
from fabricsim.routing.dependencies import dependencies
from fabricsim.routing.lanes import steps_of
from fabricsim.routing.policies import Routing
from fabricsim.routing.products import product_of

IntArray = NDArray[np.int64]
Alive = NDArray[np.bool_]
MAX_PAIRS: Final = 20_000
"""Pairs of ranks up to which every one is looked at."""
MAX_WORK: Final = 600_000
"""Pairs of ranks times links up to which the loss of every link is looked at."""
_IN_ORDER: Final = frozenset({"minimal", "dimension-order"})
"""Policies that on a product take one dimension after the other: `minimal` does by the numbers of its channels.
Escape routes are those of `minimal`."""
_EVEN: Final = frozenset({"full-mesh", "switched", "rails", "none"})


@dataclass(frozen=True)
class Verdict:
    """What is known of deadlock: `circle` names places that wait for each other, empty where there are none.

    proof: how it is known, a key of HOW. lost: the link whose loss leaves the circle, empty if the healthy fabric has
    it. links: how many losses were looked at; alike: whether each stands for the others of its level and plane.
    """

    proof: str
    circle: tuple[str, ...] = ()
    lost: str = ""
    links: int = 0
    alike: bool = False

    @property
    def free(self) -> bool:
        """Whether no circle was found."""
        return not self.circle


HOW: Final = {
    "order": "by the rule for lanes",
    "all": "all routes followed",
    "lines": "all routes of one line in each dimension, which are alike",
    "box": "all routes up to symmetry",
    "part": "some routes followed",
}
"""How a verdict is known, in words."""


def deadlock(fabric: Fabric, routing: Routing, *, responses: bool = False, losses: bool = True) -> Verdict:
    """Return whether routes can deadlock, healthy and, with `losses`, after the loss of any one link.

    responses: a packet may also wait at its target until an answer leaves, on the same lanes. Raises InputError where
    lanes do not fit the fabric, or nothing can be said.
    """
    if routing.policy == "all-path" and routing.lanes == "tfc" and _even(fabric) and not responses:
        return Verdict("order", links=fabric.link_count if losses else 0)
    proof = _proof(fabric, routing)
    check = _Check(fabric, routing, proof, responses)
    circle = check.circle(_ranks(fabric, routing, proof, 2))
    links, alike = _links(fabric, proof) if losses else (np.zeros(0, np.int64), False)
    if circle:
        return Verdict(proof, circle)
    ranks = _ranks(fabric, routing, proof, 3)
    for link in _alone(fabric, links).tolist():
        alive = np.ones(fabric.channels, np.bool_)
        alive[[2 * link, 2 * link + 1]] = False
        circle = check.circle(
            [np.unique(np.concatenate([part, _near(fabric, link)])) for part in ranks], alive
        )
        if circle:
            return Verdict(
                proof, circle, fabric.channel_name(2 * link).replace(" -> ", " - "), len(links), alike
            )
    return Verdict(proof, links=len(links), alike=alike)


# -- which ranks are enough ---------------------------------------------------------------------------------


def _proof(fabric: Fabric, routing: Routing) -> str:
    """Return which routes can be followed instead of all."""
    if fabric.ranks * (fabric.ranks - 1) <= MAX_PAIRS:
        return "all"
    grid = product_of(fabric) is not None
    if grid and (routing.policy in _IN_ORDER or routing.lanes == "escape"):
        return "lines"
    if _even(fabric):
        return "box"
    if grid:
        return "part"
    what = f"{fabric.name} has {fabric.ranks} ranks, and no symmetry that is known here"
    raise InputError(what, "check a machine of its kind with a hundred ranks")


def _even(fabric: Fabric) -> bool:
    infos = fabric.about.levels
    return bool(infos) and all(info.rule in _EVEN for info in infos)


def _ranks(fabric: Fabric, routing: Routing, proof: str, most: int) -> list[IntArray]:
    """Return groups of ranks whose routes among themselves are followed."""
    if proof == "all":
        return [np.arange(fabric.ranks)]
    if proof == "box":
        return [_box(fabric.about.levels, 3 if routing.policy == "valiant" else most)]
    grid = product_of(fabric)
    assert grid is not None
    lines = [np.arange(d.members) * d.points for d in grid.dimensions]
    return lines if proof == "lines" else [*lines, _box(fabric.about.levels, 2)]


def _box(infos: tuple[LevelInfo, ...], most: int) -> IntArray:
    """Return the ranks whose coordinates are all below `most`."""
    sizes = [info.members for info in infos if not info.beside]
    steps = np.cumprod([1, *sizes[:-1]])
    corners = product(*(range(min(size, most)) for size in sizes))
    return np.unique([int(np.dot(corner, steps)) for corner in corners])


def _links(fabric: Fabric, proof: str) -> tuple[IntArray, bool]:
    """Return the links whose loss is looked at, and if they stand for others; none where that would prove nothing."""
    if proof == "all" and fabric.ranks**2 * fabric.link_count <= MAX_WORK:
        return np.arange(fabric.link_count), False
    if not _even(fabric):
        return np.zeros(0, np.int64), False
    kind = np.stack([fabric.level, fabric.plane], axis=1)
    return np.sort(np.unique(kind, axis=0, return_index=True)[1]), True


def _alone(fabric: Fabric, links: IntArray) -> IntArray:
    """Return those of the links that have no parallel, which would take over what the lost one did."""
    low, high = np.minimum(fabric.src, fabric.dst), np.maximum(fabric.src, fabric.dst)
    _, row, count = np.unique(low * fabric.nodes + high, return_inverse=True, return_counts=True)
    kept: IntArray = links[count[row[links]] == 1]
    return kept


def _near(fabric: Fabric, link: int) -> IntArray:
    """Return some ranks on both sides of a link: its own ends, or the least ranks below them."""
    found = []
    for node in (int(fabric.src[link]), int(fabric.dst[link])):
        while node >= fabric.ranks:
            starts, order = fabric.out
            node = int(fabric.channel_dst[order[starts[node] : starts[node + 1]]].min())
        found.append(node)
    return np.unique(found)


# -- circles --------------------------------------------------------------------------------------------------


class _Check:
    """Looks for circles, healthy first: what is learnt of the healthy fabric holds for most of a damaged one."""

    def __init__(self, fabric: Fabric, routing: Routing, proof: str, responses: bool) -> None:
        self.fabric = fabric
        self.routing = routing
        self.proof = proof
        self.responses = responses
        self._order: dict[int, int] | None = None

    def circle(self, ranks: list[IntArray], alive: Alive | None = None) -> tuple[str, ...]:
        """Return the names of a circle of places among the routes of `ranks`; empty where it is proven that none is."""
        alike = self.proof == "box"
        edges = np.concatenate(
            [dependencies(self.fabric, self.routing, part, alive, alike) for part in ranks]
        )
        if self.responses:
            edges = np.concatenate([edges, _answers(self.fabric, self.routing, edges)])
        circle = shortest_circle(edges)
        if circle:
            return _names(self.fabric, self.routing, circle)
        if self.proof == "part" or (self.proof == "box" and not self._by_kind(edges)):
            what = f"whether {self.routing.text} can deadlock on {self.fabric.name} does not follow from its symmetry"
            raise InputError(what, "check a machine of its kind with a hundred ranks")
        return ()

    def _by_kind(self, edges: IntArray) -> bool:
        """Return whether no places have a circle, since their kinds have none.

        A loss makes dependencies between kinds that the healthy fabric does not join so. Their places then stand for
        themselves, after all kinds before their own and before all kinds after it.
        """
        lanes = self.routing.lane_count
        kind = steps_of(self.fabric)[edges // lanes] * lanes + edges % lanes
        if self._order is None:
            self._order = _in_order(np.unique(kind, axis=0))
            return self._order is not None
        steps = len(self._order)
        rank = np.full(int(kind.max(initial=0)) + 1 + max(self._order, default=0), -1)
        rank[list(self._order)] = list(self._order.values())
        place = rank[kind]
        odd = (place < 0).any(axis=1) | (place[:, 0] >= place[:, 1])
        own, row = np.unique(edges[odd], return_index=True)
        at, name = place[odd].reshape(-1)[row], own + steps + 2
        known = at >= 0  # no healthy route goes on by another kind: it has what is listed here, and no more
        chain = np.stack([np.arange(-1, steps), np.arange(steps + 1)], axis=1)
        before = np.stack([at - 1, name], axis=1)[known]
        after = np.stack([name, at + 1], axis=1)[known]
        return not len(on_circles(np.concatenate([chain, before, after, edges[odd] + steps + 2])))


def _in_order(edges: IntArray) -> dict[int, int] | None:
    """Return a number for each node that rises along every edge; None where there is a circle."""
    if len(on_circles(edges)):
        return None
    level = dict.fromkeys(np.unique(edges).tolist(), 0)
    for _ in level:
        for a, b in edges.tolist():
            level[b] = max(level[b], level[a] + 1)
    return level


def _answers(fabric: Fabric, routing: Routing, edges: IntArray) -> IntArray:
    """Return what waits at a target: the place that leads to a rank, for any place that leads away from it."""
    lanes = routing.lane_count
    places = np.unique(edges)
    last = places[fabric.channel_dst[places // lanes] < fabric.ranks]
    first = places[fabric.channel_src[places // lanes] < fabric.ranks]
    by_rank = first[np.argsort(fabric.channel_src[first // lanes], kind="stable")]
    at = fabric.channel_src[by_rank // lanes]
    node = fabric.channel_dst[last // lanes]
    low, high = np.searchsorted(at, node), np.searchsorted(at, node, side="right")
    row = np.repeat(np.arange(len(last)), high - low)
    item = np.arange(len(row)) - np.repeat(np.cumsum(high - low) - (high - low), high - low) + low[row]
    return np.stack([last[row], by_rank[item]], axis=1)


def _names(fabric: Fabric, routing: Routing, circle: list[int]) -> tuple[str, ...]:
    lanes = routing.lane_count
    return tuple(
        fabric.channel_name(place // lanes) + (f" (lane {place % lanes})" if lanes > 1 else "")
        for place in circle
    )


def told(verdict: Verdict, fabric: Fabric, routing: Routing) -> Iterator[str]:
    """Yield a verdict as lines for people."""
    rule = f"{fabric.name}, {routing.policy}, virtual lanes: {routing.lanes_text}"
    circle = f"{len(verdict.circle)} channels wait for each other in a circle"
    if verdict.circle and not verdict.lost:
        yield f"{rule}: can deadlock: {circle}"
    else:
        yield f"{rule}: no deadlock on the healthy fabric ({HOW[verdict.proof]})"
    if verdict.lost:
        yield f"once {verdict.lost} is lost, routes around it can deadlock: {circle}"
    elif verdict.links:
        which = f"{verdict.links} links" + (", one of each level and plane" if verdict.alike else "")
        yield f"nor after the loss of any one of {which}"
    elif not verdict.circle:
        yield "the loss of links was not looked at"
    if routing.lanes == "escape":
        yield from _told_of_escape(verdict)
    yield from (f"  {name}" for name in verdict.circle)


def _told_of_escape(verdict: Verdict) -> Iterator[str]:
    """Yield what the verdict rests on where packets have an escape network."""
    if verdict.circle:
        yield "the circle is in the escape network, lanes 0 and 1"
    else:
        yield "every node on a packet's ways has an escape route to its target, and the escape network has no circle"
        yield "(lanes 0 and 1; a packet stays on it, so that this is enough: Duato, IEEE TPDS 4 (1993))"
