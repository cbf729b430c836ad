"""What a simulation answers: metrics, tables with units, where they come from; saved as one folder.

A Result holds copies only. Times are seconds, sizes bytes, rates bytes per second; every column and metric
is described once, in COLUMNS and METRICS.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.accessors import borrow
from fabricsim.errors import InputError, UsageError
from fabricsim.table import Table, csv_metadata, read_csv, write_csv

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Final = "fabricsim.result/1"
METADATA: Final = "csv-metadata.json"
TABLES: Final = (
    "flows", "links", "rounds", "timeline", "path", "passes", "exposed", "layers", "losses", "draws",
)  # fmt: skip

METRICS: Final[Mapping[str, tuple[str, str]]] = {
    "completion_time_s": ("s", "last delivery minus first start"),
    "ideal_time_s": (
        "s",
        "lower bound: the busiest channel's transmit time or the longest path's latency, whichever is larger",
    ),
    "efficiency": ("1", "ideal time over completion time"),
    "size_B": ("B", "size used, as nccl-tests counts it for a collective, per message for a pattern"),
    "asked_size_B": ("B", "size asked for, before rounding down to a multiple of ranks × 16 B"),
    "algbw_Bps": ("B/s", "size over completion time, as nccl-tests defines it"),
    "busbw_Bps": ("B/s", "algbw times the collective's bus factor, as nccl-tests defines it"),
    "bytes_injected": ("B", "payload bytes that sources sent, first transmissions only"),
    "bytes_delivered": ("B", "payload bytes delivered"),
    "bytes_dropped": ("B", "payload bytes of packets lost, each loss counted"),
    "bytes_retransmitted": ("B", "payload bytes sent again"),
    "bytes_lost_in_flight": ("B", "payload bytes that failures lost, each loss counted"),
    "detection_time_s": ("s", "from the first time a link went down until that was known"),
    "reroute_time_s": ("s", "from the first time a link went down until other paths were in force"),
    "fault_time_s": ("s", "when the first fault came"),
    "progress_time_s": ("s", "from the first fault until goodput rose again from its least"),
    "recovery_time_s": (
        "s",
        "from the first fault until goodput stays at the stated share of what the damaged fabric can carry",
    ),
    "recovered": ("1", "whether that came about before the end"),
    "recovery_window_s": ("s", "time over which goodput was taken"),
    "delay_s": ("s", "completion time over that of the healthy run"),
    "capacity_after_over_before": (
        "1",
        "what the fabric, as it is then, can carry of what was under way at the fault, over what it could before",
    ),
    "throughput_before_Bps": ("B/s", "goodput in the window before the first fault"),
    "throughput_dip_Bps": ("B/s", "least goodput in a window between the first fault and recovery"),
    "throughput_after_Bps": ("B/s", "goodput in the window after recovery"),
    "stalled_ranks": (
        "",
        "ranks that nothing was delivered to or from for a window between the fault and recovery",
    ),
    "packets_marked": ("", "marks that packets got on channels, each counted"),
    "packets_dropped": ("", "packets that a full buffer had no room for"),
    "packets_repeated": ("", "packets sent again on a link that bit errors had hit"),
    "packets_duplicate": ("", "packets that arrived a second time"),
    "packets_discarded": ("", "packets that arrived out of order where only order is taken"),
    "packets_reordered": ("", "packets that arrived after a later one of their message"),
    "pauses": ("", "pauses that senders obeyed, over all channels and lanes"),
    "pause_time_s": ("s", "time that lanes were paused, summed over them"),
    "messages": ("", "messages sent"),
    "packets": ("", "packets sent, first transmissions only"),
    "packet_hops": ("", "packet transmissions on channels"),
    "latency_mean_s": ("s", "mean time from a message's release to its delivery"),
    "latency_p50_s": ("s", "median message latency"),
    "latency_p99_s": ("s", "99th percentile of message latency"),
    "latency_max_s": ("s", "largest message latency"),
    "packet_latency_mean_s": (
        "s",
        "mean time from a message's release to the arrival of each of its packets",
    ),
    "packet_latency_p50_s": ("s", "median packet latency"),
    "packet_latency_p99_s": ("s", "99th percentile of packet latency"),
    "packet_latency_max_s": ("s", "largest packet latency"),
    "cross_check_rel_error": (
        "",
        "largest relative difference between flow and packet at the sizes of a cross-check",
    ),
    "round_trip_mean_s": ("s", "mean time from a memory request's release to the delivery of its response"),
    "round_trip_p50_s": ("s", "median round trip"),
    "round_trip_p99_s": ("s", "99th percentile of round trips"),
    "round_trip_p999_s": ("s", "99.9th percentile of round trips"),
    "data_rate_Bps": ("B/s", "bytes asked for that were done from the end of the warm-up to the last issue"),
    "saturated": ("1", "whether less than 95 % of what was issued in that window was done in it"),
    "step_time_s": ("s", "a training step, from its first pass to its last parameter"),
    "compute_time_s": ("s", "what the slowest stage computes in a step"),
    "bubble_time_s": ("s", "what a step takes longer where stages wait for each other, with nothing sent"),
    "exposed_time_s": ("s", "what exchanges add to a step"),
    "exposed_tp_s": ("s", "of that, exchanges of ranks that share matrices"),
    "exposed_cp_s": ("s", "of that, exchanges of ranks that share sequences"),
    "exposed_ep_s": ("s", "of that, tokens on their way to experts and back"),
    "exposed_pp_s": ("s", "of that, what stages hand on"),
    "exposed_dp_s": ("s", "of that, gradients and parameters of copies"),
    "mfu": (
        "1",
        "operations that the model needs over those that all ranks could do at their peak in the time",
    ),
    "kernel_efficiency": ("1", "share of the peak that kernels reach, as stated"),
    "communication_factor": (
        "1",
        "what exchanges, bubbles and passes done again leave of the kernels' share",
    ),
    "availability": ("1", "share of time in which the job runs, as stated"),
    "step_ranks": ("", "ranks that train together"),
    "token_rate": ("", "tokens trained on in a second, availability included"),
    "model_flops": ("", "operations that a step of the model needs, without any done again"),
    "alone_time_s": ("s", "what a job takes with the machine to itself"),
    "slowdown": ("x", "time of a job, or of its operation, beside the others over its time alone"),
    "slowdown_max": ("x", "slowdown of the job that is slowed down most"),
    "slowdown_mean": ("x", "mean slowdown of all jobs"),
    "first_token_time_s": ("s", "served model: a prompt read, its cache moved, and one pass that writes"),
    "token_time_s": ("s", "served model: one pass that writes a token for each sequence"),
    "prefill_time_s": ("s", "served model: one pass that reads prompts"),
    "cache_transfer_s": (
        "s",
        "served model: what prompts leave in the cache, moved between the pools all at once",
    ),
    "cache_sent_B": ("B", "served model: what one prompt leaves in the cache"),
    "served_rate": ("", "served model: tokens written in a second by all ranks that write"),
    "pass_time_s": ("s", "one pass of a phase through all layers"),
    "layer_p50_s": ("s", "median time of a layer with experts, over those simulated"),
    "layer_p90_s": ("s", "90th percentile of these"),
    "layer_p99_s": ("s", "99th percentile of these"),
    "layer_max_s": ("s", "largest of these"),
    "layer_compute_s": ("s", "what such a layer computes, its experts evenly loaded"),
    "dispatch_mean_s": ("s", "mean time that tokens take to their experts, what kernels add included"),
    "combine_mean_s": ("s", "mean time that they take back"),
    "memory_used_B": ("B", "weights and cache of a rank"),
    "calibrated_time_s": ("s", "fixed cost, and the wire's time over its efficiency, by one measured row"),
    "calibrated_least_s": (
        "s",
        "the least that this row allows: all that it has above the wire is fixed, or rate",
    ),
    "calibrated_most_s": ("s", "the most that this row allows"),
    "fixed_time_s": ("s", "what each run takes beside its bytes, by that row or as stated"),
    "wire_efficiency": ("1", "share of the wire's rate that is reached, by that row or as stated"),
    "n_minus_1_worst_over_healthy": ("1", "least share kept of what `survive` compares, with one part lost"),
    "n_minus_1_mean_over_healthy": ("1", "share kept with one part lost, in the mean over all parts"),
    "n_minus_1_ranks_cut_off": ("", "most ranks that one part cuts off from the others"),
    "n_minus_1_parts": ("", "parts that were lost one by one, equal ones counted"),
    "n_minus_1_parts_below": ("", "of them, those without which less is left than `survive.keep`"),
    "n_minus_2_worst_over_healthy": ("1", "least share kept with two parts lost, of those drawn"),
    "n_minus_2_mean_over_healthy": ("1", "share kept with two parts lost, in the mean of those drawn"),
    "faults_survived": ("", "most parts lost at once up to which every draw keeps `survive.keep`"),
    "link_utilization_max": ("1", "largest share of the completion time that a channel was busy"),
    "link_utilization_mean": ("1", "mean busy share over channels that carried traffic"),
}
"""Unit and meaning of each metric: a share has the unit 1, a factor x, a count none. What is not known is not there."""

COLUMNS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "flows": {
        "operation": ("", "name of the workload entry"),
        "round": ("", "round of the operation, from 0"),
        "src": ("", "sending rank"),
        "dst": ("", "receiving rank"),
        "bytes": ("B", "payload"),
        "release_s": ("s", "when the message became ready to send"),
        "sent_s": ("s", "when its last bit had left the source's first channel"),
        "delivered_s": ("s", "when it was delivered"),
        "latency_s": ("s", "delivered minus released"),
        "count": (
            "",
            "messages the row stands for, where equal ones share a row; the times are those of the first",
        ),
    },
    "links": {
        "channel": ("", "directed channel, by the names of its ends"),
        "level": ("", "level of the topology the link belongs to"),
        "link": ("", "link class"),
        "plane": ("", "plane or rail, -1 where there is none"),
        "bandwidth_Bps": ("B/s", "rate it transmits at"),
        "packets": ("", "packets transmitted"),
        "bytes": ("B", "wire bytes transmitted"),
        "busy_s": ("s", "time spent transmitting"),
        "utilization": ("", "busy time over completion time"),
        "queue_peak_bytes": ("B", "largest backlog, the packet in transmission included"),
        "count": (
            "",
            "channels the row stands for, where equal ones share a row; the name is that of the first",
        ),
        "buffer_peak_bytes": ("B", "the fullest that the buffer of a lane was; 0 where it is infinite"),
        "marks": ("", "packets marked when their transmission started"),
        "pauses": ("", "pauses that its lanes obeyed"),
        "pause_s": ("s", "time its lanes were paused, summed over them"),
        "drops": ("", "packets that the buffer at its far end had no room for"),
        "repeats": ("", "packets sent again after a bit error"),
    },
    "rounds": {
        "operation": ("", "name of the workload entry"),
        "round": ("", "round of the operation, from 0"),
        "messages": ("", "messages of the round"),
        "bytes": ("B", "payload of the round"),
        "start_s": ("s", "first release of the round"),
        "end_s": ("s", "last delivery of the round"),
        "count": (
            "",
            "rounds the row stands for, where those that repeat share a row; times are of all together",
        ),
    },
    "passes": {
        "operation": ("", "name of the workload entry"),
        "stage": ("", "stage of the pipeline, from 0"),
        "micro_batch": ("", "micro-batch, from 0"),
        "way": ("", "forward or backward"),
        "start_s": ("s", "when the pass begins"),
        "end_s": ("s", "when it ends"),
    },
    "layers": {
        "phase": ("", "prefill or decode"),
        "layer": ("", "layer with experts that was simulated, from 0"),
        "dispatch_s": ("s", "tokens to their experts, what kernels add included"),
        "combine_s": ("s", "and back"),
        "compute_s": ("s", "what the layer computes"),
        "latency_s": ("s", "the layer, less what runs beside computation"),
    },
    "exposed": {
        "operation": ("", "name of the workload entry"),
        "dimension": ("", "parallel dimension"),
        "level": ("", "outermost level of the machine that its exchanges cross"),
        "exposed_s": ("s", "what they add to the step"),
    },
    "losses": {
        "part": ("", "kind of part that is lost"),
        "level": ("", "level of the topology that it belongs to"),
        "record": ("", "its device, switch or link class"),
        "example": ("", "the first of the class by name"),
        "count": ("", "parts of the class, all alike"),
        "simulated": (
            "",
            "how many of them were lost one by one; more than two where they were found to differ",
        ),
        "healthy": ("", "what is compared with nothing lost, in the unit of the metric"),
        "value": ("", "the same with the part lost; not a number where the workload stops"),
        "kept": ("", "share of performance that is left, the worst of those simulated; 0 where it stops"),
        "kept_mean": ("", "the same in the mean of those simulated"),
        "cut_off": ("", "ranks that are cut off, and leave the workload"),
    },
    "draws": {
        "faults": ("", "parts lost at once"),
        "kept": ("", "share of performance that is left; 0 where the workload stops"),
        "cut_off": ("", "ranks that are cut off"),
        "parts": ("", "the parts by name"),
    },
    "timeline": {
        "time_s": ("s", "end of the interval"),
        "delivered_bytes": ("B", "payload delivered in the interval"),
        "throughput_Bps": ("B/s", "delivered bytes over the interval's length"),
    },
    "path": {
        "operation": ("", "name of the workload entry"),
        "round": ("", "round of the operation, from 0"),
        "src": ("", "sending rank, or the one that computes; -1 for all, at a barrier"),
        "dst": ("", "receiving rank; the same where nothing is sent"),
        "bytes": ("B", "payload; 0 where nothing is sent"),
        "until": ("", "until it is `delivered` or `sent`; `stated` for a time that the workload states"),
        "start_s": ("s", "when its rank entered the round: when the piece before ends"),
        "end_s": ("s", "when what comes next could go on"),
        "level": ("", "level of the topology whose links take most of it"),
        "transmit_s": ("s", "what its packets take to transmit by themselves"),
        "latency_s": ("s", "latency of links, and delay of nodes passed through"),
        "waiting_s": ("s", "the rest: behind other packets, for credits, for a part that was down"),
        "overhead_s": ("s", "overheads of the endpoints, and the time to add up what arrived"),
        "stated_s": ("s", "starts, computations and releases that the workload states"),
        "count": ("", "rounds the row stands for, where those that repeat share a row"),
    },
}
"""Unit and meaning of each column of each table."""


@dataclass(frozen=True)
class OperationResult:
    """What one workload entry achieved."""

    name: str
    kind: str
    algorithm: str
    ranks: int
    start_s: float
    metrics: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the plain form that result.json holds."""
        return {
            "name": self.name, "kind": self.kind, "algorithm": self.algorithm, "ranks": self.ranks,
            "start_s": self.start_s, "metrics": dict(self.metrics),
        }  # fmt: skip


