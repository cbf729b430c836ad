"""Progressive filling as loops that Numba compiles: the same algorithm as the solver's heap."""

from __future__ import annotations

from typing import Any

import numpy as np


def fill(capacity: Any, starts: Any, links: Any, weights: Any, active: Any) -> Any:
    """Return (active,) the max-min fair rates of the flows `active`, while all others rest.

    starts, links, weights: flows as in `Flows`. A binary heap holds the links; levels only rise, so what it says of
    a link is never too much. Links and flows come in the order in which they are met: ties go by that.
    """
    count = len(active)
    rates = np.full(count, np.inf)
    growing = np.ones(count, np.bool_)
    number = np.full(len(capacity), -1, np.int64)
    used, entries = 0, 0
    for flow in active:
        for entry in range(starts[flow], starts[flow + 1]):
            entries += 1
            if number[links[entry]] < 0:
                number[links[entry]] = used
                used += 1
    free, wanted = np.empty(used), np.zeros(used)
    bounds = np.zeros(used + 1, np.int64)
    for flow in active:
        for entry in range(starts[flow], starts[flow + 1]):
            link = number[links[entry]]
            free[link] = capacity[links[entry]]
            wanted[link] += weights[entry]
            bounds[link + 1] += 1
    for link in range(used):
        bounds[link + 1] += bounds[link]
    on_link, place = np.empty(entries, np.int64), bounds[:-1].copy()
    for row in range(count):
        for entry in range(starts[active[row]], starts[active[row] + 1]):
            link = number[links[entry]]
            on_link[place[link]] = row
            place[link] += 1
    key, heap = free / wanted, np.empty(used, np.int64)
    for link in range(used):
        at = link
        while at and key[link] < key[heap[(at - 1) >> 1]]:
            heap[at] = heap[(at - 1) >> 1]
            at = (at - 1) >> 1
        heap[at] = link
    size = used
    while size:
        link = heap[0]
        alive = False
        for item in range(bounds[link], bounds[link + 1]):
            if growing[on_link[item]]:
                alive = True
                break
        if alive:
            now = max(0.0, free[link] / wanted[link])
            if now <= key[link] * (1 + 1e-12):
                for item in range(bounds[link], bounds[link + 1]):
                    row = on_link[item]
                    if growing[row]:
                        growing[row] = False
                        rates[row] = now
                        for entry in range(starts[active[row]], starts[active[row] + 1]):
                            other = number[links[entry]]
                            free[other] -= now * weights[entry]
                            wanted[other] -= weights[entry]
                alive = False
            else:
                key[link] = now
        if not alive:
            size -= 1
            link = heap[size]
        at = 0
        while True:
            child = 2 * at + 1
            if child >= size:
                break
            if child + 1 < size and key[heap[child + 1]] < key[heap[child]]:
                child += 1
            if key[heap[child]] >= key[link]:
                break
            heap[at] = heap[child]
            at = child
        heap[at] = link
    return rates


def levels(capacity: Any, starts: Any, links: Any, weights: Any, active: Any, rate: Any) -> Any:
    """Return of each link what flows put on it, the highest rate there, and how many flows have that rate."""
    used, most = np.zeros(len(capacity)), np.zeros(len(capacity))
    left = np.zeros(len(capacity), np.int64)
    for flow in active:
        for entry in range(starts[flow], starts[flow + 1]):
            used[links[entry]] += weights[entry] * rate[flow]
            most[links[entry]] = max(most[links[entry]], rate[flow])
    for flow in active:
        for entry in range(starts[flow], starts[flow + 1]):
            if rate[flow] >= most[links[entry]] * (1 - 1e-9):
                left[links[entry]] += 1
    return used, most, left
