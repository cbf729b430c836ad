"""Steps: the one form that event-driven kernels walk, whether an operation is made of rounds or of tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fabricsim.schedule.columns import IntArray, grouped, owners
from fabricsim.schedule.graph import Graph
from fabricsim.schedule.operation import Operation
from fabricsim.schedule.progress import NONE, progress_of
from fabricsim.schedule.rows import rows_of

if TYPE_CHECKING:
    from fabricsim.schedule.schedule import Schedule

EVERYONE = -1
"""Stands for the rank of a step that belongs to all of them: where a barrier opens."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Points in the progress of ranks, what they wait for, and which messages they release.

    A step is reached `delay` after the last of what it waits for: earlier steps, messages that are sent, messages
    that are delivered; a step that waits for nothing, `delay` after the beginning. Its messages are then released,
    each after a delay of its own (Messages.delay). Lists are in CSR form: what follows step s is
    next_steps[next_starts[s] : next_starts[s + 1]], and so on.

    (steps,) operation: the index of its operation; rank: whose progress it is, EVERYONE for a barrier; delay [s]:
    the start of an operation, or the time of a computation; waits: for how many steps and messages it waits.
    next_steps: steps that wait for a step. released: message ids that a step releases. sent_steps, delivered_steps:
    by message, the steps that wait for it to be sent, or delivered. A leg down from a switch is released by no step:
    its meeting sends it. An operation's end is a step only where another operation comes after it.
    """

    operation: IntArray
    rank: IntArray
    delay: NDArray[np.float64]
    next_starts: IntArray
    next_steps: IntArray
    released_starts: IntArray
    released: IntArray
    sent_starts: IntArray
    sent_steps: IntArray
    delivered_starts: IntArray
    delivered_steps: IntArray

    def __len__(self) -> int:
        return len(self.rank)

    @cached_property
    def waits(self) -> IntArray:
        """(steps,) for how many steps and messages each waits."""
        waited = np.concatenate([self.next_steps, self.sent_steps, self.delivered_steps])
        return np.bincount(waited, minlength=len(self))

    @cached_property
    def released_by(self) -> IntArray:
        """(messages,) the step that releases each, −1 for a leg down from a switch."""
        by = np.full(len(self.sent_starts) - 1, NONE)
        by[self.released] = owners(self.released_starts)
        return by


@dataclass(frozen=True, eq=False)
class _Part:
    """The steps of one operation, numbered from 0, its messages likewise.

    rank, delay: (steps,). edges: (2, many) steps, and those that wait for them. releases: (messages,) steps or NONE.
    sent, delivered: (2, many) messages, and the steps that wait for that. first: steps that wait for the operations
    before; final: steps that are their ranks' ends; both ascend by rank.
    """

    rank: IntArray
    delay: NDArray[np.float64]
    edges: IntArray
    releases: IntArray
    sent: IntArray
    delivered: IntArray
    first: IntArray
    final: IntArray

    def gated(self) -> _Part:
        """Return the same with one more step, last, that all first ones wait for, and that waits in their place."""
        gate = len(self.rank)
        opens = np.stack([np.full(len(self.first), gate), self.first])
        return replace(
            self, rank=np.append(self.rank, EVERYONE), delay=np.append(self.delay, 0.0),
            edges=np.concatenate([self.edges, opens], axis=1), first=np.array([gate]),
        )  # fmt: skip


def expanded(schedule: Schedule) -> Steps:
    """Return the steps of a schedule, operation after operation."""
    awaited = {name for op in schedule.operations for name in op.after}
    parts = [_part(op, finals=op.name in awaited) for op in schedule.operations]
    step_base = np.cumsum([0, *(len(part.rank) for part in parts)])
    message_base = np.cumsum([0, *(len(part.releases) for part in parts)])
    steps, messages = int(step_base[-1]), int(message_base[-1])
    based = list(zip(parts, step_base.tolist(), message_base.tolist(), strict=False))
    before, after = _joined(
        [*(part.edges + base for part, base, _ in based), *_entries(schedule, parts, step_base)]
    )
    releases = np.concatenate(
        [_shifted(part.releases, base) for part, base, _ in based] or [np.zeros(0, np.int64)]
    )
    sent, sent_step = _joined([part.sent + np.array([[m], [s]]) for part, s, m in based])
    delivered, delivered_step = _joined([part.delivered + np.array([[m], [s]]) for part, s, m in based])
    own = np.flatnonzero(releases != NONE)
    columns = (
        np.repeat(np.arange(len(parts)), np.diff(step_base)),
        np.concatenate([part.rank for part in parts] or [np.zeros(0, np.int64)]),
        np.concatenate([part.delay for part in parts] or [np.zeros(0)]),
        *grouped(before, steps, after),
        *grouped(releases[own], steps, own),
        *grouped(sent, messages, sent_step),
        *grouped(delivered, messages, delivered_step),
    )
    for array in columns:
        array.flags.writeable = False
    return Steps(*columns)


def _joined(edges: list[IntArray]) -> IntArray:
    return np.concatenate([np.zeros((2, 0), np.int64), *edges], axis=1)


def _shifted(steps: IntArray, base: int) -> IntArray:
    return np.where(steps == NONE, NONE, steps + base)


def _entries(schedule: Schedule, parts: list[_Part], step_base: IntArray) -> Iterator[IntArray]:
    """Yield (2, many) ends of earlier operations and the steps that wait for them."""
    index_of = {op.name: index for index, op in enumerate(schedule.operations)}
    for index, op in enumerate(schedule.operations):
        part = parts[index]
        for earlier in (index_of[name] for name in op.after):
            ends = parts[earlier].final
            if op.barrier:
                waits = np.broadcast_to(part.first, len(ends))
            else:
                _, here, there = np.intersect1d(
                    part.rank[part.first], parts[earlier].rank[ends], return_indices=True
                )
                waits, ends = part.first[here], ends[there]
            yield np.stack([ends + step_base[earlier], waits + step_base[index]])


def _part(operation: Operation, *, finals: bool) -> _Part:
    part = (
        _of_rounds(operation, finals)
        if operation.graph is None
        else _of_graph(operation, operation.graph, finals)
    )
    return part.gated() if operation.barrier and operation.after else part


def _of_rounds(operation: Operation, finals: bool) -> _Part:
    progress = progress_of(operation, rows_of(operation), finals=finals)
    later = np.flatnonzero(progress.follows)
    return _Part(
        progress.rank,
        np.where(progress.follows, 0.0, operation.start),
        np.stack([later - 1, later]),
        progress.releases,
        _known(progress.sent),
        _known(progress.delivered),
        np.flatnonzero(~progress.follows),
        np.flatnonzero(progress.final),
    )


def _known(step: IntArray) -> IntArray:
    """Return (2, many) messages, and the step of each that has one."""
    message = np.flatnonzero(step != NONE)
    return np.stack([message, step[message]])


def _of_graph(operation: Operation, graph: Graph, finals: bool) -> _Part:
    """Return a graph's steps: each rank's entry by rank, the tasks, then each rank's end.

    A task waits for its rank's entry beside its needs: what needs only tasks of other ranks must not come before it.
    """
    ranks = np.sort(operation.ranks)
    entries, tasks = len(ranks), len(graph)
    home, goal = np.searchsorted(ranks, graph.src), np.searchsorted(ranks, graph.dst)
    task = entries + np.arange(tasks)
    talks = graph.is_message
    message = np.cumsum(talks) - 1
    sending, waiting = graph.needs, entries + owners(graph.need_starts)
    own, by_sent = talks[sending], graph.after_sent
    edges = [np.stack([home, task]), np.stack([entries + sending, waiting])[:, ~own]]
    sent = [np.stack([message[sending], waiting])[:, own & by_sent]]
    delivered = [np.stack([message[sending], waiting])[:, own & ~by_sent]]
    final = entries + tasks + np.arange(entries if finals else 0)
    if finals:
        edges += [np.stack([np.arange(entries), final]), np.stack([task, final[home]])[:, ~talks]]
        sent.append(np.stack([message, final[home]])[:, talks])
        delivered.append(np.stack([message, final[goal]])[:, talks])
    delay = np.concatenate(
        [np.full(entries, operation.start), np.where(talks, 0.0, graph.delay), final * 0.0]
    )
    return _Part(
        np.concatenate([ranks, graph.src, ranks[: len(final)]]), delay, _joined(edges), task[talks],
        _joined(sent), _joined(delivered), np.arange(entries), final,
    )  # fmt: skip
