"""Payload delivered over time, of packets and of fluids alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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
        by_then: Floats = np.interp(time_s, self.time_s, self.delivered)
        return by_then


@dataclass(frozen=True, eq=False)
class Pieces:
    """(pieces,) what arrived of messages: evenly from begin_s to end_s [s], which are one time for a packet; size [B].

    A piece of negative size takes back what did not arrive after all.
    """

    message: IntArray
    begin_s: Floats
    end_s: Floats
    size: Floats

    @cached_property
    def curve(self) -> Curve:
        """The payload of all messages that had arrived by each time."""
        if np.array_equal(self.begin_s, self.end_s):
            return _of_instants(self.end_s, self.size)
        return _of_ramps(self.begin_s, self.end_s, self.size)


def _of_instants(time_s: Floats, size: Floats) -> Curve:
    order = np.argsort(time_s, kind="stable")
    times, total = time_s[order], np.cumsum(size[order], dtype=np.float64)
    last = np.append(times[1:] != times[:-1], True) if len(times) else np.zeros(0, np.bool_)
    return Curve(np.append(0.0, times[last]), np.append(0.0, total[last]))


def _of_ramps(begin_s: Floats, end_s: Floats, size: Floats) -> Curve:
    slope = size / np.maximum(end_s - begin_s, 1e-15)
    times, place = np.unique(np.concatenate([begin_s, end_s]), return_inverse=True)
    change = np.bincount(place.reshape(-1), np.concatenate([slope, -slope]), len(times))
    risen = np.cumsum(change)[:-1] * np.diff(times)
    delivered = np.maximum.accumulate(np.concatenate([[0.0], np.cumsum(risen)]))
    return Curve(times, delivered)
