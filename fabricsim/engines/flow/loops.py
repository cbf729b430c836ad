"""Progressive filling as loops that Numba compiles: the same algorithm as the solver's heap."""

from __future__ import annotations

import heapq
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


def fill_table(table: Any, free: Any, growing: Any, level: Any) -> None:
    """Set the level [B/s] of each link that limits flows of single paths, which all grow at once.

    table: (flows, hops) the links of each flow, the last of all links where it has fewer. free: (links,) [B/s], which
    is used up. growing: (links,) how many flows cross each, which becomes none.
    """
    flows, hops = table.shape
    none = len(free) - 1
    bounds = np.zeros(len(free) + 1, np.int64)
    for link in range(none):
        bounds[link + 1] = bounds[link] + growing[link]
    on_link, place = np.empty(bounds[none], np.int32), bounds[:-1].copy()
    for flow in range(flows):
        for hop in range(hops):
            link = table[flow, hop]
            if link != none:
                on_link[place[link]] = flow
                place[link] += 1
    grows = np.ones(flows, np.bool_)
    heap = [(free[link] / growing[link], link) for link in range(none) if growing[link]]
    heapq.heapify(heap)
    while len(heap):
        key, link = heapq.heappop(heap)
        if not growing[link]:
            continue
        now = max(free[link] / growing[link], 0.0)
        if now > key * (1 + 1e-12) and len(heap) and now > heap[0][0]:
            heapq.heappush(heap, (now, link))
            continue
        level[link] = now
        for item in range(bounds[link], bounds[link + 1]):
            flow = on_link[item]
            if grows[flow]:
                grows[flow] = False
                for hop in range(hops):
                    other = table[flow, hop]
                    if other != none:
                        free[other] -= now
                        growing[other] -= 1
