from collections.abc import Sequence

import numpy as np

from fabricsim.result import JobResult, OperationResult, Result, digest_of
from fabricsim.table import Table

BESIDE = {"completion_time_s": 2e-3, "alone_time_s": 1e-3, "slowdown": 2.0}
LEVELS = ("board", "cabinet", "pod")


def make_flows(messages: int, latency: np.ndarray | None = None) -> Table:
    step = np.arange(messages)
    latency = 1e-6 * (1 + step % 100) if latency is None else latency
    return Table({
        "operation": np.array(["ar"] * messages, dtype=object), "round": step * 0,
        "src": step, "dst": step + 1,
        "bytes": np.full(messages, 4096), "release_s": step * 0.0, "sent_s": latency / 2,
        "delivered_s": latency, "latency_s": latency,
    })  # fmt: skip


def make_links(channels: int, levels: Sequence[str] = LEVELS) -> Table:
    step = np.arange(channels)
    use = 0.2 + 0.75 * (step + 1) / channels
    return Table({
        "channel": np.array([f"a{i}>b{i}" for i in step], dtype=object),
        "level": np.array([levels[i * len(levels) // channels] for i in step], dtype=object),
        "link": np.array(["ub-x4"] * channels, dtype=object), "plane": step % 3 - 1,
        "bandwidth_Bps": np.full(channels, 50 * 10**9), "packets": step + 1, "bytes": (step + 1) * 4096,
        "busy_s": use * 1e-3, "utilization": use, "queue_peak_bytes": step * 4096,
    })  # fmt: skip


def make_timeline(intervals: int) -> Table:
    time = 1e-5 * (1 + np.arange(intervals))
    delivered = 10**6 * (1 + np.arange(intervals) % 7)
    return Table({"time_s": time, "delivered_bytes": delivered, "throughput_Bps": delivered / 1e-5})


def make_operation(
    size: int = 2**20, *, name: str = "ar", kind: str = "all-reduce", ranks: int = 8
) -> OperationResult:
    """A ring that takes 2 us and then runs at 50 GB/s: busbw = factor * size / time."""
    factor = 2 * (ranks - 1) / ranks if kind == "all-reduce" else (ranks - 1) / ranks
    time = 2e-6 + factor * size / 50e9
    metrics = {
        "completion_time_s": time, "size_B": size, "asked_size_B": size,
        "algbw_Bps": size / time, "busbw_Bps": factor * size / time,
    }  # fmt: skip
    return OperationResult(name, kind, "ring", ranks, 0.0, metrics)


def make_losses() -> dict[str, Table]:
    """Return losses of one part, the last of which stops the workload, and draws of two and four."""
    losses = {
        "part": ["switch", "link"], "level": ["pod", "board"], "record": ["sw", "<b>$x$"], "example": ["pod/sw0", "a"],
        "count": [8, 1000], "simulated": [2, 2], "healthy": [1e9, 1e9], "value": [np.nan, 9e8], "kept": [0.0, 0.9],
        "kept_mean": [0.0, 0.9], "cut_off": [8, 0],
    }  # fmt: skip
    draws = {
        "faults": [2, 2, 4],
        "kept": [0.9, 0.8, 0.7],
        "cut_off": [0, 1, 0],
        "parts": ["a; b", "a; c", "a; b; c; d"],
    }
    return {
        name: Table({key: np.array(values) for key, values in columns.items()})
        for name, columns in (("losses", losses), ("draws", draws))
    }


def make_result(
    size: int = 2**20, *, operations: tuple[OperationResult, ...] | None = None,
    name: str = "eight in a ring",
    ranks: int = 8, channels: int = 24, messages: int = 200, **fields: object,
) -> Result:  # fmt: skip
    operations = (make_operation(size, ranks=ranks),) if operations is None else operations
    first = dict(operations[0].metrics) if len(operations) == 1 else {"completion_time_s": 1e-3}
    time = first["completion_time_s"]
    metrics = {
        **first, "ideal_time_s": time - 2e-6, "efficiency": (time - 2e-6) / time,
        "bytes_delivered": size, "messages": messages, "latency_p50_s": 50e-6, "link_utilization_max": 0.95,
    }  # fmt: skip
    given = {
        "tables": {
            "flows": make_flows(messages), "links": make_links(channels), "timeline": make_timeline(40),
            **make_losses(),
        },
        "engine": "packet", "kernel": "simpy", "seed": 7, "digest": digest_of([ascii(name), str(size)]),
        "provenance": {"scenario": "schema: fabricsim/1\nname: ring\n", "versions": {"numpy": "2"}},
        "cost": {"wall_s": 1.5, "peak_rss_bytes": 10**8, "events": 12345},
        "plan": {"engine": "packet", "levels": [{"name": "board", "bytes": 10}, {"name": "pod", "bytes": 2}]},
        "jobs": tuple(JobResult(job, ranks, 0.0, BESIDE) for job in ("left", "right")),
        "notes": ("the flow engine was not asked",),
    } | fields  # fmt: skip
    return Result(name=name, metrics=metrics, operations=operations, **given)  # type: ignore[arg-type]


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "$x^2$ and \\$ and $",
    "$\\frac{1}{$",
    "x" * 5000,
    "سلسلة \u202e reversed",
    "超节点 🚀 ring",
    "line\nbreak\ttab\x00nul\x1b[31mred",
    "[bold red]markup[/] :rocket:",
    "lone \ud800 surrogate",
    "",
    "&amp; &lt;",
]
