"""Where nodes and channels of a machine of tiers stand, and which of them no round can tell apart.

A rank is a place on several axes: the levels of the machine, cut where the lines of a round end too. A switch is a
place on the outer axes and a seat in its tier. Values of an axis that nothing singles out may change places everywhere
at once: that is a symmetry wherever each inner copy is joined to the seats above it in the same way, which is checked.
Seats are told apart by colours, refined over the small graph of seats until all of one colour are joined alike to
each other colour (Weisfeiler and Leman, 1968). A dead part singles out the values and the seats of its ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.tiers import Cliques, Tier, Tiers
from fabricsim.schedule import Lines

IntArray = NDArray[np.int64]


@dataclass(eq=False)
class Axis:
    """One coordinate of a rank: rank // stride % size. kind: (size,) the kind of each value, by number.

    circular: whether its values change places by turning around only, all of one kind.
    """

    stride: int
    size: int
    kind: IntArray
    circular: bool = False

    def at(self, rank: IntArray) -> IntArray:
        """Return the value of each rank."""
        found: IntArray = rank // self.stride % self.size
        return found

    @property
    def kinds(self) -> int:
        """How many kinds there are."""
        return int(self.kind.max()) + 1

    @property
    def many(self) -> IntArray:
        """(kinds,) how many values each has."""
        return np.bincount(self.kind)

    def single_out(self, values: IntArray) -> None:
        """Make each of some values a kind of its own."""
        mark = np.zeros(self.size, np.int64)
        mark[np.unique(values)] = 1 + np.arange(len(np.unique(values)))
        self.kind = np.unique(self.kind * (self.size + 1) + mark, return_inverse=True)[1].astype(np.int64)


def axes_of(tiers: Tiers, ranks: int, lines: Sequence[Lines]) -> list[Axis]:
    """Return the axes of ranks, innermost first, all values of a kind. Raises InputError where lines cross levels."""
    cuts = {1, ranks}
    for tier in tiers.tiers:
        cuts |= {tier.unit, tier.ranks_of_member, tier.block}
    for clique in tiers.cliques:
        cuts |= {clique.points, clique.points * clique.members}
    for r in lines:
        cuts |= {r.stride, r.stride * r.side}
    chain = sorted(cuts)
    for inner, outer in pairwise(chain):
        if outer % inner:
            raise InputError(f"blocks of {outer} ranks are not made of blocks of {inner}")
    return [
        Axis(inner, outer // inner, np.zeros(outer // inner, np.int64)) for inner, outer in pairwise(chain)
    ]


# -- seats --------------------------------------------------------------------------------------------------


def _joined(tier: Tier, below: Tier | None) -> IntArray:
    """Return (inner copies, seats below, columns) links from each node below a member to one switch of each column."""
    own = below.columns * below.switches if below else 1
    count = np.zeros((tier.points // own, own, tier.columns), np.int64)
    np.add.at(count, (tier.point // own, tier.point % own, tier.column), 1)
    return count


def colour_seats(tiers: Tiers, axes: list[Axis], dead: IntArray) -> list[IntArray]:
    """Single out what is dead, and return (tiers,) the colours of each tier's seats, (columns · switches,) each."""
    colours = [np.zeros(tier.columns * tier.switches, np.int64) for tier in tiers.tiers]
    joints = [_joined(t, tiers.tiers[t.below] if t.below >= 0 else None) for t in tiers.tiers]
    for index, (tier, joint) in enumerate(zip(tiers.tiers, joints, strict=True)):
        _mark_dead(tiers, index, joint, axes, colours, dead)
        if np.any(joint != joint[:1]):  # copies are joined each in its own way: tell them all apart
            for axis in axes:
                if tier.unit <= axis.stride < tier.ranks_of_member:
                    axis.single_out(np.arange(axis.size))
            colours[index] = np.arange(len(colours[index]))
    for clique in tiers.cliques:
        links = np.unique(dead[_of_clique(clique, tiers, dead)] >> 1)
        for axis, values in _clique_marks(clique, axes, links):
            axis.single_out(values)
    while True:
        refined = _refined(tiers, joints, colours)
        if all(len(np.unique(a)) == len(np.unique(b)) for a, b in zip(refined, colours, strict=True)):
            return refined
        colours = refined


