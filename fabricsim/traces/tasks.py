"""A trace as an operation: its nodes become tasks of a graph, each of which waits for what its file says and no more.

Computations of one rank overlap unless the trace orders them, and receives need no posting. A collective is the
messages of its algorithm; a member enters it when its node's needs are met, and is done when its own messages are sent
and those to it delivered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from fabricsim.collectives import ALGORITHMS
from fabricsim.collectives.choice import AUTO
from fabricsim.collectives.ranks import Ranks, checked_ranks
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.schedule import Graph, IntArray, Operation
from fabricsim.schedule.columns import grouped
from fabricsim.schedule.cycles import shortest_cycle
from fabricsim.traces.bodies import Bodies, Body
from fabricsim.traces.matching import collectives, messages
from fabricsim.traces.order import by_need
from fabricsim.traces.record import COLLECTIVES
from fabricsim.traces.trace import Node, Trace


def replay(
    name: str,
    trace: Trace,
    ranks: Ranks,
    *,
    fabric: Fabric | None = None,
    algorithms: Mapping[str, str] | None = None,
    flops: float | None = None,
    start: float = 0.0,
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Operation:
    """Return a trace over fabric ranks: rank r of the trace is ranks[r].

    algorithms: by collective, as in `collective`; its default where none is named. flops [1/s]: how fast a
    computation is whose file states its operations and no time. start [s], after, barrier: see Operation. Raises
    InputError naming rank, node and place in the file: for a send without its receive, members of a group that
    disagree, and nodes that wait for each other in a circle.
    """
    order = checked_ranks(ranks)
    if len(order) != trace.ranks:
        what = f"the trace has {trace.ranks} ranks, and {len(order)} are named"
        raise InputError([Fault(what, "name one for each, or none for the first so many", ("ranks",))])
    _check_algorithms(algorithms or {})
    tasks = _Tasks(trace, flops)
    tasks.pair()
    bodies = Bodies(algorithms or {}, fabric, order)
    for together in collectives(trace):
        body = bodies.body(trace.nodes[together.nodes[0]], together.members)
        tasks.graft(body, together.members, together.nodes)
    graph = _on(tasks.graph(), order)
    payload = int(graph.size.sum())
    return Operation(
        name, "trace", trace.format, order, (), payload, payload, None, start, tuple(after), barrier, graph
    )


def _check_algorithms(algorithms: Mapping[str, str]) -> None:
    faults = FaultList()
    for kind, algorithm in algorithms.items():
        if kind not in COLLECTIVES:
            what = f"{kind!r} is not a collective of traces"
            faults.add(what, close_match(kind, COLLECTIVES), ("algorithms",))
        elif algorithm not in (AUTO, *ALGORITHMS[kind]):
            what = f"{algorithm!r} is not an algorithm of {kind}"
            faults.add(what, close_match(algorithm, ALGORITHMS[kind]), ("algorithms", kind))
    faults.raise_if_any()


def _on(graph: Graph, order: IntArray) -> Graph:
    """Return a graph of trace ranks as one of fabric ranks."""
    return Graph(
        order[graph.src], order[graph.dst], graph.size, graph.delay, graph.need_starts, graph.needs,
        graph.after_sent,
    )  # fmt: skip


@dataclass(eq=False)
class _Tasks:
    """Tasks as they are made: a node's own has its index, then come the ends of collectives, then their messages.

    done: (nodes,) the task that is over when the node is. columns: of tasks, as pieces; edges: (2, many) tasks, and
    those that they wait for, with whether until sent.
    """

    trace: Trace
    flops: float | None
    done: IntArray = field(init=False)
    columns: list[tuple[IntArray, IntArray, IntArray, np.ndarray, IntArray]] = field(init=False)
    edges: list[tuple[IntArray, IntArray, np.ndarray]] = field(init=False)
    count: int = field(init=False)

    def __post_init__(self) -> None:
        nodes = self.trace.nodes
        self.done, self.count = np.arange(len(nodes)), len(nodes)
        rank = np.array([node.rank for node in nodes], np.int64)
        goes = np.array([_goes(node) for node in nodes], np.bool_)
        goal = np.where(goes, [node.peer for node in nodes], rank)
        size = np.where(goes, [max(1, node.size) for node in nodes], 0)
        delay = np.array([_duration(node, self.flops) for node in nodes], np.float64)
        self.columns = [(rank, goal, size, delay, self.done.copy())]
        self.edges = []

    def pair(self) -> None:
        """Let each receive wait for its message."""
        pairs = np.array(list(messages(self.trace)), np.int64).reshape(-1, 2)
        self.edges.append((pairs[:, 1], pairs[:, 0], np.zeros(len(pairs), np.bool_)))

    def graft(self, body: Body, members: tuple[int, ...], nodes: tuple[int, ...]) -> None:
        """Put a collective between the beginning of its nodes and their ends, which are tasks of their own."""
        member, gate = np.array(members), np.array(nodes)
        graph, first = body.graph, self.count + len(members)
        end = self.count + np.arange(len(members))
        none = np.zeros(len(members), np.int64)
        self.columns.append((member, member, none, none * 0.0, gate))
        self.columns.append((member[graph.src], member[graph.dst], graph.size, graph.delay, gate[graph.src]))
        waits = np.repeat(np.arange(len(graph)), np.diff(graph.need_starts))
        plain = np.zeros(len(body.first), np.bool_)
        self.edges += [
            (first + waits, first + graph.needs, graph.after_sent),
            (first + body.first, gate[graph.src[body.first]], plain),
            (end[body.ending], first + body.last, body.last_sent),
            (end, gate, none > 0),
        ]
        self.done[gate] = end
        self.count = first + len(graph)

    def graph(self) -> Graph:
        """Return the graph over ranks of the trace, each task after those it waits for."""
        src, dst, size, delay, owner = (np.concatenate(part) for part in zip(*self.columns, strict=True))
        waits, needs, sent = (np.concatenate(part) for part in zip(*self.edges, self._stated(), strict=True))
        place, early = by_need(waits, needs, self.count)
        if not early:
            self._refuse_circle(waits, needs, owner)
        order = np.argsort(place)
        starts, needs, sent = grouped(place[waits], self.count, place[needs], sent)
        return Graph(src[order], dst[order], size[order], delay[order], starts, needs, sent)

    def _stated(self) -> tuple[IntArray, IntArray, np.ndarray]:
        """Return the needs that the files state."""
        nodes = self.trace.nodes
        counts = [len(node.needs) for node in nodes]
        needs = np.array([need for node in nodes for need in node.needs], np.int64)
        goes = np.array([_goes(node) for node in nodes], np.bool_)
        return np.repeat(np.arange(len(nodes)), counts), self.done[needs], goes[needs]

    def _refuse_circle(self, waits: IntArray, needs: IntArray, owner: IntArray) -> None:
        starts, ordered = grouped(waits, self.count, needs)
        circle = [int(owner[task]) for task in shortest_cycle(starts, ordered)]
        nodes = [self.trace.nodes[index] for index in dict.fromkeys(circle)]
        names = " → ".join(str(node) for node in [*nodes, nodes[0]])
        raise nodes[0].fault(
            f"is in a circle of nodes that wait for each other: {names}",
            "see their dependencies",
            endless=True,
        )


def _goes(node: Node) -> bool:
    """Return whether a node is a message; what a rank sends to itself is there at once."""
    return node.kind == "send" and node.peer != node.rank


def _duration(node: Node, flops: float | None) -> float:
    if not node.operations:
        return node.duration
    if flops is None:
        raise node.fault(f"states {node.operations} operations and no duration", "state flops: their rate")
    return node.operations / flops
