"""What several rounds by classes put on channels together: classes that none of their loads tells apart.

Rounds break the symmetry of a machine in different ways. But what a round tells apart may carry the same: of a ring
over 64 pods with one link down, only the pods beside it load their links unlike the others. So values of an axis that
carry the same in a round are put together again, and only then are the kinds of all rounds crossed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.alike import Alike
from fabricsim.engines.flow.places import Axis, Places, Strand
from fabricsim.fabric import Fabric
from fabricsim.routing.tiers import Cliques, Tier

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
DIGITS: Final = 1e-9
"""Loads that differ by less than this share of the largest are one."""


@dataclass(frozen=True, eq=False)
class Carried:
    """(classes,) one channel of each class, how many it has, and the wire bytes that each of them carries."""

    channels: IntArray
    count: IntArray
    wire: Floats


def carried(fabric: Fabric, rounds: Sequence[tuple[Alike, int]], dead: IntArray) -> Carried:
    """Return what rounds, each so many times over, put on channels that are not dead; they have axes in common."""
    first = rounds[0][0].places
    axes = [Axis(axis.stride, axis.size, np.zeros(axis.size, np.int64)) for axis in first.axes]
    colours = [np.zeros_like(colour) for colour in first.colours]
    for one, _ in rounds:
        for place, axis in enumerate(axes):
            axis.kind = _crossed(axis.kind, _merged(one, place)[one.places.axes[place].kind])
        colours = [_crossed(a, b) for a, b in zip(colours, one.places.colours, strict=True)]
    joint = Places(fabric, first.tiers, axes, colours)
    found = [_of_strand(joint, strand, rounds, dead) for strand in joint.strands()]
    channels, count, wire = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(channels)
    return Carried(channels[order], count[order], wire[order])


def _crossed(a: IntArray, b: IntArray) -> IntArray:
    both = a * (int(b.max()) + 1) + b
    found: IntArray = np.unique(both, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found


def _merged(one: Alike, place: int) -> IntArray:
    """Return (kinds,) a number for each kind of an axis, the same for those that carry the same everywhere."""
    axis = one.places.axes[place]
    words = []
    for strand, load in zip(one.places.strands(), one.load, strict=True):
        cube = load.reshape(one.places.shape(strand))
        near = np.rint(cube / max(float(cube.max()), 1e-300) / DIGITS).astype(np.int64)
        part, size = strand.of, cube.shape[3 + place]
        if isinstance(part, Cliques) and size == 2 * axis.kinds**2 and size > 2:
            # a pair of two kinds, and of one kind with itself: by either end, what it carries with any other
            pair = np.moveaxis(near, 3 + place, 0).reshape(axis.kinds, axis.kinds, -1)
            words += [np.sort(ends, axis=1).reshape(axis.kinds, -1) for ends in (pair, pair.swapaxes(0, 1))]
        elif size == axis.kinds:
            words.append(np.moveaxis(near, 3 + place, 0).reshape(axis.kinds, -1))
    if axis.kinds == 1 or not words:
        return np.zeros(axis.kinds, np.int64)
    table = np.concatenate(words, axis=1)
    return np.unique(table, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _of_strand(
    joint: Places, strand: Strand, rounds: Sequence[tuple[Alike, int]], dead: IntArray
) -> tuple[IntArray, IntArray, Floats]:
    shape = joint.shape(strand)
    wire = np.zeros(shape)
    for one, repeat in rounds:
        own = one.load[strand.index].reshape(one.places.shape(strand))
        wire += repeat * own[np.ix_(*_seen(joint, one.places, strand))]
    count, wire = joint.sizes(strand), wire.reshape(-1)
    np.subtract.at(count, joint.classes(strand, dead[strand.holds(dead)]), 1)
    used = np.flatnonzero((wire > 0) & (count > 0))
    return joint.one_of(strand, used), count[used], wire[used]


def _seen(joint: Places, places: Places, strand: Strand) -> list[IntArray]:
    """Return, for each part of a joint class of channels, what it is in the classes of one round."""
    part = strand.of
    if isinstance(part, Tier):
        low = _first(joint.colours[part.below]) if part.below >= 0 else np.zeros(1, np.int64)
        lows = places.colours[part.below][low] if part.below >= 0 else low
        parts = [np.arange(2), lows, places.colours[strand.index][_first(joint.colours[strand.index])]]
    else:
        parts = [np.zeros(1, np.int64)] * 3
    for axis, own in zip(joint.axes, places.axes, strict=True):
        kind = own.kind[_first(axis.kind)]
        if isinstance(part, Tier):
            parts.append(kind if axis.stride >= part.unit else np.zeros(1, np.int64))
        elif part.points <= axis.stride < part.points * part.members:
            pairs = kind[:, None] * own.kinds + kind
            parts.append((2 * pairs[:, :, None] + np.arange(2)).reshape(-1))
        else:
            parts.append(kind)
    return parts


def _first(kind: IntArray) -> IntArray:
    """Return where each kind occurs first."""
    return np.unique(kind, return_index=True)[1].astype(np.int64)
