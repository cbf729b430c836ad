"""The flow engine: fabric and schedule in, Result out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

import fabricsim.engines.flow.classes as classes
import fabricsim.engines.flow.listed as listed
from fabricsim.engines.flow.by_lines import by_lines
from fabricsim.engines.flow.by_lines import misfit as misfit_of_lines
from fabricsim.engines.flow.capacity import Course
from fabricsim.engines.flow.events import Run, Times
from fabricsim.engines.flow.outcome import Faulted, Outcome, metrics, operation_results, tables
from fabricsim.engines.flow.phases import by_rounds, misfit
from fabricsim.engines.flow.pool import Settings
from fabricsim.engines.flow.regained import recovery_metrics
from fabricsim.engines.flow.rerouting import ReroutedRun
from fabricsim.engines.flow.solver import SOLVERS
from fabricsim.engines.flow.transfers import Traffic, Transfers, transfers_of
from fabricsim.engines.latency import unmeasured
from fabricsim.engines.record import model_text
from fabricsim.engines.stages import stages
from fabricsim.errors import Fault, InputError, SimulationError, close_match
from fabricsim.fabric import Fabric
from fabricsim.failures import NO_FAILURES, Failures
from fabricsim.model import Model
from fabricsim.result import Result, digest_of
from fabricsim.routing import Routing
from fabricsim.schedule import Schedule, expanded
from fabricsim.units import PS_PER_S, format_time

MOST_MESSAGES: Final = 20_000_000
MOST_COLOURED: Final = 200_000
"""Ranks up to which the links of a machine are looked at one by one for its symmetry."""
QUANTUM_SAMPLE: Final = 4000
"""Messages whose exact times tell what a quantum costs."""
SLACK: Final = 1e-9
"""What rounding may take off the lower bound."""


def solver_for(kernel: str) -> str:
    """Return the solver that `kernel` means: `auto` takes numpy, whatever is installed, so that answers do not vary."""
    if kernel == "auto":
        return "numpy"
    if kernel not in SOLVERS:
        what = f"the flow engine has no {kernel} kernel"
        raise InputError([Fault(what, close_match(kernel, ["auto", *SOLVERS]), ("kernel",))])
    return kernel


def refuse_queues(model: Model, routing: Routing) -> None:
    """Raise InputError for what only packets that queue can show."""
    if routing.policy == "adaptive":
        what = "a fluid has no queues, and adaptive routing chooses by them"
        raise InputError([Fault(what, "use engine: packet, or spray", ("routing", "policy"))])
    if model.endpoint.reduce_rate is not None:
        what = "the flow engine does not take time to add up what arrives"
        raise InputError([Fault(what, "use engine: packet, or leave it out", ("endpoint", "reduce_rate"))])
    if model.feedback:
        what = f"a fluid has no queues, and {model.feedback}"
        raise InputError([Fault(what, "use engine: packet, or leave it out", ("model",))])


def flow(
    fabric: Fabric,
    schedule: Schedule,
    *,
    routing: Routing,
    failures: Failures,
    model: Model,
    seed: int,
    kernel: str = "auto",
    verified: bool = False,
    quantum: float = 0.0,
) -> Result:
    """Return the Result of `schedule` as fluids that share every channel max-min fairly.

    kernel: the solver, numpy or numba. verified: whether each solution is checked by its bottlenecks. quantum [s]:
    the least time between two solutions; 0 is exact. Raises InputError if two ranks that talk have no path or the
    model needs queues, StallError if a flow waits for a channel that stays down.
    """
    refuse_queues(model, routing)
    _refuse_with_failures(schedule, failures, quantum)
    settings = Settings(solver_for(kernel), verified, quantum)
    outcome = _run(fabric, schedule, routing, failures, model, seed, settings)
    numbers = metrics(fabric, schedule, outcome)
    bounded = not len(failures) or failures.recovery.reroute == "none" or failures.avoided
    if bounded and numbers["completion_time_s"] < numbers["ideal_time_s"] * (1 - SLACK):
        done, ideal = (format_time(numbers[name], 9) for name in ("completion_time_s", "ideal_time_s"))
        raise SimulationError(
            f"the run took {done}, less than the lower bound of {ideal}: this is a fault of fabricsim"
        )
    if outcome.faulted is not None:
        lost, end_ps = round(outcome.faulted.lost), round(float(outcome.end.max()) * PS_PER_S)
        numbers |= stages(failures, end_ps, lost)
        healthy = _run(fabric, schedule, routing, NO_FAILURES, model, seed, settings)
        course = _course(fabric, failures, model, routing, seed, outcome, outcome.faulted)
        numbers |= recovery_metrics(course, healthy.span)
    inputs = {
        "fabric": fabric.digest, "schedule": schedule.digest, "model": model_text(model),
        "routing": routing.text, "failures": failures.digest, "seed": str(seed),
        "solver": settings.solver, "quantum": repr(quantum),
    }  # fmt: skip
    return Result(
        name=fabric.name,
        engine="flow",
        kernel=settings.solver,
        seed=seed,
        metrics=numbers,
        operations=operation_results(schedule, outcome),
        tables=tables(fabric, schedule, outcome),
        digest=digest_of([repr(sorted(inputs.items())), *outcome.digest_parts()]),
        notes=(
            *outcome.notes,
            *unmeasured(schedule, outcome.operation, outcome.release_ps),
            *_late(failures, float(outcome.end.max())),
        ),
    )


def _refuse_with_failures(schedule: Schedule, failures: Failures, quantum: float) -> None:
    """Raise InputError for what is built, but not together with links that go down during the run."""
    if not len(failures) or failures.avoided or not np.any(failures.factor == 0):
        return
    if any(op.meets for op in schedule.operations):
        what = "links that go down are not built with reduction and multicast in switches"
        raise InputError([Fault(what, "leave one of them out", ("failures",))])
    if quantum:
        what = "a quantum is not built with links that go down"
        raise InputError([Fault(what, "leave it out", ("quantum",))])


def _late(failures: Failures, end: float) -> tuple[str, ...]:
    times = np.unique(failures.time_ps[failures.is_fault & (failures.time_ps >= end * PS_PER_S)])
    return tuple(
        f"the fault at {format_time(t * 1e-12)} lies after completion ({format_time(end)}): it changed nothing"
        for t in times.tolist()
    )


def taken_by_symmetry(
    fabric: Fabric, schedule: Schedule, routing: Routing, failures: Failures, model: Model, quantum: float
) -> bool:
    """Return whether a run goes by classes of flows; told without listing any."""
    at_once = sum(r.messages for op in schedule.operations for r in op.rounds)
    if quantum or at_once <= _least(schedule) or (len(failures) and not failures.avoided):
        return False
    coloured = fabric.ranks <= MOST_COLOURED and not classes.misfit(fabric, schedule, routing)
    return coloured or not misfit_of_lines(fabric, schedule, routing, model)


def _least(schedule: Schedule) -> int:
    """Return the messages from which on rounds along lines are taken by classes."""
    return 0 if schedule.by_class else classes.LEAST_FLOWS


def _run(
    fabric: Fabric, schedule: Schedule, routing: Routing, failures: Failures, model: Model, seed: int,
    settings: Settings,
) -> Outcome:  # fmt: skip
    no_symmetry = "links fail or degrade" if len(failures) else classes.misfit(fabric, schedule, routing)
    if fabric.ranks > MOST_COLOURED and not no_symmetry:
        no_symmetry = f"the links of {fabric.ranks:,} ranks are too many to be looked at one by one"
    if failures.avoided:
        return _around(fabric, schedule, routing, failures, model, seed, settings)
    messages_at_once = sum(r.messages for op in schedule.operations for r in op.rounds)
    if not no_symmetry and not settings.quantum and messages_at_once > classes.LEAST_FLOWS:
        return classes.by_classes(fabric, schedule, routing, model, seed, settings)
    if messages_at_once > _least(schedule) and not len(failures) and not settings.quantum:
        no_symmetry = misfit_of_lines(fabric, schedule, routing, model)
        if not no_symmetry:
            return by_lines(fabric, schedule, model, settings)
    no_columns = listed.misfit(schedule, routing, model) if not len(failures) else "links fail or degrade"
    if not no_columns and not settings.quantum and listed.LEAST_FLOWS < messages_at_once <= listed.MOST_FLOWS:
        return listed.by_links(fabric, schedule, routing, model, seed, settings)
    if messages_at_once > MOST_MESSAGES:
        _refuse_too_many(schedule, no_symmetry or "a quantum is set")
    why = misfit(schedule, failures, model, routing) or ("a quantum is set" if settings.quantum else "")
    outcome = None if why else by_rounds(fabric, schedule, routing, model, seed, settings)
    if outcome is not None:
        return outcome
    _refuse_too_many(schedule, why or "rounds overlap on channels that they share")
    messages = schedule.messages
    traffic = Traffic(messages.src, messages.dst, messages.size, messages.id, messages.meeting, messages.down)
    transfers = transfers_of(fabric, traffic, routing, model, seed)
    steps = expanded(schedule)
    if len(failures) and not settings.quantum and not any(op.meets for op in schedule.operations):
        run = ReroutedRun(fabric, messages, steps, transfers, failures, model, settings, routing, seed)
        return _rerouted(schedule, transfers, run)
    times = Run(fabric, messages, steps, transfers, failures, model, settings).times()
    if not settings.quantum:
        return _outcome(schedule, transfers, times)
    exactly = replace(settings, quantum=0.0)
    exact = Run(fabric, messages, steps, transfers, failures, model, exactly).times(QUANTUM_SAMPLE)
    return _outcome(schedule, transfers, times, _quantum_notes(settings.quantum, times, exact))


def _quantum_notes(quantum: float, times: Times, exact: Times) -> tuple[str, str]:
    """Return what a quantum has saved, and what it has cost: measured on the messages that end first."""
    known = ~np.isnan(exact.delivered)
    latency = exact.delivered[known] - exact.release[known]
    error = np.abs(times.delivered[known] - times.release[known] - latency) / latency
    return (
        f"rates were found at most every {format_time(quantum)}: {times.solves} times; "
        f"{times.waited} changes waited, none longer than that",
        f"latency is off by {error.mean():.2%} in the mean and {error.max():.2%} at most, measured against exact times "
        f"of {len(error):,} of {len(known):,} messages, those that end first",
    )


def _around(
    fabric: Fabric, schedule: Schedule, routing: Routing, failures: Failures, model: Model, seed: int,
    settings: Settings,
) -> Outcome:  # fmt: skip
    """Return the outcome where what is down is known to routing from the beginning."""
    links, at_once = failures.links, sum(r.messages for op in schedule.operations for r in op.rounds)
    one_of_all = not classes.misfit(fabric, schedule, routing) and fabric.ranks <= MOST_COLOURED
    lined = not one_of_all and not misfit_of_lines(fabric, schedule, routing, model)
    if at_once > _least(schedule) and lined and not settings.quantum:
        return by_lines(fabric, schedule, model, settings, np.concatenate([2 * links, 2 * links + 1]))
    outcome = _run(fabric.without(links), schedule, routing, NO_FAILURES, model, seed, settings)
    whole = np.delete(np.arange(fabric.link_count), links)[outcome.channels >> 1]
    return replace(outcome, channels=2 * whole + outcome.channels % 2)


def _refuse_too_many(schedule: Schedule, why: str) -> None:
    """Raise InputError for more messages than can be followed one by one."""
    messages = sum(op.messages for op in schedule.operations)
    if messages > MOST_MESSAGES:
        what = f"{messages:,} messages have to be listed one by one: {why}"
        raise InputError(what, f"up to {MOST_MESSAGES:,} fit in memory: use fewer ranks, or fewer rounds")


def _outcome(schedule: Schedule, transfers: Transfers, times: Times, notes: tuple[str, ...] = ()) -> Outcome:
    m = schedule.messages
    operations = len(schedule.operations)
    start, end = np.full(operations, np.inf), np.full(operations, -np.inf)
    np.minimum.at(start, m.operation, times.entry)
    np.maximum.at(end, m.operation, times.delivered)
    wire = transfers.channel_wire
    busiest = float((wire / transfers.capacity).max(initial=0.0))
    rounds, span = _rounds(schedule, times)
    return Outcome(
        m.operation, m.round, m.src, m.dst, m.size, np.ones(len(m), np.int64), times.release, times.sent,
        times.delivered, times.delivered, start, end, rounds, span, transfers.channels, wire,
        int(m.size[(m.meeting < 0) | m.down].sum()), max(busiest, transfers.path_ps / PS_PER_S), times.solves, notes,
    )  # fmt: skip


def _rerouted(schedule: Schedule, transfers: Transfers, run: ReroutedRun) -> Outcome:
    """Return the outcome of a run with failures: where its flows went, and what arrived when."""
    planned = _outcome(schedule, transfers, run.times())
    channels, wire = run.rows.carried(transfers.channel_wire)
    found = Faulted(run.arrived(), run.lost, run.again, transfers)
    return replace(planned, channels=channels, channel_wire=wire, faulted=found)


def _course(
    fabric: Fabric, failures: Failures, model: Model, routing: Routing, seed: int, outcome: Outcome,
    found: Faulted,
) -> Course:  # fmt: skip
    flows = found.transfers
    return Course(
        fabric, failures, routing, seed, outcome.src, outcome.dst, outcome.size / flows.wire,
        outcome.release + np.maximum(flows.arrived, 0.0), outcome.delivered, flows.flows, flows.channels,
        found.arrived, float(outcome.start.min()), float(outcome.end.max()), model.mtu,
    )  # fmt: skip


def _rounds(schedule: Schedule, times: Times) -> tuple[np.ndarray, np.ndarray]:
    m = schedule.messages
    most = int(m.round.max(initial=0)) + 1
    key, index = np.unique(m.operation * most + m.round, return_inverse=True)
    span = np.stack([np.full(len(key), np.inf), np.zeros(len(key))])
    np.minimum.at(span[0], index, times.release)
    np.maximum.at(span[1], index, times.delivered)
    counts = np.bincount(index, minlength=len(key))
    payload = np.bincount(index, m.size, len(key)).astype(np.int64)
    return np.stack([key // most, key % most, np.ones_like(key), counts, payload]), span
