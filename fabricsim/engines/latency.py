"""Latency figures: of messages and of memory's round trips, after a warm-up, and whether traffic piles up."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.schedule import Operation
from fabricsim.units import PS_PER_S, to_ps

IntArray = NDArray[np.int64]
SATURATED_BELOW: Final = 0.95
"""Of what is issued in a window, the share that must be done in it; below, traffic piles up."""


def latency(latency_ps: IntArray) -> dict[str, float]:
    """Return mean, median, 99th percentile and maximum of message latency [s]."""
    p50, p99 = _least(latency_ps, 50, 99)
    return {
        "latency_mean_s": float(latency_ps.mean()) / PS_PER_S,
        "latency_p50_s": p50,
        "latency_p99_s": p99,
        "latency_max_s": float(latency_ps.max()) / PS_PER_S,
    }


def _least(latency_ps: IntArray, *shares: float) -> list[float]:
    """Return the least latency [s] that each share of them [%] does not exceed: one that occurred."""
    found = np.percentile(latency_ps, shares, method="inverted_cdf")
    return [float(value) / PS_PER_S for value in found]


def operation_latency(operation: Operation, release_ps: IntArray, delivered_ps: IntArray) -> dict[str, float]:
    """Return the latency figures of an operation's messages (messages,), of those that are released after its warm-up.

    Where it issues over time, whatever comes back, or is memory's, those of its window too.
    """
    counts = _after_warmup(operation, release_ps)
    found = latency((delivered_ps - release_ps)[counts])
    if operation.kind.startswith("memory-"):
        # each request is followed by its response
        issued, done = release_ps[0::2], delivered_ps[1::2]
        return found | _window(operation, issued, done) | _round_trips(operation, issued, done)
    if any(r.delay is not None for r in operation.rounds):
        return found | _window(operation, release_ps, delivered_ps)
    return found


def _after_warmup(operation: Operation, issued: IntArray) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = issued >= issued.min() + to_ps(operation.warmup)
    return found if found.any() else np.ones(len(issued), np.bool_)


def _window(operation: Operation, issued: IntArray, done: IntArray) -> dict[str, float]:
    """Return the rate of what is done between the end of the warm-up and the last issue, and whether that keeps up."""
    counts = _after_warmup(operation, issued)
    begin, end = int(issued[counts].min()), int(issued.max())
    if begin == end:
        return {}
    in_time = int(np.count_nonzero((done > begin) & (done <= end)))
    found: dict[str, float] = {"data_rate_Bps": in_time * operation.size * PS_PER_S / (end - begin)}
    if operation.algorithm != "closed-loop":
        found["saturated"] = in_time < SATURATED_BELOW * int(np.count_nonzero(counts))
    return found


def _round_trips(operation: Operation, issued: IntArray, done: IntArray) -> dict[str, float]:
    trips = (done - issued)[_after_warmup(operation, issued)]
    p50, p99, p999 = _least(trips, 50, 99, 99.9)
    return {
        "round_trip_mean_s": float(trips.mean()) / PS_PER_S,
        "round_trip_p50_s": p50,
        "round_trip_p99_s": p99,
        "round_trip_p999_s": p999,
    }
