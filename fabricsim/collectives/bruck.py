"""Bruck's algorithms: ⌈log2 n⌉ rounds for any n, partners 1, 2, 4, … apart.

Bruck, Ho, Kipnis, Upfal, Weathersby, Efficient algorithms for all-to-all communications in multiport message-passing
systems, IEEE TPDS 8 (1997). The barrier is the dissemination barrier of Hensgen, Finkel, Manber, International Journal
of Parallel Programming 17 (1988).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fabricsim.collectives.move import FirstByte, Move, Parts, every
from fabricsim.schedule import IntArray


def _steps(n: int) -> list[int]:
    return [1 << k for k in range((n - 1).bit_length())]


def all_gather(n: int, size: int) -> tuple[Move, ...]:
    """Return the rounds: position p, which has blocks p, p + 1, …, passes them on to the one `step` before it."""
    position, block = np.arange(n), size // n
    return tuple(
        Move(
            position,
            (position - step) % n,
            min(step, n - step) * block,
            _from(position, min(step, n - step), block),
        )
        for step in _steps(n)
    )


def reduce_scatter(n: int, size: int) -> tuple[Move, ...]:
    """Return the rounds of an all-gather backwards, adding: sums of fewer and fewer blocks come together."""
    return tuple(replace(m, src=m.dst, dst=m.src, reduce=True) for m in reversed(all_gather(n, size)))


def all_to_all(n: int, size: int) -> tuple[Move, ...]:
    """Return the rounds: a block that has d positions to go takes the steps that are d's bits, the small ones first."""
    position, block = np.arange(n), size // n
    moves = []
    for step in _steps(n):
        far = np.arange(1, n)
        far = far[far & step > 0]
        moves.append(
            Move(position, (position + step) % n, len(far) * block, _on_the_way(n, far, step, block))
        )
    return tuple(moves)


def barrier(n: int, size: int) -> tuple[Move, ...]:
    """Return the rounds in which each position tells the one 1, 2, 4, … after it of all that it has heard of."""
    position = np.arange(n)
    return tuple(Move(position, (position + step) % n, size, every(0 * position)) for step in _steps(n))


def _from(position: IntArray, count: int, block: int) -> FirstByte:
    n = len(position)

    def parts(number: int) -> Parts:
        blocks = (position[:, None] + np.arange(count)) % n
        return Parts(np.arange(n + 1) * count, blocks.reshape(-1) * block, block)

    return parts


def _on_the_way(n: int, far: IntArray, step: int, block: int) -> FirstByte:
    """Return what each position passes on: blocks with `far` to go in all, which have come by the smaller steps."""

    def parts(number: int) -> Parts:
        origin = (np.arange(n)[:, None] - far % step) % n
        goal = (origin + far) % n
        return Parts(np.arange(n + 1) * len(far), ((origin * n + goal) * block).reshape(-1), block)

    return parts