def _refined(tiers: Tiers, joints: list[IntArray], colours: list[IntArray]) -> list[IntArray]:
    words: list[list[IntArray]] = [[colour[:, None]] for colour in colours]
    for index, (tier, joint) in enumerate(zip(tiers.tiers, joints, strict=True)):
        if tier.below < 0:
            continue
        up = _one_hot(colours[index]).reshape(tier.columns, tier.switches, -1).sum(axis=1)
        low = _one_hot(colours[tier.below])
        words[tier.below].append((joint[0] @ up).reshape(len(low), -1))
        words[index].append(np.repeat(joint[0].T @ low, tier.switches, axis=0))
    return [
        np.unique(np.concatenate(word, axis=1), axis=0, return_inverse=True)[1].reshape(-1) for word in words
    ]


def _one_hot(colour: IntArray) -> IntArray:
    return np.eye(int(colour.max()) + 1, dtype=np.int64)[colour]


def _single_seats(colours: list[IntArray], index: int, seats: IntArray) -> None:
    mark = np.zeros(len(colours[index]), np.int64)
    mark[np.unique(seats)] = 1 + np.arange(len(np.unique(seats)))
    colours[index] = np.unique(colours[index] * (len(mark) + 1) + mark, return_inverse=True)[1].astype(
        np.int64
    )


