"""A scenario's workload on a fabric: entries become operations on ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from fabricsim.collectives import collective
from fabricsim.collectives.msccl import MSCCL, Program, read_program
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.routing import unreachable
from fabricsim.scenario.grammar import AnyEntry, CollectiveEntry, MemoryEntry, PatternEntry, TraceEntry
from fabricsim.scenario.kinds import check_names
from fabricsim.scenario.training import TrainEntry, training
from fabricsim.schedule import IntArray, Operation, Schedule
from fabricsim.schedule.cycles import shortest_cycle
from fabricsim.traces import read_trace, replay
from fabricsim.traffic import COMMAND, Loop, injection, memory, pattern, read_matrix
from fabricsim.units import format_time

Entry = CollectiveEntry | PatternEntry | MemoryEntry | TraceEntry
"""What is one operation; a training step is several."""

_NOT_PASSED: Final = frozenset(
    {"name", "collective", "algorithm", "pattern", "size", "ranks", "lane", "warmup"}
)
"""Keys of an entry that a collective or pattern takes by position; the others go by name, where stated."""


def check_entries(entries: Sequence[AnyEntry]) -> None:
    """Raise InputError for what is wrong with a workload on any fabric: names, order, unknown algorithms."""
    faults, seen = FaultList(), set[str]()
    circle = _circle(entries)
    for index, entry in enumerate(entries):
        with faults.at("workload", index):
            check_names(_form(entry), entry.kind, getattr(entry, "algorithm", None))
        name = entry.name or entry.kind
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
        if isinstance(entry, TrainEntry) and len(entries) > 1:
            what = "a training step is a scenario of its own"
            faults.add(what, "take the other entries out", ("workload", index, "train"))
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
    if isinstance(entry, TrainEntry):
        return "train"
    return "collective" if isinstance(entry, CollectiveEntry) else "pattern"


def bind(entries: Sequence[AnyEntry], fabric: Fabric, seed: int, base: Path) -> Schedule:
    """Return the schedule of a workload on `fabric`; files that it names are relative to `base`.

    Raises InputError with every fault found, keyed by its path in the scenario: ranks that the fabric lacks,
    algorithms that do not fit, ranks that exchange messages without a path between them.
    """
    faults, operations = FaultList(), list[Operation]()
    for index, entry in enumerate(entries):
        with faults.at("workload", index):
            if isinstance(entry, TrainEntry):
                return training(entry, fabric).schedule
            operations.append(_with_class(_operation(entry, fabric, seed, base), entry))
    faults.raise_if_any()
    for index, (entry, operation) in enumerate(zip(entries, operations, strict=True)):
        lost = _unreachable(fabric, operation)
        if lost:
            a, b = (fabric.node_name(rank) for rank in lost[0])
            more = f" ({len(lost)} pairs in all)" if len(lost) > 1 else ""
            stated = "ranks" in entry.model_fields_set
            faults.add(
                f"there is no path from {a} to {b}{more}",
                "join them, or let the nodes between forward",
                ("workload", index, "ranks") if stated else ("topology",),
                endless=True,
            )
    faults.raise_if_any()
    return Schedule(tuple(operations))


def _operation(entry: Entry, fabric: Fabric, seed: int, base: Path) -> Operation:
    if isinstance(entry, TraceEntry):
        return _replayed(entry, fabric, base)
    faults = FaultList()
    ranks = np.zeros(0, np.int64)
    with faults.at("ranks"):
        ranks = entry.ranks.on(fabric.ranks)
    faults.raise_if_any()
    name = entry.name or entry.kind
    if isinstance(entry, MemoryEntry):
        return _memory(entry, fabric, ranks, name, seed)
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


def _with_class(operation: Operation, entry: Entry) -> Operation:
    duration = getattr(entry, "duration", None)
    if duration is not None and entry.warmup >= duration:
        what = f"{format_time(entry.warmup)} leave nothing of a duration of {format_time(duration)}"
        raise InputError([Fault(what, "make it shorter", ("warmup",))])
    return replace(operation, lane=entry.lane, warmup=entry.warmup)


def _memory(entry: MemoryEntry, fabric: Fabric, ranks: IntArray, name: str, seed: int) -> Operation:
    faults, targets = FaultList(), ranks
    if "targets" in entry.model_fields_set:
        with faults.at("targets"):
            targets = entry.targets.on(fabric.ranks)
        faults.raise_if_any()
    share = injection(fabric, ranks) if entry.load is not None else None
    loop = Loop(entry.requests, entry.outstanding, entry.load, entry.duration, share)
    back = entry.lane + 1 if entry.response_lane is None else entry.response_lane
    return memory(
        name, entry.kind, ranks, entry.size, loop, seed=seed, targets=targets, service=entry.service,
        command=entry.command or COMMAND, lanes=(entry.lane, back), start=entry.start, after=entry.after,
        barrier=entry.barrier,
    )  # fmt: skip


def _replayed(entry: TraceEntry, fabric: Fabric, base: Path) -> Operation:
    faults, trace, ranks = FaultList(), None, np.zeros(0, np.int64)
    stated = "ranks" in entry.model_fields_set
    with faults.at("ranks"):
        ranks = entry.ranks.on(fabric.ranks)
    with faults.at("trace"):
        trace = read_trace(base / entry.trace, groups=base / entry.groups if entry.groups else None)
        if trace.ranks > len(ranks) and not stated:
            what = f"the trace has {trace.ranks} ranks, {fabric.name} has {fabric.ranks}"
            raise InputError(what, "take a larger machine")
    faults.raise_if_any()
    assert trace is not None  # or there was a fault
    return replay(
        entry.name or entry.kind, trace, ranks if stated else ranks[: trace.ranks], fabric=fabric,
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
