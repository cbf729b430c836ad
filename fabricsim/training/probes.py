"""The exchanges of a step on a machine: every group of a kind at once, each exchange once.

A step makes the same few exchanges thousands of times over. Each is put on the machine with all of its groups together,
as they meet in a step, and alone otherwise. Where the groups lie in equal copies of a level, one copy is enough. Where
that still leaves many messages, all groups together are rounds along lines, which the flow engine solves by classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from fabricsim.collectives import collective
from fabricsim.collectives.choice import AUTO, COSTS, DIRECT_UP_TO, reaches
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.schedule import MANY, IntArray, Lines, Operation, Round
from fabricsim.traffic import pattern
from fabricsim.training.blocks import Blocks, alike, blocks_of, crossed, one_copy
from fabricsim.training.demands import Demand, demands
from fabricsim.training.lined import as_lines, stride_of
from fabricsim.training.parallel import Layout
from fabricsim.training.step import Step

MOST_MESSAGES: Final = 4_000_000
"""Messages of all groups up to which auto has each rank of a group talk to each other one."""
MOST_LISTED: Final = 100_000
"""Messages of all exchanges of a step from which on they are rounds along lines, where they can be."""
STAGED, DIRECT = "staged", "direct"
"""How tokens go to experts: first to the scale-up domain, then within it; or each to its expert."""


@dataclass(frozen=True, eq=False)
class Probe:
    """One exchange on a machine.

    level: the copies of what were found alike, of which one is solved; empty for the whole machine. groups: in all.
    hops: how many messages between neighbours in its rounds cross each level at most.
    """

    demand: Demand
    operation: Operation
    groups: int
    level: str
    hops: Mapping[str, int]


def probes_of(
    step: Step,
    layout: Layout,
    fabric: Fabric,
    algorithms: Mapping[str, str],
    *,
    copies: bool = True,
    lines: bool = True,
) -> tuple[Probe, ...]:
    """Return every exchange of a step; algorithms: by dimension, auto where none is stated.

    copies: whether one of several equal copies of a level stands for all. lines: whether exchanges of many messages may
    be rounds along lines. Raises InputError, keyed `algorithms`, for an algorithm that does not fit.
    """
    wanted = [(demand, algorithms.get(demand.dimension, AUTO)) for demand in demands(step)]
    if lines and fabric.ranks >= MANY:
        along = [_probe_of_lines(step, layout, fabric, *one) for one in wanted]
        found = [probe for probe in along if probe is not None]
        if len(found) == len(along) and sum(one.operation.messages for one in found) > MOST_LISTED:
            return tuple(found)
    return tuple(_probe(step, layout, fabric, *one, copies) for one in wanted)


def _probe(step: Step, layout: Layout, fabric: Fabric, demand: Demand, algorithm: str, copies: bool) -> Probe:
    """Return an exchange message by message, of one copy of a level where one is enough."""
    blocks, groups = blocks_of(fabric), _groups(layout, demand.groups)
    level, solved = one_copy(fabric, blocks, groups) if copies else ("", groups)
    with _about(demand):
        if demand.kind == "send":
            src, dst = solved[:, :-1].reshape(-1), solved[:, 1:].reshape(-1)
            operation = _send(demand, solved, Round(src, dst, np.full(len(src), demand.size)))
        elif demand.kind in ("dispatch", "combine"):
            operation = _experts(step, fabric, demand, solved, algorithm)
        else:
            few = groups.shape[1] * (groups.shape[1] - 1) * len(solved) <= MOST_MESSAGES
            operation = _collective(fabric, blocks, demand, solved, algorithm, few)
            places = np.argsort(solved[0])
            rounds = tuple(_by_all(r, solved, places) for r in operation.rounds)
            operation = replace(operation, rounds=rounds)
    return Probe(demand, operation, len(groups), level, _hops(blocks, operation))


def _probe_of_lines(
    step: Step, layout: Layout, fabric: Fabric, demand: Demand, algorithm: str
) -> Probe | None:
    """Return an exchange of all groups as rounds along lines; None where its groups or messages are not alike."""
    blocks, groups = blocks_of(fabric), _groups(layout, demand.groups)
    stride, members = stride_of(groups, fabric.ranks), groups.shape[1]
    if not stride:
        return None
    with _about(demand):
        if demand.kind == "send":
            ends = np.arange(members - 1), np.arange(1, members)
            r = Lines(np.arange(fabric.ranks), demand.size, members, stride, ends)
            operation = _send(demand, groups, r)
        elif demand.kind in ("dispatch", "combine"):
            operation = _experts(step, fabric, demand, groups, algorithm)
        else:
            one = _collective(fabric, blocks, demand, groups, algorithm, members <= DIRECT_UP_TO)
            lined = [as_lines(r, groups[0], stride, fabric.ranks) for r in one.rounds]
            operation = replace(one, rounds=tuple(r for r in lined if r is not None))
            if len(operation.rounds) < len(lined):
                return None
    if not all(isinstance(r, Lines) for r in operation.rounds):
        return None
    return Probe(demand, operation, len(groups), "", _hops(blocks, operation))


@contextmanager
def _about(demand: Demand) -> Iterator[None]:
    """Make what goes wrong with an exchange a fault of its dimension's algorithm."""
    try:
        yield
    except InputError as error:
        raise InputError(
            replace(fault, what=f"{demand.name}: {fault.what}", key=("algorithms", demand.dimension))
            for fault in error.faults
        ) from None


