"""An all-to-all by symmetry: classes of flows and of channels in place of all of them.

Two ranks are alike if a symmetry of the machine maps one to the other; flows are alike if one maps both their ends. As
long as routing commutes with the symmetries, flows that are alike have one rate, and channels that are alike carry
one load. So each class of flows needs one flow that is looked at, and a channel of a class carries

    Σ over flow classes: flows of it · weight of one of them on all channels of this class / channels of this class

which is again a problem of flows with weights, of some tens of classes whatever the machine's size. Classes are found
by refining colours: nodes that differ in what surrounds them get different colours, until nothing changes (Weisfeiler
and Leman, 1968). With one rank singled out, what the others are to it shows. On machines of switches and complete
graphs, with any links missing, the colours are the orbits; a second flow of each class is compared with the first, so
that a machine for which they are not is found out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.colours import Surroundings, colours, kinds, marked, surroundings
from fabricsim.engines.flow.outcome import Outcome
from fabricsim.engines.flow.pool import Settings
from fabricsim.engines.flow.solver import Flows, max_min_rates, verify
from fabricsim.engines.flow.transfers import Traffic, Transfers, transfers_of
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric, LevelInfo
from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.schedule import EveryPair, Schedule
from fabricsim.units import PS_PER_S

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
LEAST_FLOWS: Final = 1_000_000
"""Flows from which on symmetry is used: fewer are listed one by one."""
SAME: Final = 1e-9


def misfit(fabric: Fabric, schedule: Schedule, routing: Routing) -> str:
    """Return why a schedule cannot be taken by classes; empty if it can."""
    if len(schedule.operations) != 1 or len(schedule.operations[0].rounds) != 1:
        return "only one all-to-all at a time is taken by symmetry"
    (one,) = schedule.operations[0].rounds
    if not isinstance(one, EveryPair) or one.repeat > 1:
        return "only an all-to-all in one round is taken by symmetry"
    if routing.policy != "spray":
        return f"{routing.policy} routing does not commute with the machine's symmetry: it tells equal channels apart"
    odd = [info.name for info in fabric.about.levels if not is_even(info)]
    if odd or not fabric.about.levels:
        return f"no symmetry is known of {'level ' + odd[0] if odd else 'a machine without levels'}"
    return ""


def is_even(info: LevelInfo) -> bool:
    """Return whether any two members of a level may change places: all joined alike to each other or to switches."""
    edges, n = info.edges, info.members
    if not len(edges):
        return True
    full = n * info.switches if info.planes else n * (n - 1) // 2
    return len(edges) == full and len(np.unique(edges[:, 2])) == 1


# -- classes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pairs:
    """Classes of flows: (classes,) two flows of each (the same one twice where it is alone), and how many it has."""

    src: IntArray
    dst: IntArray
    other_src: IntArray
    other_dst: IntArray
    count: IntArray


def pair_classes(ranks: IntArray, graph: Surroundings, colour: IntArray) -> Pairs:
    """Return the classes of all pairs of some ranks: for one rank of each colour, what the others are to it.

    No rank among them may have the colour of one that is not.
    """
    _, firsts, sizes = np.unique(colour[ranks], return_index=True, return_counts=True)
    rows = []
    for src, size in zip(ranks[firsts].tolist(), sizes.tolist(), strict=True):
        seen = colours(graph, marked(colour, np.array([src])))
        others = ranks[ranks != src]
        _, first, many = np.unique(seen[others], return_index=True, return_counts=True)
        last = len(others) - 1 - np.unique(seen[others][::-1], return_index=True)[1]
        rows.append(
            (np.full(len(first), src), others[first], np.full(len(first), src), others[last], many * size)
        )
    return Pairs(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def by_classes(
    fabric: Fabric, schedule: Schedule, routing: Routing, model: Model, seed: int, settings: Settings
) -> Outcome:
    """Return the Outcome of an all-to-all by classes of flows and channels.

    Raises InputError where two flows of a class load the machine differently, which only a machine whose symmetry
    is not what its colours say can do.
    """
    op = schedule.operations[0]
    every = op.rounds[0]
    assert isinstance(every, EveryPair)
    size = int(every.block)
    graph, ranks = surroundings(fabric), np.sort(every.ranks)
    colour = colours(graph, marked(kinds(fabric), ranks))
    pairs = pair_classes(ranks, graph, colour)
    classes, members = _channel_classes(fabric, colour)
    k = len(pairs.count)
    none = np.full(2 * k, -1, np.int64)
    both = Traffic(
        np.concatenate([pairs.src, pairs.other_src]), np.concatenate([pairs.dst, pairs.other_dst]),
        np.full(2 * k, size), np.arange(2 * k), none, none > 0,
    )  # fmt: skip
    transfers = transfers_of(fabric, both, routing, model, seed)
    weight = _class_weights(transfers, classes, len(members))
    if not np.allclose(weight[:k], weight[k:], rtol=SAME, atol=SAME):
        raise InputError(f"flows of {fabric.name} that look alike load it differently", "use fewer ranks")
    # of each class of channels, what one channel carries of a class of flows
    share = weight[:k] * pairs.count[:, None] / members
    row, column = np.nonzero(share)
    flows = Flows(np.searchsorted(row, np.arange(k + 1)), column, share[row, column])
    capacity = np.zeros(len(members))
    capacity[classes] = fabric.bandwidth
    rates = max_min_rates(capacity, flows, settings.solver)
    if settings.verified:
        verify(capacity, flows, rates)
    return _outcome(fabric, schedule, pairs, transfers, rates, (flows, capacity, classes), model)


def _channel_classes(fabric: Fabric, colour: IntArray) -> tuple[IntArray, IntArray]:
    """Return (channels,) the class of each channel, and how many channels each class has."""
    link = np.arange(fabric.channels) // 2
    nodes = int(colour.max()) + 1
    key = (colour[fabric.channel_src] * nodes + colour[fabric.channel_dst]) * len(
        fabric.levels
    ) + fabric.level[link]
    key = key * len(fabric.links) + fabric.link_class[link]
    _, found, members = np.unique(key, return_inverse=True, return_counts=True)
    return found.astype(np.int64), members.astype(np.int64)


def _class_weights(transfers: Transfers, classes: IntArray, many: int) -> Floats:
    """Return (flows, classes) the weight of each flow on all channels of each class together."""
    flows = transfers.flows
    cell = flows.flow * many + classes[transfers.channels[flows.links]]
    return np.bincount(cell, flows.weights, len(flows) * many).reshape(len(flows), many).astype(np.float64)


def _outcome(
    fabric: Fabric, schedule: Schedule, pairs: Pairs, transfers: Transfers, rates: Floats,
    problem: tuple[Flows, Floats, IntArray], model: Model,
) -> Outcome:  # fmt: skip
    op, k = schedule.operations[0], len(pairs.count)
    flows, capacity, classes = problem
    zero, wire = np.zeros(k, np.int64), transfers.wire[:k]
    entry = np.full(k, op.start)
    release, fluid = entry, wire / rates + model.endpoint.send_overhead
    sent = release + fluid + transfers.sent[:k]
    delivered = release + fluid + transfers.arrived[:k] + model.endpoint.recv_overhead
    load = flows.load(wire, len(capacity))
    used = np.flatnonzero(load[classes] > 0)
    size = int(op.rounds[0].block)  # type: ignore[attr-defined]
    messages = int(pairs.count.sum())
    ideal = max(float((load / np.maximum(capacity, 1)).max()), transfers.path_ps / PS_PER_S)
    return Outcome(
        zero, zero, pairs.src, pairs.dst, np.full(k, size), pairs.count, release, sent,
        delivered, delivered, np.array([op.start]), np.array([float(delivered.max())]),
        np.array([[0], [0], [1], [messages], [messages * size]]), np.array([[op.start], [float(delivered.max())]]),
        used, load[classes][used], messages * size, ideal, 1,
        (f"{messages:,} flows are {k} classes, by the symmetry of the machine",),
    )  # fmt: skip
