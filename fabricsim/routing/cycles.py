"""Circles in a directed graph given as arrays of edges."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
STARTS: Final = 256
"""Nodes that a shortest circle is looked for through; on a symmetric fabric one of them is as good as any."""


def on_circles(edges: IntArray) -> IntArray:
    """Return those of the (E, 2) edges that are left when whatever begins or ends nowhere is taken away, repeatedly.

    None are left exactly if the graph has no circle (Kahn, CACM 1962).
    """
    while len(edges):
        kept = np.isin(edges[:, 0], edges[:, 1]) & np.isin(edges[:, 1], edges[:, 0])
        if kept.all():
            return edges
        edges = edges[kept]
    return edges


def shortest_circle(edges: IntArray) -> list[int]:
    """Return the nodes of a shortest circle through one of the first nodes that lie on any; empty if there is none."""
    left = on_circles(np.unique(edges, axis=0))
    follow: dict[int, list[int]] = {}
    for a, b in left.tolist():
        follow.setdefault(a, []).append(b)
    best: list[int] = []
    for start in sorted(follow)[:STARTS]:
        found = _through(follow, start, len(best) or len(follow) + 1)
        best = found or best
        if len(best) == 1:
            break
    return best


def _through(follow: dict[int, list[int]], start: int, below: int) -> list[int]:
    """Return a circle through `start` of fewer than `below` nodes; empty where there is none."""
    before: dict[int, int] = {}
    pending = deque([(start, 1)])
    while pending:
        node, length = pending.popleft()
        if length >= below:
            return []
        for after in follow.get(node, ()):
            if after == start:
                circle = [node]
                while circle[-1] != start:
                    circle.append(before[circle[-1]])
                return circle[::-1]
            if after not in before:
                before[after] = node
                pending.append((after, length + 1))
    return []
