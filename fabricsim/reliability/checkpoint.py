"""How often to save: what an interval costs in expectation, and which is best.

A job saves for δ after every τ of work. Failures come at rate λ while it runs, each throws away what was not saved
and costs R before it runs again. Between two failures it runs for X ~ Exp(λ) and completes N = ⌊X / (τ + δ)⌋ saves,
whose mean is 1 / (exp(λ(τ + δ)) − 1); by renewal (failure to failure) the share of time that becomes saved work is

    goodput(τ) = τ / ((exp(λ(τ + δ)) − 1) · (1/λ + R))

R changes its height, not where its maximum lies: there λτ = 1 − exp(−λ(τ + δ)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fabricsim.errors import InputError


@dataclass(frozen=True)
class Checkpoint:
    """A save of `save` [s] after every `interval` [s] of work, and `load` [s] to begin again from the last."""

    interval: float
    save: float = 0.0
    load: float = 0.0

    def __post_init__(self) -> None:
        if self.interval <= 0 or self.save < 0 or self.load < 0:
            raise InputError("a checkpoint needs an interval above zero, save and load of 0 s or more")


def expected_goodput(interval: float, save: float, mtbf: float, down: float) -> float:
    """Return the share of time that becomes saved work, by the formula above; times in seconds.

    down: R, the mean time from a failure until the job runs again.
    """
    cycle = (interval + save) / mtbf
    return 0.0 if cycle > 700 else interval / (math.expm1(cycle) * (mtbf + down))


def best_interval(save: float, mtbf: float) -> float:
    """Return the interval [s] with the highest expected goodput, by bisection; 0 where saves are free."""
    if save == 0:
        return 0.0
    low, high = 0.0, mtbf  # λτ is below 1 there, and the derivative changes its sign once
    for _ in range(200):
        middle = (low + high) / 2
        if 1 - middle / mtbf > math.exp(-(middle + save) / mtbf):
            low = middle
        else:
            high = middle
    return (low + high) / 2


def young_interval(save: float, mtbf: float) -> float:
    """Return √(2δM) [s], first order (Young, Communications of the ACM 17 (1974))."""
    return math.sqrt(2 * save * mtbf)


def daly_interval(save: float, mtbf: float) -> float:
    """Return Daly's estimate [s]: √(2δM)·(1 + √(δ/2M)/3 + (δ/2M)/9) − δ where δ < 2M, else M.

    Daly, Future Generation Computer Systems 22 (2006), equation 37.
    """
    if save >= 2 * mtbf:
        return mtbf
    part = save / (2 * mtbf)
    return young_interval(save, mtbf) * (1 + math.sqrt(part) / 3 + part / 9) - save
