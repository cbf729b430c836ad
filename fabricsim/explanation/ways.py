"""Which channels messages use: what each puts on them, and the slowest of its paths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fabricsim.explanation.traffic import Floats, IntArray, Traffic
from fabricsim.fabric import Fabric
from fabricsim.job import Job
from fabricsim.model import Model
from fabricsim.routing import Router, Routes, Routing, path_ps, shares, tree_paths


@dataclass(frozen=True, eq=False)
class Ways:
    """(entries,) message, channel, wire [B]: message i of those asked for puts that many bytes on a channel.

    path_starts, path: the channels, in order, of each message's path with the highest latency, in CSR form.
    """

    message: IntArray
    channel: IntArray
    wire: Floats
    path_starts: IntArray
    path: IntArray


Finder = Callable[[IntArray], Ways]
"""Takes rows of the traffic."""


def finder_of(job: Job, traffic: Traffic, paths: Routes | None) -> Finder:
    """Return what knows the ways of some rows: of packets, their `paths`; of fluids, how the policy shares them."""
    if paths is not None:
        return partial(_of_packets, job.fabric, job.model, traffic, paths)
    return partial(_of_fluids, job.fabric, job.routing, job.model, job.seed, traffic)


def expand(starts: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the owner of each entry of some rows of a CSR form, numbered as in `rows`, and the entry's place."""
    length = starts[rows + 1] - starts[rows]
    owner = np.repeat(np.arange(len(rows)), length)
    return owner, np.arange(len(owner)) + (starts[rows] - np.cumsum(length) + length)[owner]


def message_wire(size: IntArray, model: Model) -> Floats:
    """Return the wire bytes of messages of `size` payload bytes."""
    sizes, kind = np.unique(size, return_inverse=True)
    return np.array([model.message_wire(one) for one in sizes.tolist()], np.float64)[kind]


def _of_packets(fabric: Fabric, model: Model, traffic: Traffic, paths: Routes, rows: IntArray) -> Ways:
    first = np.append(paths.first, len(paths.starts) - 1)
    owner, path = expand(first, rows)
    wire = _wire_by_path(
        traffic.size[rows][owner], path - paths.first[rows][owner], paths.count[rows][owner], model
    )
    at, place = expand(paths.starts, path)
    message, channel = owner[at], paths.channels[place]
    kept = _carried_once(traffic, rows, message, channel)
    slowest = _slowest(fabric, paths, owner, path)
    ends, hop = expand(paths.starts, slowest)
    starts = np.searchsorted(ends, np.arange(len(rows) + 1))
    return Ways(message[kept], channel[kept], wire[at][kept], starts, paths.channels[hop])


def _wire_by_path(size: IntArray, index: IntArray, count: IntArray, model: Model) -> Floats:
    """Return (paths,) wire bytes: packet i takes path i mod count of its message, and the last one may be short."""
    packets = -(-size // model.mtu)
    carried = -(-(packets - index) // count)
    sizes, kind = np.unique(size, return_inverse=True)
    last = np.array([model.wire(model.last_payload(one)) for one in sizes.tolist()], np.int64)[kind]
    short = (packets - 1) % count == index
    wire = carried * model.full_wire - np.where(short, model.full_wire - last, 0)
    return wire.astype(np.float64)


def _carried_once(
    traffic: Traffic, rows: IntArray, message: IntArray, channel: IntArray
) -> NDArray[np.bool_]:
    """Return which entries count: legs of one meeting that share a channel share their packets there."""
    meeting = traffic.meeting[rows][message]
    kept = meeting < 0
    legs = np.flatnonzero(~kept)
    key = np.stack([2 * meeting[legs] + traffic.down[rows][message[legs]], channel[legs]])
    kept[legs[np.unique(key, axis=1, return_index=True)[1]]] = True
    return kept


def _slowest(fabric: Fabric, paths: Routes, owner: IntArray, path: IntArray) -> IntArray:
    """Return of each owner the path with the highest latency, the first of several."""
    own, place = expand(paths.starts, path)
    starts = np.searchsorted(own, np.arange(len(path) + 1))
    some = Routes(starts, paths.channels[place], path, path)
    order = np.lexsort((path, -path_ps(fabric, some), owner))
    first: IntArray = path[order[np.append(True, np.diff(owner[order]) != 0)[: len(order)]]]
    return first


def _of_fluids(
    fabric: Fabric, routing: Routing, model: Model, seed: int, traffic: Traffic, rows: IntArray
) -> Ways:
    """Return ways by shares; of the paths that share a flow evenly any one is as slow as the others."""
    legs = np.flatnonzero(traffic.meeting[rows] >= 0)
    plain = np.flatnonzero(traffic.meeting[rows] < 0)
    some = rows[plain]
    found = shares(fabric, traffic.src[some], traffic.dst[some], routing, seed, some, size=traffic.size[some])
    single = routing if not routing.per_packet else Routing("minimal")
    starts, channels = Router(fabric, single, seed).paths(traffic.src[some], traffic.dst[some], some)
    tree_starts, tree = _trees(fabric, traffic, rows[legs])
    leg = np.repeat(legs, np.diff(tree_starts))
    message = np.concatenate([plain[found.flow], leg])
    channel = np.concatenate([found.channels.astype(np.int64), tree])
    wire = message_wire(traffic.size[rows], model)
    share = np.concatenate([found.weights, np.ones(len(leg))])
    kept = _carried_once(traffic, rows, message, channel)
    owner = np.concatenate([np.repeat(plain, np.diff(starts)), leg])
    order = np.argsort(owner, kind="stable")
    path = np.concatenate([channels.astype(np.int64), tree])[order]
    bounds = np.searchsorted(owner[order], np.arange(len(rows) + 1))
    return Ways(message[kept], channel[kept], (wire[message] * share)[kept], bounds, path)


def _trees(fabric: Fabric, traffic: Traffic, legs: IntArray) -> tuple[IntArray, IntArray]:
    """Return the paths of legs of meetings, in the direction they are sent, in CSR form."""
    src, dst, down = traffic.src[legs], traffic.dst[legs], traffic.down[legs]
    starts, up = tree_paths(fabric, np.where(down, dst, src), np.where(down, src, dst), traffic.meeting[legs])
    leg = np.repeat(np.arange(len(legs)), np.diff(starts))
    back = starts[leg] + starts[leg + 1] - 1 - np.arange(len(leg))
    return starts, np.where(down[leg], up[back] ^ 1, up).astype(np.int64)
