"""Which engine a job gets where none is named: decided by counts and by what it asks for, never by the machine."""

from __future__ import annotations

from typing import Final

from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.schedule import Operation, Schedule

MOST_PACKETS: Final = 4_000_000
"""Packets that `auto` still moves one by one: some 20 million hops, up to half a minute on the array kernels."""


def engine_for(name: str, schedule: Schedule, model: Model, routing: Routing) -> tuple[str, str]:
    """Return the engine that `name` means for a job, and why."""
    if name != "auto":
        return name, "as asked for"
    if model.feedback:
        return "packet", f"only packets show queues, and {model.feedback}"
    if model.endpoint.reduce_rate is not None:
        return "packet", "only the packet engine takes time to add up what arrives"
    if routing.policy == "adaptive":
        return "packet", "only packets show the queues by which adaptive routing chooses"
    packets = sum(packets_of(op, model) for op in schedule.operations)
    if packets > MOST_PACKETS:
        return "flow", f"{packets:,} packets are more than the {MOST_PACKETS:,} that are moved one by one"
    return "packet", f"{packets:,} packets are few enough to move one by one (up to {MOST_PACKETS:,})"


def packets_of(operation: Operation, model: Model) -> int:
    """Return how many packets an operation's ranks send; counted round by round, repeats not expanded."""
    if operation.graph is not None:
        return int((-(-operation.graph.size // model.mtu)).sum())
    return sum(r.repeat * r.packets(model.mtu) for r in operation.rounds)