def _mark_dead(
    tiers: Tiers, index: int, joint: IntArray, axes: list[Axis], colours: list[IntArray], dead: IntArray
) -> None:
    """Single out the ends of a tier's dead links; of a node that has lost all its links there, only itself."""
    tier = tiers.tiers[index]
    strand = Strand(tiers, index)
    links = np.unique(dead[strand.holds(dead)] >> 1)
    if not len(links):
        return
    base, low, seat = strand.ends(2 * links)
    own = joint.shape[1]
    upper = base // tier.block * len(colours[index]) + seat
    lower = base // tier.unit * own + low
    down = joint.sum(axis=(0, 1))[seat // tier.switches] * tier.members
    up = joint.sum(axis=2)[base // tier.unit % joint.shape[0], low] * tier.switches
    lost_upper, lost_lower = (
        np.bincount(np.unique(node, return_inverse=True)[1])[np.unique(node, return_inverse=True)[1]] == all_
        for node, all_ in ((upper, down), (lower, up))
    )
    for axis in axes:
        some = np.zeros(len(links), np.bool_)
        if axis.stride >= tier.unit:
            some |= ~lost_upper
        if axis.stride >= tier.block:
            some |= lost_upper
        axis.single_out(axis.at(base[some]))
    _single_seats(colours, index, seat[~lost_lower | lost_upper])
    if tier.below >= 0:
        _single_seats(colours, tier.below, low[~lost_upper])


def _of_clique(clique: Cliques, tiers: Tiers, channel: IntArray) -> NDArray[np.bool_]:
    return Strand(tiers, len(tiers.tiers) + tiers.cliques.index(clique)).holds(channel)


def _clique_marks(clique: Cliques, axes: list[Axis], links: IntArray) -> list[tuple[Axis, IntArray]]:
    if not len(links):
        return []
    pairs = [(a, b) for a in range(clique.members) for b in range(a + 1, clique.members)]
    piece, _ = np.divmod((links - clique.first_link) // clique.each, clique.points)
    copy, pair = np.divmod(piece, len(pairs))
    point = (links - clique.first_link) // clique.each % clique.points
    ends = np.array(pairs)[pair]
    first = copy * clique.members * clique.points + point
    both = np.concatenate([first + ends[:, 0] * clique.points, first + ends[:, 1] * clique.points])
    return [(axis, axis.at(both)) for axis in axes]


# -- channels -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strand:
    """The channels of one tier, or of the clique that is number `index` − tiers."""

    tiers: Tiers
    index: int

    @property
    def of(self) -> Tier | Cliques:
        """The tier or clique."""
        n = len(self.tiers.tiers)
        return self.tiers.tiers[self.index] if self.index < n else self.tiers.cliques[self.index - n]

    def holds(self, channel: IntArray) -> NDArray[np.bool_]:
        """Return which channels belong to it."""
        link = channel >> 1
        starts = [tier.first_link for tier in self.tiers.tiers] + [c.first_link for c in self.tiers.cliques]
        later = sorted(start for start in starts if start > self.of.first_link)
        found: NDArray[np.bool_] = link >= self.of.first_link
        return found & (link < later[0]) if later else found

    def ends(self, channel: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return of channels of a tier the first rank below the lower end, its seat, and the seat of the upper end."""
        tier = self.of
        assert isinstance(tier, Tier)
        below = self.tiers.tiers[tier.below] if tier.below >= 0 else None
        own = below.columns * below.switches if below else 1
        piece, at = np.divmod((channel >> 1) - tier.first_link, tier.size)
        member, switch = np.divmod(piece, tier.switches)
        inner, low = np.divmod(tier.point[at], own)
        return (
            member * tier.ranks_of_member + inner * tier.unit,
            low,
            tier.column[at] * tier.switches + switch,
        )


@dataclass(frozen=True, eq=False)
class Places:
    """Axes with their kinds, and the colours of seats: the classes of everything."""

    fabric: Fabric
    tiers: Tiers
    axes: list[Axis]
    colours: list[IntArray]

    def strands(self) -> list[Strand]:
        """Return all parts of the machine that have channels of their own."""
        return [Strand(self.tiers, index) for index in range(len(self.tiers.tiers) + len(self.tiers.cliques))]

    def shape(self, strand: Strand) -> tuple[int, ...]:
        """Return how many values each part of a class has: direction, colours of both seats, then axis by axis."""
        part = strand.of
        if isinstance(part, Cliques):
            return (1, 1, 1, *(self._pair_kinds(axis, part) for axis in self.axes))
        low = int(self.colours[part.below].max()) + 1 if part.below >= 0 else 1
        up = int(self.colours[strand.index].max()) + 1
        return (2, low, up, *(axis.kinds if axis.stride >= part.unit else 1 for axis in self.axes))

    def classes(self, strand: Strand, channel: IntArray) -> IntArray:
        """Return the class of channels of a strand, as a place in its shape."""
        part, none = strand.of, np.zeros(len(channel), np.int64)
        if isinstance(part, Cliques):
            link, back = channel >> 1, channel & 1
            a = np.where(back, self.fabric.dst[link], self.fabric.src[link])
            b = np.where(back, self.fabric.src[link], self.fabric.dst[link])
            key = [none, none, none, *(self._pair(axis, part, a, b) for axis in self.axes)]
        else:
            base, low, up = strand.ends(channel)
            lows = self.colours[part.below][low] if part.below >= 0 else none
            at = [axis.kind[axis.at(base)] if axis.stride >= part.unit else none for axis in self.axes]
            key = [channel & 1, lows, self.colours[strand.index][up], *at]
        return np.ravel_multi_index(key, self.shape(strand)).astype(np.int64)

    def _pair_kinds(self, axis: Axis, clique: Cliques) -> int:
        if not clique.points <= axis.stride < clique.points * clique.members:
            return axis.kinds
        return 2 * axis.kinds**2

    def _pair(self, axis: Axis, clique: Cliques, a: IntArray, b: IntArray) -> IntArray:
        x, y = axis.at(a), axis.at(b)
        if not clique.points <= axis.stride < clique.points * clique.members:
            return axis.kind[x]
        found: IntArray = (axis.kind[x] * axis.kinds + axis.kind[y]) * 2 + (x == y)
        return found

    def sizes(self, strand: Strand) -> IntArray:
        """Return how many channels each class of a strand has, dead ones included."""
        part = strand.of
        found = self._tier_sizes(part, strand) if isinstance(part, Tier) else self._clique_sizes(part)
        return found.reshape(-1)

    def _tier_sizes(self, tier: Tier, strand: Strand) -> IntArray:
        """Count the links of one member, and multiply by the values of the axes outside it."""
        shape = self.shape(strand)
        one = 2 * (tier.first_link + np.arange(tier.size * tier.switches))
        both = np.concatenate([one, one + 1])
        inner = np.zeros(shape, np.int64).reshape(-1)
        classes = self.classes(strand, both)
        key = list(np.unravel_index(classes, shape))
        for place, axis in enumerate(self.axes):
            if axis.stride >= tier.ranks_of_member:
                key[3 + place] = np.zeros_like(classes)
        np.add.at(inner, np.ravel_multi_index(key, shape), 1)
        counts = inner.reshape(shape)
        for place, axis in enumerate(self.axes):
            if axis.stride >= tier.ranks_of_member:
                first = np.take(counts, [0], axis=3 + place)
                counts = first * self._along(axis.many, 3 + place, len(shape))
        return counts

    def _clique_sizes(self, clique: Cliques) -> IntArray:
        counts = np.full((1,) * (3 + len(self.axes)), clique.each, np.int64)
        for place, axis in enumerate(self.axes):
            many = axis.many
            if clique.points <= axis.stride < clique.points * clique.members:
                same = np.diag(many)
                many = np.stack([np.outer(many, many) - same, same], axis=2).reshape(-1)
            counts = counts * self._along(many, 3 + place, counts.ndim)
        return counts

    @staticmethod
    def _along(values: IntArray, dim: int, dims: int) -> IntArray:
        return values.reshape([len(values) if d == dim else 1 for d in range(dims)])

    def one_of(self, strand: Strand, classes: IntArray) -> IntArray:
        """Return one channel of each of some classes of a strand."""
        part, key = strand.of, np.unravel_index(classes, self.shape(strand))
        firsts = [np.unique(axis.kind, return_index=True)[1] for axis in self.axes]
        if isinstance(part, Cliques):
            a = b = np.zeros(len(classes), np.int64)
            for axis, first, kind in zip(self.axes, firsts, key[3:], strict=True):
                if not part.points <= axis.stride < part.points * part.members:
                    a, b = a + first[kind] * axis.stride, b + first[kind] * axis.stride
                    continue
                pair, same = np.divmod(kind, 2)
                x, y = np.divmod(pair, axis.kinds)
                other = np.array([np.flatnonzero(axis.kind == k)[:2][-1] for k in range(axis.kinds)])
                a = a + first[x] * axis.stride
                b = b + np.where((x == y) & (same == 0), other[y], first[y]) * axis.stride
            return part.channel(a, b, np.zeros_like(a))
        member = np.zeros(len(classes), np.int64)
        local = list(key)
        for place, (axis, first) in enumerate(zip(self.axes, firsts, strict=True)):
            if axis.stride >= part.ranks_of_member:
                member = member + first[key[3 + place]] * (axis.stride // part.ranks_of_member)
                local[3 + place] = np.full(len(classes), axis.kind[0])
        one = 2 * (part.first_link + np.arange(part.size * part.switches))
        both = np.concatenate([one, one + 1])
        known, place_of = np.unique(self.classes(strand, both), return_index=True)
        wanted = np.ravel_multi_index(local, self.shape(strand))
        return both[place_of[np.searchsorted(known, wanted)]] + 2 * member * part.size * part.switches
