"""Small fabrics and one-call runs for the tests of the packet engine."""

from __future__ import annotations

import networkx as nx
import numpy as np

from fabricsim.engines.packet import simulate_packets
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures, compile_failures
from fabricsim.model import Model
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Operation, Round, Schedule

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def fabric_of(graph: nx.Graph, **link: str) -> Fabric:
    """Return the Fabric of a graph: nodes called `s…` are switches, others NPUs that forward."""
    for node, data in graph.nodes(data=True):
        data.setdefault("kind", "switch" if str(node).startswith("s") else "npu")
        data.setdefault("forwards", True)
    return Fabric.from_networkx(graph, link={**LINK, **link})


def star(ranks: int, **link: str) -> Fabric:
    """Return `ranks` NPUs around one switch."""
    graph = nx.Graph()
    graph.add_nodes_from(range(ranks))
    graph.add_edges_from((rank, "s0") for rank in range(ranks))
    return fabric_of(graph, **link)


def path(hops: list[tuple[str, str]], delay: str = "0 ns") -> Fabric:
    """Return two NPUs with switches between them; one (bandwidth, latency) a hop."""
    graph = nx.Graph()
    names = ["a", *(f"s{i}" for i in range(len(hops) - 1)), "b"]
    for left, right, (bandwidth, latency) in zip(names, names[1:], hops, strict=False):
        graph.add_edge(left, right, bandwidth=bandwidth, latency=latency)
    for name in names[1:-1]:
        graph.nodes[name]["delay"] = delay
    graph.nodes["a"]["rank"], graph.nodes["b"]["rank"] = 0, 1
    return fabric_of(graph)


def operation(*rounds: Round, name: str = "op", **changes: object) -> Operation:
    """Return an operation over every rank that its rounds name."""
    ranks = np.unique(np.concatenate([np.concatenate([r.src, r.dst]) for r in rounds]))
    size = int(rounds[0].size[0])
    return Operation(name, "permutation", "", ranks, rounds, size, size, **changes)  # type: ignore[arg-type]


def messages(*rows: tuple[int, int, int]) -> Operation:
    """Return one round of (src, dst, bytes) messages."""
    src, dst, size = (np.array(column) for column in zip(*rows, strict=True))
    return operation(Round(src, dst, size))


def simulate(
    fabric: Fabric,
    *operations: Operation,
    policy: str = "minimal",
    model: Model | None = None,
    failures: Failures | None = None,
    seed: int = 0,
) -> Record:
    """Run operations on the SimPy kernel and return its record."""
    schedule, model = Schedule(operations), model or Model()
    paths = routes(fabric, schedule.messages, Routing(policy), model, seed)
    return simulate_packets(fabric, schedule, paths, failures or compile_failures(fabric, ()), model, seed)
