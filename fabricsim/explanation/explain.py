"""From a job and its result to the explanation that the result keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from fabricsim.explanation.critical import NOBODY, Segment, critical_path
from fabricsim.explanation.loads import Binding, Loads, loads_of
from fabricsim.explanation.parts import PARTS, Parts, parts_of
from fabricsim.explanation.traffic import Traffic, traffic_of
from fabricsim.explanation.value import Explanation
from fabricsim.explanation.ways import finder_of
from fabricsim.job import Job
from fabricsim.result import Result
from fabricsim.routing import Routes
from fabricsim.table import Table

MOST_MESSAGES: Final = 300_000
"""Messages and packets up to which every run is explained; more are where it is asked for."""
MOST_ROUNDS: Final = 200


def explained(job: Job, result: Result, paths: Routes | None) -> Result:
    """Return a result with its explanation and its critical path. paths: of its packets, None for fluids."""
    traffic = traffic_of(job.schedule, result)
    find = finder_of(job, traffic, paths)
    path = critical_path(job.schedule, traffic)
    rows = np.unique([segment.row for segment in path if segment.row != NOBODY])
    loads = loads_of(job.fabric, job.failures, traffic, find, rows) if traffic.complete else Loads([], {})
    parts = parts_of(job, traffic, path, find, loads.busiest)
    answer = Explanation(
        name=result.name,
        completion_time_s=result.metrics["completion_time_s"],
        time=_time(job, parts, result.metrics["completion_time_s"]),
        rounds=[_round(job, one) for one in loads.bindings[:MOST_ROUNDS]],
        left_out=_left_out(traffic, loads, paths),
    )
    tables = {**result.tables, "path": _table(job, traffic, path, parts)}
    return replace(result, tables=tables, explanation=answer.as_dict())


def _time(job: Job, parts: Parts, whole: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for index, level in enumerate(job.fabric.levels):
        own = [float(part[:, index].sum()) for part in (parts.transmit, parts.latency, parts.waiting)]
        rows.append({"level": level, **dict(zip(PARTS, [*own, 0.0, 0.0], strict=True))})
    rest = (float(parts.overhead.sum()), float(parts.stated.sum()))
    rows.append({"level": "", **dict(zip(PARTS, (0.0, 0.0, 0.0, *rest), strict=True))})
    shown: list[dict[str, Any]] = [{**row, "share": sum(row[part] for part in PARTS) / whole} for row in rows]
    return [row for row in shown if row["share"] > 0]


def _round(job: Job, one: Binding) -> dict[str, Any]:
    fabric, link = job.fabric, one.channel // 2
    return {
        "operation": job.schedule.operations[one.operation].name,
        "first_round": one.first,
        "last_round": one.last,
        "start_s": one.start,
        "end_s": one.end,
        "level": fabric.levels[int(fabric.level[link])],
        "link": fabric.links[int(fabric.link_class[link])].name,
        "channel": fabric.channel_name(one.channel),
        "channels": one.channels,
        "busy_s": one.busy_s,
        "share": one.share,
    }


def _left_out(traffic: Traffic, loads: Loads, paths: Routes | None) -> list[str]:
    found = []
    if not traffic.single:
        found.append(
            "the critical path goes round by round, by each one's slowest message: messages alike share a row"
        )
    if not traffic.complete:
        found.append("what binds each round is not worked out: the table holds one message of each kind")
    if len(loads.bindings) > MOST_ROUNDS:
        found.append(
            f"{len(loads.bindings) - MOST_ROUNDS:,} more rounds that other links bind are not listed"
        )
    if paths is not None and paths.adaptive:
        found.append("packets chose their ways by the queues; links are counted as if all ways were equal")
    return found


def _table(job: Job, traffic: Traffic, path: Sequence[Segment], parts: Parts) -> Table:
    rows = np.array([segment.row for segment in path], np.int64)
    of_message = rows != NOBODY
    ranks = np.array([segment.rank for segment in path], np.int64)
    by_level = parts.transmit + parts.latency + parts.waiting
    levels = np.array([*job.fabric.levels, ""], dtype=object)
    most = np.where(by_level.sum(axis=1) > 0, by_level.argmax(axis=1), len(levels) - 1)
    names = [job.schedule.operations[segment.operation].name for segment in path]
    return Table({
        "operation": np.array(names, dtype=object),
        "round": np.where(of_message, traffic.round[rows], 0),
        "src": ranks,
        "dst": np.where(of_message, traffic.dst[rows], ranks),
        "bytes": np.where(of_message, traffic.size[rows], 0),
        "until": np.array([segment.until for segment in path], dtype=object),
        "start_s": np.array([segment.start for segment in path]),
        "end_s": np.array([segment.end for segment in path]),
        "level": levels[most],
        **parts.totals,
        "count": np.array([segment.repeat for segment in path], np.int64),
    })  # fmt: skip
