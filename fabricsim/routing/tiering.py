"""Which machines are made of tiers, read from their levels and checked against their links."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric, LevelInfo
from fabricsim.routing.tiers import RANKS, Cliques, Tier, Tiers

IntArray = NDArray[np.int64]
_COMPARED: Final = 1 << 18
"""Links of a level that are compared with their formula, evenly spaced."""


def tiers_of(fabric: Fabric) -> Tiers | None:
    """Return the tiers of a machine of levels; None where its shortest paths or its numbers do not follow from them."""
    infos = fabric.about.levels
    if not any(info.planes for info in infos) or not _numbered(fabric):
        return None
    tiers: dict[str, tuple[int, Tier]] = {}
    cliques: list[Cliques] = []
    link = 0
    for info in infos:
        if info.planes:
            tier = _tier(fabric, info, tiers, link)
            if tier is None:
                return None
            tiers[info.name] = len(tiers), tier
        elif info.links:
            clique = _clique(fabric, info, link)
            if clique is None:
                return None
            cliques.append(clique)
        link += info.copies * info.links
    found = Tiers(tuple(tier for _, tier in tiers.values()), tuple(cliques))
    return found if _plain(fabric, found) and _as_numbered(fabric, found) else None


def _numbered(fabric: Fabric) -> bool:
    """Return whether nodes and links are as many as the levels make them, level by level."""
    infos = fabric.about.levels
    switches = sum(info.copies * info.planes * info.switches for info in infos)
    per_level = np.bincount(fabric.level, minlength=len(infos)).tolist()
    return (
        fabric.groups[0].count == fabric.ranks
        and fabric.nodes == fabric.ranks + switches
        and per_level == [info.copies * info.links for info in infos]
        and bool(np.all(fabric.level[1:] >= fabric.level[:-1]))
    )


def _tier(fabric: Fabric, info: LevelInfo, known: dict[str, tuple[int, Tier]], link: int) -> Tier | None:
    """Return the tier of a level with switches, read from its first piece; None where it is not a plain one."""
    index, below = known.get(info.attached, (RANKS, None))
    full = np.indices((info.members, info.switches)).reshape(2, -1).T
    plain = len(info.edges) == len(full) and np.array_equal(info.edges[:, :2] - [0, info.members], full)
    if not plain or info.links % len(full) or (info.attached and below is None):
        return None
    size = info.links // len(full)
    first_node = next(group.first for group in fabric.groups if group.level == info.name)
    first_below = below.first_node if below else 0
    point = fabric.src[link : link + size] - first_below
    column, rest = np.divmod(fabric.dst[link : link + size] - first_node, info.switches)
    unit = below.block if below else 1
    own = below.columns * below.switches if below else 1
    block = fabric.ranks // info.copies
    starts = np.searchsorted(point, np.arange(info.points + 1))
    if (
        rest.any()
        or starts[-1] != size
        or np.any(np.diff(point) < 0)
        or starts[0]
        or point.max() >= info.points
    ):
        return None
    if block % (info.members * unit) or info.points * unit * info.members != block * own:
        return None
    served = _served(info, below, point, column)
    if served is None:
        return None
    places, place, sort = served
    sorts = 1 if sort is None else places
    kind = point // own if sort is None else point // own * places + sort
    key = kind * info.planes + column
    counts = np.bincount(key, minlength=info.points // own * sorts * info.planes)
    return Tier(
        index, below.height + 1 if below else 1, block, unit, link, first_node, first_below,
        info.members, info.points, info.planes, info.switches, point, column, starts, places, place, sorts,
        np.argsort(key, kind="stable"), np.cumsum(counts) - counts, counts,
    )  # fmt: skip


def _served(
    info: LevelInfo, below: Tier | None, point: IntArray, column: IntArray
) -> tuple[int, IntArray | None, IntArray | None] | None:
    """Return how many places there are, that of each column, and that of each position where columns join several."""
    if below is None:
        if info.rule != "rails":
            return 1, None, None
        apart = np.array_equal(
            column, point % info.planes
        )  # places of a member, or of each of its equal parts
        return (info.planes, np.arange(info.planes), None) if apart else None
    if below.place is None:
        return below.places, None, None
    own = below.columns * below.switches
    sort = below.place[point % own // below.switches]
    low, high = np.full(info.planes, below.places), np.zeros(info.planes, np.int64)
    np.minimum.at(low, column, sort)
    np.maximum.at(high, column, sort)
    if np.array_equal(low, high):
        return below.places, low, None
    joins_all = len(np.unique(sort * info.planes + column)) == below.places * info.planes
    return (below.places, None, sort) if joins_all else None


def _clique(fabric: Fabric, info: LevelInfo, link: int) -> Cliques | None:
    """Return the ranks that a full mesh joins; None for any other level without switches."""
    pairs = info.members * (info.members - 1) // 2
    if (
        info.attached
        or info.rule != "full-mesh"
        or len(info.edges) != pairs
        or info.links % (pairs * info.points)
    ):
        return None
    return Cliques(link, info.members, info.points, info.links // (pairs * info.points))


def _plain(fabric: Fabric, found: Tiers) -> bool:
    """Return whether no shortest path has a valley, or leads through a rank."""
    belows = [tier.below for tier in found.tiers]
    narrow = [index for index, tier in enumerate(found.tiers) if tier.place is not None]
    if any(belows.count(index) > 1 for index in narrow):
        return False  # one of two levels above the same rails could join what the other keeps apart
    if not fabric.forwards[fabric.ranks :].all():
        return False
    if not fabric.forwards[: fabric.ranks].any():
        return True
    if len(found.cliques) > 1 or narrow:
        return False
    least = min(tier.block for tier in found.tiers)
    return all(clique.members * clique.points <= least for clique in found.cliques)


def _as_numbered(fabric: Fabric, found: Tiers) -> bool:
    """Return whether links lie where the formulas put them."""
    return all(_tier_fits(fabric, tier) for tier in found.tiers) and all(
        _clique_fits(fabric, clique) for clique in found.cliques
    )


def _some(count: int) -> IntArray:
    return np.linspace(0, count - 1, min(count, _COMPARED)).astype(np.int64)


def _tier_fits(fabric: Fabric, tier: Tier) -> bool:
    pieces = fabric.ranks // tier.ranks_of_member * tier.switches
    offset = _some(pieces * tier.size)
    piece, at = np.divmod(offset, tier.size)
    member, switch = np.divmod(piece, tier.switches)
    node = member * tier.points + tier.point[at] + tier.first_below
    column = member // tier.members * tier.columns + tier.column[at]
    end = column * tier.switches + switch + tier.first_node
    link = offset + tier.first_link
    return np.array_equal(fabric.src[link], node) and np.array_equal(fabric.dst[link], end)


def _clique_fits(fabric: Fabric, clique: Cliques) -> bool:
    pairs = clique.members * (clique.members - 1) // 2 * clique.points * clique.each
    count = fabric.ranks // (clique.members * clique.points) * pairs
    link = _some(count) + clique.first_link
    src, dst = fabric.src[link], fabric.dst[link]
    index = (link - clique.first_link) % clique.each
    return bool(clique.joins(src, dst).all()) and np.array_equal(clique.channel(src, dst, index), 2 * link)
