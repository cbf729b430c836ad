"""Latency figures: of messages, packets and memory's round trips, after a warm-up, and whether traffic piles up.

Every latency counts from generation: from the release of a message, which is that of all its packets, so that time
in the source's queue is part of it. A message's ends with its delivery, a packet's with its last bit's arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.schedule import Operation, Schedule
from fabricsim.units import PS_PER_S, format_time, to_ps

IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]
SATURATED_BELOW: Final = 0.95
"""Of what is issued in the second half of a window, how much must be done in it; below, traffic piles up."""


def latency(latency_ps: IntArray, of: str = "") -> dict[str, float]:
    """Return mean, median, 99th percentile and maximum of some latencies, named `{of}latency_…_s`; none of none."""
    if not len(latency_ps):
        return {}
    p50, p99 = _least(latency_ps, 50, 99)
    return {
        f"{of}latency_mean_s": float(latency_ps.mean()) / PS_PER_S,
        f"{of}latency_p50_s": p50,
        f"{of}latency_p99_s": p99,
        f"{of}latency_max_s": float(latency_ps.max()) / PS_PER_S,
    }


def _least(latency_ps: IntArray, *shares: float) -> list[float]:
    """Return the least latency [s] that each share of them [%] does not exceed: one that occurred."""
    found = np.percentile(latency_ps, shares, method="inverted_cdf")
    return [float(value) / PS_PER_S for value in found]


def after_warmup(schedule: Schedule, of: IntArray, release_ps: IntArray) -> Flags:
    """Return (messages,) whether each is released after the warm-up of its operation, and so counts for latency.

    of: (messages,) the operation of each.
    """
    counts = np.ones(len(release_ps), np.bool_)
    for index, operation in enumerate(schedule.operations):
        if operation.warmup:
            own = of == index
            counts[own] = _counts(operation, release_ps[own])
    return counts


def _counts(operation: Operation, issued: IntArray) -> Flags:
    found: Flags = issued >= issued.min() + to_ps(operation.warmup)
    return found


def unmeasured(schedule: Schedule, of: IntArray, release_ps: IntArray) -> Iterator[str]:
    """Yield a sentence for each operation that was over before its warm-up."""
    for index, operation in enumerate(schedule.operations):
        if operation.warmup:
            own = of == index
            if not _counts(operation, release_ps[own]).any():
                warmup = format_time(operation.warmup)
                yield f"{operation.name!r} releases nothing after its warm-up of {warmup}: it has no latency figures"


def by_operation(schedule: Schedule, message: IntArray) -> Iterator[IntArray]:
    """Yield for each operation the positions in `message` that belong to it: (packets,) which message each is of."""
    operations = len(schedule.operations)
    if operations == 1:
        yield np.arange(len(message))
        return
    of = schedule.messages.operation[message]
    order = np.argsort(of, kind="stable")
    yield from np.split(order, np.searchsorted(of[order], np.arange(1, operations)))


def over_time(
    operation: Operation, release_ps: IntArray, delivered_ps: IntArray, size: IntArray
) -> dict[str, float]:
    """Return what else there is to say of an operation's messages (messages,) if it issues them over time.

    That is the rate of what is done between the end of the warm-up and the last issue, whether the second half of that
    keeps up (the first one fills the network, where there is no warm-up), and the round trips of memory traffic.
    """
    if operation.kind.startswith("memory-"):
        # each request is followed by its response
        issued, done = release_ps[0::2], delivered_ps[1::2]
        data = np.full(len(issued), operation.size)
        return _rate(operation, issued, done, data) | _round_trips(operation, issued, done)
    if any(r.delay is not None for r in operation.rounds):
        return _rate(operation, release_ps, delivered_ps, size)
    return {}


def _rate(operation: Operation, issued: IntArray, done: IntArray, data: IntArray) -> dict[str, float]:
    counts = _counts(operation, issued)
    end = int(issued.max())
    begin = int(issued[counts].min(initial=end))
    if begin == end:
        return {}
    in_time = (done > begin) & (done <= end)
    found: dict[str, float] = {"data_rate_Bps": int(data[in_time].sum()) * PS_PER_S / (end - begin)}
    if operation.algorithm != "closed-loop":
        late = (begin + end) // 2
        keeps_up = (in_time & (done > late)).sum() >= SATURATED_BELOW * (issued > late).sum()
        found["saturated"] = not keeps_up
    return found


def _round_trips(operation: Operation, issued: IntArray, done: IntArray) -> dict[str, float]:
    trips = (done - issued)[_counts(operation, issued)]
    if not len(trips):
        return {}
    p50, p99, p999 = _least(trips, 50, 99, 99.9)
    return {
        "round_trip_mean_s": float(trips.mean()) / PS_PER_S,
        "round_trip_p50_s": p50,
        "round_trip_p99_s": p99,
        "round_trip_p999_s": p999,
    }
