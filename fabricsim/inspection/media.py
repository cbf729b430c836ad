"""What links run over: cables by medium, their lanes, and the optical modules at their ends."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric, IntArray, Link


def cables(fabric: Fabric) -> dict[str, int | float]:
    """Return how many links there are on boards, and cables of each other medium, by medium.

    A link is one cable of its medium unless it states `cables`; links that state no medium are `unstated`.
    """
    counts: defaultdict[str, float] = defaultdict(float)
    for link, number in zip(fabric.links, links_of_class(fabric).tolist(), strict=True):
        for medium, each in made_of(link):
            counts[medium] += each * number
    return {medium: whole(count) for medium, count in sorted(counts.items()) if count}


def cable_lanes(fabric: Fabric) -> dict[str, int] | None:
    """Return the lanes of all links by medium; None where a link states no lanes, or cables of its own."""
    lanes: defaultdict[str, int] = defaultdict(int)
    for link, number in zip(fabric.links, links_of_class(fabric).tolist(), strict=True):
        if number and (link.lanes is None or link.cables):
            return None
        lanes[link.medium or "unstated"] += number * (link.lanes or 0)
    return {medium: count for medium, count in sorted(lanes.items()) if count}


def modules_of_class(fabric: Fabric) -> NDArray[np.float64]:
    """Return (classes,) the optical modules of each class: one at each end of each fibre, none in a circuit switch."""
    fibres = np.array([dict(made_of(link)).get("optical", 0.0) for link in fabric.links])
    passive = np.repeat([g.device.kind == "ocs" for g in fabric.groups], [g.count for g in fabric.groups])
    ends = (~passive[fabric.src]).astype(np.int64) + ~passive[fabric.dst]
    return fibres * np.bincount(fabric.link_class, ends, len(fabric.links))


def cable_links(fabric: Fabric) -> IntArray:
    """Return the links that are cables: all but those on boards and inside packages."""
    board = np.array([link.medium == "pcb" for link in fabric.links])
    inside = np.array([fabric.about.networks.get(name) == "package" for name in fabric.levels])
    return np.flatnonzero(~board[fabric.link_class] & ~inside[fabric.level])


def links_of_class(fabric: Fabric) -> IntArray:
    """Return (classes,) how many links each class has."""
    return np.bincount(fabric.link_class, minlength=len(fabric.links))


def made_of(link: Link) -> tuple[tuple[str, float], ...]:
    """Return (medium, how many) of the cables that one link is."""
    return link.cables or ((link.medium or "unstated", 1.0),)


def whole(count: float) -> int | float:
    """Return a count as an integer where it is whole."""
    return int(count) if count == int(count) else count
