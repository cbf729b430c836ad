"""Engines: one call, the same inputs, the same Result.

`ENGINES[name](fabric, schedule, *, routing, failures, model, seed, kernel) -> Result`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from fabricsim.engines.bound import theory
from fabricsim.engines.circles import deadlock_notes
from fabricsim.engines.course import course_of
from fabricsim.engines.flow import SOLVERS
from fabricsim.engines.flow import flow as fluid
from fabricsim.engines.flow.regained import recovery_metrics
from fabricsim.engines.kernels.choice import choose, simulate_arrays
from fabricsim.engines.latency import unmeasured
from fabricsim.engines.packet import simulate_packets
from fabricsim.engines.record import Record, metrics, model_text, operation_results, run_digest, tables
from fabricsim.engines.stages import stages
from fabricsim.engines.watch import Watch
from fabricsim.errors import SimulationError
from fabricsim.fabric import Fabric
from fabricsim.failures import NO_FAILURES, Failures
from fabricsim.model import Model
from fabricsim.result import Result
from fabricsim.routing import Routes, Routing, carried_once, channel_busy_ps, lanes_of, path_ps, routes
from fabricsim.schedule import Schedule, check_lanes
from fabricsim.theory.bounds import ideal_time_ps
from fabricsim.units import PS_PER_S, format_time

Kernel = Callable[[Fabric, Schedule, Routes, Failures, Model, int, Watch | None, Routing], Record]

PACKET_KERNELS: Final[Mapping[str, Kernel]] = {
    "simpy": simulate_packets,
    "numpy": simulate_arrays,
}
"""What moves the packets, by name; where both apply they agree to the picosecond."""


def kernel_for(
    kernel: str, fabric: Fabric, schedule: Schedule, paths: Routes, failures: Failures, model: Model
) -> tuple[str, str]:
    """Return the kernel that `kernel` means for a job, and why: `auto` takes numpy wherever it applies."""
    if kernel == "simpy":
        return kernel, "as asked for"
    choice = choose(fabric, schedule, paths, failures, model)
    if choice.name:
        return "numpy", f"{choice.name}: {choice.why}"
    return ("simpy" if kernel == "auto" else kernel), f"numpy does not apply: {choice.why}"


def packet(
    fabric: Fabric,
    schedule: Schedule,
    *,
    routing: Routing,
    failures: Failures,
    model: Model,
    seed: int,
    kernel: str = "auto",
    paths: Routes | None = None,
    watch: Watch | None = None,
) -> Result:
    """Return the Result of moving every packet of `schedule` over `fabric`.

    paths: its routes, if they are known. watch is told how far the run is.
    Raises InputError if two ranks that talk have no path, StallError if nothing moves any more before the
    last delivery, SimulationError if the outcome beats the lower bound.
    """
    check_lanes(schedule, model.lanes)
    if paths is None:
        paths = packet_routes(fabric, schedule, routing, model, seed)
    circles = deadlock_notes(fabric, schedule, paths, routing, model)
    kernel, _ = kernel_for(kernel, fabric, schedule, paths, failures, model)
    record = PACKET_KERNELS[kernel](fabric, schedule, paths, failures, model, seed, watch, routing)
    # a schedule's own start offsets shorten nothing: the bound counts from the first start
    ideal = _ideal_ps(fabric, schedule, paths, model, record)
    numbers = metrics(schedule, record, ideal)
    if failures.recovery.reroute == "none":
        _check_bound(numbers)  # it counts on the paths of a healthy fabric, and other ones may be faster
    if len(failures):
        # where buffers are full, they drop packets too
        numbers |= stages(failures, record.end_ps, record.dropped if record.extras is None else None)
        numbers |= _recovery(fabric, schedule, paths, failures, model, seed, routing, record)
    inputs = {
        "fabric": fabric.digest,
        "schedule": schedule.digest,
        "model": model_text(model),
        "routing": routing.text,
        "failures": failures.digest,
        "seed": str(seed),
    }
    return Result(
        name=fabric.name,
        engine="packet",
        kernel=kernel,
        seed=seed,
        metrics=numbers,
        operations=operation_results(schedule, record),
        tables=tables(fabric, schedule, record),
        digest=run_digest(inputs, record),
        notes=(
            *_notes(failures, record),
            *circles,
            *unmeasured(schedule, schedule.messages.operation, record.release_ps),
        ),
    )


def _recovery(
    fabric: Fabric, schedule: Schedule, paths: Routes, failures: Failures, model: Model, seed: int, routing: Routing,
    record: Record,
) -> dict[str, float]:  # fmt: skip
    """Return the metrics of a recovery: what can be carried is known where paths are, and one path is one message's."""
    if paths.adaptive or np.any(schedule.messages.meeting >= 0):
        return {}
    kernel, _ = kernel_for("auto", fabric, schedule, paths, NO_FAILURES, model)
    healthy = PACKET_KERNELS[kernel](fabric, schedule, paths, NO_FAILURES, model, seed, None, routing)
    course = course_of(fabric, schedule.messages, paths, failures, model, seed, routing, record)
    return recovery_metrics(course, (healthy.end_ps - healthy.start_ps) / PS_PER_S)


def packet_routes(fabric: Fabric, schedule: Schedule, routing: Routing, model: Model, seed: int) -> Routes:
    """Return the path of every packet with the lane of each hop, as far as they are known before the run."""
    paths = routes(fabric, schedule.messages, routing, model, seed)
    if routing.policy == "adaptive":
        return replace(paths, adaptive=True, lanes=routing.lane_count)
    if routing.lane_count == 1:
        return paths
    return replace(paths, lane=lanes_of(fabric, paths, routing), lanes=routing.lane_count)


def _ideal_ps(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model, record: Record) -> int:
    """Return the lower bound of a run; where packets chose their paths, only its own channels bound it."""
    if paths.adaptive:
        return int(record.channel_busy_ps.max())
    once = carried_once(schedule.messages, paths)
    return ideal_time_ps(channel_busy_ps(fabric, schedule.messages, once, model), path_ps(fabric, paths))


def _check_bound(numbers: Mapping[str, float]) -> None:
    if numbers["completion_time_s"] < numbers["ideal_time_s"]:
        done, ideal = format_time(numbers["completion_time_s"], 9), format_time(numbers["ideal_time_s"], 9)
        raise SimulationError(
            f"the run took {done}, less than the lower bound of {ideal}: this is a fault of fabricsim"
        )


def _notes(failures: Failures, record: Record) -> tuple[str, ...]:
    late = failures.time_ps >= record.end_ps
    times = np.unique(failures.time_ps[late & failures.is_fault])
    end = format_time(record.end_ps * 1e-12)
    return tuple(
        f"the fault at {format_time(t * 1e-12)} lies after completion ({end}): it changed nothing"
        for t in times
    )


ENGINES: Final[Mapping[str, Callable[..., Result]]] = {"packet": packet, "flow": fluid, "theory": theory}
KERNELS: Final = {"packet": tuple(PACKET_KERNELS), "flow": tuple(SOLVERS), "theory": ()}
"""The kernels of each engine, by name."""
