"""Ranks walking through a round that repeats, where every message takes the same time in each pass.

With x the time at which each rank enters a pass, a message takes a from its sender's entry until it is sent and b
until it is delivered, and a rank enters the next pass at the latest of all that it waits for. That is linear in
(max, +): once a pass has moved every rank on by the same time, every later pass does too (Baccelli, Cohen, Olsder,
Quadrat: Synchronization and Linearity, 1992).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_STEPS: Final = 200_000_000
"""Messages that are walked through pass by pass; above, only rings and uniform rounds can be foreseen."""
MOST_KEPT: Final = 1_000_000
"""Messages of all passes together whose own times are kept."""
MOST_PASSES: Final = 1_000_000
"""Passes whose times are kept."""
UNIFORM: Final = 1e-13


@dataclass(frozen=True, eq=False)
class Walk:
    """What became of the passes of one round, in seconds.

    leave: (ranks,) when ranks end the last pass; None where only the last of them all is known. first, last:
    (messages,) entry of the sender in the first and in the last pass (`last` is None likewise); each: (passes,
    messages) in all of them, None where they are too many. begin, end: (passes,) first entry and last delivery of each
    pass; of all together where only that is known.
    """

    leave: Floats | None
    first: Floats
    last: Floats | None
    begin: Floats
    end: Floats
    each: Floats | None = None


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass: (messages,) src and dst as positions among the ranks that take part, a and b [s] as above."""

    src: IntArray
    dst: IntArray
    sent: Floats
    delivered: Floats

    def after(self, entry: Floats) -> Floats:
        """Return when each rank enters the next pass."""
        leave = entry.copy()
        start = entry[self.src]
        if self.is_ring:
            leave[self.src] = np.maximum(leave[self.src], start + self.sent)
            leave[self.dst] = np.maximum(leave[self.dst], start + self.delivered)
        else:
            np.maximum.at(leave, self.src, start + self.sent)
            np.maximum.at(leave, self.dst, start + self.delivered)
        return leave

    @cached_property
    def is_ring(self) -> bool:
        """Whether no rank sends twice or receives twice in a pass."""
        return all(int(np.bincount(ends).max(initial=0)) < 2 for ends in (self.src, self.dst))


def walk(one: Pass, entry: Floats, repeat: int) -> Walk | None:
    """Return what becomes of `repeat` passes that ranks enter at `entry`; None where that is beyond foreseeing."""
    first, begin, end = entry[one.src], [], []
    kept: list[Floats] = []
    few = repeat * len(one.src) <= MOST_KEPT
    for number in range(repeat):
        left, start = repeat - number, entry[one.src]
        if few:
            kept.append(start)
        begin.append(float(start.min()))
        end.append(float((start + one.delivered).max()))
        leave = one.after(entry)
        move = leave - entry
        step = float(move.max())
        if float(move.min()) >= step * (1 - UNIFORM):
            done = _uniform(one, entry, first, begin, end, left, step)
            rest = start + step * np.arange(1, left)[:, None] if few else None
            return done if rest is None else replace(done, each=np.concatenate([np.stack(kept), rest]))
        if left * len(one.src) > MOST_STEPS:
            return _ring(one, entry, first, left) if number == 0 else None
        entry, before = leave, entry
    each = np.stack(kept) if few else None
    return Walk(entry, first, before[one.src], np.array(begin), np.array(end), each)


def _uniform(
    one: Pass, entry: Floats, first: Floats, begin: list[float], end: list[float], left: int, step: float
) -> Walk:
    """Return the rest of the passes, each of which moves every rank on by `step`."""
    last = entry + (left - 1) * step
    begin_all = np.concatenate([begin[:-1], begin[-1] + step * np.arange(left)])
    end_all = np.concatenate([end[:-1], end[-1] + step * np.arange(left)])
    if len(begin_all) > MOST_PASSES:
        begin_all, end_all = begin_all[:1], end_all[-1:]
    return Walk(last + step, first, last[one.src], begin_all, end_all)


# -- rings ------------------------------------------------------------------------------------------------


def _ring(one: Pass, entry: Floats, first: Floats, repeat: int) -> Walk | None:
    """Return the passes of one closed ring that all ranks enter together; None where its end is not known exactly.

    What ends last has been passed on k times and has waited R − k times at a rank on its way, at the slowest it has
    met: R·a + Σ (b − a) over k ranks in a row. With a the largest of all that is a bound, and it is reached if the best
    way meets a rank with that a.
    """
    order = _in_order(one)
    if order is None or np.ptp(entry) > 0:
        return None
    wait, move = one.sent[order], one.delivered[order]
    slowest = float(wait.max())
    gain, way = _best_way(move - slowest, repeat)
    # a way over k edges meets k + 1 ranks
    met = np.arange(way.start, way.stop + 1) % len(order)
    if not np.any(wait[met] >= slowest * (1 - UNIFORM)):
        return None
    end = float(entry[0]) + repeat * slowest + gain
    return Walk(None, first, None, entry[:1], np.array([end]))


def _in_order(one: Pass) -> IntArray | None:
    """Return the messages around the ring, or None if they are not one ring over all ranks."""
    ranks = int(max(one.src.max(), one.dst.max())) + 1
    if not one.is_ring or len(one.src) != ranks:
        return None
    message = np.empty(ranks, np.int64)
    message[one.src] = np.arange(ranks)
    # jumps of 1, 2, 4, … members at a time put all of them in order in log n steps
    jump, order = one.dst[message], np.zeros(1, np.int64)
    while len(order) < ranks:
        order = np.concatenate([order, jump[order]])[:ranks]
        jump = jump[jump]
    found: IntArray = message[order]
    return found if len(np.unique(order)) == ranks else None


def _best_way(gain: Floats, most: int) -> tuple[float, slice]:
    """Return the largest sum of at most `most` gains in a row around a circle, and where that row stands."""
    n, lap = len(gain), float(gain.sum())
    laps = most // n if lap > 0 else 0
    best, way = -np.inf, slice(0, 0)
    for whole in {laps, max(0, laps - 1)}:
        longest = min(n - 1, most - whole * n)
        part, first, last = _best_row(gain, longest)
        if whole * lap + part > best:
            best, way = whole * lap + part, slice(first, last + whole * n)
    return best, way


def _best_row(gain: Floats, longest: int) -> tuple[float, int, int]:
    """Return the largest sum of at most `longest` gains in a row around the circle, and from where to where."""
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([gain, gain]))])
    low = _sliding_min(sums, longest + 1)
    last = int(np.argmax(sums - low))
    first = max(0, last - longest)
    first += int(np.argmin(sums[first : last + 1]))
    return float(sums[last] - sums[first]), first, last


def _sliding_min(values: Floats, width: int) -> Floats:
    """Return the least of each value and the width − 1 before it (van Herk, Pattern Recognition Letters 13 (1992))."""
    blocks = -(-len(values) // width)
    padded = np.full(blocks * width, np.inf)
    padded[: len(values)] = values
    rows = padded.reshape(blocks, width)
    forward = np.minimum.accumulate(rows, axis=1).reshape(-1)
    backward = np.minimum.accumulate(rows[:, ::-1], axis=1)[:, ::-1].reshape(-1)
    least = forward.copy()
    least[width - 1 :] = np.minimum(forward[width - 1 :], backward[: len(forward) - width + 1])
    return least[: len(values)]
