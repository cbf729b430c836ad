"""How all-path routing divides messages over their paths.

    equal     each path of a pair carries the same share
    capacity  shares in proportion to the least bandwidth on each path
    optimal   the shares that minimise the largest load of all traffic considered together:

        min over w of max over channels c of (1 / b_c) · Σ over pairs k of d_k · Σ over paths p of k through c of w_kp

where d_k are the bytes of pair k and w_k its shares, which add up to 1; of several such, one with the fewest hops in
all. A lone pair so spreads over everything it can reach, and uniform traffic on a full mesh, where a detour takes the
link of another pair, stays on shortest paths.

The shortest paths alone are tried first: they are optimal if prices λ prove it, since for any λ ≥ 0 the optimum is at
least Σ d_k · min over p of λ(p) / Σ λ_c · b_c. Otherwise the linear program is solved exactly, by the simplex method.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.detours import PathSet

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
MAX_CELLS: Final = 8_000_000
"""Numbers in the largest table that the simplex method works on."""
_TINY: Final = 1e-9


def split_of(fabric: Fabric, paths: PathSet, demand: Floats, split: str) -> Floats:
    """Return (paths,) the share of its pair's bytes that each path carries; demand: (pairs,) bytes."""
    if not len(paths.hops):
        return np.zeros(0)
    if split == "equal":
        return _in_proportion(paths, np.ones(len(paths.hops)))
    if split == "capacity":
        rate = fabric.bandwidth[paths.channels].astype(np.float64)
        return _in_proportion(paths, np.minimum.reduceat(rate, paths.starts[:-1]))
    return _optimal(fabric, paths, demand)


def _in_proportion(paths: PathSet, weight: Floats) -> Floats:
    return weight / np.bincount(paths.pair, weight)[paths.pair]


def _optimal(fabric: Fabric, paths: PathSet, demand: Floats) -> Floats:
    used, channel = np.unique(paths.channels, return_inverse=True)
    rate = fabric.bandwidth[used] / fabric.bandwidth[used].max()
    amount = demand / demand.max()
    shortest = _in_proportion(paths, (paths.detour == 0).astype(np.float64))
    load = _load(paths, channel, amount[paths.pair] * shortest) / rate
    largest = load.max()
    for priced in (np.ones(len(rate)), (load > largest * (1 - _TINY)).astype(np.float64)):
        if _bound(paths, channel, amount, priced, rate) >= largest * (1 - _TINY):
            return shortest
    return _solved(paths, channel, amount, rate)


def _load(paths: PathSet, channel: IntArray, amount: Floats) -> Floats:
    return np.bincount(channel, np.repeat(amount, paths.hops)).astype(np.float64)


def _bound(paths: PathSet, channel: IntArray, amount: Floats, price: Floats, rate: Floats) -> float:
    """Return what the largest load is at least, by the price of each pair's cheapest path."""
    cost = np.add.reduceat(price[channel], paths.starts[:-1])
    cheapest = np.minimum.reduceat(cost, paths.first[:-1])
    return float(amount @ cheapest / (price @ rate))


def _solved(paths: PathSet, channel: IntArray, amount: Floats, rate: Floats) -> Floats:
    """Return the shares that carry the largest multiple t of the demand: max t, Σ x_kp ≥ t·d_k, x through c ≤ b_c."""
    count, rows = len(paths.hops), len(amount) + len(rate)
    if rows * (count + rows + 2) > MAX_CELLS:
        what = f"an optimal split of {len(amount)} pairs over {count} paths is too large to solve"
        raise InputError(what, "use split: equal or capacity, a smaller max_detour, or spray")
    table = np.zeros((rows, count + 1))
    table[paths.pair, np.arange(count)] = -1.0
    table[: len(amount), count] = amount
    np.add.at(table, (len(amount) + channel, np.repeat(np.arange(count), paths.hops)), 1.0)
    goals = np.zeros((2, count + 1))
    goals[0, count] = 1.0
    goals[1, :count] = -paths.hops.astype(np.float64)
    flow = np.maximum(maximised(table, np.concatenate([np.zeros(len(amount)), rate]), goals)[:count], 0.0)
    return _in_proportion(paths, flow)


def maximised(rows: Floats, right: Floats, goals: Floats) -> Floats:
    """Return the x ≥ 0 with rows · x ≤ right (right ≥ 0) that maximises goals[0] · x, and then goals[1] · x, if any.

    The simplex method on a full table, entering by the steepest gain; by the smallest index (Bland, Math. Oper. Res.
    1977), which cannot circle, after so many steps that it might. The goals must have a maximum.
    """
    m, n = rows.shape
    table = np.concatenate([rows, np.eye(m), right[:, None]], axis=1)
    gain = np.concatenate([goals, np.zeros((len(goals), m + 1))], axis=1)
    basis = np.arange(n, n + m)
    allowed = np.ones(n + m, np.bool_)
    for goal in range(len(goals)):
        steps = 0
        while True:
            rising = np.flatnonzero(allowed & (gain[goal, :-1] > _TINY))
            if not len(rising):
                break
            column = int(rising[0] if steps > 4 * (m + n) else rising[np.argmax(gain[goal, rising])])
            row = _leaving(table, basis, column)
            _pivot(table, gain, row, column)
            basis[row] = column
            steps += 1
        allowed &= np.abs(gain[goal, :-1]) <= _TINY  # what would spoil this goal stays out for the next ones
    x = np.zeros(n + m)
    x[basis] = table[:, -1]
    return x[:n]


def _leaving(table: Floats, basis: IntArray, column: int) -> int:
    steep = np.flatnonzero(table[:, column] > _TINY)
    ratio = table[steep, -1] / table[steep, column]
    least = steep[ratio <= ratio.min() + 1e-12]
    return int(least[np.argmin(basis[least])])


def _pivot(table: Floats, gain: Floats, row: int, column: int) -> None:
    table[row] /= table[row, column]
    for part in (table, gain):
        factor = part[:, column].copy()
        if part is table:
            factor[row] = 0.0
        part -= factor[:, None] * table[row]
