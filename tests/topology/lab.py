"""What the tests of topologies share: a link, and fabrics as plain graphs that can be compared."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import networkx as nx
import numpy as np

from fabricsim.fabric import Fabric, Link
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
HOP = Link("hop", 50 * 10**9, 500e-9)


def shape(name: str, **keys: Any) -> Fabric:
    return resolve({"link": LINK, "shape": name, **keys})


def pairs(fabric: Fabric) -> Counter[tuple[int, int]]:
    """Return how many links join each pair of nodes, the smaller id first."""
    low, high = np.minimum(fabric.src, fabric.dst), np.maximum(fabric.src, fabric.dst)
    return Counter(zip(low.tolist(), high.tolist(), strict=True))


def edges(graph: nx.Graph, rank: Mapping[Any, int] | None = None) -> Counter[tuple[int, int]]:
    """Return the same of a graph whose nodes are ranks, or have one in `rank`."""
    ends = [(a, b) if rank is None else (rank[a], rank[b]) for a, b in graph.edges()]
    return Counter((min(a, b), max(a, b)) for a, b in ends)


def degrees(fabric: Fabric) -> Counter[tuple[str, int]]:
    """Return how many nodes of each kind have how many links."""
    count = np.bincount(np.concatenate([fabric.src, fabric.dst]), minlength=fabric.nodes)
    return Counter((fabric.device(node).kind, int(count[node])) for node in range(fabric.nodes))


def by_end(fabric: Fabric) -> list[tuple[Any, ...]]:
    """Return every link by what an engine sees of it, in an order that does not depend on link ids."""
    columns = (
        np.minimum(fabric.src, fabric.dst),
        np.maximum(fabric.src, fabric.dst),
        fabric.bandwidth[::2],
        fabric.latency_ps[::2],
    )
    return sorted(zip(*(column.tolist() for column in columns), strict=True))
