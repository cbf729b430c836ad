"""Progressive filling in compiled code: the same algorithm as the solver's heap, where Numba is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np


@cache
def compiled() -> Callable[..., Any] | None:
    """Return the compiled function, or None where there is no Numba; the first call of it compiles."""
    try:
        import numba
    except ImportError:
        return None
    function: Callable[..., Any] = numba.njit(cache=True)(fill)
    return function


def fill(free: Any, starts: Any, links: Any, weights: Any, bounds: Any, on_link: Any) -> Any:
    """Return (flows,) the max-min fair rates. `free` is used up.

    starts, links, weights: flows as in `Flows`. on_link[bounds[l] : bounds[l + 1]] are the flows on link l. A binary
    heap holds the links; levels only rise, so what it says of a link is never too much.
    """
    count = len(starts) - 1
    rates = np.full(count, np.inf)
    growing = np.ones(count, np.bool_)
    wanted = np.zeros(len(free))
    for entry in range(len(links)):
        wanted[links[entry]] += weights[entry]
    key = np.empty(len(free))
    heap = np.empty(len(free), np.int64)
    size = 0
    for link in range(len(free)):
        if bounds[link + 1] > bounds[link]:
            key[link] = free[link] / wanted[link]
            at = size
            size += 1
            while at and key[link] < key[heap[(at - 1) >> 1]]:
                heap[at] = heap[(at - 1) >> 1]
                at = (at - 1) >> 1
            heap[at] = link
    while size:
        link = heap[0]
        alive = False
        for place in range(bounds[link], bounds[link + 1]):
            if growing[on_link[place]]:
                alive = True
                break
        if alive:
            now = max(0.0, free[link] / wanted[link])
            if now <= key[link] * (1 + 1e-12):
                for place in range(bounds[link], bounds[link + 1]):
                    flow = on_link[place]
                    if growing[flow]:
                        growing[flow] = False
                        rates[flow] = now
                        for entry in range(starts[flow], starts[flow + 1]):
                            free[links[entry]] -= now * weights[entry]
                            wanted[links[entry]] -= weights[entry]
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
