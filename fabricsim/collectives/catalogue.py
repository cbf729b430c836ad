"""Which algorithms each collective has, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import fabricsim.collectives.bruck as bruck
import fabricsim.collectives.direct as direct
import fabricsim.collectives.doubling as doubling
import fabricsim.collectives.knomial as knomial
import fabricsim.collectives.ring as ring
import fabricsim.collectives.staged as staged
import fabricsim.collectives.switched as switched
import fabricsim.collectives.tree as tree
from fabricsim.collectives.move import Move


@dataclass(frozen=True)
class Algorithm:
    """One way to carry out a collective.

    moves: from the number of positions n and the bytes, a multiple of 16 n, to its moves; keyword arguments are
    those in `takes`: options, and what the binding makes of some of them. pairs:
    whether it has a message for each pair of positions, so that only so many of them fit in memory. stages: what each
    stage of one that goes along a grid can be, the usual one first.
    """

    moves: Callable[..., tuple[Move, ...]]
    takes: tuple[str, ...] = ()
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


_RINGS: Final = ("rings", "directions")

ALGORITHMS: Final[Mapping[str, Mapping[str, Algorithm]]] = MappingProxyType({
    "all-reduce": {
        "ring": Algorithm(ring.all_reduce, _RINGS),
        "tree": Algorithm(tree.all_reduce, ("chunks",)),
        "k-nomial": Algorithm(knomial.all_reduce, ("radix", "chunks")),
        "direct": Algorithm(direct.all_reduce, pairs=True),
        "halving-doubling": Algorithm(doubling.halving_doubling),
        "recursive-doubling": Algorithm(doubling.all_reduce),
        "hierarchical": _on_grid(staged.hierarchical_all_reduce),
        "multi-dimensional": _on_grid(staged.multi_dimensional_all_reduce),
        "in-network": Algorithm(switched.all_reduce, ("switches", "mode", "chunks")),
    },
    "all-gather": {
        "ring": Algorithm(ring.all_gather, _RINGS),
        "direct": Algorithm(direct.all_gather, pairs=True),
        "bruck": Algorithm(bruck.all_gather),
        "recursive-doubling": Algorithm(doubling.all_gather),
        "halving-doubling": Algorithm(doubling.all_gather),
        "hierarchical": _on_grid(staged.hierarchical_all_gather),
        "multi-dimensional": _on_grid(staged.multi_dimensional_all_gather),
        "multicast": Algorithm(switched.all_gather, ("switches",)),
    },
    "reduce-scatter": {
        "ring": Algorithm(ring.reduce_scatter, _RINGS),
        "direct": Algorithm(direct.reduce_scatter, pairs=True),
        "bruck": Algorithm(bruck.reduce_scatter),
        "recursive-halving": Algorithm(doubling.reduce_scatter),
        "halving-doubling": Algorithm(doubling.reduce_scatter),
        "hierarchical": _on_grid(staged.hierarchical_reduce_scatter),
        "multi-dimensional": _on_grid(staged.multi_dimensional_reduce_scatter),
        "in-network": Algorithm(switched.reduce_scatter, ("switches",)),
    },
    "all-to-all": {
        "direct": Algorithm(direct.all_to_all, pairs=True),
        "pairwise": Algorithm(direct.pairwise, pairs=True),
        "bruck": Algorithm(bruck.all_to_all),
        "hierarchical": _on_grid(staged.hierarchical_all_to_all, _EXCHANGES),
        "multi-dimensional": _on_grid(staged.multi_dimensional_all_to_all, _EXCHANGES),
    },
    "all-to-all-v": {
        "direct": Algorithm(direct.all_to_all_v, ("matrix",), pairs=True),
        "pairwise": Algorithm(direct.pairwise_v, ("matrix",), pairs=True),
    },
    "broadcast": {
        "ring": Algorithm(ring.broadcast, ("root", "chunks")),
        "tree": Algorithm(tree.broadcast, ("root", "chunks")),
        "k-nomial": Algorithm(knomial.broadcast, ("root", "radix", "chunks")),
        "multicast": Algorithm(switched.broadcast, ("root", "switches")),
    },
    "reduce": {
        "ring": Algorithm(ring.reduce, ("root", "chunks")),
        "tree": Algorithm(tree.reduce, ("root", "chunks")),
        "k-nomial": Algorithm(knomial.reduce, ("root", "radix", "chunks")),
    },
    "scatter": {
        "direct": Algorithm(direct.scatter, ("root",)),
        "k-nomial": Algorithm(knomial.scatter, ("root", "radix")),
    },
    "gather": {
        "direct": Algorithm(direct.gather, ("root",)),
        "k-nomial": Algorithm(knomial.gather, ("root", "radix")),
    },
    "send-recv": {"direct": Algorithm(direct.send_recv)},
    "barrier": {
        "bruck": Algorithm(bruck.barrier),
        "k-nomial": Algorithm(knomial.barrier, ("radix",)),
        "in-network": Algorithm(switched.barrier, ("switches",)),
    },
})  # fmt: skip
"""The algorithms of each collective, by name; each half of halving-doubling goes by the family's name too."""

DEFAULT_ALGORITHM: Final[Mapping[str, str]] = MappingProxyType({
    "all-reduce": "ring",
    "all-gather": "ring",
    "reduce-scatter": "ring",
    "all-to-all": "direct",
    "all-to-all-v": "direct",
    "broadcast": "ring",
    "reduce": "ring",
    "scatter": "direct",
    "gather": "direct",
    "send-recv": "direct",
    "barrier": "bruck",
})  # fmt: skip
"""What runs where no algorithm is named: the one that fits any number of ranks and sends the fewest bytes."""

_FACTORS: Final[Mapping[str, Callable[[int], float]]] = MappingProxyType({
    "all-reduce": lambda n: 2 * (n - 1) / n,
    "all-gather": lambda n: (n - 1) / n,
    "reduce-scatter": lambda n: (n - 1) / n,
    "all-to-all": lambda n: (n - 1) / n,
    "all-to-all-v": lambda n: (n - 1) / n,
    "broadcast": lambda n: 1.0,
    "reduce": lambda n: 1.0,
    "scatter": lambda n: (n - 1) / n,
    "gather": lambda n: (n - 1) / n,
    "send-recv": lambda n: 1.0,
})  # fmt: skip


def bus_factor(kind: str, n: int) -> float | None:
    """Return busbw over algbw of a collective over n ranks, as nccl-tests defines it (doc/PERFORMANCE.md, src/*.cu).

    None for a barrier, which moves no data that could have a bandwidth.
    """
    return None if kind == "barrier" else _FACTORS[kind](n)
