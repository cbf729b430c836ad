"""The engine of theory: what no run can beat, from what routes load; nothing moves.

An operation takes at least as long as its busiest channel transmits, and as its longest path: see `theory.bounds`. So
times are lower bounds and bandwidths upper ones; `ideal_time_s` of every other engine is the same number.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.record import model_text
from fabricsim.engines.summary import bandwidths, payload_of, told_channels
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.result import OperationResult, Result, digest_of
from fabricsim.routing import Routes, Routing, carried_once, channel_busy_ps, channel_wire, path_ps
from fabricsim.schedule import Messages, Operation, Schedule
from fabricsim.table import Table
from fabricsim.theory.bounds import ideal_time_ps
from fabricsim.units import PS_PER_S

IntArray = NDArray[np.int64]
KERNEL: Final = "bound"
_NOTE: Final = (
    "times are lower bounds and bandwidths upper ones: an expectation that fails here fails in every run under these "
    "routes, one that holds here may still fail in a run"
)
MOST_MESSAGES: Final = 5_000_000
"""Messages whose paths are listed: some gigabytes. The flow engine states the same bound of more."""


def theory(
    fabric: Fabric,
    schedule: Schedule,
    *,
    routing: Routing,
    failures: Failures,
    model: Model,
    seed: int,
    paths: Routes,
    kernel: str = "auto",
) -> Result:
    """Return the bounds of a schedule on a healthy fabric as a Result without tables of what moves when.

    paths: the routes of its messages. Raises InputError for what has no such bound: links that fail during a run,
    packets that choose their paths, jobs that are told what they cost each other.
    """
    _check(schedule, failures, paths)
    messages, once = schedule.messages, carried_once(schedule.messages, paths)
    busy, wire = (of(fabric, messages, once, model) for of in (channel_busy_ps, channel_wire))
    bound = ideal_time_ps(busy, path_ps(fabric, paths))
    used = np.flatnonzero(wire)
    utilization = busy[used] / bound
    inputs = (fabric.digest, schedule.digest, model_text(model), routing.text, str(seed))
    return Result(
        name=fabric.name,
        engine="theory",
        kernel=KERNEL,
        seed=seed,
        metrics={
            "completion_time_s": bound / PS_PER_S,
            "ideal_time_s": bound / PS_PER_S,
            "efficiency": 1.0,
            **_only_collective(schedule, bound / PS_PER_S),
            "bytes_injected": payload_of(schedule),
            "messages": len(messages),
            "link_utilization_max": float(utilization.max()),
            "link_utilization_mean": float(utilization.mean()),
        },
        operations=tuple(_operations(fabric, schedule, paths, once, model)),
        tables={"links": _links(fabric, used, busy, wire, utilization)},
        digest=digest_of([*inputs, "theory", busy[used], wire[used], np.array([bound])]),
        notes=(_NOTE,),
    )


def _check(schedule: Schedule, failures: Failures, paths: Routes) -> None:
    right = "run it on packet or flow"
    if len(failures):
        raise InputError(
            [Fault("a bound knows nothing of links that fail during a run", right, ("failures",))]
        )
    if paths.adaptive:
        what = "packets that choose their paths have no bound before they do"
        raise InputError([Fault(what, right, ("routing", "policy"))])
    if schedule.tenants:
        raise InputError(
            [Fault("bounds of several jobs tell nothing of what they cost each other", right, ("jobs",))]
        )


def check_size(schedule: Schedule) -> None:
    """Raise InputError for a schedule whose paths are too many to list; asked before they are looked for."""
    count = sum(operation.messages for operation in schedule.operations)
    if count > MOST_MESSAGES:
        what = f"{count:,} messages are more than the {MOST_MESSAGES:,} whose paths theory lists"
        raise InputError([Fault(what, "take flow: its ideal_time is the same bound", ("engine",))])


def _only_collective(schedule: Schedule, seconds: float) -> dict[str, float]:
    collectives = [op for op in schedule.operations if op.bus_factor is not None]
    return bandwidths(collectives[0], seconds) if len(schedule.operations) == len(collectives) == 1 else {}


def _operations(
    fabric: Fabric, schedule: Schedule, paths: Routes, once: Routes, model: Model
) -> list[OperationResult]:
    """Return each operation's own bound, from the start it states: some of its ranks may wait for nothing."""
    messages = schedule.messages
    edges = np.searchsorted(messages.operation, np.arange(len(schedule.operations) + 1))
    found = []
    for op, begin, end in zip(schedule.operations, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        own = _messages(messages, begin, end)
        busy = channel_busy_ps(fabric, own, _paths(once, begin, end), model)
        seconds = ideal_time_ps(busy, path_ps(fabric, _paths(paths, begin, end))) / PS_PER_S
        found.append(
            OperationResult(op.name, op.kind, op.algorithm, len(op.ranks), op.start, _numbers(op, seconds))
        )
    return found


def _numbers(op: Operation, seconds: float) -> dict[str, float]:
    sizes = {"size_B": op.size, "asked_size_B": op.asked}
    own = bandwidths(op, seconds) if op.bus_factor is not None and seconds else sizes
    return {"completion_time_s": seconds, **own, "bytes_injected": op.payload, "messages": op.messages}


def _messages(messages: Messages, begin: int, end: int) -> Messages:
    columns = {f.name: getattr(messages, f.name)[begin:end] for f in fields(messages) if f.name != "first"}
    return replace(messages, **columns, first=messages.first + begin)


def _paths(paths: Routes, begin: int, end: int) -> Routes:
    """Return the paths of the messages begin … end; they follow each other as the messages do."""
    low = int(paths.first[begin])
    high = int(paths.first[end - 1] + paths.count[end - 1])
    left, right = int(paths.starts[low]), int(paths.starts[high])
    return Routes(
        paths.starts[low : high + 1] - left, paths.channels[left:right], paths.first[begin:end] - low,
        paths.count[begin:end],
    )  # fmt: skip


def _links(
    fabric: Fabric, used: IntArray, busy: IntArray, wire: IntArray, utilization: NDArray[np.float64]
) -> Table:
    return Table({
        **told_channels(fabric, used),
        "bytes": wire[used],
        "busy_s": busy[used] / PS_PER_S,
        "utilization": utilization,
    })  # fmt: skip
