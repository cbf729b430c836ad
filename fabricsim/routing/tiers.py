"""Candidates by arithmetic on machines whose switches stand in tiers: no search, and no array per node.

A level with switches joins the ranks of one copy, a block of consecutive ranks; the blocks of any two levels are nested
or apart. Two ranks meet in every level of which one copy holds both, and their shortest paths climb to the lowest such
levels and come down again: a path with a valley has two peaks, the wider of their levels holds both ranks, and it is
lower than the two climbs together. Rails add that a column of switches serves the ranks of one place only.

Which machines are of this kind is decided in `tiering`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.routing.front import F
from fabricsim.routing.search import UNREACHABLE

IntArray = NDArray[np.int64]
RANKS: Final = -1
"""Stands where a tier's index could, for the ranks."""


@dataclass(frozen=True, eq=False)
class Tier:
    """The switches of one level, and the links that lead up to them from the ranks or from the tier `below`.

    Links come in pieces of `size`, one for each (member, switch): piece member · switches + s joins the points of a
    member to switch s of all columns. Position i of a piece joins point[i] to column[i]; those of point p are
    start[p] : start[p + 1]; those from a column down to a kind of target are down_count of `down` from down_start on.
    The kind of a target is its unit within the member, and its place where the tier joins several.

    block: ranks in a copy. unit: ranks below one copy of what is attached. place: (columns,) the one place, rank modulo
    `places`, that each column serves, None where they serve all; sorts: places told apart on the way down, 1 for none.
    """

    below: int
    height: int
    block: int
    unit: int
    first_link: int
    first_node: int
    first_below: int
    members: int
    points: int
    columns: int
    switches: int
    point: IntArray
    column: IntArray
    start: IntArray
    places: int
    place: IntArray | None
    sorts: int
    down: IntArray
    down_start: IntArray
    down_count: IntArray

    @property
    def size(self) -> int:
        """Links in a piece."""
        return len(self.point)

    @property
    def ranks_of_member(self) -> int:
        """Ranks below one member."""
        return self.block // self.members

    def meets(self, src: IntArray, dst: IntArray) -> NDArray[np.bool_]:
        """Return whether two ranks stand below the same switches."""
        same: NDArray[np.bool_] = src // self.block == dst // self.block
        return same if self.place is None else same & (src % self.places == dst % self.places)

    @cached_property
    def _run(self) -> int:
        """Links from a point to a switch of all columns together, 0 where they differ between points."""
        runs = np.diff(self.start)
        return int(runs[0]) if np.all(runs == runs[0]) else 0

    def ways_up(self, node: IntArray) -> IntArray | int:
        """Return how many links lead up from each attached node: one number where all have as many."""
        if self._run:
            return self._run * self.switches
        return np.diff(self.start)[(node - self.first_below) % self.points] * self.switches

    def up(self, node: IntArray, index: IntArray) -> tuple[IntArray, IntArray]:
        """Return the link that is number `index` of those up from each node, and the switch that it leads to."""
        member, point = _divided(node - self.first_below, self.points)
        if self._run:
            switch: IntArray | int = _quotient(index, self._run) if self.switches > 1 else 0
            at = index + (point - switch) * self._run
        else:
            first = self.start[point]
            switch, at = np.divmod(index, self.start[point + 1] - first)
            at += first
        link = self._piece(member, switch) * self.size + at
        column = _quotient(member, self.members) * self.columns + self.column[at]
        return link + self.first_link, column * self.switches + switch + self.first_node

    def ways_down(self, node: IntArray, dst: IntArray) -> tuple[IntArray, IntArray | int]:
        """Return where in `down` the ways from each switch to its target start, and how many there are."""
        kind = _remainder(_quotient(dst, self.unit), self.ranks_of_member // self.unit)
        if self.sorts > 1:
            kind = kind * self.sorts + dst % self.places
        column = _remainder(_quotient(node - self.first_node, self.switches), self.columns)
        key = kind * self.columns + column
        if isinstance(key, int):  # one kind of target, one column
            return np.broadcast_to(self.down_start[key], dst.shape), int(self.down_count[key])
        return self.down_start[key], 1 if self._single else self.down_count[key]

    @cached_property
    def _single(self) -> bool:
        return bool(np.all(self.down_count == 1))

    def fall(self, node: IntArray, dst: IntArray, way: IntArray) -> tuple[IntArray, IntArray]:
        """Return the link that each way down stands for, and the node that it leads to."""
        at = self.down[way]
        member = _quotient(dst, self.ranks_of_member)
        switch = _remainder(node - self.first_node, self.switches)
        link = self._piece(member, switch) * self.size + at + self.first_link
        return link, member * self.points + self.point[at] + self.first_below

    def _piece(self, member: IntArray, switch: IntArray | int) -> IntArray:
        return member if self.switches == 1 else member * self.switches + switch


def _divided(number: IntArray, by: int) -> tuple[IntArray, IntArray]:
    """Return quotient and remainder; several times quicker than NumPy's divmod, which no machine has for 64 bits."""
    quotient = number // by
    return quotient, number - quotient * by


def _quotient(number: IntArray, by: int) -> IntArray:
    return number if by == 1 else number // by


def _remainder(number: IntArray, by: int) -> IntArray | int:
    return 0 if by == 1 else _divided(number, by)[1]


@dataclass(frozen=True, eq=False)
class Cliques:
    """Ranks all joined among themselves, by a full mesh of members of so many points each."""

    first_link: int
    members: int
    points: int
    each: int

    def joins(self, src: IntArray, dst: IntArray) -> NDArray[np.bool_]:
        """Return whether links lead from one rank straight to the other."""
        block = self.members * self.points
        same: NDArray[np.bool_] = src // block == dst // block
        return same if self.points == 1 else same & (src % self.points == dst % self.points)

    def channel(self, src: IntArray, dst: IntArray, index: IntArray) -> IntArray:
        """Return the channel that is number `index` of those from one rank to another."""
        low, high = np.minimum(src, dst), np.maximum(src, dst)
        a, b = (end // self.points % self.members for end in (low, high))
        pair = a * self.members - a * (a + 1) // 2 + b - a - 1  # as (0, 1), (0, 2), … are numbered
        pairs = self.members * (self.members - 1) // 2
        piece = low // (self.members * self.points) * pairs + pair
        link = (piece * self.points + low % self.points) * self.each + index + self.first_link
        return np.asarray(2 * link + (src > dst), np.int64)


@dataclass(frozen=True, eq=False)
class Tiers:
    """A machine of tiers. Every tier comes after the one below it."""

    tiers: tuple[Tier, ...]
    cliques: tuple[Cliques, ...]

    def hops(self, src: IntArray, dst: IntArray) -> IntArray:
        """Return the hops from each rank to another one, UNREACHABLE where they meet nowhere."""
        height, _ = self._meetings(src, dst)
        hops: IntArray = np.where(height > 0, 2 * height, np.where(height < 0, 1, UNREACHABLE))
        return hops

    def steps(self, front: F, ordered: bool = False) -> Iterator[tuple[F, IntArray, int]]:
        """Yield what crosses which channel, hop by hop, from ranks to other ranks; who cannot arrive is left out.

        Tiers have no coordinates to go by: `ordered` makes no difference.
        """
        _, where = self._meetings(front.node, front.dst)
        ways = np.bincount(where + len(self.cliques))  # few distinct ones: counting is quicker than sorting
        for turn in (np.flatnonzero(ways) - len(self.cliques)).tolist():
            if turn == 0:
                continue
            rows = (
                front
                if ways[turn + len(self.cliques)] == len(where)
                else front.taken(np.flatnonzero(where == turn))
            )
            if turn < 0:
                yield from self._straight(rows, -1 - turn)
            else:
                yield from self._climb(rows, RANKS, self._chains(turn), turn, 0)

    def _meetings(self, src: IntArray, dst: IntArray) -> tuple[IntArray, IntArray]:
        """Return how high each pair climbs, and in which tiers it turns, as bits.

        0 and no bits where they meet nowhere; −1 and −1 − index where they are joined by a clique.
        """
        height, where = np.zeros(len(src), np.int64), np.zeros(len(src), np.int64)
        for index, clique in enumerate(self.cliques):
            joined = clique.joins(src, dst) & (height == 0)
            height[joined], where[joined] = -1, -1 - index
        for index in np.argsort([tier.height for tier in self.tiers], kind="stable").tolist():
            tier = self.tiers[index]
            meet = tier.meets(src, dst) & ((height == 0) | (height == tier.height))
            height[meet] = tier.height
            where[meet] |= 1 << index
        return height, where

    def _chains(self, turn: int) -> set[int]:
        """Return the tiers that lead up to those of `turn`, themselves included."""
        found: set[int] = set()
        for index in range(len(self.tiers)):
            at = index if turn >> index & 1 else RANKS
            while at != RANKS:
                found.add(at)
                at = self.tiers[at].below
        return found

    def _straight(self, front: F, index: int) -> Iterator[tuple[F, IntArray, int]]:
        clique = self.cliques[index]
        going, _, which = front.split(clique.each)
        yield going, clique.channel(going.node, going.dst, which), 0

    def _climb(
        self, front: F, at: int, chains: set[int], turn: int, hop: int
    ) -> Iterator[tuple[F, IntArray, int]]:
        if at != RANKS and turn >> at & 1:
            yield from self._descend(front, at, hop)
            return
        ups = [index for index in sorted(chains) if self.tiers[index].below == at]
        ways = [self.tiers[index].ways_up(front.node) for index in ups]
        going, origin, which = front.split(sum(ways[1:], start=ways[0]))
        before: IntArray | int = 0
        for index, ways_of in zip(ups, ways, strict=True):
            n = ways_of if isinstance(ways_of, int) or origin is None else ways_of[origin]
            some, number = going, which
            if len(ups) > 1:
                rows = np.flatnonzero((which >= before) & (which < before + n))
                some, number = going.taken(rows), (which - before)[rows]
                before = before + n
            link, node = self.tiers[index].up(some.node, number)
            yield some, 2 * link, hop
            yield from self._climb(some.moved(node), index, chains, turn, hop + 1)

    def _descend(self, front: F, at: int, hop: int) -> Iterator[tuple[F, IntArray, int]]:
        while at != RANKS:
            tier = self.tiers[at]
            start, n = tier.ways_down(front.node, front.dst)
            going, origin, which = front.split(n)
            way = start + which if origin is None else start[origin] + which
            link, node = tier.fall(going.node, going.dst, way)
            yield going, 2 * link + 1, hop
            front, at, hop = going.moved(node), tier.below, hop + 1
