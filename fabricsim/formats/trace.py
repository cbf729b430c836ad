"""A run as a Chrome trace, which Perfetto opens: a process for each rank, its messages as slices, a throughput counter.

Slices on one track must nest, and messages of one rank overlap: each takes the first track that is free. Times are
microseconds. Viewers stop at some hundred megabytes, so the trace has a budget: the longest messages are kept, and it
says what it left out.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from fabricsim.errors import InputError
from fabricsim.result import Result
from fabricsim.table import Table

BUDGET: Final = 100_000_000
"""Bytes a trace may have: well below where viewers fail (google/perfetto#99)."""

EVENT_BYTES: Final = 220
"""Bytes of one message's event, measured generously, which turns the budget into a number of messages."""


def perfetto_trace(result: Result, budget: int = BUDGET) -> str:
    """Return the run as trace events in JSON, at most about `budget` bytes long.

    `otherData.left_out` counts the messages that did not fit; the longest are kept, ties by their order in `flows`.
    """
    if "flows" not in result.tables or "timeline" not in result.tables:
        raise InputError(
            f"the {result.engine} engine moves nothing that a trace could show", "run packet or flow"
        )
    flows = result.tables["flows"]
    kept = _kept(flows, budget)
    events = [*_processes(flows, kept), *_messages(flows, kept), *_throughput(result.tables["timeline"])]
    content = {
        "displayTimeUnit": "ns",
        "traceEvents": events,
        "otherData": {
            "name": result.name, "engine": f"{result.engine}/{result.kernel}", "digest": result.digest,
            "messages": len(flows), "left_out": len(flows) - len(kept),
        },
    }  # fmt: skip
    return json.dumps(content, separators=(",", ":"))


def _kept(flows: Table, budget: int) -> Any:
    """Return the rows of the messages that fit, in order of release."""
    most = max(0, budget // EVENT_BYTES)
    rows = np.argsort(-flows["latency_s"], kind="stable")[:most]
    return rows[np.lexsort((rows, flows["release_s"][rows]))]


def _processes(flows: Table, kept: Any) -> Iterator[dict[str, Any]]:
    for rank in np.unique(flows["src"][kept]).tolist():
        yield {"ph": "M", "name": "process_name", "pid": rank, "tid": 0, "args": {"name": f"rank {rank}"}}
        yield {"ph": "M", "name": "process_sort_index", "pid": rank, "tid": 0, "args": {"sort_index": rank}}


def _messages(flows: Table, kept: Any) -> Iterator[dict[str, Any]]:
    """Yield a slice for each message, from its release to its delivery, on the first free track of its sender."""
    free: dict[int, list[int]] = {}
    busy: dict[int, list[tuple[float, int]]] = {}
    names = ("operation", "round", "src", "dst", "bytes", "release_s", "sent_s", "delivered_s")
    columns = (flows[name][kept].tolist() for name in names)
    for operation, number, src, dst, size, release, sent, delivered in zip(*columns, strict=True):
        tracks, under_way = free.setdefault(src, []), busy.setdefault(src, [])
        while under_way and under_way[0][0] <= release:
            heapq.heappush(tracks, heapq.heappop(under_way)[1])
        track = heapq.heappop(tracks) if tracks else len(under_way) + 1
        heapq.heappush(under_way, (delivered, track))
        yield {
            "ph": "X", "name": f"{operation} {number} to {dst}", "cat": operation, "pid": src, "tid": track,
            "ts": round(release * 1e6, 6), "dur": round((delivered - release) * 1e6, 6),
            "args": {"bytes": size, "sent_us": round(sent * 1e6, 6)},
        }  # fmt: skip


def _throughput(timeline: Table) -> Iterator[dict[str, Any]]:
    """Yield the counter of delivered bytes per second, each interval's value at its beginning."""
    ends = timeline["time_s"].tolist()
    width = ends[1] - ends[0] if len(ends) > 1 else 0.0
    for end, rate in zip(ends, timeline["throughput_Bps"].tolist(), strict=True):
        yield {
            "ph": "C", "name": "delivered", "pid": -1, "tid": 0, "ts": round((end - width) * 1e6, 6),
            "args": {"GB/s": round(rate / 1e9, 6)},
        }  # fmt: skip
