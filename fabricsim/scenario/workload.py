"""A scenario's workload on a fabric: entries become operations on ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from fabricsim.collectives import collective
from fabricsim.collectives.msccl import MSCCL, Program, read_program
from fabricsim.errors import Fault, FaultList, InputError, Key, close_match
from fabricsim.fabric import Fabric
from fabricsim.routing import unreachable
from fabricsim.scenario.grammar import (
    AnyEntry,
    CollectiveEntry,
    JobPart,
    MemoryEntry,
    PatternEntry,
    ScenarioPart,
    TraceEntry,
)
from fabricsim.scenario.jobs import check_place, places
from fabricsim.scenario.kinds import check_names
from fabricsim.scenario.ranks import Ranks
from fabricsim.scenario.serving import ServeEntry, serving
from fabricsim.scenario.training import TrainEntry, training
from fabricsim.schedule import IntArray, Operation, Schedule, Tenant
from fabricsim.schedule.cycles import shortest_cycle
from fabricsim.traces import read_trace, replay
from fabricsim.traffic import COMMAND, Loop, injection, memory, pattern, read_matrix
from fabricsim.units import format_time

Entry = CollectiveEntry | PatternEntry | MemoryEntry | TraceEntry
"""What is one operation; a training step, or a model that is served, is several."""

_WHOLE: Final = {"train": "a training step", "serve": "a model that is served"}
"""What is put together from exchanges that are each run alone, and so is a scenario of its own."""

_NOT_PASSED: Final = frozenset(
    {"name", "collective", "algorithm", "pattern", "size", "ranks", "lane", "warmup"}
)
"""Keys of an entry that a collective or pattern takes by position; the others go by name, where stated."""


@dataclass(frozen=True, eq=False)
class _Placed:
    """A workload entry, where it stands in its file, and the ranks that its own count within; job: None for no job."""

    entry: AnyEntry
    key: Key
    within: IntArray
    job: JobPart | None = None

    @property
    def name(self) -> str:
        return called(self.entry, self.job)

    def ranks(self, ranks: Ranks) -> IntArray:
        """Return the ranks of the machine that ranks of the entry are."""
        return self.within[ranks.on(len(self.within))]


def called(entry: AnyEntry, job: JobPart | None) -> str:
    """Return what results call a workload entry: its own name or kind, after that of its job."""
    name = entry.name or entry.kind
    return name if job is None else f"{job.name}.{name}"


def entry_names(parts: ScenarioPart) -> list[str]:
    """Return what expectations may name: workload entries, and jobs."""
    own = [called(entry, job) for job in parts.jobs for entry in job.workload]
    return [*(called(entry, None) for entry in parts.workload), *(job.name for job in parts.jobs), *own]


def entry_keys(parts: ScenarioPart) -> list[Key]:
    """Return the place of each workload entry in its file, in the order of the schedule's operations."""
    own = [("jobs", j, "workload", i) for j, job in enumerate(parts.jobs) for i in range(len(job.workload))]
    return [*(("workload", i) for i in range(len(parts.workload))), *own]


def check_workload(parts: ScenarioPart) -> None:
    """Raise InputError for what is wrong with workload or jobs on any fabric: names, order, unknown algorithms."""
    faults = FaultList()
    with faults.at():
        _check_entries(parts.workload)
    seen: set[str] = set()
    for index, job in enumerate(parts.jobs):
        with faults.at("jobs", index):
            check_place(job)
        with faults.at("jobs", index):
            _check_entries(job.workload)
        names = {job.name, *(called(entry, job) for entry in job.workload)}
        if names & seen:
            what = f"{min(names & seen)!r} is called so in an earlier job too"
            faults.add(what, "give each job its own name", ("jobs", index, "name"))
        seen |= names
        for position, entry in enumerate(job.workload):
            if isinstance(entry, TrainEntry | ServeEntry):
                what = f"{_WHOLE[entry.kind]} is a scenario of its own"
                faults.add(what, "write it as workload:", ("jobs", index, "workload", position, entry.kind))
    faults.raise_if_any()


