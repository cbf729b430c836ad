"""Where a job goes that says how many NPUs it wants, not which: which of the free places it takes, and in what order.

A place is what a job asks for: a rank, a package of several dies that are each a rank, or a whole copy of a level. It
is free if all its ranks are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.schedule import IntArray
from fabricsim.training.blocks import blocks_of


@dataclass(frozen=True)
class Wish:
    """What a job asks for: `count` places of `size` ranks each.

    stride: how far apart, in places; None for as far as the machine allows. block: ranks in each copy of the level that
    places are dealt over.
    """

    count: int
    size: int = 1
    stride: int | None = None
    block: int = 1


Placement = Callable[[IntArray, Wish, int, np.random.Generator], IntArray]
"""From the free places, ascending, a wish that they can meet, and how many places there are at all, to places taken."""


def _packed(free: IntArray, wish: Wish, total: int, random: np.random.Generator) -> IntArray:
    """Return the first that are free."""
    return free[: wish.count]


def _strided(free: IntArray, wish: Wish, total: int, random: np.random.Generator) -> IntArray:
    """Return every so many from the first free one on; where that is the end of the machine, from the next one on."""
    stride = wish.stride or max(1, total // wish.count)
    far = free - free[0]
    return free[np.lexsort((far, far % stride))][: wish.count]


def _random(free: IntArray, wish: Wish, total: int, random: np.random.Generator) -> IntArray:
    """Return any, drawn without one twice, in ascending order: the draw says where, not in what order."""
    drawn: IntArray = np.sort(random.choice(free, wish.count, replace=False))
    return drawn


def _by_level(free: IntArray, wish: Wish, total: int, random: np.random.Generator) -> IntArray:
    """Return the first free of each copy of a level, then the second of each, and so on."""
    copy = free * wish.size // wish.block
    _, first, row = np.unique(copy, return_index=True, return_inverse=True)
    turn = np.arange(len(free)) - first[row]
    return free[np.lexsort((copy, turn))][: wish.count]


PLACEMENTS: Final[Mapping[str, Placement]] = MappingProxyType(
    {"packed": _packed, "strided": _strided, "random": _random, "by-level": _by_level}
)
"""Which free places a job takes, by name."""


def placed(
    free: IntArray, wish: Wish, ranks: int, placement: str, random: np.random.Generator
) -> IntArray | None:
    """Return (count · size,) the ranks that a job gets, place by place, or None where too few places are free.

    free: the free ranks, ascending. ranks: how many the machine has.
    """
    total = ranks // wish.size
    taken = np.ones(total * wish.size, np.bool_)
    taken[free[free < len(taken)]] = False
    places = np.flatnonzero(~taken.reshape(total, wish.size).any(axis=1))
    if len(places) < wish.count:
        return None
    found = PLACEMENTS[placement](places, wish, total, random)
    return (found[:, None] * wish.size + np.arange(wish.size)).reshape(-1)


def block_of(fabric: Fabric, level: str, key: str) -> int:
    """Return how many ranks each copy of a level has. Raises InputError, keyed `key`, where there is no such level."""
    known = dict(blocks_of(fabric))
    if level in known:
        return known[level]
    right = close_match(level, known) if known else "its ranks lie in no levels"
    raise InputError([Fault(f"{level!r} is not a level of {fabric.name}", right, (key,))])


def ordered(fabric: Fabric, ranks: IntArray, levels: Sequence[str]) -> IntArray:
    """Return ranks in the order in which the copies of the first level named go by fastest, then those of the second.

    Levels that are not named go by slowest, the outermost last. Raises InputError, keyed by position.
    """
    known = blocks_of(fabric)
    names = [name for name, _ in known]
    inner = dict(zip(names, [1, *(size for _, size in known)], strict=False))
    for position, level in enumerate(levels):
        if level not in inner or level in levels[:position]:
            what = "is named twice" if level in inner else f"is not a level of {fabric.name}"
            right = close_match(level, names) if level not in inner else "name each level once"
            raise InputError([Fault(f"{level!r} {what}", right, (position,))])
    size = dict(known)
    # a copy of a level counts within the copy of that level: which of its members a rank is in
    place = {name: ranks % size[name] // inner[name] for name in names}
    keys = [*levels, *(name for name in names if name not in levels)]
    return ranks[np.lexsort([place[name] for name in keys])]
