"""Which algorithms each collective has, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import fabricsim.collectives.direct as direct
import fabricsim.collectives.doubling as doubling
import fabricsim.collectives.ring as ring
import fabricsim.collectives.staged as staged
import fabricsim.collectives.switched as switched
import fabricsim.collectives.tree as tree
from fabricsim.collectives.move import Move


@dataclass(frozen=True)
class Algorithm:
    """One way to carry out a collective.

    moves: from the number of positions n and the bytes, a multiple of 16 n, to its moves; keyword arguments are
    those in `takes`: options, and what the binding makes of some of them. power_of_two: whether n must be one. pairs:
    whether it has a message for each pair of positions, so that only so many of them fit in memory. stages: what each
    stage of one that goes along a grid can be, the usual one first.
    """

    moves: Callable[..., tuple[Move, ...]]
    takes: tuple[str, ...] = ()
    power_of_two: bool = False
    pairs: bool = False
    stages: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """Which options a user may state."""
        own = tuple(name for name in self.takes if name != "switches")
        return (*own, "levels", "stages") if "grid" in own else own


_HALVES: Final = ("ring", "direct", "halving-doubling")
_EXCHANGES: Final = ("direct", "pairwise")


def _on_grid(moves: Callable[..., tuple[Move, ...]], stages: tuple[str, ...] = _HALVES) -> Algorithm:
    return Algorithm(moves, ("grid", "chunks"), stages=stages)


ALGORITHMS: Final[Mapping[str, Mapping[str, Algorithm]]] = MappingProxyType({
    "all-reduce": {
        "ring": Algorithm(ring.all_reduce),
        "tree": Algorithm(tree.all_reduce, takes=("chunks",)),
        "direct": Algorithm(direct.all_reduce, pairs=True),
        "halving-doubling": Algorithm(doubling.halving_doubling, power_of_two=True),
        "recursive-doubling": Algorithm(doubling.all_reduce, power_of_two=True),
        "hierarchical": _on_grid(staged.hierarchical_all_reduce),
        "multi-dimensional": _on_grid(staged.multi_dimensional_all_reduce),
        "in-network": Algorithm(switched.all_reduce, ("switches", "mode", "chunks")),
    },
    "all-gather": {
        "ring": Algorithm(ring.all_gather),
        "direct": Algorithm(direct.all_gather, pairs=True),
        "recursive-doubling": Algorithm(doubling.all_gather, power_of_two=True),
        "halving-doubling": Algorithm(doubling.all_gather, power_of_two=True),
        "hierarchical": _on_grid(staged.hierarchical_all_gather),
        "multi-dimensional": _on_grid(staged.multi_dimensional_all_gather),
        "multicast": Algorithm(switched.all_gather, ("switches",)),
    },
    "reduce-scatter": {
        "ring": Algorithm(ring.reduce_scatter),
        "direct": Algorithm(direct.reduce_scatter, pairs=True),
        "recursive-halving": Algorithm(doubling.reduce_scatter, power_of_two=True),
        "halving-doubling": Algorithm(doubling.reduce_scatter, power_of_two=True),
        "hierarchical": _on_grid(staged.hierarchical_reduce_scatter),
        "multi-dimensional": _on_grid(staged.multi_dimensional_reduce_scatter),
        "in-network": Algorithm(switched.reduce_scatter, ("switches",)),
    },
    "all-to-all": {
        "direct": Algorithm(direct.all_to_all, pairs=True),
        "pairwise": Algorithm(direct.pairwise, pairs=True),
        "hierarchical": _on_grid(staged.hierarchical_all_to_all, _EXCHANGES),
        "multi-dimensional": _on_grid(staged.multi_dimensional_all_to_all, _EXCHANGES),
    },
    "broadcast": {
        "ring": Algorithm(ring.broadcast, takes=("root", "chunks")),
        "tree": Algorithm(tree.broadcast, takes=("root", "chunks")),
        "multicast": Algorithm(switched.broadcast, ("root", "switches")),
    },
})  # fmt: skip
"""The algorithms of each collective, by name; each half of halving-doubling goes by the family's name too."""

DEFAULT_ALGORITHM: Final[Mapping[str, str]] = MappingProxyType({
    "all-reduce": "ring",
    "all-gather": "ring",
    "reduce-scatter": "ring",
    "all-to-all": "direct",
    "broadcast": "ring",
})  # fmt: skip
"""What runs where no algorithm is named: the one that fits any number of ranks and sends the fewest bytes."""


def bus_factor(kind: str, n: int) -> float:
    """Return busbw over algbw of a collective over n ranks, as nccl-tests defines it (doc/PERFORMANCE.md)."""
    return {
        "all-reduce": 2 * (n - 1) / n,
        "all-gather": (n - 1) / n,
        "reduce-scatter": (n - 1) / n,
        "all-to-all": (n - 1) / n,
        "broadcast": 1.0,
    }[kind]
