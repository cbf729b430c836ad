"""An operation of rounds as one of tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fabricsim.errors import InputError
from fabricsim.schedule.columns import grouped
from fabricsim.schedule.graph import Graph
from fabricsim.schedule.operation import Operation
from fabricsim.schedule.progress import NONE, progress_of
from fabricsim.schedule.rows import rows_of


def as_graph(operation: Operation) -> Operation:
    """Return an operation of rounds as one of tasks, with the same messages in the same order.

    The tasks are the messages, then one computation of no time for each round that a rank enters after another one,
    which gathers what the rank waits for. Raises InputError where switches take part, which a graph does not hold.
    """
    if operation.graph is not None:
        return operation
    if operation.meets:
        raise InputError(f"{operation.name!r} has meetings in switches, which a graph does not hold")
    rows = rows_of(operation)
    progress = progress_of(operation, rows, finals=False)
    count, entered = len(rows.src), np.flatnonzero(progress.follows)
    gather = np.full(len(progress.rank) + 1, NONE)  # a step's task; the last place stands for no step at all
    gather[entered] = count + np.arange(len(entered))
    message = np.arange(count)
    waits = np.concatenate([message, gather[entered], gather[progress.sent], gather[progress.delivered]])
    needs = np.concatenate([gather[progress.releases], gather[entered - 1], message, message])
    after_sent = np.repeat([False, True, False], [count + len(entered), count, count])
    real = (waits != NONE) & (needs != NONE)
    starts, needs, after_sent = grouped(waits[real], count + len(entered), needs[real], after_sent[real])
    rank, none = progress.rank[entered], np.zeros(len(entered), np.int64)
    graph = Graph(
        np.concatenate([rows.src, rank]), np.concatenate([rows.dst, rank]), np.concatenate([rows.size, none]),
        np.concatenate([rows.delay, none]), starts, needs, after_sent,
    )  # fmt: skip
    return replace(operation, rounds=(), graph=graph)
