"""The path of every packet: from its source, one candidate after another, as the policy picks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing.deal import dealt_paths
from fabricsim.routing.front import F, Walkers
from fabricsim.routing.hashing import mixed, splitmix64
from fabricsim.routing.policies import POLICIES, Choice, Routing, choice_state
from fabricsim.routing.products import Product, has_coordinates, product_of
from fabricsim.routing.search import (
    CELLS,
    UNREACHABLE,
    Search,
    hops_to,
    part_of,
    refuse_separated,
    swapped,
    twins,
)
from fabricsim.routing.tiering import tiers_of
from fabricsim.routing.tiers import Tiers
from fabricsim.routing.turns import first_numbers
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]
Channels = NDArray[np.int32]
Alive = NDArray[np.bool_]
_AROUND: Final = 0x76616C69616E74  # "valiant": keeps its draw apart from the choices on the way
ROWS: Final = 1 << 15
"""Paths found at a time: their columns stay in the cache."""


@dataclass(frozen=True, eq=False)
class Routes:
    """The path of every packet, in CSR form.

    Path p is channels[starts[p] : starts[p + 1]]. Message m's packet i takes path first[m] + i mod count[m].
    lane: (hops,) the virtual lane of each, None for 0 everywhere; lanes: how many there are. adaptive: whether packets
    choose by the queues that they find, among all shortest paths; these are then where they go if all are equal.
    """

    starts: IntArray
    channels: IntArray
    first: IntArray
    count: IntArray
    lane: NDArray[np.int8] | None = None
    lanes: int = 1
    adaptive: bool = False

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


def plain_routes(
    fabric: Fabric,
    messages: Messages,
    rows: IntArray,
    routing: Routing,
    model: Model,
    seed: int,
    alive: Alive | None = None,
) -> Routes:
    """Return the path of every packet of the messages at the positions `rows`, in their order.

    alive: (channels,) which may be used, None for all. Raises InputError if some pair of ranks has no path.
    """
    src, dst, size, ids = (
        column[rows] for column in (messages.src, messages.dst, messages.size, messages.id)
    )
    count = -(-size // model.mtu) if routing.per_packet else np.ones(len(rows), np.int64)
    first = np.cumsum(count) - count
    if routing.policy == "all-path":
        dealt = dealt_paths(fabric, src, dst, size.astype(np.float64), routing, count, alive)
        return Routes(*dealt, first, count)
    row = np.repeat(np.arange(len(rows)), count)
    packet = np.arange(len(row)) - first[row]
    if POLICIES[routing.policy].numbered:
        packet += first_numbers(messages, seed)[rows][row]
    router = Router(fabric, routing, seed, alive)
    starts, channels = router.paths(src[row], dst[row], ids[row], packet)
    return Routes(starts, channels.astype(np.int64), first, count)


class Router:
    """Finds single paths, block after block of flows; what does not depend on the flows is worked out once.

    For more flows than memory holds routes of:

        router = Router(fabric, Routing("ecmp"), seed)
        for first in range(0, flows, 1 << 20):
            starts, channels = router.paths(*columns(first, first + (1 << 20)))   # src, dst, message ids

    alive: (channels,) which may be used, None for all. Paths around dead channels come from a search. `all-path`, which
    weighs all flows together, is not for this: see `routes` and `shares`. pick: in place of the policy's own choice.
    """

    def __init__(
        self,
        fabric: Fabric,
        routing: Routing,
        seed: int = 0,
        alive: Alive | None = None,
        pick: Callable[[Choice], IntArray] | None = None,
    ) -> None:
        self.fabric = fabric
        self.routing = routing
        self.seed = seed
        self.alive = alive
        self._pick = pick or POLICIES[routing.policy].pick
        self._known = arithmetic(fabric) if alive is None else None
        self._ordered = routing.policy == "dimension-order" and has_coordinates(fabric)

    def paths(
        self, src: IntArray, dst: IntArray, message: IntArray, packet: IntArray | None = None
    ) -> tuple[IntArray, Channels]:
        """Return one path for each row, in CSR form: (rows + 1,) starts and (hops,) channels.

        src, dst: (rows,) ranks, or nodes that forward. message: (rows,) ids. packet: (rows,) which packet of its
        message takes the path, by its number for spray. A row from a node to itself has no hops. Raises InputError if a
        pair has no path.
        """
        if self.routing.policy != "valiant":
            return self._direct(src, dst, message, packet)
        between = self._between(src, dst, message, packet)
        legs = [self._direct(a, b, message, packet) for a, b in ((src, between), (between, dst))]
        return _one_after_the_other(legs)

    def _between(self, src: IntArray, dst: IntArray, message: IntArray, packet: IntArray | None) -> IntArray:
        """Return the node that each row goes by way of: any, by hash."""
        nodes = ways_round(self.fabric)
        state = splitmix64(self.seed, src, dst, message if self.routing.hash == "message" else 0, _AROUND)
        if self.routing.per == "packet" and packet is not None:
            state = mixed(state, packet)
        found = nodes[(state % np.uint64(len(nodes))).astype(np.int64)]
        return np.where(src == dst, src, found)

    def _direct(
        self, src: IntArray, dst: IntArray, message: IntArray, packet: IntArray | None
    ) -> tuple[IntArray, Channels]:
        known = self._known
        if known is not None and len(src) and max(int(src.max()), int(dst.max())) >= self.fabric.ranks:
            known = None  # arithmetic knows ways between ranks only
        if known is None:
            return self._piece(src, dst, message, packet, None)
        pieces = []
        for first in range(0, max(len(src), 1), ROWS):
            part = slice(first, first + ROWS)
            of = None if packet is None else packet[part]
            pieces.append(self._piece(src[part], dst[part], message[part], of, known))
        starts = np.zeros(len(src) + 1, np.int64)
        np.cumsum(np.concatenate([np.diff(part) for part, _ in pieces]), out=starts[1:])
        return starts, np.concatenate([channels for _, channels in pieces])

    def _piece(
        self, src: IntArray, dst: IntArray, message: IntArray, packet: IntArray | None, known: Finder | None
    ) -> tuple[IntArray, Channels]:
        pick = self._pick
        assert pick is not None
        if self.routing.policy == "dimension-order" and not self._ordered:
            pick = self._only_one
        state = choice_state(self.routing, self.seed, src, dst, message)
        front = Walkers(np.arange(len(src)), src, dst, 1, state, packet, pick)
        length = np.zeros(len(src), np.int64)
        found: list[tuple[IntArray, IntArray, int]] = []
        for rows, finder in finders(self.fabric, src, dst, known, self.alive):
            whole = known is not None and len(rows) == len(src)  # the rows of a search come in another order
            for going, channel, hop in finder.steps(front if whole else front.taken(rows), self._ordered):
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

    def _only_one(self, choice: Choice) -> IntArray:
        """Take the one shortest path that there is; raise InputError where there are several."""
        if np.any(np.asarray(choice.n) > 1):
            what = f"{self.fabric.name} has no coordinates, and some of its ranks have several shortest paths"
            raise InputError(
                what, "dimension-order is for products, such as a torus; use minimal, ecmp or spray"
            )
        return np.zeros(len(choice.node), np.int64)


def paths_of(
    fabric: Fabric, src: IntArray, dst: IntArray, message: IntArray, routing: Routing, seed: int
) -> tuple[IntArray, Channels]:
    """Return what `Router.paths` does, for once."""
    return Router(fabric, routing, seed).paths(src, dst, message)


def ways_round(fabric: Fabric) -> IntArray:
    """Return the nodes that `valiant` may go by way of: ranks if all forward, else switches that ranks hang on.

    Only those that every rank can reach. Raises InputError where there are none.
    """
    if fabric.forwards[: fabric.ranks].all():
        return np.arange(fabric.ranks)
    src, dst = fabric.channel_src, fabric.channel_dst
    first = np.flatnonzero((src < fabric.ranks) & fabric.forwards[dst])
    part = _parts(fabric)
    reached = np.unique(part[dst[first]] * fabric.nodes + src[first]) // fabric.nodes
    everyone = np.flatnonzero(np.bincount(reached, minlength=fabric.nodes) == fabric.ranks)
    near = np.unique(dst[first])
    near = near[np.isin(part[near], everyone)]
    if not len(near):
        what = f"no node of {fabric.name} forwards from and to all ranks"
        raise InputError(what, "valiant needs one to go by way of: use minimal, ecmp or spray")
    return near


def _parts(fabric: Fabric) -> IntArray:
    """Return (nodes,) the part that each node belongs to: the least node that forwarding joins it with."""
    inner = np.flatnonzero(fabric.forwards[fabric.channel_src] & fabric.forwards[fabric.channel_dst])
    src, dst = fabric.channel_src[inner], fabric.channel_dst[inner]
    part = np.arange(fabric.nodes)
    while True:
        before = part.copy()
        np.minimum.at(part, dst, before[src])
        part = part[part]
        if np.array_equal(part, before):
            return part


def _one_after_the_other(legs: list[tuple[IntArray, Channels]]) -> tuple[IntArray, Channels]:
    """Return the paths that go one leg, then the other."""
    (first, a), (second, b) = legs
    starts = first + second
    channels = np.empty(starts[-1], np.int32)
    for begin, leg, own in ((starts[:-1], a, first), (starts[:-1] + np.diff(first), b, second)):
        row = np.repeat(np.arange(len(own) - 1), np.diff(own))
        channels[begin[row] + np.arange(len(leg)) - own[row]] = leg
    return starts, channels


class Finder(Protocol):
    """What knows the shortest paths between some ranks."""

    def hops(self, src: IntArray, dst: IntArray) -> IntArray:
        """Return the hops from each rank to another one, UNREACHABLE where there is no path."""

    def steps(self, front: F, ordered: bool = False) -> Iterator[tuple[F, IntArray, int]]:
        """Yield what crosses which channel, hop by hop; rows that cannot arrive are left out.

        ordered: only channels of the innermost level that comes nearer are candidates.
        """


_KNOWN: Final[WeakKeyDictionary[Fabric, Tiers | Product | None]] = WeakKeyDictionary()
"""What `arithmetic` has found, as long as the fabric lives: links are checked once."""


def arithmetic(fabric: Fabric) -> Tiers | Product | None:
    """Return what knows the shortest paths of a machine without a search; None where nothing does."""
    if fabric not in _KNOWN:
        _KNOWN[fabric] = tiers_of(fabric) or product_of(fabric)
    return _KNOWN[fabric]


def finders(
    fabric: Fabric, src: IntArray, dst: IntArray, known: Finder | None, alive: Alive | None = None
) -> Iterator[tuple[IntArray, Finder]]:
    """Yield rows and what knows their shortest paths: `known`, or else, and where a switch is the target, a search.

    Rows from a rank to itself may be left out.
    """
    if known is None or dst.max(initial=0) >= fabric.ranks:
        yield from searches(fabric, src, dst, alive)
    else:
        yield np.flatnonzero(src != dst), known


def searches(
    fabric: Fabric, src: IntArray, dst: IntArray, alive: Alive | None = None
) -> Iterator[tuple[IntArray, Search]]:
    """Yield rows, and a search that knows their shortest paths: a few targets at a time, to bound memory."""
    targets = np.unique(dst)
    part = part_of(fabric, np.unique(np.concatenate([src, targets])), alive)
    twin = twins(fabric, targets, alive)
    searched, column = np.unique(twin[dst], return_inverse=True)
    step = max(1, CELLS // max(1, fabric.nodes))
    order = np.argsort(column, kind="stable")
    bounds = np.searchsorted(column[order], np.arange(0, len(searched) + step, step))
    for index, first in enumerate(range(0, len(searched), step)):
        rows = order[bounds[index] : bounds[index + 1]]
        some = searched[first : first + step]
        start = swapped(src[rows], dst[rows], twin)
        yield (
            rows,
            Search(fabric, some, hops_to(fabric, part, some, column[rows] - first, start), twin, alive),
        )
