"""Collectives in stages: one dimension of a grid after the other, so that most bytes stay on the innermost links.

Hierarchical: a reduce-scatter goes from the innermost level outwards, an all-gather back; an all-reduce does the one
and then the other (Jia et al., Highly scalable deep learning training system with mixed-precision, 2018; BlueConnect:
Cho et al., MLSys 2019). An all-to-all goes from the outermost level inwards: first to the same place in the group
where a block is meant to be, then inside the group. Multi-dimensional: chunks take the dimensions in different
orders, so that all of them are busy at once (Sack and Gropp, Collective algorithms for multiported torus networks,
ACM TOPC 1 (2015)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

import fabricsim.collectives.direct as direct
import fabricsim.collectives.doubling as doubling
import fabricsim.collectives.ring as ring
from fabricsim.collectives.grid import Grid, LineMoves, Share, along, exchange_along, overlapped, shares
from fabricsim.collectives.move import Move

STAGES: Final[Mapping[str, Mapping[str, LineMoves]]] = MappingProxyType({
    "reduce-scatter": {
        "ring": ring.one_reduce_scatter, "direct": direct.reduce_scatter, "halving-doubling": doubling.reduce_scatter,
    },
    "all-gather": {
        "ring": ring.one_all_gather, "direct": direct.all_gather, "halving-doubling": doubling.all_gather,
    },
    "all-to-all": {"direct": direct.all_to_all, "pairwise": direct.pairwise},
})  # fmt: skip
"""What one stage can be, by collective and name; an all-reduce takes the first two in turn."""

Stages = list[tuple[Move, ...]]
Carried = Callable[[Grid, Sequence[int], Share], Stages]
"""From a grid, the order of its dimensions and a share of the blocks to the moves of each stage of that share."""


def _reduce_scatter(grid: Grid, order: Sequence[int], share: Share) -> Stages:
    lines = STAGES["reduce-scatter"]
    return [
        along(grid, dim, lines[grid.stages[dim]], share, order[number + 1 :])
        for number, dim in enumerate(order)
    ]


def _all_gather(grid: Grid, order: Sequence[int], share: Share) -> Stages:
    lines = STAGES["all-gather"]
    return [
        along(grid, dim, lines[grid.stages[dim]], share, order[number + 1 :])
        for number, dim in reversed(list(enumerate(order)))
    ]


def _all_reduce(grid: Grid, order: Sequence[int], share: Share) -> Stages:
    return _reduce_scatter(grid, order, share) + _all_gather(grid, order, share)


def _all_to_all(grid: Grid, order: Sequence[int], share: Share) -> Stages:
    lines = STAGES["all-to-all"]
    return [
        exchange_along(grid, dim, lines[grid.stages[dim]], share, order[number + 1 :])
        for number, dim in reversed(list(enumerate(order)))
    ]


def _hierarchical(carried: Carried) -> Callable[..., tuple[Move, ...]]:
    def moves(n: int, size: int, *, grid: Grid, chunks: int | None) -> tuple[Move, ...]:
        pieces = shares(size // n, chunks or 1, "chunks")
        return _pipelined([carried(grid, range(len(grid.sides)), share) for share in pieces])

    return moves


def _multi_dimensional(carried: Carried) -> Callable[..., tuple[Move, ...]]:
    def moves(n: int, size: int, *, grid: Grid, chunks: int | None) -> tuple[Move, ...]:
        dims = len(grid.sides)
        pieces = shares(size // n, dims * (chunks or 1), "chunks" if chunks else "size")
        orders = [np.roll(range(dims), -turn).tolist() for turn in range(dims)]
        batches = []
        for first in range(0, len(pieces), dims):
            parts = [carried(grid, orders[turn], pieces[first + turn]) for turn in range(dims)]
            # stage k of all parts begins together, and each part has another dimension to itself
            batches.append([overlapped(stages, 0) for stages in zip(*parts, strict=True)])
        return _pipelined(batches)

    return moves


def _pipelined(chunks: list[Stages]) -> tuple[Move, ...]:
    """Return chunks that follow each other, each as far behind the one before as its longest stage has rounds."""
    lag = max(sum(move.repeat for move in stage) for stage in chunks[0])
    sequences = [[move for stage in stages for move in stage] for stages in chunks]
    return tuple(sequences[0]) if len(sequences) == 1 else overlapped(sequences, lag)


hierarchical_all_reduce = _hierarchical(_all_reduce)
hierarchical_all_gather = _hierarchical(_all_gather)
hierarchical_reduce_scatter = _hierarchical(_reduce_scatter)
hierarchical_all_to_all = _hierarchical(_all_to_all)
multi_dimensional_all_reduce = _multi_dimensional(_all_reduce)
multi_dimensional_all_gather = _multi_dimensional(_all_gather)
multi_dimensional_reduce_scatter = _multi_dimensional(_reduce_scatter)
multi_dimensional_all_to_all = _multi_dimensional(_all_to_all)
