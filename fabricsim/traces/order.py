"""Tasks in an order in which each comes after all it waits for."""

from __future__ import annotations

import numpy as np

from fabricsim.schedule import IntArray
from fabricsim.schedule.columns import grouped


def by_need(waits: IntArray, needs: IntArray, tasks: int) -> tuple[IntArray, bool]:
    """Return (tasks,) the place of each in such an order, and whether there is one.

    waits, needs: (edges,) a task and one that it waits for. Tasks that wait for nothing come first, in their order;
    then those that wait only for them, and so on. Those in a circle, or after one, come last.
    """
    starts, followers = grouped(needs, tasks, waits)
    left = np.bincount(waits, minlength=tasks)
    place = np.full(tasks, tasks)
    ready, placed = np.flatnonzero(left == 0), 0
    while len(ready):
        place[ready] = placed + np.arange(len(ready))
        placed += len(ready)
        reached = _gathered(starts, followers, ready)
        touched, times = np.unique(reached, return_counts=True)
        left[touched] -= times
        ready = touched[left[touched] == 0]
    return place, placed == tasks


def _gathered(starts: IntArray, entries: IntArray, of: IntArray) -> IntArray:
    """Return the entries of some owners of a CSR form, one after the other."""
    counts = starts[of + 1] - starts[of]
    first = np.repeat(starts[of] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
    found: IntArray = entries[first + np.arange(counts.sum())]
    return found
