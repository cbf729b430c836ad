"""From a scenario, or from parts of one, to a Result: the whole pipeline.

scenario ─▶ fabric, schedule, model, routing, failures ─▶ effective plan ─▶ engine ─▶ Result
"""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache, partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.budget import Budget, check_budget, estimate, estimate_classes, estimate_flows
from fabricsim.calibrated import calibrated
from fabricsim.code_version import code_version
from fabricsim.collectives import Collective
from fabricsim.cross_check import cross_checked
from fabricsim.engines import ENGINES, KERNELS, kernel_for, packet_routes
from fabricsim.engines.choice import engine_for
from fabricsim.engines.flow.engine import solver_for, taken_by_symmetry
from fabricsim.engines.watch import Watch
from fabricsim.errors import Fault, InputError, UsageError, close_match
from fabricsim.explanation import MOST_MESSAGES, explained, what_if
from fabricsim.fabric import Fabric
from fabricsim.failures import Failure, Recovery, compile_failures
from fabricsim.interference import with_jobs
from fabricsim.job import Job
from fabricsim.model import Model
from fabricsim.progress import in_notebook, packets_of, points_of
from fabricsim.result import Result, digest_of
from fabricsim.routing import Routes, Routing, default_routing, hash_use, relaying
from fabricsim.scenario import Scenario
from fabricsim.schedule import Messages, Operation, Schedule, Tenant
from fabricsim.serving import with_serving
from fabricsim.survival import Question, Survival, survey, survived
from fabricsim.traffic import Pattern
from fabricsim.training import with_step
from fabricsim.units import parse_time
from fabricsim.version import __version__

Workload = Schedule | Operation | Collective | Pattern


@lru_cache(maxsize=2)
def _paths(job: Job) -> Routes:
    """Return the path of every packet: found once, for the plan and for the packet engine; kept while a part runs."""
    return packet_routes(job.fabric, job.schedule, job.routing, job.model, job.seed)


def job_of(scenario: Scenario, *, verified: bool = False) -> Job:
    """Return what a scenario comes down to. Raises InputError with every fault found, located in its file."""
    fabric = scenario.fabric()
    bound = scenario.bind(fabric)
    engine, why = engine_for(known_engine(scenario.engine), bound.schedule, bound.model, bound.routing)
    try:
        kernel = known_kernel(scenario.kernel, engine)
    except InputError as error:
        raise scenario.document.locate(error) from None
    job = Job(
        name=scenario.name,
        fabric=fabric,
        seed=scenario.seed,
        engine=engine,
        kernel=kernel,
        why=why,
        quantum=scenario.quantum,
        verified=verified,
        **bound._asdict(),
    )
    return _around_failures(job)


def _around_failures(job: Job) -> Job:
    """Return the job that the packet engine gets where routing knows what is down: without those links."""
    if job.engine != "packet" or not job.failures.avoided:
        return job
    left = job.fabric.without(job.failures.links)
    return replace(job, fabric=left, failures=compile_failures(left, ()))


def known_engine(name: str) -> str:
    """Return `name` if it is an engine's or `auto`; which one `auto` means depends on the job."""
    if name not in ("auto", *ENGINES):
        raise InputError(f"{name!r} is not a built engine", close_match(name, ["auto", *ENGINES]))
    return name


def known_kernel(name: str, engine: str) -> str:
    """Return `name` if it is `auto` or a kernel of the engine; which one `auto` means depends on the job."""
    if name not in ("auto", *KERNELS[engine]):
        what = f"the {engine} engine has no kernel {name!r}"
        raise InputError([Fault(what, close_match(name, ["auto", *KERNELS[engine]]), ("kernel",))])
    return name


