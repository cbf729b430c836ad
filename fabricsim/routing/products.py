"""Candidates by coordinates on products of small graphs: rings, lines, full meshes, any graph, dimension by dimension.

Where every node forwards, the hops between two nodes of a product are the sum of the hops in each dimension, and a
channel comes one hop nearer if it does so in its own dimension. The first dimension is the one that varies fastest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric, LevelInfo
from fabricsim.routing.front import F
from fabricsim.routing.search import UNREACHABLE, expanded

IntArray = NDArray[np.int64]
MAX_MEMBERS: Final = 1024
"""Members of one dimension: tables of all their pairs are made."""
_COMPARED: Final = 1 << 18
"""Links of a dimension that are compared with their formula, evenly spaced."""


@dataclass(frozen=True, eq=False)
class Dimension:
    """One coordinate of a product: `members` values, `points` ranks apart.

    Link k of edge e at a point is number base[e] · points + point · each[e] + k of its copy, which has `links`. Arc 2e
    leads along edge e, arc 2e + 1 against it; those from a that come nearer to b are arcs[start[a, b]], …, and have
    count[a, b] channels together, parallels counted. distance, start, count: (members, members).
    """

    name: str
    first_link: int
    links: int
    members: int
    points: int
    ends: IntArray
    base: IntArray
    each: IntArray
    distance: IntArray
    start: IntArray
    arcs: IntArray
    count: IntArray

    def at(self, node: IntArray) -> IntArray:
        """Return the coordinate of each node."""
        found: IntArray = node // self.points % self.members
        return found

    def step(self, node: IntArray, a: IntArray, b: IntArray, index: IntArray) -> tuple[IntArray, IntArray]:
        """Return the channel that is number `index` of those from coordinate a toward b, and the node it enters."""
        at = self.start[a, b]
        arc, left = self.arcs[at], index
        while np.any(over := left >= self.each[arc // 2]):
            left = np.where(over, left - self.each[arc // 2], left)
            at = at + over
            arc = self.arcs[at]
        edge, back = arc // 2, arc % 2
        copy, point = node // (self.points * self.members), node % self.points
        link = (
            copy * self.links
            + self.base[edge] * self.points
            + point * self.each[edge]
            + left
            + self.first_link
        )
        return 2 * link + back, node + (self.ends[edge, 1 - back] - a) * self.points


@dataclass(frozen=True, eq=False)
class Product:
    """A machine whose ranks forward and are joined along coordinates."""

    dimensions: tuple[Dimension, ...]

    def hops(self, src: IntArray, dst: IntArray) -> IntArray:
        """Return the hops between two ranks, UNREACHABLE where some coordinate cannot be changed as needed."""
        apart = [d.distance[d.at(src), d.at(dst)] for d in self.dimensions]
        separated = np.any([part == UNREACHABLE for part in apart], axis=0)
        return np.where(separated, UNREACHABLE, np.sum(apart, axis=0))

    def steps(self, front: F, ordered: bool = False) -> Iterator[tuple[F, IntArray, int]]:
        """Yield what crosses which channel, hop by hop; rows that cannot arrive are left out.

        ordered: one dimension after the other, the first one first, so that only its channels are candidates.
        """
        front = front.taken(np.flatnonzero(self.hops(front.node, front.dst) > 0))
        hop = 0
        while len(front.row):
            ways = self._ways(front.node, front.dst, ordered)
            going, origin, which = front.split(np.sum(ways, axis=0))
            channel, node = np.empty_like(which), np.empty_like(which)
            before = np.zeros_like(which)
            for dimension, n in zip(self.dimensions, ways, strict=True):
                here = n if origin is None else n[origin]
                rows = np.flatnonzero((which >= before) & (which < before + here))
                a, b = dimension.at(going.node[rows]), dimension.at(going.dst[rows])
                channel[rows], node[rows] = dimension.step(going.node[rows], a, b, which[rows] - before[rows])
                before += here
            yield going, channel, hop
            front, hop = going.moved(node), hop + 1
            front = front.taken(np.flatnonzero(front.node != front.dst))

    def _ways(self, node: IntArray, dst: IntArray, ordered: bool) -> list[IntArray]:
        """Return (dimensions, rows) how many channels come nearer in each dimension."""
        ways = [d.count[d.at(node), d.at(dst)] for d in self.dimensions]
        if ordered:
            done = np.zeros(len(node), np.bool_)
            for index, n in enumerate(ways):
                ways[index] = np.where(done, 0, n)
                done |= n > 0
        return ways


def has_coordinates(fabric: Fabric) -> bool:
    """Return whether dimensions are to be had: a product of ranks, or of switches with ranks of their own (HyperX)."""
    infos = fabric.about.levels
    if product_of(fabric) is not None:
        return True
    if not infos or infos[0].planes * infos[0].switches != 1:
        return False
    return all(info.attached == infos[0].name and not info.planes for info in infos[1:])


def product_of(fabric: Fabric) -> Product | None:
    """Return the coordinates of a machine that is a product; None for any other."""
    infos = fabric.about.levels
    if (
        not infos
        or fabric.nodes != fabric.ranks
        or not fabric.forwards.all()
        or fabric.groups[0].count != fabric.ranks
    ):
        return None
    per_level = np.bincount(fabric.level, minlength=len(infos)).tolist()
    if per_level != [info.copies * info.links for info in infos] or np.any(np.diff(fabric.level) < 0):
        return None
    if any(info.members > MAX_MEMBERS or info.attached or info.beside for info in infos):
        return None
    first = np.concatenate([[0], np.cumsum(per_level)]).tolist()
    dimensions = [_dimension(info, link) for info, link in zip(infos, first, strict=False)]
    known = [d for d in dimensions if d is not None]
    return (
        Product(tuple(known)) if len(known) == len(infos) and all(_fits(fabric, d) for d in known) else None
    )


def _dimension(info: LevelInfo, first: int) -> Dimension | None:
    edges, n = info.edges.reshape(-1, 3), info.members
    parallel = int(edges[:, 2].sum()) * info.points
    if parallel and info.links % parallel:
        return None
    each = edges[:, 2] * (info.links // parallel if parallel else 1)
    distance = _distances(edges, n)
    start, arcs = _arcs(edges, distance)
    sums = np.concatenate([[0], np.cumsum(each[arcs // 2])])
    count = np.diff(np.append(start.reshape(-1), len(arcs)))
    total = sums[start.reshape(-1) + count] - sums[start.reshape(-1)]
    return Dimension(
        info.name, first, info.links, n, info.points, edges[:, :2], np.cumsum(each) - each, each, distance, start,
        np.append(arcs, 0), total.reshape(n, n),
    )  # fmt: skip


def _distances(edges: IntArray, n: int) -> IntArray:
    """Return (n, n) hops between the members of a small graph."""
    distance = np.full((n, n), UNREACHABLE)
    np.fill_diagonal(distance, 0)
    ends = np.concatenate([edges[:, :2], edges[:, 1::-1]])
    ends = ends[np.argsort(ends[:, 0], kind="stable")]
    starts = np.searchsorted(ends[:, 0], np.arange(n + 1))
    row, at, hops = np.arange(n), np.arange(n), 0
    while len(row) and np.any(distance == UNREACHABLE):
        hops += 1
        of, item = expanded(starts[at], starts[at + 1] - starts[at])
        cell = np.unique(row[of] * n + ends[item, 1])
        cell = cell[distance.reshape(-1)[cell] == UNREACHABLE]
        distance.reshape(-1)[cell] = hops
        row, at = np.divmod(cell, n)
    return distance


def _arcs(edges: IntArray, distance: IntArray) -> tuple[IntArray, IntArray]:
    """Return the starts of each pair's candidates, and the candidates of all pairs, by edge."""
    n = len(distance)
    number = np.arange(2 * len(edges))
    tail, head = edges[number // 2, number % 2], edges[number // 2, 1 - number % 2]
    found, counts = [], np.zeros((n, n), np.int64)
    for a in range(n):
        arcs = number[tail == a]
        b, which = np.nonzero(distance[a][:, None] == distance[head[arcs]].T + 1)
        useful = distance[a, b] > 0
        found.append(arcs[which[useful]])
        counts[a] = np.bincount(b[useful], minlength=n)
    starts = np.cumsum(counts.reshape(-1)) - counts.reshape(-1)
    return starts.reshape(n, n), np.concatenate(found)


def _fits(fabric: Fabric, dimension: Dimension) -> bool:
    """Return whether links lie where the formula puts them."""
    block = dimension.members * dimension.points
    count = fabric.ranks // block * dimension.links
    link = np.unique(np.linspace(0, count - 1, min(count, _COMPARED)).astype(np.int64))
    copy, left = np.divmod(link, max(dimension.links, 1))
    edge = np.searchsorted(dimension.base * dimension.points, left, side="right") - 1
    point = (left - dimension.base[edge] * dimension.points) // dimension.each[edge]
    node = copy[:, None] * block + dimension.ends[edge] * dimension.points + point[:, None]
    return np.array_equal(fabric.src[link + dimension.first_link], node[:, 0]) and np.array_equal(
        fabric.dst[link + dimension.first_link], node[:, 1]
    )