def _check_entries(entries: Sequence[AnyEntry]) -> None:
    faults, seen = FaultList(), set[str]()
    circle = _circle(entries)
    for index, entry in enumerate(entries):
        with faults.at("workload", index):
            check_names(_form(entry), entry.kind, getattr(entry, "algorithm", None))
        name = called(entry, None)
        if name in seen:
            key = "name" if entry.name else _form(entry)
            faults.add(f"two entries are called {name!r}", "give each its own name", ("workload", index, key))
        for position, other in enumerate(getattr(entry, "after", ())):
            if other not in seen and {other, name} <= {*circle}:
                names = " → ".join([*circle, circle[0]])
                what = f"entries wait for each other in a circle: {names}"
                faults.add(what, "take one of them out", ("workload", index, "after", position), endless=True)
            elif other not in seen:
                faults.add(
                    f"{other!r} is not an earlier entry",
                    close_match(other, seen) if seen else "this entry is the first",
                    ("workload", index, "after", position),
                )
        seen.add(name)
    for index, entry in enumerate(entries):
        if isinstance(entry, TrainEntry | ServeEntry) and len(entries) > 1:
            what = f"{_WHOLE[entry.kind]} is a scenario of its own"
            faults.add(what, "take the other entries out", ("workload", index, entry.kind))
    faults.raise_if_any()


def _circle(entries: Sequence[AnyEntry]) -> list[str]:
    """Return the names of entries that are after each other in a shortest circle; empty if there is none."""
    place = {entry.name or entry.kind: index for index, entry in enumerate(entries)}
    waits = [[place[name] for name in getattr(entry, "after", ()) if name in place] for entry in entries]
    starts = np.cumsum([0, *map(len, waits)])
    circle = shortest_cycle(starts, np.array([need for needs in waits for need in needs], np.int64))
    return [entries[index].name or entries[index].kind for index in circle]


def _form(entry: AnyEntry) -> str:
    if isinstance(entry, MemoryEntry):
        return "memory"
    if isinstance(entry, TraceEntry):
        return "trace"
    if isinstance(entry, TrainEntry | ServeEntry):
        return entry.kind
    return "collective" if isinstance(entry, CollectiveEntry) else "pattern"


def bind(parts: ScenarioPart, fabric: Fabric, base: Path) -> Schedule:
    """Return the schedule of workload or jobs on `fabric`; files that they name are relative to `base`.

    Raises InputError with every fault found, keyed by its path in the scenario: ranks that the fabric lacks,
    algorithms that do not fit, ranks that exchange messages without a path between them.
    """
    faults, operations = FaultList(), list[Operation]()
    found = list(_placed(parts, fabric, base))
    for placed in found:
        with faults.at(*placed.key):
            if isinstance(placed.entry, TrainEntry):
                return training(placed.entry, fabric).schedule
            if isinstance(placed.entry, ServeEntry):
                return serving(placed.entry, fabric, parts.seed).schedule
            operations.append(_finished(_operation(placed, placed.entry, fabric, parts.seed, base), placed))
    faults.raise_if_any()
    for placed, operation in zip(found, operations, strict=True):
        lost = _unreachable(fabric, operation)
        if lost:
            a, b = (fabric.node_name(rank) for rank in lost[0])
            more = f" ({len(lost)} pairs in all)" if len(lost) > 1 else ""
            stated = "ranks" in placed.entry.model_fields_set
            faults.add(
                f"there is no path from {a} to {b}{more}",
                "join them, or let the nodes between forward",
                (*placed.key, "ranks") if stated else ("topology",),
                endless=True,
            )
    faults.raise_if_any()
    return Schedule(tuple(operations), _tenants(parts, found))


def _placed(parts: ScenarioPart, fabric: Fabric, base: Path) -> Iterator[_Placed]:
    """Yield every entry with its ranks, in the order of `entry_keys`. Raises InputError for jobs that have no place."""
    faults, own = FaultList(), list[IntArray]()
    with faults.at("jobs"):
        own = places(parts.jobs, fabric, parts.seed, base)
    faults.raise_if_any()
    keys = iter(entry_keys(parts))
    for entry in parts.workload:
        yield _Placed(entry, next(keys), np.arange(fabric.ranks))
    for job, within in zip(parts.jobs, own, strict=True):
        for entry in job.workload:
            yield _Placed(entry, next(keys), within, job)


def _tenants(parts: ScenarioPart, found: Sequence[_Placed]) -> tuple[Tenant, ...]:
    within = {placed.job.name: placed.within for placed in found if placed.job}
    return tuple(
        Tenant(job.name, within[job.name], job.start, tuple(called(entry, job) for entry in job.workload))
        for job in parts.jobs
    )


