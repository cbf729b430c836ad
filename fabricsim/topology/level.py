"""One level of a machine, all its numbers known: so many copies of the level below, joined by a rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import networkx as nx

from fabricsim.fabric import Device, Link

SWITCH: Final = Device("switch", "switch", forwards=True)
"""A switch of which nothing is said: any number of ports, no delay."""


@dataclass(frozen=True)
class Attachment:
    """So many nodes beside the members of each copy, each with `links` links to every switch of the copy."""

    name: str
    device: Device
    count: int
    link: Link
    links: int = 1


@dataclass(frozen=True)
class Level:
    """One level. Whatever is None follows from the rest.

    ports: links of each attached node in this level, one number, or one per plane. planes, switches: switch
    planes, and switches in each plane or column. uplinks_of: the inner level whose switches are attached, in
    place of the NPUs. uplinks: links up from each of those; else as many as its `taper` leaves. taper: down
    over up bandwidth of this level's switches. join: all columns reach the same switches. graph: the graph
    of rule `graph`. beside: the inner level whose members are joined here once more, by a network of its own;
    such a level makes no copies and no part of a name. ragged: members of each copy in the level above, where they
    differ; `members` is then the largest. through: the circuit switch that every link runs through. twist: (inner
    level, by how many of its members) that a ring's wrap also advances. attach: nodes beside the members. rails_of:
    the inner level within which equal positions share a rail; within a member of this one if None.
    """

    name: str
    rule: str
    members: int
    link: Link | None = None
    ports: tuple[int, ...] | None = None
    planes: int = 1
    switch: Device = SWITCH
    switches: int | None = None
    uplinks_of: str | None = None
    uplinks: int | None = None
    taper: Fraction = Fraction(1)
    join: bool = False
    tag: str = "sw"
    network: str = "scale-up"
    graph: nx.Graph[Any] | None = None
    beside: str | None = None
    ragged: tuple[int, ...] = ()
    through: Device | None = None
    twist: tuple[tuple[str, int], ...] = ()
    attach: tuple[Attachment, ...] = ()
    rails_of: str | None = None

    @property
    def factor(self) -> int:
        """By how much the level multiplies what is below it."""
        return 1 if self.beside is not None else self.members


def size(levels: Iterable[Level]) -> int:
    """Return how many copies of what is below them the levels make together."""
    return math.prod(level.factor for level in levels)


def base(levels: Sequence[Level], index: int) -> int:
    """Return the index of the level whose members level `index` joins: its own, unless it stands beside one."""
    while index and levels[index].beside is not None:
        index -= 1
    return index
