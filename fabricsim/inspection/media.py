"""What links run over: cables by medium, their lanes, and the optical modules at their ends."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from fabricsim.fabric import Fabric, IntArray, Link


def cables(fabric: Fabric) -> dict[str, int | float]:
    """Return how many links there are on boards, and cables of each other medium, by medium.

    A link is one cable of its medium unless it states `cables`; links that state no medium are `unstated`.
    """
    counts: defaultdict[str, float] = defaultdict(float)
    for link, number in zip(fabric.links, links_of_class(fabric).tolist(), strict=True):
        for medium, each in made_of(link):
            counts[medium] += each * number
    return {medium: _whole(count) for medium, count in sorted(counts.items()) if count}


def cable_lanes(fabric: Fabric) -> dict[str, int] | None:
    """Return the lanes of all links by medium; None where a link states no lanes, or cables of its own."""
    lanes: defaultdict[str, int] = defaultdict(int)
    for link, number in zip(fabric.links, links_of_class(fabric).tolist(), strict=True):
        if number and (link.lanes is None or link.cables):
            return None
        lanes[link.medium or "unstated"] += number * (link.lanes or 0)
    return {medium: count for medium, count in sorted(lanes.items()) if count}


def optical_modules(fabric: Fabric) -> int | float:
    """Return how many optical modules there are: one at each end of each fibre, none in a circuit switch."""
    fibres = np.array([dict(made_of(link)).get("optical", 0.0) for link in fabric.links])
    passive = np.repeat([g.device.kind == "ocs" for g in fabric.groups], [g.count for g in fabric.groups])
    each = fibres[fabric.link_class]
    return _whole(sum(float(each[~passive[ends]].sum()) for ends in (fabric.src, fabric.dst)))


def links_of_class(fabric: Fabric) -> IntArray:
    """Return (classes,) how many links each class has."""
    return np.bincount(fabric.link_class, minlength=len(fabric.links))


def made_of(link: Link) -> tuple[tuple[str, float], ...]:
    """Return (medium, how many) of the cables that one link is."""
    return link.cables or ((link.medium or "unstated", 1.0),)


def _whole(count: float) -> int | float:
    return int(count) if count == int(count) else count
