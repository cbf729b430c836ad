"""The rules: which members of a level meet, each as a small NetworkX graph.

Nodes 0 … members−1 are the members, nodes from `members` on are the switches of one plane or column. The edge
attribute `links` counts parallel links where it is not 1. What "meet" means for members that are
themselves large, k-th node to k-th node or everyone to the same switch, is the business of `wiring`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError
from fabricsim.topology.level import Level

MAX_EDGES: Final = 3_000_000
"""Edges of one level's small graph: some 1 GB in NetworkX. A machine is large by its copies, not by this."""


def _check(level: Level, edges: int) -> None:
    if edges > MAX_EDGES:
        what = f"{level.members} members joined by {level.rule} need {edges} edges"
        right = f"one level has at most {MAX_EDGES}: divide it into two levels"
        raise InputError([Fault(what, right, ("members",))])


def _none(level: Level, switches: int) -> nx.Graph[Any]:
    """Join nothing: the level only groups its members."""
    graph: nx.Graph[Any] = nx.empty_graph(level.members)
    return graph


def _line(level: Level, switches: int) -> nx.Graph[Any]:
    """Join each member to the next."""
    graph: nx.Graph[Any] = nx.path_graph(level.members)
    return graph


def _ring(level: Level, switches: int) -> nx.Graph[Any]:
    """Join each member to the next and the last to the first; two members are one link apart, not two."""
    graph: nx.Graph[Any] = (
        nx.cycle_graph(level.members) if level.members > 2 else nx.path_graph(level.members)
    )
    return graph


def _full_mesh(level: Level, switches: int) -> nx.Graph[Any]:
    """Join every member to every other."""
    _check(level, level.members * (level.members - 1) // 2)
    graph: nx.Graph[Any] = nx.complete_graph(level.members)
    return graph


def _graph(level: Level, switches: int) -> nx.Graph[Any]:
    """Join the members as the file says."""
    if level.graph is None:
        raise InputError([Fault("is missing", "add graph: {edges: [[0, 1], …]}", ("graph",))])
    return level.graph


def _switched(level: Level, switches: int) -> nx.Graph[Any]:
    """Join every member to each switch."""
    _check(level, level.members * switches)
    graph: nx.Graph[Any] = nx.complete_bipartite_graph(level.members, switches)
    return graph


RULES: Final[Mapping[str, Callable[[Level, int], nx.Graph[Any]]]] = {
    "none": _none,
    "line": _line,
    "ring": _ring,
    "full-mesh": _full_mesh,
    "graph": _graph,
    "switched": _switched,
    "rails": _switched,
}
"""The small graph of a level with so many switches per plane, by name of rule."""

SWITCHED: Final = frozenset({"switched", "rails"})
"""Rules that bring switches of their own; all others join k-th node to k-th node."""


def edges_of(level: Level, switches: int) -> NDArray[np.int64]:
    """Return (edges, 3): the two ends in the level's small graph and the parallel links, in order of the ends.

    Raises InputError, keyed below the level, for a graph that is missing or too large.
    """
    graph = RULES[level.rule](level, switches)
    rows = [(min(a, b), max(a, b), int(links)) for a, b, links in graph.edges(data="links", default=1)]
    return np.array(sorted(rows), np.int64).reshape(-1, 3)


def stated_graph(members: int, edges: list[tuple[int, ...]]) -> nx.Graph[Any]:
    """Return the graph of edges (a, b) or (a, b, links). Raises InputError keyed by the index of a bad one."""
    graph: nx.Graph[Any] = nx.empty_graph(members)
    for edge in edges:
        a, b, links = (*edge, 1)[:3]
        if not (0 <= a < members and 0 <= b < members):
            raise InputError(f"{list(edge)} leaves the level", f"members are numbered 0 to {members - 1}")
        if a == b:
            raise InputError(f"{list(edge)} joins a member to itself", "leave it out")
        if not 1 <= links <= MAX_EDGES:
            raise InputError(f"{list(edge)} has {links} parallel links", f"give 1 to {MAX_EDGES}")
        if graph.has_edge(a, b):
            raise InputError(f"{a} and {b} are joined twice", f"write [{a}, {b}, 2] for two links")
        graph.add_edge(a, b, links=links)
    return graph


def circulant(members: int, offsets: list[int]) -> nx.Graph[Any]:
    """Return the graph that joins each member to those `offsets` further on, around a ring.

    Raises InputError for an offset that leads back to the member itself.
    """
    for offset in offsets:
        if offset % members == 0:
            raise InputError(
                f"{offset} places on, around {members} members, is the member itself", "change the offset"
            )
    graph: nx.Graph[Any] = nx.circulant_graph(members, offsets)
    return graph


def random_regular(members: int, degree: int, seed: int) -> nx.Graph[Any]:
    """Return a random graph in which every member has `degree` neighbours (Steger & Wormald 1999)."""
    if degree >= members or degree * members % 2:
        what = f"no graph of {members} members gives each {degree} neighbours"
        raise InputError(what, "take fewer neighbours than members, and members × degree even")
    graph: nx.Graph[Any] = nx.random_regular_graph(degree, members, seed=seed)
    return graph
