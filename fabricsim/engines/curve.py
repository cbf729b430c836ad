"""Payload delivered over time, of packets and of fluids alike: a line through points, which only rises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Curve:
    """(points,) time_s, ascending, and the payload delivered by then [B]; straight between them."""

    time_s: Floats
    delivered: Floats

    def at(self, time_s: Floats) -> Floats:
        """Return what is delivered by these times [B]."""
        if not len(self.time_s):
            return np.zeros(len(time_s))
        by_then: Floats = np.interp(time_s, self.time_s, self.delivered)
        return by_then


def curve_of_arrivals(time_s: Floats, size: Floats | IntArray, start_s: float) -> Curve:
    """Return the curve of packets of `size` [B] that arrive at these times, ascending, from `start_s` on."""
    last = np.append(time_s[1:] != time_s[:-1], True) if len(time_s) else np.zeros(0, np.bool_)
    total = np.cumsum(size, dtype=np.float64)
    return Curve(np.append(start_s, time_s[last]), np.append(0.0, total[last]))


def curve_of_ramps(begin_s: Floats, end_s: Floats, size: Floats) -> Curve:
    """Return the curve of pieces that each arrive evenly from `begin_s` to `end_s`; a piece may take back what came."""
    slope = size / np.maximum(end_s - begin_s, 1e-15)
    times, place = np.unique(np.concatenate([begin_s, end_s]), return_inverse=True)
    change = np.bincount(place.reshape(-1), np.concatenate([slope, -slope]), len(times))
    rate = np.cumsum(change)[:-1]
    delivered = np.concatenate([[0.0], np.cumsum(rate * np.diff(times))]) if len(times) else times
    return Curve(times, np.maximum.accumulate(delivered))