def _operation(placed: _Placed, entry: Entry, fabric: Fabric, seed: int, base: Path) -> Operation:
    if isinstance(entry, TraceEntry):
        return _replayed(placed, entry, fabric, base)
    faults = FaultList()
    ranks = np.zeros(0, np.int64)
    with faults.at("ranks"):
        ranks = placed.ranks(entry.ranks)
    faults.raise_if_any()
    name = placed.name
    if isinstance(entry, MemoryEntry):
        return _memory(placed, entry, fabric, ranks, seed)
    stated = {key: getattr(entry, key) for key in entry.model_fields_set - _NOT_PASSED}
    program: Program | None = None
    if isinstance(entry, CollectiveEntry) and entry.algorithm == MSCCL:
        with faults.at("file"):
            program = _program(stated.pop("file", None), base)
    elif "file" in stated:
        with faults.at("file"):
            stated["matrix"] = read_matrix(base / stated.pop("file"))
    faults.raise_if_any()
    if isinstance(entry, CollectiveEntry):
        algorithm = program or entry.algorithm
        return collective(name, entry.kind, algorithm, ranks, entry.size, fabric=fabric, **stated)
    if entry.load is not None:
        stated["injection"] = injection(fabric, ranks)
    return pattern(name, entry.kind, ranks, entry.size, seed=seed, fabric=fabric, **stated)


def _finished(operation: Operation, placed: _Placed) -> Operation:
    """Return an operation with its traffic class, after what its job means by `after`, and not before it arrives."""
    entry, job = placed.entry, placed.job
    assert not isinstance(entry, TrainEntry | ServeEntry)
    duration = getattr(entry, "duration", None)
    if duration is not None and entry.warmup >= duration:
        what = f"{format_time(entry.warmup)} leave nothing of a duration of {format_time(duration)}"
        raise InputError([Fault(what, "make it shorter", ("warmup",))])
    operation = replace(operation, lane=entry.lane, warmup=entry.warmup)
    if job is None:
        return operation
    start = entry.start if entry.after else job.start + entry.start
    return replace(operation, start=start, after=tuple(f"{job.name}.{name}" for name in entry.after))


def _memory(placed: _Placed, entry: MemoryEntry, fabric: Fabric, ranks: IntArray, seed: int) -> Operation:
    faults, targets = FaultList(), ranks
    if "targets" in entry.model_fields_set:
        with faults.at("targets"):
            targets = placed.ranks(entry.targets)
        faults.raise_if_any()
    share = injection(fabric, ranks) if entry.load is not None else None
    loop = Loop(entry.requests, entry.outstanding, entry.load, entry.duration, share)
    back = entry.lane + 1 if entry.response_lane is None else entry.response_lane
    return memory(
        placed.name, entry.kind, ranks, entry.size, loop, seed=seed, targets=targets, service=entry.service,
        command=entry.command or COMMAND, lanes=(entry.lane, back), start=entry.start, after=entry.after,
        barrier=entry.barrier,
    )  # fmt: skip


def _replayed(placed: _Placed, entry: TraceEntry, fabric: Fabric, base: Path) -> Operation:
    faults, trace, ranks = FaultList(), None, np.zeros(0, np.int64)
    stated = "ranks" in entry.model_fields_set
    with faults.at("ranks"):
        ranks = placed.ranks(entry.ranks)
    with faults.at("trace"):
        trace = read_trace(base / entry.trace, groups=base / entry.groups if entry.groups else None)
        if trace.ranks > len(ranks) and not stated:
            where = fabric.name if placed.job is None else f"job {placed.job.name!r}"
            what = f"the trace has {trace.ranks} ranks, {where} has {len(ranks)}"
            raise InputError(what, "take a larger machine" if placed.job is None else "give it more ranks")
    faults.raise_if_any()
    assert trace is not None  # or there was a fault
    return replay(
        placed.name, trace, ranks if stated else ranks[: trace.ranks], fabric=fabric,
        algorithms=entry.algorithms, flops=entry.flops, start=entry.start, after=entry.after,
        barrier=entry.barrier,
    )  # fmt: skip


def _program(file: str | None, base: Path) -> Program:
    if file is None:
        raise InputError("an msccl algorithm stands in a file", "add file: and the name of its XML")
    return read_program(base / file)


def _unreachable(fabric: Fabric, operation: Operation) -> list[tuple[int, int]]:
    src, dst = operation.pairs
    return unreachable(fabric, src, dst)
