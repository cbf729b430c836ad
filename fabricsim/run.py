"""From a scenario, or from parts of one, to a Result: the whole pipeline.

scenario ─▶ fabric, schedule, model, routing, failures ─▶ effective plan ─▶ engine ─▶ Result
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fabricsim.budget import Budget, check_budget
from fabricsim.calibrated import calibrated
from fabricsim.collectives import Collective
from fabricsim.cross_check import cross_checked
from fabricsim.engines import ENGINES, KERNELS
from fabricsim.engines.bound import check_size
from fabricsim.engines.choice import engine_for
from fabricsim.engines.watch import Watch
from fabricsim.errors import Fault, InputError, UsageError, close_match
from fabricsim.explanation import MOST_MESSAGES, explained, what_if
from fabricsim.fabric import Fabric
from fabricsim.failures import Failure, Recovery, compile_failures
from fabricsim.interference import with_jobs
from fabricsim.job import Job
from fabricsim.model import Model
from fabricsim.planning import least_cost, paths_of, plan
from fabricsim.progress import in_notebook, packets_of, points_of
from fabricsim.provenance import design_of, laid_over, peak_rss, versions
from fabricsim.result import Result
from fabricsim.routing import Routing, default_routing
from fabricsim.scenario import Scenario
from fabricsim.schedule import Operation, Schedule
from fabricsim.serving import with_serving
from fabricsim.survival import Question, Survival, survey, survived
from fabricsim.traffic import Pattern
from fabricsim.training import with_step
from fabricsim.units import parse_time

Workload = Schedule | Operation | Collective | Pattern


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
    if job.engine == "flow" or not job.failures.avoided:
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
    if job.engine == "theory":
        _check_theory(job, explain=explain)
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
    made = {**versions(), "topology": design_of(job.fabric), **laid_over(job.fabric)}
    planned = plan(job)
    result = replace(result, name=job.name, plan=planned, cost=cost, provenance=made)
    if job.training is not None:
        return with_step(result, job.training)
    if job.serving is not None:
        return with_serving(result, job.serving)
    if job.engine == "theory":
        return result  # nothing moved whose way could be told
    if explain or result.metrics["messages"] + result.metrics.get("packets", 0) <= MOST_MESSAGES:
        result = explained(job, result, paths_of(job) if job.engine == "packet" else None)
    paths_of.cache_clear()
    return what_if(job, result, execute) if explain else result


def _check_theory(job: Job, *, explain: bool) -> None:
    """Raise InputError for what bounds cannot tell, UsageError for what they cannot explain."""
    if job.training or job.serving:
        what = "a training step" if job.training else "a served model"
        fault = Fault(
            f"{what} is put together from times, which bounds are not", "run it on flow", ("engine",)
        )
        raise InputError([fault])
    check_size(job.schedule)
    if explain:
        raise UsageError(f"{job.name}: nothing moves in theory that could be explained; take packet or flow")


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
    paths_of.cache_clear()
    return result if job.training is None else with_step(result, job.training)


def _own_options(job: Job, watch: Watch | None) -> dict[str, Any]:
    """Return what only the job's engine takes."""
    if job.engine == "flow":
        return {"quantum": job.quantum, "verified": job.verified}
    if job.engine == "theory":
        return {"paths": paths_of(job)}
    return {"paths": paths_of(job), "watch": watch}


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
