"""Routes of a whole schedule: paths between ranks, and the trees of what meets in switches.

Legs of meetings take one path each, whatever the policy: up, every node takes candidate (meeting mod n) of its n
shortest ways towards the switch. That depends on the node and the meeting alone, so the paths of all sources form a
tree, and meetings of one switch take parallel links in turn. Down, the channels of the sink's way up are turned around.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing.paths import Alive, Router, Routes, plain_routes
from fabricsim.routing.policies import Choice, Routing
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]


def routes(
    fabric: Fabric,
    messages: Messages,
    routing: Routing,
    model: Model,
    seed: int,
    alive: Alive | None = None,
) -> Routes:
    """Return the path of every packet of every message.

    alive: (channels,) which may be used, None for all. Raises InputError if some pair of ranks has no path.
    """
    legs = np.flatnonzero(messages.meeting >= 0)
    if not len(legs):
        return plain_routes(fabric, messages, np.arange(len(messages)), routing, model, seed, alive)
    others = np.flatnonzero(messages.meeting < 0)
    plain = plain_routes(fabric, messages, others, routing, model, seed, alive)
    down, src, dst = messages.down[legs], messages.src[legs], messages.dst[legs]
    low, high = np.where(down, dst, src), np.where(down, src, dst)
    tree = _turned(*tree_paths(fabric, low, high, messages.meeting[legs]), down)
    count = np.ones(len(messages), np.int64)
    count[others] = plain.count
    is_leg = np.repeat(messages.meeting >= 0, count)
    return Routes(*_merged(is_leg, (plain.starts, plain.channels), tree), np.cumsum(count) - count, count)


def tree_paths(
    fabric: Fabric, low: IntArray, high: IntArray, meeting: IntArray
) -> tuple[IntArray, NDArray[Any]]:
    """Return the way up of each leg in CSR form: (legs + 1,) starts and channels, from rank `low` to switch `high`."""
    return Router(fabric, Routing("minimal"), pick=_by_meeting).paths(low, high, meeting, meeting)


def _by_meeting(choice: Choice) -> IntArray:
    assert choice.packet is not None
    return choice.packet % choice.n


def carried_once(messages: Messages, paths: Routes) -> Routes:
    """Return routes without the hops on which a leg shares its packets with an earlier leg of the same meeting."""
    if not np.any(messages.meeting >= 0):
        return paths
    owner = np.repeat(np.repeat(np.arange(len(messages)), paths.count), paths.hops)
    kept = messages.meeting[owner] < 0
    leg = np.flatnonzero(~kept)
    key = (2 * messages.meeting[owner[leg]] + messages.down[owner[leg]], paths.channels[leg])
    order = np.lexsort((leg, key[1], key[0]))
    new = np.append(True, (np.diff(key[0][order]) != 0) | (np.diff(key[1][order]) != 0))[: len(order)]
    kept[leg[order[new]]] = True
    starts = np.concatenate([[0], np.cumsum(kept)])[paths.starts]
    return Routes(starts, paths.channels[kept], paths.first, paths.count)


def _turned(
    starts: IntArray, channels: NDArray[Any], turn: NDArray[np.bool_]
) -> tuple[IntArray, NDArray[Any]]:
    """Return paths with the rows in `turn` led back the way they came."""
    row = np.repeat(np.arange(len(turn)), np.diff(starts))
    back = starts[row] + starts[row + 1] - 1 - np.arange(len(row))
    return starts, np.where(turn[row], channels[back] ^ 1, channels)


def _merged(
    second: NDArray[np.bool_], plain: tuple[IntArray, NDArray[Any]], tree: tuple[IntArray, NDArray[Any]]
) -> tuple[IntArray, IntArray]:
    """Return the rows of two sets of paths as one: those of the second where `second` says so."""
    length = np.zeros(len(second), np.int64)
    length[~second], length[second] = np.diff(plain[0]), np.diff(tree[0])
    starts = np.concatenate([[0], np.cumsum(length)])
    from_second = np.repeat(second, length)
    channels = np.empty(starts[-1], np.int64)
    channels[~from_second], channels[from_second] = plain[1], tree[1]
    return starts, channels
