"""Rounds along lines by symmetry: one flow of each class, one channel of each class.

Flows that a symmetry of machine and round maps onto each other have one rate, and channels that it maps onto each
other carry one load. What can be told apart is worked out in `places`; of each class of flows one is routed, and a
channel of a class carries

    Σ over flow classes: flows of it · weight of one of them on all channels of this class / channels of this class

so that a round of a million ranks is a max-min problem of some hundred flows. A ring with a dead part somewhere keeps
all members of its line apart, and everything else together.

All ranks enter a round together. Where some end a round earlier than others, that is a barrier which ranks do not
have; a note says between which times they ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.fill import Paths, tails
from fabricsim.engines.flow.places import Axis, Places, Strand, axes_of, colour_seats
from fabricsim.engines.flow.solver import Flows
from fabricsim.engines.flow.transfers import Transfers, message_wire, path_fixed_ps
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing.around import shares_around
from fabricsim.routing.tiers import Tiers
from fabricsim.schedule import Lines

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
MOST_CLASSES: Final = 200_000
"""Classes of flows of a round: each is routed by itself."""
MOST_PARTS: Final = 30_000_000
"""Channels that the flows looked at may load, each counted: some 100 B each."""


@dataclass(frozen=True, eq=False)
class Alike:
    """A round by classes: (classes,) one flow of each, and how many it has; home, goal: the classes of its ends.

    ranks: (rank classes,) how many ranks each has. places: what tells channels apart; load: by strand, the wire bytes
    that one pass puts on a channel of each class.
    """

    src: IntArray
    dst: IntArray
    count: IntArray
    home: IntArray
    goal: IntArray
    transfers: Transfers
    places: Places
    load: list[Floats]


def alike(
    fabric: Fabric, tiers: Tiers, every: Sequence[Lines], lines: Lines, model: Model, dead: IntArray
) -> Alike:
    """Return a round of all ranks by classes, sprayed around the channels that are dead.

    every: all rounds that are to have axes in common. Raises InputError where the machine or the round has too little
    symmetry left, or two ranks have no path.
    """
    axes = axes_of(tiers, fabric.ranks, every)
    colours = colour_seats(tiers, axes, dead)
    along = [axis for axis in axes if lines.stride <= axis.stride < lines.stride * lines.side]
    if lines.between is not None:
        _keep_apart(along, lines, tiers)
    places = Places(fabric, tiers, axes, colours)
    src, dst, count = _flow_classes(axes, along, lines)
    if len(src) > MOST_CLASSES:
        what = f"what is down leaves {len(src):,} classes of flows in a round"
        raise InputError(what, f"up to {MOST_CLASSES:,} are routed: use fewer ranks, or fewer faults")
    return _solved_apart(fabric, lines, (src, dst, count), places, model, dead)


def _keep_apart(along: list[Axis], lines: Lines, tiers: Tiers) -> None:
    """Tell the members of a line apart, unless they are alike: a ring on switches that can turn around."""
    straight = any(c.points <= axis.stride < c.points * c.members for c in tiers.cliques for axis in along)
    src, dst = lines.members
    turn = (dst - src) % lines.side
    one = len(along) == 1 and along[0].kinds == 1 and not straight
    if one and len(src) == lines.side and np.all(turn == turn[0]):
        along[0].circular = True
        return
    for axis in along:
        axis.single_out(np.arange(axis.size))


# -- classes of flows ---------------------------------------------------------------------------------------


def _flow_classes(axes: list[Axis], along: list[Axis], lines: Lines) -> tuple[IntArray, IntArray, IntArray]:
    """Return one flow of each class, as source and target, and how many there are."""
    src, dst, count = (np.array([value]) for value in (0, 0, 1))
    if lines.between is not None:
        a, b = lines.members
        if along[0].circular:
            a, b, count = a[:1], b[:1], count * lines.side
        src, dst, count = a * lines.stride, b * lines.stride, np.full(len(a), count[0])
    for axis in axes:
        if axis in along and lines.between is not None:
            continue
        x, y, many = _pair_kinds(axis) if axis in along else _kinds(axis)
        src, dst, count = (
            np.add.outer(src, x * axis.stride).reshape(-1), np.add.outer(dst, y * axis.stride).reshape(-1),
            np.multiply.outer(count, many).reshape(-1),
        )  # fmt: skip
    other = src != dst
    return src[other], dst[other], count[other]


def _kinds(axis: Axis) -> tuple[IntArray, IntArray, IntArray]:
    """Return a value of each kind, twice, and how many there are."""
    _, first = np.unique(axis.kind, return_index=True)
    return first, first, axis.many


def _pair_kinds(axis: Axis) -> tuple[IntArray, IntArray, IntArray]:
    """Return two values for each kind of pair, and how many pairs there are of it."""
    _, first = np.unique(axis.kind, return_index=True)
    many = axis.many
    rows = []
    for i, x in enumerate(first.tolist()):
        rows.append((x, x, int(many[i])))
        others = np.flatnonzero(axis.kind == i)[1:2].tolist()
        rows += [(x, y, int(many[i] * (many[i] - 1))) for y in others]
        rows += [(x, y, int(many[i] * many[j])) for j, y in enumerate(first.tolist()) if j != i]
    x, y, count = np.array(rows).T
    return x, y, count


def _rank_class(axes: list[Axis], rank: IntArray) -> IntArray:
    found = np.zeros(len(rank), np.int64)
    for axis in axes:
        found = found * axis.kinds + axis.kind[axis.at(rank)]
    return found


# -- what they load -----------------------------------------------------------------------------------------


def _solved_apart(
    fabric: Fabric, lines: Lines, flows: tuple[IntArray, IntArray, IntArray], places: Places, model: Model,
    dead: IntArray,
) -> Alike:  # fmt: skip
    """Return the round: some flows are routed at a time, and what they load is added up by class."""
    src, dst, count = flows
    strands = places.strands()
    base = np.cumsum([0, *(int(np.prod(places.shape(strand))) for strand in strands)])
    sizes = np.concatenate([places.sizes(strand) for strand in strands])
    np.subtract.at(sizes, _classes(places, strands, base, dead), 1)
    few = shares_around(fabric, places.tiers, src[:1], dst[:1], dead)[0]
    step = max(1, MOST_PARTS // (4 * max(1, len(few.channels))))
    rows, cells, weights, solos, paths = [], [], [], [], []
    channel_of = np.full(base[-1], -1, np.int64)
    for first in range(0, len(src), step):
        part = slice(first, first + step)
        found, path = shares_around(fabric, places.tiers, src[part], dst[part], dead)
        channel = found.channels.astype(np.int64)
        cell = _classes(places, strands, base, channel)
        channel_of[cell] = channel
        rate = _rate(fabric, channel) / found.weights
        solos.append(np.minimum.reduceat(rate, found.starts[:-1]))
        key, at = np.unique(found.flow * base[-1] + cell, return_inverse=True)
        rows.append(first + key // base[-1])
        cells.append(key % base[-1])
        weights.append(np.bincount(at, found.weights, len(key)))
        paths.append(path)
    row, cell, weight = (np.concatenate(column) for column in (rows, cells, weights))
    share = weight * count[row] / sizes[cell]
    used, link = np.unique(cell, return_inverse=True)
    problem = Flows(np.searchsorted(row, np.arange(len(src) + 1)), link, share)
    way = Paths(
        np.concatenate([[0], np.cumsum(np.concatenate([np.diff(p.starts) for p in paths]))]),
        np.concatenate([p.channels for p in paths]), np.concatenate([p.weights for p in paths]),
    )  # fmt: skip
    transfers = _transfers(fabric, problem, channel_of[used], np.concatenate(solos), way, lines.block, model)
    load = np.zeros(base[-1])
    load[used] = problem.load(transfers.wire, len(used))
    home, goal = _rank_class(places.axes, src), _rank_class(places.axes, dst)
    _, both = np.unique(np.concatenate([home, goal]), return_inverse=True)
    return Alike(
        src, dst, count, both[: len(src)], both[len(src) :], transfers, places,
        [load[a:b] for a, b in pairwise(base.tolist())],
    )  # fmt: skip


def _rate(fabric: Fabric, channel: IntArray) -> Floats:
    of_class = np.array([link.bandwidth for link in fabric.links], np.float64)
    rate: Floats = of_class[fabric.link_class[channel >> 1]]
    return rate


def _classes(places: Places, strands: Sequence[Strand], base: IntArray, channel: IntArray) -> IntArray:
    """Return the class of each channel, counted over all strands."""
    found = np.zeros(len(channel), np.int64)
    for strand, first in zip(strands, base.tolist(), strict=False):
        here = np.flatnonzero(strand.holds(channel))
        if len(here):
            found[here] = first + places.classes(strand, channel[here])
    return found


def _transfers(
    fabric: Fabric, flows: Flows, channels: IntArray, solo: Floats, way: Paths, block: int, model: Model
) -> Transfers:
    """Return classes of flows and channels as transfers, one flow and one channel of each."""
    size = np.full(len(flows), block)
    wire = message_wire(size, model)
    return Transfers(
        flows, channels, _rate(fabric, channels), np.arange(len(flows)), wire, solo,
        *tails(fabric, way, size, wire, model), path_fixed_ps(fabric, way),
    )  # fmt: skip