def execute(job: Job, watch: Watch | None = None, *, explain: bool = False) -> Result:
    """Run one job and return its Result, with its plan, its cost and the versions it ran on.

    watch is told how far a packet run is. explain: whether the result also says what faster links would give, which
    takes a run for each, and its critical path however many messages there are.
    """
    if explain and (job.training or job.serving):
        what = "a training step, whose exposed times" if job.training else "a served model, whose layers"
        raise UsageError(
            f"{job.name} is {what} say what takes long; explain an exchange of it as an operation of its own"
        )
    wall, cpu = time.perf_counter(), time.process_time()
    result = _simulated(job, watch)
    if job.schedule.tenants:
        result = with_jobs(
            result, job.schedule, lambda alone: _simulated(replace(job, schedule=alone), watch)
        )
    cost = {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_rss_bytes": peak_rss(),
        "events": result.metrics.get("packet_hops", 0) + result.metrics["messages"],
    }
    made = {**versions(), "topology": design_of(job.fabric), **_laid_over(job.fabric)}
    planned = plan(job)
    result = replace(result, name=job.name, plan=planned, cost=cost, provenance=made)
    if job.training is not None:
        return with_step(result, job.training)
    if job.serving is not None:
        return with_serving(result, job.serving)
    if explain or result.metrics["messages"] + result.metrics.get("packets", 0) <= MOST_MESSAGES:
        result = explained(job, result, _paths(job) if job.engine == "packet" else None)
    _paths.cache_clear()
    return what_if(job, result, execute) if explain else result


def _simulated(job: Job, watch: Watch | None) -> Result:
    return ENGINES[job.engine](
        job.fabric,
        job.schedule,
        routing=job.routing,
        failures=job.failures,
        model=job.model,
        seed=job.seed,
        kernel=job.kernel,
        **_own_options(job, watch),
    )


def _measured(job: Job) -> Result:
    """Run one job for its metrics alone."""
    result = _simulated(_around_failures(job), None)
    _paths.cache_clear()
    return result if job.training is None else with_step(result, job.training)


def _own_options(job: Job, watch: Watch | None) -> dict[str, Any]:
    """Return what only the job's engine takes."""
    if job.engine == "flow":
        return {"quantum": job.quantum, "verified": job.verified}
    return {"paths": _paths(job), "watch": watch}


def run(
    scenario: Scenario,
    progress: Callable[[int, int], None] | None = None,
    budget: Budget | None = None,
    *,
    verified: bool = False,
    watch: Watch | None = None,
    announce: Callable[[Mapping[str, Any]], None] | None = None,
    explain: bool = False,
) -> list[Result]:
    """Run a scenario, every point of its sweep in order, and return the Results.

    progress is called with (points done, points in all) before each point and at the end. Raises BudgetError before
    the first simulation if the estimate is over the budget. verified: whether each solution of the flow engine is
    checked by its bottlenecks. watch is told how far each packet run is;
    announce gets the plan of each before it begins. explain: as for `execute`.
    """
    points = scenario.points()
    jobs = [
        job_of(point, verified=verified) for point in points
    ]  # every fault is found before the first simulation
    if budget:
        # the least it can cost first: planning a run beyond all measure is itself beyond measure
        check_budget(budget, [least_cost(job) for job in jobs])
        check_budget(budget, [plan(job) for job in jobs])
    results = []
    for index, (point, job) in enumerate(zip(points, jobs, strict=True)):
        if progress:
            progress(index, len(points))
        try:
            if announce:
                announce(plan(job))
            result = execute(job, watch, explain=explain)
            if point.parts.calibrate:
                result = calibrated(result, point, partial(_on, engine=job.engine))
            if point.parts.cross_check and job.engine == "flow":
                result = cross_checked(result, point, job.fabric, _on)
            if point.parts.survive is not None:
                result = _survived(result, point, job)
        except InputError as error:  # what only shows with the routes at hand
            raise scenario.document.locate(error) from None
        source = {
            "scenario": scenario.text,
            "effective": point.canonical(),
            "varied": point.varied,
            "file": scenario.document.file,
        }
        results.append(replace(result, provenance={**result.provenance, **source}))
    if progress:
        progress(len(points), len(points))
    return results


def _survived(result: Result, point: Scenario, job: Job) -> Result:
    """Return a result with what losing parts of the machine leaves, and with what finding that out cost."""
    assert point.parts.survive is not None
    wall, cpu = time.perf_counter(), time.process_time()
    found = survived(result, point, job, Question(**vars(point.parts.survive)), _measured)
    more = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
    spent = {name: found.cost[name] + seconds for name, seconds in more.items()}
    return replace(found, cost={**found.cost, **spent, "peak_rss_bytes": peak_rss()})


