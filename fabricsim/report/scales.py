"""Axis scales: which unit a quantity is drawn in, and where binary sizes have their ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fabricsim.units import format_size

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class Scale:
    """A unit and how many SI units it is."""

    unit: str
    factor: float

    def of(self, value: Number) -> Number:
        """Return an SI value, or an array of them, in this unit."""
        return value / self.factor

    def label(self, what: str) -> str:
        """Return an axis label: `latency [us]`."""
        return f"{what} [{self.unit}]"


_TIMES = (Scale("s", 1.0), Scale("ms", 1e-3), Scale("us", 1e-6), Scale("ns", 1e-9), Scale("ps", 1e-12))
_RATES = (Scale("TB/s", 1e12), Scale("GB/s", 1e9), Scale("MB/s", 1e6), Scale("kB/s", 1e3), Scale("B/s", 1.0))


def time_scale(largest: float) -> Scale:
    """Return the largest unit of time of which `largest` [s] is at least two."""
    return _fitting(_TIMES, largest)


def bandwidth_scale(largest: float) -> Scale:
    """Return the largest decimal unit of bandwidth of which `largest` [B/s] is at least two."""
    return _fitting(_RATES, largest)


def _fitting(scales: tuple[Scale, ...], largest: float) -> Scale:
    return next((scale for scale in scales if largest >= 2 * scale.factor), scales[-1])


def size_ticks(smallest: float, largest: float, most: int = 8) -> tuple[list[float], list[str]]:
    """Return at most `most` ticks at powers of two from `smallest` to `largest` [B], and their labels."""
    low, high = math.floor(math.log2(smallest)), math.ceil(math.log2(largest))
    step = max(1, math.ceil((high - low + 1) / most))
    ticks = [2.0**power for power in range(low, high + 1, step)]
    return ticks, [format_size(tick) for tick in ticks]
