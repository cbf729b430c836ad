"""`algorithm: auto`: the algorithm that should be quickest on a machine, by a model simple enough to check by hand.

A level of the machine is a number of members, a rate and a latency. An algorithm is a list of what each of its rounds
sends over which level; a round takes the latency of its farthest message, plus its bytes over the rate of the level
that they load most. Sends of one rank share its ports, rings use one link of a mesh, and nothing else is in the way:
the α-β model of theory/closed_forms, level by level. It ranks algorithms; the simulation says what they take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2, prod
from types import MappingProxyType
from typing import Final

import numpy as np

from fabricsim.collectives.levels import MESHED, levels_of
from fabricsim.collectives.move import GRAIN
from fabricsim.collectives.pipeline import PIECE
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.schedule import IntArray
from fabricsim.units import PS_PER_S

AUTO: Final = "auto"

DIRECT_UP_TO: Final = 2048
"""Ranks up to which auto considers a message for each pair: four million messages."""


@dataclass(frozen=True)
class Reach:
    """One level as its ranks see it: members, and rates [B/s] and latency [s] of a rank's traffic along it.

    alone: with the next member while the others of its group are silent. neighbour: with the next member, all ranks at
    once. partner: with one member anywhere. spread: with all members evenly. meshed: whether all members are joined
    to each other.
    """

    side: int
    alone: float
    neighbour: float
    partner: float
    spread: float
    alpha: float
    meshed: bool = False


Reaches = tuple[Reach, ...]
Cost = Callable[[Reaches, float], float]
"""From the levels, innermost first, and the bytes S to seconds."""


def chosen(kind: str, fabric: Fabric | None, ranks: IntArray, size: int) -> str:
    """Return the algorithm that auto stands for; of equal ones the first in COSTS.

    Raises InputError, keyed `algorithm`, without a machine to look at.
    """
    if kind not in COSTS:
        return ONLY[kind]
    if fabric is None:
        right = "bind it to a fabric, or name an algorithm"
        raise InputError([Fault("auto looks at the machine, and there is none", right, ("algorithm",))])
    costs = considered(kind, fabric, ranks, size)
    return min(costs, key=lambda name: costs[name])


def considered(kind: str, fabric: Fabric, ranks: IntArray, size: int) -> dict[str, float]:
    """Return what each algorithm should take that auto picks from [s]: those that fit the machine and the size.

    Stages take ranks in a grid of levels. Parts that go along all of them at once take links of each level's own, not
    uplinks of a level within it, whose ports the two would share, and a grain for each part in every block.
    """
    levels, staged = reaches(fabric, ranks)
    apart = all(not info.attached for info in fabric.about.levels if not info.beside)
    fits = {
        "hierarchical": staged,
        "multi-dimensional": staged and apart and size // len(ranks) >= GRAIN * len(levels),
        "direct": len(ranks) <= DIRECT_UP_TO,
    }
    known = {**COSTS[kind], **AT_ONCE.get(kind, {})}
    return {name: cost(levels, float(size)) for name, cost in known.items() if fits.get(name, True)}


def reaches(fabric: Fabric, ranks: IntArray) -> tuple[Reaches, bool]:
    """Return the levels that ranks lie in, and whether they form a grid of more than one of them.

    Ranks without a grid count as one level: all of their ports, and the slowest link.
    """
    try:
        levels = levels_of(fabric, ranks, None)
    except InputError:
        rate = 2 * float(fabric.bandwidth[::2].sum()) / fabric.ranks
        return (Reach(len(ranks), rate, rate, rate, rate, 2 * fabric.latency_ps.max() / PS_PER_S),), False
    found: list[Reach] = []
    for name, side, meshed in zip(levels.names, levels.sides, levels.meshed, strict=True):
        found.append(_reach(fabric, name, side, meshed, found))
    return tuple(found), len(found) > 1


def _reach(fabric: Fabric, name: str, side: int, meshed: bool, below: Sequence[Reach]) -> Reach:
    """Return one level; below: those within its members."""
    info = next(info for info in fabric.about.levels if info.name == name and not info.beside)
    links = np.flatnonzero(fabric.level == fabric.levels.index(name))
    total = float(fabric.bandwidth[2 * links].sum()) / fabric.ranks
    hop = float(fabric.latency_ps[2 * links].max(initial=0)) / PS_PER_S
    inner = below[-1].alpha if below else 0.0
    if info.planes:  # up to a switch and down again, past those of the levels within
        alone = total
        if (
            info.attached and below
        ):  # what the group's switches have above them is shared, and one rank may use all
            alone = min(below[-1].alone, total * prod(x.side for x in below))
        return Reach(side, alone, total, total, total, inner + 2 * hop)
    rate, alpha = 2 * total, max(inner, hop)  # both ends of a link are ranks
    if meshed:
        one = rate / (info.members - 1)
        return Reach(side, one, one, one, rate, alpha, meshed)
    # on a ring of k a channel carries k/8 of what each member sends to all others (Dally and Towles, chapter 3), and
    # (k + 2)/8 where all that goes half way round, for even k, goes the same way
    far = min(1.0, 4 / side)
    one_way = fabric.policy == "minimal" and side % 2 == 0
    even = min(1.0, 4 / (side + 2)) if one_way else far
    return Reach(side, rate / 2, rate / 2, far * rate / 2, even * rate, alpha)


def _ring_half(levels: Reaches, size: float) -> float:
    n = prod(x.side for x in levels)
    return (n - 1) * (max(x.alpha for x in levels) + size / n / min(x.alone for x in levels))


def _direct_half(levels: Reaches, size: float) -> float:
    """Return one round in which S/n goes to everyone: a share 1 − 1/side of all crosses each level."""
    return max(x.alpha for x in levels) + max(size * (1 - 1 / x.side) / x.spread for x in levels)


def _stages(levels: Reaches, size: float) -> float:
    total = 0.0
    for x in levels:
        rounds = 1 if x.meshed and x.side <= MESHED else x.side - 1
        total += rounds * (x.alpha + size / x.side / x.neighbour)
        size /= x.side
    return total


def _at_once(levels: Reaches, size: float) -> float:
    """Return the stages of equal parts, each of which begins with another level: all levels are busy in every stage."""
    total, count = 0.0, len(levels)
    for stage in range(count):
        took = []
        for part in range(count):
            way = [levels[(part + step) % count] for step in range(stage + 1)]
            x = way[-1]
            rounds = 1 if x.meshed and x.side <= MESHED else x.side - 1
            took.append(rounds * (x.alpha + size / count / prod(y.side for y in way) / x.neighbour))
        total += max(took)
    return total


def _exchanges_at_once(levels: Reaches, size: float) -> float:
    """Return one exchange of each part for each level; a part is in the slowest of them in every stage."""
    part = size / len(levels)
    return len(levels) * max(x.alpha + part * (1 - 1 / x.side) / x.spread for x in levels)


def _halving(levels: Reaches, size: float) -> float:
    """Return halving from the outermost level inwards, with half of what is left in each round."""
    total = 0.0
    for x in reversed(levels):
        total += ceil(log2(x.side)) * x.alpha + size * (1 - 1 / x.side) / x.partner
        size /= x.side
    return total


def _swaps(levels: Reaches, size: float) -> float:
    return sum(ceil(log2(x.side)) * (x.alpha + size / x.partner) for x in levels)


def _tell(levels: Reaches, size: float) -> float:
    return sum(ceil(log2(x.side)) * (x.alpha + size / x.alone) for x in levels)


def _bruck_exchange(levels: Reaches, size: float) -> float:
    return sum(ceil(log2(x.side)) * (x.alpha + size / 2 / x.partner) for x in levels)


def _staged_exchange(levels: Reaches, size: float) -> float:
    return sum(x.alpha + size * (1 - 1 / x.side) / x.spread for x in levels)


def _chain(levels: Reaches, size: float) -> float:
    n, alpha = prod(x.side for x in levels), max(x.alpha for x in levels)
    pieces = ceil(size / PIECE)
    return (n - 2 + pieces) * (alpha + size / pieces / min(x.alone for x in levels))


def _double_tree(levels: Reaches, size: float) -> float:
    n, alpha = prod(x.side for x in levels), max(x.alpha for x in levels)
    pieces = ceil(size / 2 / PIECE)
    return (ceil(log2(n)) + pieces) * (alpha + size / pieces / min(x.alone for x in levels))


COSTS: Final[Mapping[str, Mapping[str, Cost]]] = MappingProxyType({
    "all-reduce": {
        "ring": lambda x, s: 2 * _ring_half(x, s),
        "hierarchical": lambda x, s: 2 * _stages(x, s),
        "halving-doubling": lambda x, s: 2 * _halving(x, s),
        "recursive-doubling": _swaps,
        "direct": lambda x, s: 2 * _direct_half(x, s),
    },
    "all-gather": {
        "ring": _ring_half, "hierarchical": _stages, "halving-doubling": _halving, "direct": _direct_half,
    },
    "reduce-scatter": {
        "ring": _ring_half, "hierarchical": _stages, "halving-doubling": _halving, "direct": _direct_half,
    },
    "all-to-all": {"direct": _direct_half, "hierarchical": _staged_exchange, "bruck": _bruck_exchange},
    "broadcast": {"ring": _chain, "tree": _double_tree, "k-nomial": _tell},
    "reduce": {"ring": _chain, "tree": _double_tree, "k-nomial": _tell},
})  # fmt: skip
"""What the algorithms that auto chooses from should take; equal ones by their order here."""

AT_ONCE: Final[Mapping[str, Mapping[str, Cost]]] = MappingProxyType({
    "all-reduce": {"multi-dimensional": lambda x, s: 2 * _at_once(x, s)},
    "all-gather": {"multi-dimensional": _at_once},
    "reduce-scatter": {"multi-dimensional": _at_once},
    "all-to-all": {"multi-dimensional": _exchanges_at_once},
})  # fmt: skip
"""What auto chooses from besides where one group of ranks has the machine to itself."""

ONLY: Final[Mapping[str, str]] = MappingProxyType({
    "all-to-all-v": "direct", "scatter": "direct", "gather": "direct", "send-recv": "direct", "barrier": "bruck",
})  # fmt: skip
"""What auto means where nothing depends on size or machine."""