def survive(scenario: Scenario, **options: Any) -> Survival:
    """Return what losing each part of a scenario's machine leaves of its workload's performance.

    options: keys of `survive:` in place of those the scenario states, such as parts=["link", "switch"],
    metric="ar.busbw", faults=[2, 4]. Raises InputError as a file would, and for a scenario with a sweep.
    """
    stated = scenario.data.get("survive")
    point = scenario.replace(survive={**(stated if isinstance(stated, Mapping) else {}), **options})
    if len(point.points()) > 1:
        raise UsageError(f"{scenario.name} has a sweep; take one of its points()")
    (one,) = point.points()
    assert one.parts.survive is not None
    return survey(one, job_of(one), Question(**vars(one.parts.survive)), _measured)


def _on(scenario: Scenario, engine: str) -> Result:
    return execute(job_of(scenario.replace(engine=engine, kernel="auto")))


def runner(scenario: Scenario) -> Callable[[], Result | list[Result]]:
    """Return what `scenario.run` is: a call that gives one Result, or a list of them where there is a sweep."""

    def call() -> Result | list[Result]:
        with in_notebook() as show:
            results = run(scenario, points_of(show, scenario.name), watch=packets_of(show))
        return results if len(scenario.points()) > 1 else results[0]

    return call


def simulate(
    fabric: Fabric,
    workload: Workload | Sequence[Workload],
    *,
    failures: Sequence[Failure] = (),
    recovery: Recovery | None = None,
    routing: Routing | str | None = None,
    model: Model | None = None,
    engine: str = "auto",
    kernel: str = "auto",
    seed: int = 0,
    quantum: str = "0 s",
    verified: bool = False,
    explain: bool = False,
) -> Result:
    """Return the Result of one workload on one fabric.

    workload: a Schedule, or collectives and patterns such as `all_reduce("256 MiB")`, which then use all ranks
    unless they name some. recovery: what is done about failures. routing and model default to what the topology
    states. quantum, verified: of the flow engine, the least time between two solutions, and whether each is checked by
    its bottlenecks. explain: whether the result's `explain()` also tells what faster links would give, which takes a
    run for each. Raises InputError for a workload that does not fit, StallError if the simulation cannot finish.
    """
    if isinstance(routing, str):
        routing = Routing(routing)
    routing = routing or default_routing(fabric)
    schedule, model = schedule_of(fabric, workload, seed), model or fabric.model
    engine, why = engine_for(known_engine(engine), schedule, model, routing)
    job = Job(
        name=fabric.name,
        fabric=fabric,
        schedule=schedule,
        routing=routing,
        model=model,
        failures=compile_failures(fabric, failures, recovery=recovery),
        seed=seed,
        engine=engine,
        kernel=known_kernel(kernel, engine),
        why=why,
        quantum=parse_time(quantum),
        verified=verified,
    )
    with in_notebook() as show:
        return execute(_around_failures(job), packets_of(show), explain=explain)


def schedule_of(fabric: Fabric, workload: Workload | Sequence[Workload], seed: int) -> Schedule:
    """Return the Schedule that `simulate` means by its workload."""
    if isinstance(workload, Schedule):
        return workload
    entries = [workload] if isinstance(workload, Operation | Collective | Pattern) else list(workload)
    operations = []
    for entry in entries:
        if isinstance(entry, Operation):
            operations.append(entry)
        elif isinstance(entry, Collective):
            operations.append(entry.on(fabric))
        elif isinstance(entry, Pattern):
            operations.append(entry.on(fabric, seed=seed))
        else:
            raise UsageError(
                f"{type(entry).__name__} is not a workload; pass a Schedule, a collective or a pattern"
            )
    return Schedule(tuple(operations))


# -- the effective plan -----------------------------------------------------------------------------------


def plan(job: Job) -> dict[str, Any]:
    """Return what will run: engine, order, algorithm, levels crossed and bytes per level, and what it will cost."""
    planned = _flow_plan(job) if job.engine == "flow" else _packet_plan(job)
    return _with_tenants(planned, job.schedule.tenants) if job.schedule.tenants else planned