@dataclass(frozen=True)
class JobResult:
    """What one of several jobs on a machine achieved; start_s is when it arrived."""

    name: str
    ranks: int
    start_s: float
    metrics: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the plain form that result.json holds."""
        return {
            "name": self.name, "ranks": self.ranks, "start_s": self.start_s, "metrics": dict(self.metrics),
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of one run. `metrics` and `operations` are plain SI numbers; `notes` are things worth saying."""

    name: str
    engine: str
    kernel: str
    seed: int
    metrics: Mapping[str, float]
    operations: tuple[OperationResult, ...]
    tables: Mapping[str, Table]
    digest: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    explanation: Mapping[str, Any] = field(default_factory=dict)
    """Why it took so long, as plain data; `explain()` reads it. Empty where it was not worked out."""
    jobs: tuple[JobResult, ...] = ()
    """What each job achieved, where several share the machine."""

    @cached_property
    def flows(self) -> pd.DataFrame:
        """One row per message."""
        return self._frame("flows")

    @cached_property
    def links(self) -> pd.DataFrame:
        """One row per channel that carried traffic."""
        return self._frame("links")

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per operation and round."""
        return self._frame("rounds")

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """Delivered bytes over time."""
        return self._frame("timeline")

    def _frame(self, table: str) -> pd.DataFrame:
        frame = self.tables[table].frame
        frame.attrs["units"] = {name: COLUMNS[table][name][0] for name in frame.columns}
        return frame

    def operation(self, name: str) -> OperationResult:
        """Return one workload entry's result by name."""
        for operation in self.operations:
            if operation.name == name:
                return operation
        raise InputError(
            f"the result has no operation {name!r}", "known: " + ", ".join(op.name for op in self.operations)
        )

    @property
    def parts(self) -> tuple[OperationResult | JobResult, ...]:
        """What metrics are named after: the workload entries, then the jobs."""
        return (*self.operations, *self.jobs)

    @property
    def numbers(self) -> dict[str, int | float]:
        """Every metric by its path, those of the whole run first: `completion_time_s`, `ar.busbw_Bps`."""
        found = dict(self.metrics)
        for part in self.parts:
            found |= {f"{part.name}.{name}": value for name, value in part.metrics.items()}
        return found

    def describe(self) -> pd.DataFrame:
        """Return every metric of this result with value, unit and meaning."""
        import pandas as pd

        rows = [(name, value, *METRICS[name]) for name, value in self.metrics.items()]
        return pd.DataFrame(rows, columns=["metric", "value", "unit", "meaning"])

    def as_dict(self) -> dict[str, Any]:
        """Return the content of result.json."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "engine": self.engine,
            "kernel": self.kernel,
            "seed": self.seed,
            "digest": self.digest,
            "metrics": dict(self.metrics),
            "operations": [operation.as_dict() for operation in self.operations],
            "jobs": [job.as_dict() for job in self.jobs],
            "notes": list(self.notes),
            "plan": dict(self.plan),
            "explanation": dict(self.explanation),
            "provenance": dict(self.provenance),
            "cost": dict(self.cost),
        }

    def save(self, folder: Path | str, *, force: bool = False) -> Path:
        """Write result.json and one CSV per table into `folder`, and return its path.

        csv-metadata.json says what the columns of the tables are, with their units.

        Raises UsageError if the folder holds anything and `force` is not set.
        """
        path = fresh_folder(folder, force=force)
        (path / "result.json").write_text(json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8")
        for name, table in self.tables.items():
            write_csv(path / f"{name}.csv", table)
        metadata = csv_metadata(
            {f"{name}.csv": (table, COLUMNS[name]) for name, table in self.tables.items()}
        )
        (path / METADATA).write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")
        return path

    def __getattr__(self, name: str) -> Any:
        return borrow(self, name)

    def __repr__(self) -> str:
        return f"<Result {self.name}: {self.engine}/{self.kernel}, digest {self.digest[:12]}>"


def load_result(folder: Path | str) -> Result:
    """Return the Result saved in `folder`. Raises InputError if it is not one."""
    path = Path(folder)
    try:
        data = json.loads((path / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} holds no result.json", "name a folder that a run wrote with -o") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path / 'result.json'} is not JSON: {error.msg}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"{path / 'result.json'} is not a {SCHEMA} result")
    try:
        return _from_dict(data, path)
    except (KeyError, TypeError) as error:
        what = f"{path / 'result.json'} lacks a part or has a strange one: {error}"
        raise InputError(what, "run the scenario again") from None


def _from_dict(data: Mapping[str, Any], path: Path) -> Result:
    operations = tuple(OperationResult(**entry) for entry in data["operations"])
    tables = {name: read_csv(path / f"{name}.csv") for name in TABLES if (path / f"{name}.csv").exists()}
    keys = ("name", "engine", "kernel", "seed", "metrics", "digest", "provenance", "cost", "plan")
    return Result(
        operations=operations,
        tables=tables,
        notes=tuple(data["notes"]),
        explanation=data.get("explanation", {}),  # folders of earlier versions have none, and no jobs
        jobs=tuple(JobResult(**entry) for entry in data.get("jobs", ())),
        **{key: data[key] for key in keys},
    )


def fresh_folder(folder: Path | str, *, force: bool) -> Path:
    """Create `folder` and return it; raises UsageError if it holds anything, unless `force`."""
    path = Path(folder)
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not force):
        raise UsageError(f"{path} exists and is not empty; name another folder, or add --force")
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest_of(parts: Sequence[bytes | str | NDArray[Any]]) -> str:
    """Return the SHA-256 of text, bytes and arrays: integers as they are, floats as %.9g."""
    state = hashlib.sha256()
    for part in parts:
        data = _digested(part)
        state.update(data.nbytes.to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def _digested(part: bytes | str | NDArray[Any]) -> memoryview:
    """Return the bytes that a digest sees of one part; long columns of integers are not copied."""
    if isinstance(part, np.ndarray):
        if part.dtype.kind in "iub":
            return np.ascontiguousarray(part, "<i8").reshape(-1).data
        text = "{:.9g}".format if part.dtype.kind == "f" else str
        part = "\n".join(map(text, part.tolist()))
    return memoryview(part.encode() if isinstance(part, str) else part)
