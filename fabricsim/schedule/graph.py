"""Graphs: tasks that name what they wait for, the second form of an operation (traces, training steps, pipelines)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError
from fabricsim.schedule.columns import IntArray, column
from fabricsim.schedule.cycles import shortest_cycle


@dataclass(frozen=True, eq=False)
class Graph:
    """Tasks as columns, and what they wait for in CSR form.

    (tasks,) src, dst: ranks. size [B]. delay [s]. A task with src = dst and size 0 is a computation of `delay` seconds
    on that rank, any other one a message that is released `delay` after its needs are met. needs: tasks that task t
    waits for, needs[need_starts[t] : need_starts[t + 1]]. after_sent: (needs,) whether it waits until the needed
    message is sent; else until it is delivered. A needed computation has to be over. lane: (tasks,) the traffic class
    of each message; None for the operation's.
    Raises InputError where tasks wait for each other in a circle, naming a shortest one.
    """

    src: IntArray
    dst: IntArray
    size: IntArray
    delay: NDArray[np.float64]
    need_starts: IntArray
    needs: IntArray
    after_sent: NDArray[np.bool_]
    lane: IntArray | None = None

    def __post_init__(self) -> None:
        for name in ("src", "dst", "size", "need_starts", "needs"):
            object.__setattr__(self, name, column(getattr(self, name)))
        object.__setattr__(self, "delay", column(self.delay, np.float64))
        object.__setattr__(self, "after_sent", column(self.after_sent, np.bool_))
        if self.lane is not None:
            object.__setattr__(self, "lane", column(self.lane))
        self._check_shapes()
        self._check_tasks()
        circle = shortest_cycle(self.need_starts, self.needs)
        if circle:
            names = " → ".join(self.task_name(task) for task in [*circle, circle[0]])
            what = f"tasks wait for each other in a circle: {names}"
            raise InputError([Fault(what, "take one of the needs away", endless=True)])

    def _check_shapes(self) -> None:
        tasks = len(self.src)
        if not len(self.dst) == len(self.size) == len(self.delay) == tasks:
            raise InputError("src, dst, size and delay differ in length")
        if self.lane is not None and (len(self.lane) != tasks or np.any(self.lane < 0)):
            raise InputError("lane is not one number of 0 or more for each task")
        starts = self.need_starts
        if (
            len(starts) != tasks + 1
            or starts[0] != 0
            or starts[-1] != len(self.needs)
            or np.any(np.diff(starts) < 0)
        ):
            raise InputError(
                f"the needs of {tasks} tasks need {tasks + 1} ascending starts, from 0 to their number"
            )
        if len(self.after_sent) != len(self.needs):
            raise InputError("needs and after_sent differ in length")
        unknown = self.needs[(self.needs < 0) | (self.needs >= tasks)]
        if len(unknown):
            raise InputError(f"a task needs task {unknown[0]}", f"tasks count from 0 to {tasks - 1}")

    def _check_tasks(self) -> None:
        wrong = np.flatnonzero((self.src == self.dst) & (self.size != 0))
        if len(wrong):
            raise InputError(f"task {wrong[0]} is a message from a rank to itself", "a computation has 0 B")
        wrong = np.flatnonzero((self.src != self.dst) & (self.size < 1))
        if len(wrong):
            raise InputError(f"task {wrong[0]} is a message without bytes", "write 1 B or more")
        wrong = np.flatnonzero(~(self.delay >= 0) | ~np.isfinite(self.delay))
        if len(wrong):
            raise InputError(f"task {wrong[0]} has a delay of {self.delay[wrong[0]]} s", "write 0 s or more")

    def __len__(self) -> int:
        return len(self.src)

    @cached_property
    def is_message(self) -> NDArray[np.bool_]:
        """(tasks,) whether it is a message, not a computation."""
        is_message: NDArray[np.bool_] = self.src != self.dst
        return is_message

    @property
    def messages(self) -> int:
        """How many of the tasks are messages."""
        return int(self.is_message.sum())

    def task_name(self, task: int) -> str:
        """Return a task as an error names it."""
        a, b = int(self.src[task]), int(self.dst[task])
        return f"task {task} (rank {a} to {b})" if a != b else f"task {task} (computation on rank {a})"