def _with_tenants(planned: dict[str, Any], tenants: Sequence[Tenant]) -> dict[str, Any]:
    """Return a plan with the jobs that share the machine; each is run alone too, so everything moves twice."""
    jobs = [
        {
            "name": tenant.name,
            "ranks": len(tenant.ranks),
            "order": order_text(tenant.ranks.tolist()),
            "start_s": tenant.start,
        }
        for tenant in tenants
    ]
    return {**planned, "jobs": jobs, "estimated_cpu_s": 2 * planned["estimated_cpu_s"]}


def _packet_plan(job: Job) -> dict[str, Any]:
    messages, paths = job.schedule.messages, _paths(job)
    packets = -(-messages.size // job.model.mtu)
    hops = round(float(np.sum(np.repeat(packets / paths.count, paths.count) * paths.hops)))
    kernel, why = kernel_for(job.kernel, job.fabric, job.schedule, paths, job.failures, job.model)
    loads = _loads(job.fabric, messages, paths)
    pace = f"{kernel}, queues" if job.model.feedback or paths.adaptive else kernel
    return {
        **_said(job, kernel, why),
        **_hashing(job, messages),
        "operations": [_planned(job, index, loads) for index in range(len(job.schedule.operations))],
        "packets": int(packets.sum()),
        "packet_hops": hops,
        **estimate(pace, int(packets.sum()), hops),
    }


def _hashing(job: Job, messages: Messages) -> dict[str, Any]:
    """Return how evenly the hash of ecmp spreads messages, tier by tier: whether it polarises; nothing without ecmp."""
    ids = np.flatnonzero(messages.meeting < 0)
    if job.routing.policy != "ecmp" or not 0 < len(ids) <= MOST_MESSAGES:
        return {}
    found = hash_use(job.fabric, messages.src[ids], messages.dst[ids], job.routing, job.seed, ids)
    return {"hash": [tier.told() for tier in found]} if found else {}


def _loads(fabric: Fabric, messages: Messages, paths: Routes) -> NDArray[np.float64]:
    """Return (operations, levels) [B], the payload that each carries over the links of each level."""
    levels = len(fabric.levels)
    total = np.zeros((int(messages.operation.max(initial=0)) + 1) * levels)
    owner = np.repeat(np.arange(len(messages)), paths.count)
    size = messages.size[owner] / paths.count[owner]
    row = messages.operation[owner] * levels
    for begin in range(0, len(owner), 250_000):  # a piece of the paths at a time, to bound memory
        starts = paths.starts[begin : begin + 250_001]
        level = fabric.level[paths.channels[starts[0] : starts[-1]] // 2]
        rows, sizes = (np.repeat(c[begin : begin + 250_000], np.diff(starts)) for c in (row, size))
        total += np.bincount(rows.astype(np.int64) + level, sizes, len(total))
    return total.reshape(-1, levels)


def _flow_plan(job: Job) -> dict[str, Any]:
    """Return what the flow engine will run. Bytes per level only where the paths are few enough to count here."""
    operations = range(len(job.schedule.operations))
    flows = sum(op.messages for op in job.schedule.operations)
    symmetric = taken_by_symmetry(job.fabric, job.schedule, job.routing, job.failures, job.model, job.quantum)
    how = "classes of flows, by the symmetry of the machine" if symmetric else "rates of flows"
    once = sum(r.messages for op in job.schedule.operations for r in op.rounds) or flows
    return {
        **_said(job, solver_for(job.kernel), f"{how}, max-min fair between events"),
        "operations": [_planned(job, index) for index in operations],
        "flows": flows,
        **(estimate_classes(job.fabric.link_count) if symmetric else estimate_flows(once)),
    }


def _said(job: Job, kernel: str, why: str) -> dict[str, Any]:
    return {
        "engine": job.engine,
        "engine_why": job.why,
        "kernel": kernel,
        "why": why,
        "routing": _routing_text(job.routing),
        **_relaying(job),
        "model": {
            "switching": job.model.switching,
            "mtu_B": job.model.mtu,
            "header_B": job.model.header,
            **_buffers(job.model),
        },
    }


def _buffers(model: Model) -> dict[str, Any]:
    """Return how packets are held, and whatever else differs from a plain network."""
    more = {name: str(value) for name, value in model.changes() if name not in ("buffer", "flow_control")}
    if model.buffer is None:
        return {"buffer": "infinite", **more}
    return {"buffer_B": model.buffer, "flow_control": model.flow_control, **more}


def _planned(job: Job, index: int, loads: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """Return what is planned of one operation; loads: (operations, levels) [B], where they are known."""
    op = job.schedule.operations[index]
    planned = {
        "name": op.name,
        "kind": op.kind,
        "algorithm": op.algorithm,
        "ranks": len(op.ranks),
        "order": order_text(op.ranks.tolist()),
        "after": list(op.after),
        "rounds": op.round_count,
        "messages": op.messages,
        "size_B": op.size,
        "asked_size_B": op.asked,
    }
    if loads is not None:
        carried = zip(job.fabric.levels, loads[index].tolist(), strict=True)
        planned["payload_by_level_B"] = {name: round(size) for name, size in carried if size}
    return planned


def _routing_text(routing: Routing) -> str:
    """Return how paths are chosen, in words."""
    options = {
        "all-path": f"shortest paths and detours of up to {routing.max_detour} hops, {routing.split} split",
        "valiant": f"by way of a node drawn for each {routing.per}",
        "dimension-order": "one coordinate after the other",
    }
    how = options.get(routing.policy, "shortest paths")
    return f"{routing.policy}, {how}, virtual lanes: {routing.lanes_text}"


def _relaying(job: Job) -> dict[str, Any]:
    """Return what detours cost, for the policy that takes them."""
    if job.routing.policy != "all-path":
        return {}
    messages = job.schedule.messages
    cost = relaying(job.fabric, messages.src, messages.dst, messages.size.astype(np.float64), job.routing)
    return {
        "relaying": {
            "relayed_share": cost.relayed,
            "links_per_byte": cost.links_per_byte,
            "shortest_links_per_byte": cost.shortest,
        }
    }


def least_cost(job: Job) -> dict[str, float]:
    """Return what a job costs at least: each packet moves once, on the fastest kernel."""
    if job.engine == "flow":
        return estimate_flows(0)
    packets = int((-(-job.schedule.messages.size // job.model.mtu)).sum())
    return estimate("numpy", packets, packets)


def order_text(ranks: Sequence[int]) -> str:
    """Return ranks in the order an algorithm takes them, runs shortened: `0-63`, `0, 8, 16, … (64)`."""
    if list(ranks) == list(range(ranks[0], ranks[0] + len(ranks))):
        return f"{ranks[0]}-{ranks[-1]}"
    shown = ", ".join(str(rank) for rank in ranks[:8])
    return shown if len(ranks) <= 8 else f"{shown}, … ({len(ranks)})"


# -- cost and provenance ----------------------------------------------------------------------------------


def peak_rss() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024  # macOS counts bytes, Linux KiB


def versions() -> dict[str, Any]:
    """Return the versions a result was made with."""
    return {
        "fabricsim": __version__,
        "code": code_version(),
        "python": platform.python_version(),
        "packages": dict(_package_versions()),
    }


@cache
def _package_versions() -> dict[str, str]:
    """Return the versions of what computes; looking them up costs more than a small run."""
    return {name: version(name) for name in ("numpy", "simpy", "networkx")}


def _laid_over(fabric: Fabric) -> dict[str, Any]:
    """Return the machine that overlays lie over, and what each of them changed; nothing where there is none."""
    if not fabric.about.overlays:
        return {}
    return {
        "machine": fabric.name,
        "overlays": [
            {"file": one.file, "sha256": one.sha256, "changes": list(one.changes)}
            for one in fabric.about.overlays
        ],
    }


def design_of(fabric: Fabric) -> str:
    """Return the SHA-256 of a design: the fabric, and how it routes and switches unless a scenario says otherwise."""
    return digest_of([fabric.digest, fabric.policy, *_unlike(fabric.model, type(fabric.model)())])


def _unlike(value: Any, default: Any) -> list[str]:
    """Return the fields of a value that differ from the default: a field that is added later changes no hash."""
    found = []
    for field in fields(value):
        now, usual = getattr(value, field.name), getattr(default, field.name)
        if now != usual:
            below = _unlike(now, usual) if type(now) is type(usual) and is_dataclass(now) else [repr(now)]
            found += [f"{field.name} {text}" for text in below]
    return found