def _hops(blocks: Blocks, operation: Operation) -> dict[str, int]:
    hops: dict[str, int] = {}
    for r in operation.rounds:
        pairs = r.pairs  # of lines on which each talks to each, those of one member
        for name, count in crossed(blocks, *pairs).items():
            hops[name] = hops.get(name, 0) + count * r.repeat * r.messages // pairs.shape[1]
    return hops


def _groups(layout: Layout, groups: str) -> IntArray:
    if groups == "ep":
        return layout.expert_groups()
    if groups == "experts":
        return layout.expert_copies()
    return layout.groups(*(("cp", "dp") if groups == "dp" else (groups,)))


def _send(demand: Demand, groups: IntArray, r: Round) -> Operation:
    """Return what every stage hands to the next one, all at once."""
    ranks = np.sort(groups.reshape(-1))
    return Operation(demand.name, "send", DIRECT, ranks, (r,), demand.size, demand.size)


def _collective(
    fabric: Fabric, blocks: Blocks, demand: Demand, groups: IntArray, algorithm: str, few: bool
) -> Operation:
    """Return a collective over the ranks of all groups, with the rounds of the first one.

    few: whether auto may have each rank of a group talk to each other one.
    """
    size = -(-demand.size // (16 * groups.shape[1])) * 16 * groups.shape[1]  # rounded up: nothing is left out
    if algorithm == AUTO:
        algorithm = _quickest(demand.kind, fabric, groups, size, few)
    one = collective(demand.name, demand.kind, algorithm, groups[0], size, fabric=fabric)
    if one.meets or one.graph is not None:
        right = "name one that ranks do alone, such as ring"
        raise InputError(f"{algorithm} is not made for many groups at once", right)
    if algorithm == "hierarchical" and not alike(blocks, groups):
        right = "name another algorithm, or another order"
        raise InputError("its groups lie in the levels of the machine in different ways", right)
    return replace(one, ranks=np.sort(groups.reshape(-1)), asked=demand.size)


def _by_all(r: Round, groups: IntArray, sorted_places: IntArray) -> Round:
    """Return a round of the first group as one of all groups; message after message, each of all groups together."""
    first = groups[0][sorted_places]
    src, dst = (
        groups[:, sorted_places[np.searchsorted(first, ends)]].T.reshape(-1) for ends in (r.src, r.dst)
    )
    reduce = r.reduce if isinstance(r.reduce, bool) else np.repeat(r.reduce, len(groups))
    return Round(src, dst, np.repeat(r.size, len(groups)), r.repeat, reduce)


def _quickest(kind: str, fabric: Fabric, groups: IntArray, size: int, few: bool) -> str:
    """Return the algorithm that should be quickest, as `auto` of collectives finds it; direct only for few messages."""
    levels, staged = reaches(fabric, groups[0])
    even = staged and alike(blocks_of(fabric), groups)
    costs = {
        name: cost(levels, float(size))
        for name, cost in COSTS[kind].items()
        if (name != "hierarchical" or even) and (name != DIRECT or few)
    }
    return min(costs, key=lambda name: costs[name])


def _experts(step: Step, fabric: Fabric, demand: Demand, groups: IntArray, algorithm: str) -> Operation:
    """Return how the tokens of every rank go to their experts, or come back."""
    if algorithm not in (AUTO, STAGED, DIRECT):
        raise InputError(f"{algorithm!r} is no way to experts", f"write {AUTO}, {STAGED} or {DIRECT}")
    members, inside = groups.shape[1], _inside(fabric, groups)
    if algorithm == STAGED and inside in (1, members):
        right = f"write {DIRECT}"
        raise InputError(f"groups of {members} ranks do not lie in several scale-up domains evenly", right)
    staged = algorithm != DIRECT and inside != 1
    made = pattern(
        demand.name, f"moe-{demand.kind}", groups.reshape(-1), demand.size, seed=0, tokens=demand.tokens,
        top_k=step.model.top_k, experts=step.model.experts, group=members, inside=inside if staged else members,
    )  # fmt: skip
    way = STAGED if staged and inside < members else DIRECT
    return replace(made, algorithm=way, ranks=np.sort(made.ranks))


def _inside(fabric: Fabric, groups: IntArray) -> int:
    """Return how many neighbours of a group share a scale-up domain; all where the machine has no other network.

    1 where they lie unevenly in several domains.
    """
    blocks = blocks_of(fabric)
    inner = [size for name, size in blocks if fabric.about.networks.get(name, "scale-up") != "scale-out"]
    if not inner or len(inner) == len(blocks):
        return int(groups.shape[1])
    domain = groups // inner[-1]
    first = int((domain[0] == domain[0, 0]).sum())
    if groups.shape[1] % first:
        return 1
    parts = domain.reshape(len(groups), -1, first)
    even = bool((parts == parts[:, :, :1]).all())
    return first if even and all(len(np.unique(row[:, 0])) == row.shape[0] for row in parts[:1]) else 1
