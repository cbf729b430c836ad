"""The path of every packet: from its source, one candidate after another, as the policy picks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing.front import F, Walkers
from fabricsim.routing.policies import PER_PACKET, POLICIES, Routing, choice_state
from fabricsim.routing.products import product_of
from fabricsim.routing.search import CELLS, UNREACHABLE, Search, hops_to, part_of, swapped, twins
from fabricsim.routing.tiers import tiers_of
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]
ROWS: Final = 1 << 15
"""Paths found at a time: their columns stay in the cache."""


@dataclass(frozen=True, eq=False)
class Routes:
    """The path of every packet, in CSR form.

    Path p is channels[starts[p] : starts[p + 1]]. Message m's packet i takes path first[m] + i mod count[m].
    """

    starts: IntArray
    channels: IntArray
    first: IntArray
    count: IntArray

    @property
    def hops(self) -> IntArray:
        """(paths,) channels on each path."""
        return np.diff(self.starts)


def unreachable(fabric: Fabric, src: IntArray, dst: IntArray) -> list[tuple[int, int]]:
    """Return the (src, dst) pairs, each once and sorted, between which no path forwards."""
    missing = np.zeros(len(src), np.bool_)
    for rows, finder in finders(fabric, src, dst):
        missing[rows] = (finder.hops(src[rows], dst[rows]) == UNREACHABLE) & (src[rows] != dst[rows])
    return sorted({(int(a), int(b)) for a, b in zip(src[missing], dst[missing], strict=True)})


def routes(fabric: Fabric, messages: Messages, routing: Routing, model: Model, seed: int) -> Routes:
    """Return the path of every packet of every message; message ids are their positions.

    Raises InputError if some pair of ranks has no path.
    """
    total = len(messages)
    count = -(-messages.size // model.mtu) if routing.policy in PER_PACKET else np.ones(total, np.int64)
    first = np.concatenate([[0], np.cumsum(count)])
    message = np.repeat(np.arange(total), count)
    packet = np.arange(len(message)) - first[message]
    src, dst = messages.src[message], messages.dst[message]
    starts, channels = paths_of(fabric, src, dst, message, routing, seed, packet)
    return Routes(starts, channels, first[:-1], count)


def paths_of(
    fabric: Fabric,
    src: IntArray,
    dst: IntArray,
    message: IntArray,
    routing: Routing,
    seed: int,
    packet: IntArray | None = None,
) -> tuple[IntArray, IntArray]:
    """Return one path for each row, in CSR form: (rows + 1,) starts and channels.

    src, dst: (rows,) ranks. message: (rows,) ids. packet: (rows,) the first packet of its message that takes the path.
    Raises InputError if some pair of ranks has no path.
    """
    state = choice_state(routing, seed, src, dst, message)
    front = Walkers(np.arange(len(src)), src, dst, 1, state, packet, POLICIES[routing.policy])
    length = np.zeros(len(src), np.int64)
    found: list[tuple[IntArray, IntArray, int]] = []
    for rows, finder in finders(fabric, src, dst):
        for going, channel, hop in finder.steps(front.taken(rows)):
            found.append((going.row, channel, hop))
            length[going.row] = hop + 1
    refuse_separated(fabric, src, dst, np.flatnonzero((length == 0) & (src != dst)))
    starts = np.concatenate([[0], np.cumsum(length)])
    channels = np.empty(starts[-1], np.int64)
    for path, channel, hop in found:
        channels[starts[path] + hop] = channel
    return starts, channels


class Finder(Protocol):
    """What knows the shortest paths between some ranks."""

    def hops(self, src: IntArray, dst: IntArray) -> IntArray:
        """Return the hops from each rank to another one, UNREACHABLE where there is no path."""

    def steps(self, front: F) -> Iterator[tuple[F, IntArray, int]]:
        """Yield what crosses which channel, hop by hop; rows that cannot arrive are left out."""


def finders(fabric: Fabric, src: IntArray, dst: IntArray) -> Iterator[tuple[IntArray, Finder]]:
    """Yield rows and what knows their shortest paths: by arithmetic where the machine allows it, else by search.

    So many rows, or as few targets, at a time as keep the work in the cache, or in memory.
    """
    known = tiers_of(fabric) or product_of(fabric)
    if known is None:
        yield from searches(fabric, src, dst)
        return
    apart = np.flatnonzero(src != dst)
    for first in range(0, len(apart), ROWS):
        yield apart[first : first + ROWS], known


def searches(fabric: Fabric, src: IntArray, dst: IntArray) -> Iterator[tuple[IntArray, Search]]:
    """Yield rows, and a search that knows their shortest paths: a few targets at a time, to bound memory."""
    targets = np.unique(dst)
    part = part_of(fabric, np.unique(np.concatenate([src, targets])))
    twin = twins(fabric, targets)
    searched, column = np.unique(twin[dst], return_inverse=True)
    step = max(1, CELLS // max(1, fabric.nodes))
    order = np.argsort(column, kind="stable")
    bounds = np.searchsorted(column[order], np.arange(0, len(searched) + step, step))
    for index, first in enumerate(range(0, len(searched), step)):
        rows = order[bounds[index] : bounds[index + 1]]
        some = searched[first : first + step]
        start = swapped(src[rows], dst[rows], twin)
        yield rows, Search(fabric, some, hops_to(fabric, part, some, column[rows] - first, start), twin)


def refuse_separated(fabric: Fabric, src: IntArray, dst: IntArray, rows: IntArray) -> None:
    """Raise InputError that names the first of the `rows`, between whose ends no path forwards."""
    if len(rows):
        a, b = (fabric.node_name(int(end[rows[0]])) for end in (src, dst))
        raise InputError(f"there is no path from {a} to {b}", "join them, or let the nodes between forward")
