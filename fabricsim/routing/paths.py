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
from fabricsim.routing.products import Product, product_of
from fabricsim.routing.search import CELLS, UNREACHABLE, Search, hops_to, part_of, swapped, twins
from fabricsim.routing.tiers import Tiers, tiers_of
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]
Channels = NDArray[np.int32]
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
    for rows, finder in finders(fabric, src, dst, arithmetic(fabric)):
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
    return Routes(starts, channels.astype(np.int64), first[:-1], count)


def paths_of(
    fabric: Fabric,
    src: IntArray,
    dst: IntArray,
    message: IntArray,
    routing: Routing,
    seed: int,
    packet: IntArray | None = None,
) -> tuple[IntArray, Channels]:
    """Return what `Router.paths` does, for once."""
    return Router(fabric, routing, seed).paths(src, dst, message, packet)


class Router:
    """Finds single paths, block after block of flows; what does not depend on the flows is worked out once.

    For more flows than memory holds routes of:

        router = Router(fabric, Routing("ecmp"), seed)
        for first in range(0, flows, 1 << 20):
            starts, channels = router.paths(*columns(first, first + (1 << 20)))   # src, dst, message ids
    """

    def __init__(self, fabric: Fabric, routing: Routing, seed: int = 0) -> None:
        self.fabric = fabric
        self.routing = routing
        self.seed = seed
        self._known = arithmetic(fabric)

    def paths(
        self, src: IntArray, dst: IntArray, message: IntArray, packet: IntArray | None = None
    ) -> tuple[IntArray, Channels]:
        """Return one path for each row, in CSR form: (rows + 1,) starts and (hops,) channels.

        src, dst: (rows,) ranks. message: (rows,) ids. packet: (rows,) the first packet of its message that takes the
        path. A row from a rank to itself has no hops. Raises InputError if some pair of ranks has no path.
        """
        if self._known is None:
            return self._piece(src, dst, message, packet)
        pieces = []
        for first in range(0, max(len(src), 1), ROWS):
            part = slice(first, first + ROWS)
            of = None if packet is None else packet[part]
            pieces.append(self._piece(src[part], dst[part], message[part], of))
        starts = np.zeros(len(src) + 1, np.int64)
        np.cumsum(np.concatenate([np.diff(part) for part, _ in pieces]), out=starts[1:])
        return starts, np.concatenate([channels for _, channels in pieces])

    def _piece(
        self, src: IntArray, dst: IntArray, message: IntArray, packet: IntArray | None
    ) -> tuple[IntArray, Channels]:
        state = choice_state(self.routing, self.seed, src, dst, message)
        front = Walkers(np.arange(len(src)), src, dst, 1, state, packet, POLICIES[self.routing.policy])
        length = np.zeros(len(src), np.int64)
        found: list[tuple[IntArray, IntArray, int]] = []
        for rows, finder in finders(self.fabric, src, dst, self._known):
            for going, channel, hop in finder.steps(front.taken(rows)):
                found.append((going.row, channel, hop))
                length[going.row] = hop + 1
        refuse_separated(self.fabric, src, dst, np.flatnonzero((length == 0) & (src != dst)))
        starts = np.zeros(len(src) + 1, np.int64)
        np.cumsum(length, out=starts[1:])
        channels = np.empty(starts[-1], np.int32)
        last, at = None, starts
        for row, channel, hop in found:
            if row is not last:  # the hops of one group of paths follow each other
                last, at = row, starts[row]
            channels[at + hop] = channel
        return starts, channels


class Finder(Protocol):
    """What knows the shortest paths between some ranks."""

    def hops(self, src: IntArray, dst: IntArray) -> IntArray:
        """Return the hops from each rank to another one, UNREACHABLE where there is no path."""

    def steps(self, front: F) -> Iterator[tuple[F, IntArray, int]]:
        """Yield what crosses which channel, hop by hop; rows that cannot arrive are left out."""


def arithmetic(fabric: Fabric) -> Tiers | Product | None:
    """Return what knows the shortest paths of a machine without a search; None where nothing does."""
    return tiers_of(fabric) or product_of(fabric)


def finders(
    fabric: Fabric, src: IntArray, dst: IntArray, known: Finder | None
) -> Iterator[tuple[IntArray, Finder]]:
    """Yield rows and what knows their shortest paths: `known`, or else a search.

    Rows from a rank to itself may be left out.
    """
    if known is None:
        yield from searches(fabric, src, dst)
    else:
        yield np.flatnonzero(src != dst), known


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
