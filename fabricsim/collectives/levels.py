"""The levels of a machine as a grid: which ranks form groups, groups of groups, and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.schedule import IntArray

MESHED: Final = 16
"""Members up to which a stage in a full mesh is direct: each rank then has a message for every other member."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Ranks as a grid along levels, innermost first, levels of which they have one member left out.

    order: (n,) the ranks, those of one group together. names, sides: the levels, and how many members of each the
    ranks lie in. meshed: whether the members of a level are all joined to each other.
    """

    order: IntArray
    names: tuple[str, ...]
    sides: tuple[int, ...]
    meshed: tuple[bool, ...]


def levels_of(fabric: Fabric, ranks: IntArray, wanted: Sequence[str] | None) -> Levels:
    """Return ranks as a grid along the levels of a machine.

    wanted: names of levels, innermost first; a level left out counts with the next one. By default all that join their
    members by links of their own. Raises
    InputError where the machine has no such levels, or the ranks lie unevenly in them.
    """
    known = _composition(fabric)
    names = [name for name, _ in known]
    chosen = _joining(fabric, names) if wanted is None else _checked(fabric, wanted, names)
    order = np.sort(ranks)
    found, sides, meshed = [], [], []
    inner, below, size = order, 1, 1
    single = True  # whether only one level of the machine has come since the last one chosen
    for name, members in known:
        size *= members
        if name not in chosen:
            single = single and members == 1
            continue
        groups = np.unique(order // size)
        side = _members(fabric, name, inner * below // size, inner * below)
        if side > 1:
            found.append(name)
            sides.append(side)
            rule = next(
                level.rule for level in fabric.about.levels if level.name == name and not level.beside
            )
            meshed.append(rule == "full-mesh" and single)
        inner, below, single = groups, size, True
    if len(inner) > 1:
        what = f"the ranks lie in {len(inner)} members of what is above {chosen[-1]}"
        raise InputError([Fault(what, "name the level that holds them all, too", ("levels",))])
    return Levels(order, tuple(found), tuple(sides), tuple(meshed))


def _composition(fabric: Fabric) -> list[tuple[str, int]]:
    """Return each level's name and members, innermost first."""
    own = [(level.name, level.members) for level in fabric.about.levels if not level.beside]
    if not own or int(np.prod([members for _, members in own])) != fabric.ranks:
        what = f"{fabric.name} has no levels that its ranks could be grouped by"
        raise InputError(
            [Fault(what, "state the sides of a grid, innermost first, as in grid: [8, 4]", ("levels",))]
        )
    return own


def _joining(fabric: Fabric, names: list[str]) -> list[str]:
    """Return the levels that are more than a name for their members, and the outermost one."""
    rules = {info.name: info.rule for info in fabric.about.levels if not info.beside}
    return [name for name in names if rules[name] != "none" or name == names[-1]]


def _checked(fabric: Fabric, wanted: Sequence[str], known: list[str]) -> Sequence[str]:
    places = []
    for name in wanted:
        if name not in known:
            what = f"{name!r} is not a level of {fabric.name}"
            raise InputError([Fault(what, close_match(name, known), ("levels",))])
        places.append(known.index(name))
    if not places or places != sorted(set(places)):
        right = f"write some of {', '.join(known)} in that order"
        raise InputError([Fault("the levels are not named once each, innermost first", right, ("levels",))])
    return wanted


def _members(fabric: Fabric, name: str, group: IntArray, first: IntArray) -> int:
    """Return how many members of a level each group has. group, first: (members,) its group, and a rank in it."""
    _, begins, counts = np.unique(group, return_index=True, return_counts=True)
    most, least = int(np.argmax(counts)), int(np.argmin(counts))
    if counts[most] != counts[least]:
        a, b = (fabric.node_name(int(first[begins[place]])) for place in (most, least))
        what = (
            f"the ranks form no grid: the {name} of {a} holds {counts[most]} members with ranks, "
            f"that of {b} {counts[least]}"
        )
        raise InputError(
            [Fault(what, "name as many in each, or take an algorithm without levels", ("ranks",))]
        )
    return int(counts[0])
