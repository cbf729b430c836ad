"""What a collective of a trace is made of: its messages, and where each member begins and ends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from fabricsim.collectives import collective
from fabricsim.collectives.move import GRAIN
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.schedule import Graph, IntArray, as_graph
from fabricsim.schedule.columns import owners
from fabricsim.traces.trace import Node

PER_RANK = ("all-gather", "gather")
"""Collectives whose size in a trace is that of one rank's block, and not of all of them."""


@dataclass(frozen=True, eq=False)
class Body:
    """The tasks of one collective among its members, which are numbered by position.

    graph: over positions. first: (entries,) tasks that have to wait for their member's beginning; others wait for one
    of those. last, last_sent: (ends,) tasks that a member's end waits for, and whether until they are sent; ending:
    (ends,) the member.
    """

    graph: Graph
    first: IntArray
    last: IntArray
    last_sent: np.ndarray
    ending: IntArray


@dataclass
class Bodies:
    """Makes bodies, each once: a training step repeats the same few collectives a thousand times."""

    algorithms: Mapping[str, str]
    fabric: Fabric | None
    order: IntArray
    """(ranks,) the fabric's rank of each rank of the trace."""
    _made: dict[tuple[object, ...], Body] = field(default_factory=dict)

    def body(self, node: Node, members: tuple[int, ...]) -> Body:
        """Return what members do in a collective of which `node` is one. Raises InputError, naming it."""
        key = (node.collective, node.size, node.root, members)
        if key not in self._made:
            self._made[key] = self._body(node, members)
        return self._made[key]

    def _body(self, node: Node, members: tuple[int, ...]) -> Body:
        n = len(members)
        size = node.size * (n if node.collective in PER_RANK else 1)
        grain = GRAIN * (1 if node.collective == "barrier" else n)
        size = max(1, -(-size // grain)) * grain
        ranks = self.order[list(members)]
        algorithm = self.algorithms.get(node.collective)
        try:
            operation = as_graph(
                collective(
                    node.label, node.collective, algorithm, ranks, size, fabric=self.fabric, root=node.root
                )
            )
        except InputError as error:
            fault = error.faults[0]
            raise node.fault(f"cannot be replayed: {fault.what}", fault.right) from None
        assert operation.graph is not None  # that is what as_graph returns
        return _body_of(operation.graph, ranks)


def _body_of(graph: Graph, ranks: IntArray) -> Body:
    """Return a graph over ranks as a body; position p is ranks[p]."""
    sorter = np.argsort(ranks)
    src, dst = (sorter[np.searchsorted(ranks[sorter], column)] for column in (graph.src, graph.dst))
    waits, needs = owners(graph.need_starts), graph.needs
    own = src[waits] == src[needs]
    to_own = src[waits] == dst[needs]
    tasks, talks = np.arange(len(graph)), graph.is_message
    follows = np.isin(tasks, waits[own])
    sent = np.isin(tasks, needs[own])  # that a task of its member waits for: sent, or computed
    taken = np.isin(tasks, needs[to_own & ~graph.after_sent])
    ends, arrivals = np.flatnonzero(~sent), np.flatnonzero(talks & ~taken)
    return Body(
        Graph(src, dst, graph.size, graph.delay, graph.need_starts, needs, graph.after_sent),
        np.flatnonzero(~follows),
        np.concatenate([ends, arrivals]),
        np.concatenate([talks[ends], np.zeros(len(arrivals), np.bool_)]),
        np.concatenate([src[ends], dst[arrivals]]),
    )
