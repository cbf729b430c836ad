"""A shortest circle of tasks that wait for each other."""

from __future__ import annotations

import numpy as np

from fabricsim.schedule.columns import IntArray, owners


def shortest_cycle(need_starts: IntArray, needs: IntArray) -> list[int]:
    """Return a shortest circle, each task before one that waits for it; empty if there is none.

    need_starts, needs: what each task waits for, in CSR form. Of several shortest ones the one first found from the
    least task.
    """
    waits = owners(need_starts)
    if np.all(needs < waits):
        return []  # each task needs only earlier ones, as most graphs are written
    walk = _Core(waits, needs)
    best: list[int] = []
    for task in sorted(walk.after):
        best = walk.circle_through(task, len(best)) or best
        walk.drop([task])  # a shorter circle than the one through this task avoids it
    return best


class _Core:
    """The tasks that lie on circles, or between them; tasks can be taken away."""

    def __init__(self, waits: IntArray, needs: IntArray) -> None:
        self.after: dict[int, set[int]] = {}
        self.before: dict[int, set[int]] = {}
        for task, need in zip(waits.tolist(), needs.tolist(), strict=True):
            self.after.setdefault(need, set()).add(task)
            self.before.setdefault(task, set()).add(need)
            self.after.setdefault(task, set())
            self.before.setdefault(need, set())
        self.drop([task for task in self.after if not (self.after[task] and self.before[task])])

    def drop(self, tasks: list[int]) -> None:
        """Take tasks away, and all that then wait for nothing or have nothing wait for them."""
        while tasks:
            task = tasks.pop()
            for mine, theirs in ((self.after, self.before), (self.before, self.after)):
                for other in mine.pop(task, ()):
                    rest = theirs.get(other)
                    if rest is not None:
                        rest.discard(task)
                        if not rest:
                            tasks.append(other)

    def circle_through(self, start: int, bound: int) -> list[int]:
        """Return a shortest circle through `start`, or nothing if there is none below `bound` tasks (0: no bound)."""
        came_from, frontier, length = {start: start}, [start], 0
        while frontier and (not bound or length + 1 < bound):
            length += 1
            reached = []
            for task in frontier:
                for follower in sorted(self.after.get(task, ())):
                    if follower == start:
                        return _way(came_from, start, task)
                    if follower not in came_from:
                        came_from[follower] = task
                        reached.append(follower)
            frontier = reached
        return []


def _way(came_from: dict[int, int], start: int, end: int) -> list[int]:
    way = [end]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]
