"""Traces made by hand, and machines to replay them on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from fabricsim.traces import Node, Source, Trace
from fabricsim.traces.chakra_out import chakra_bytes

HAND = Source("by hand", "entry")


def compute(rank: int, duration: float, *needs: int) -> Node:
    return Node(rank, "compute", "c", HAND, 0, needs, duration)


def send(rank: int, peer: int, size: int, *needs: int, tag: int = 0) -> Node:
    return Node(rank, "send", "s", HAND, 0, needs, peer=peer, size=size, tag=tag)


def receive(rank: int, peer: int, size: int, *needs: int, tag: int = 0) -> Node:
    return Node(rank, "receive", "r", HAND, 0, needs, peer=peer, size=size, tag=tag)


def together(rank: int, collective: str, size: int, *needs: int, group: str | None = None) -> Node:
    return Node(rank, "collective", "x", HAND, 0, needs, size=size, collective=collective, group=group)


def trace_of(*nodes: Node, groups: Mapping[str, tuple[int, ...]] | None = None) -> Trace:
    return Trace("by hand", "by hand", 1 + max(node.rank for node in nodes), nodes, groups or {})


def written(trace: Trace, folder: Path) -> Path:
    """Write a trace as Chakra files, and return what they begin with."""
    for rank in range(trace.ranks):
        (folder / f"t.{rank}.et").write_bytes(chakra_bytes(trace, rank))
    if trace.groups:
        (folder / "groups.json").write_text(json.dumps(trace.groups))
    return folder / "t"


def step(ranks: int, tensor: int, layers: int) -> Trace:
    """Return a training step: in each layer a computation of 10 us and an all-reduce of 64 KiB in tensor-parallel
    groups of neighbours; at the end one of 256 KiB among those at the same place of each group."""
    nodes: list[Node] = []
    groups = {f"tp{t}": tuple(range(t * tensor, (t + 1) * tensor)) for t in range(ranks // tensor)}
    groups |= {f"dp{p}": tuple(range(p, ranks, tensor)) for p in range(tensor)}
    for rank in range(ranks):
        last: tuple[int, ...] = ()
        for _ in range(layers):
            nodes.append(compute(rank, 10e-6, *last))
            size = 64 << 10
            nodes.append(together(rank, "all-reduce", size, len(nodes) - 1, group=f"tp{rank // tensor}"))
            last = (len(nodes) - 1,)
        nodes.append(together(rank, "all-reduce", 256 << 10, *last, group=f"dp{rank % tensor}"))
    return trace_of(*nodes, groups=groups)
