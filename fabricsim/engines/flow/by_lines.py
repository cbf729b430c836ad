"""A schedule of rounds along lines, one round after the other, each by classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.alike import Alike, alike
from fabricsim.engines.flow.carried import carried
from fabricsim.engines.flow.outcome import Outcome, rates_of
from fabricsim.engines.flow.phases import burst
from fabricsim.engines.flow.pool import Settings
from fabricsim.engines.flow.progress import Pass, walk
from fabricsim.engines.flow.solver import TOLERANCE
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.routing.paths import arithmetic
from fabricsim.routing.tiers import Tiers
from fabricsim.schedule import Lines, Schedule
from fabricsim.units import PS_PER_S, format_time

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
TOGETHER: Final = 1e-12
"""Ranks that end a round within this share of the clock end it together."""


def misfit(fabric: Fabric, schedule: Schedule, routing: Routing, model: Model) -> str:
    """Return why a schedule cannot be taken by classes round after round; empty if it can."""
    if routing.policy != "spray":
        return f"{routing.policy} routing does not commute with the machine's symmetry: it tells equal channels apart"
    if model.endpoint.gap:
        return "endpoint.gap makes messages wait for each other"
    for before, op in zip((None, *schedule.operations), schedule.operations, strict=False):
        if not op.rounds or not all(isinstance(r, Lines) for r in op.rounds):
            return f"{op.name!r} is not made of rounds along lines"
        if not np.array_equal(op.rounds[0].ranks, np.arange(fabric.ranks)):  # type: ignore[attr-defined]
            return "symmetry needs all ranks of the machine, in order"
        if op.warmup:
            return f"the warm-up of {op.name!r} tells repeats of a round apart"
        if before is not None and before.name not in op.after:
            return f"{op.name!r} runs beside {before.name!r}"
    if not isinstance(arithmetic(fabric), Tiers):
        return f"{fabric.name} is not known to be made of tiers of switches and full meshes"
    return ""


@dataclass(frozen=True, eq=False)
class Timed:
    """A round and its repeats, done: which operation and rounds, and the times of its classes [s].

    begin, end: (passes,) of each pass, or of all together; release, sent, delivered: (classes,) in the first pass.
    """

    operation: int
    number: int
    repeat: int
    block: int
    classes: Alike
    begin: Floats
    end: Floats
    release: Floats
    sent: Floats
    delivered: Floats
    apart: float
    solves: int


def by_lines(
    fabric: Fabric, schedule: Schedule, model: Model, settings: Settings, dead: IntArray | None = None
) -> Outcome:
    """Return the Outcome of rounds along lines, one after the other, without the channels that are dead.

    Raises InputError where too little symmetry is left, or ranks have no path.
    """
    tiers = arithmetic(fabric)
    assert isinstance(tiers, Tiers)
    none = np.zeros(0, np.int64) if dead is None else dead
    every = [r for op in schedule.operations for r in op.rounds if isinstance(r, Lines)]
    known: list[tuple[Lines, Alike]] = []
    done: list[Timed] = []
    now = 0.0
    for index, op in enumerate(schedule.operations):
        now, number = now + op.start, 0
        for r in op.rounds:
            assert isinstance(r, Lines)
            found = next((one for other, one in known if r.is_like(other)), None)
            if found is None:
                found = alike(fabric, tiers, every, r, model, none)
                known.append((r, found))
            done.append(_timed(index, number, r, found, now, model, settings))
            now, number = float(done[-1].end[-1]), number + r.repeat
    return _outcome(fabric, schedule, done, none)


def _timed(
    operation: int, number: int, r: Lines, classes: Alike, now: float, model: Model, settings: Settings
) -> Timed:
    """Let all ranks enter a round now: rank by rank if no channel is asked for too much, else pass by pass."""
    transfers, solves = classes.transfers, 0
    load = transfers.flows.load(transfers.solo, len(transfers.channels))
    free = bool(np.all(load <= transfers.capacity * (1 + TOLERANCE)))
    fluid = transfers.wire / transfers.solo
    if not free:
        fluid, solves = burst(transfers, settings)
    wait = model.endpoint.send_overhead
    sent = wait + fluid + transfers.sent
    delivered = wait + fluid + transfers.arrived + model.endpoint.recv_overhead
    ranks = int(max(classes.home.max(), classes.goal.max())) + 1
    one = Pass(classes.home, classes.goal, sent, delivered)
    after = one.after(np.zeros(ranks))
    walked = walk(one, np.full(ranks, now), r.repeat) if free else None
    if walked is not None and walked.leave is not None:
        begin, end, leave = walked.begin, walked.end, walked.leave
    else:
        longest = float(np.maximum(sent, delivered).max())
        begin = np.array([now + longest * number for number in range(r.repeat)])
        end, leave = begin + longest, begin[-1] + after
    last = max(float(end[-1]), float(leave.max()))
    ends: Floats = np.concatenate([end[:-1], np.array([last])])
    spread = float(np.ptp(leave)) if free else float(np.ptp(after)) * r.repeat
    apart = spread if spread > TOGETHER * last else 0.0
    return Timed(
        operation, number, r.repeat, r.block, classes, begin, ends, np.full(len(sent), now), now + sent,
        now + delivered, apart, solves,
    )  # fmt: skip


def _outcome(fabric: Fabric, schedule: Schedule, done: list[Timed], dead: IntArray) -> Outcome:
    columns = [
        (
            np.full(len(t.sent), t.operation), np.full(len(t.sent), t.number), t.classes.src, t.classes.dst,
            np.full(len(t.sent), t.block), t.classes.count * t.repeat, t.release, t.sent, t.delivered,
            np.maximum(t.delivered + (t.end[-1] - t.end[0]), t.delivered),
        )
        for t in done
    ]  # fmt: skip
    operation, number, src, dst, size, count, release, sent, delivered, last = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    operations = range(len(schedule.operations))
    start = np.array([min(t.begin[0] for t in done if t.operation == index) for index in operations])
    end = np.array([max(t.end[-1] for t in done if t.operation == index) for index in operations])
    table = [_round_rows(t) for t in done]
    load = carried(fabric, [(t.classes, t.repeat) for t in done], dead)
    bounds = [
        float((load.wire / rates_of(fabric, load.channels)).max()),
        max(t.classes.transfers.path_ps for t in done) / PS_PER_S,
    ]
    payload = sum(op.payload for op in schedule.operations)
    return Outcome(
        operation, number, src, dst, size, count, release, sent, delivered, last, start, end,
        np.concatenate([row for row, _ in table], axis=1), np.concatenate([span for _, span in table], axis=1),
        load.channels, load.wire, payload, max(bounds), sum(t.solves for t in done), _notes(schedule, done), load.count,
    )  # fmt: skip


def _round_rows(t: Timed) -> tuple[IntArray, Floats]:
    passes = len(t.begin)
    alike_ones = 1 if passes == t.repeat else t.repeat
    messages = int(t.classes.count.sum())
    columns = [np.full(passes, value) for value in (t.operation, alike_ones, messages, messages * t.block)]
    numbers = t.number + np.arange(passes)
    return np.stack([columns[0], numbers, *columns[1:]]), np.stack([t.begin, t.end])


def _notes(schedule: Schedule, done: list[Timed]) -> tuple[str, ...]:
    """Return how few classes there were, and where ranks are taken to wait for each other."""
    messages = sum(op.messages for op in schedule.operations)
    most = max(len(t.sent) for t in done)
    kinds = "1 class" if most == 1 else f"up to {most:,} classes"
    notes = [f"{messages:,} messages are {kinds} a round, by the symmetry of the machine"]
    apart = sum(t.apart for t in done)
    if apart:
        notes.append(
            f"ranks enter every round together: a barrier that they do not have, up to {format_time(apart)} "
            "in all that some would be ahead of others"
        )
    return tuple(notes)
