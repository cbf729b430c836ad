"""The path of every packet: from its source, one candidate after another, as the policy picks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing.policies import PER_PACKET, POLICIES, Choice, Routing
from fabricsim.routing.search import CELLS, UNREACHABLE, Search, hops_to, part_of, swapped, twins
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]


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
    for rows, search in searches(fabric, src, dst):
        missing[rows] = search.hops(src[rows], dst[rows]) == UNREACHABLE
    return sorted({(int(a), int(b)) for a, b in zip(src[missing], dst[missing], strict=True)})


def single_paths(
    fabric: Fabric, src: IntArray, dst: IntArray, message: IntArray, routing: Routing, seed: int
) -> tuple[IntArray, IntArray]:
    """Return the one path of each flow, in CSR form: (flows + 1,) starts and channels. For policies of one path.

    Raises InputError if some pair of ranks has no path.
    """
    return _walked(fabric, _Walk(src, dst, message, np.zeros(len(src), np.int64)), routing, seed)


def routes(fabric: Fabric, messages: Messages, routing: Routing, model: Model, seed: int) -> Routes:
    """Return the path of every packet of every message; message ids are their positions.

    Raises InputError if some pair of ranks has no path.
    """
    total = len(messages)
    count = -(-messages.size // model.mtu) if routing.policy in PER_PACKET else np.ones(total, np.int64)
    first = np.concatenate([[0], np.cumsum(count)])
    message = np.repeat(np.arange(total), count)
    packet = np.arange(len(message)) - first[message]
    walk = _Walk(messages.src[message], messages.dst[message], message, packet)
    starts, channels = _walked(fabric, walk, routing, seed)
    return Routes(starts, channels, first[:-1], count)


@dataclass(frozen=True, eq=False)
class _Walk:
    """One row per path: its ends, its message and the first packet that takes it."""

    src: IntArray
    dst: IntArray
    message: IntArray
    packet: IntArray


def _walked(fabric: Fabric, walk: _Walk, routing: Routing, seed: int) -> tuple[IntArray, IntArray]:
    """Return the path of each row, in CSR form."""
    length = np.zeros(len(walk.src), np.int64)
    found: list[tuple[IntArray, IntArray, int]] = []
    for rows, search in searches(fabric, walk.src, walk.dst):
        length[rows] = search.hops(walk.src[rows], walk.dst[rows])
        refuse_separated(fabric, walk.src, walk.dst, rows[length[rows] == UNREACHABLE])
        found.extend(_steps(search, walk, rows, routing, seed))
    starts = np.concatenate([[0], np.cumsum(length)])
    channels = np.empty(starts[-1], np.int64)
    for path, channel, hop in found:
        channels[starts[path] + hop] = channel
    return starts, channels


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


def _steps(
    search: Search, walk: _Walk, rows: IntArray, routing: Routing, seed: int
) -> Iterator[tuple[IntArray, IntArray, int]]:
    """Yield (paths, channel of each, hop) until every path of `rows` has arrived."""
    pick = POLICIES[routing.policy]
    node, stride, hop = walk.src[rows], np.ones(len(rows), np.int64), 0
    rows, node, stride = _under_way(walk, rows, node, stride)
    while len(rows):
        src, dst = walk.src[rows], walk.dst[rows]
        starts, n, channels = search.shared_candidates(node, dst)
        message, packet = walk.message[rows], walk.packet[rows]
        choice = Choice(seed, routing.hash, src, dst, message, packet, stride, node, n)
        channel = channels[starts + pick(choice)]
        yield rows, channel, hop
        node, stride, hop = search.fabric.channel_dst[channel], stride * n, hop + 1
        rows, node, stride = _under_way(walk, rows, node, stride)


def _under_way(
    walk: _Walk, rows: IntArray, node: IntArray, stride: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    alive = node != walk.dst[rows]
    return rows[alive], node[alive], stride[alive]
