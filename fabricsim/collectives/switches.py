"""Which switches can add up and copy for a set of ranks."""

from __future__ import annotations

from typing import Final

import numpy as np

from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.routing import UNREACHABLE, distances
from fabricsim.routing.search import twins
from fabricsim.schedule import IntArray

CELLS: Final = 32_000_000
"""(rank, node) distances looked at together: 64 MB."""


def shared_switches(fabric: Fabric, ranks: IntArray) -> IntArray:
    """Return the switches nearest to all of `ranks`: the roots of each plane, or of the tree, that they share.

    Nearest is a switch whose farthest rank is as few hops away as that of any switch. One that a rank reaches over
    several parallel links stands there once for each, so that data split over the list is split over the links.
    Raises InputError, keyed `algorithm`, where no switch reaches all ranks.
    """
    alike = np.unique(
        twins(fabric, ranks)[ranks]
    )  # ranks that hang on the same switches are equally far from all
    first = fabric.ranks
    farthest = np.zeros(fabric.nodes - first, np.int64)
    step = max(1, CELLS // fabric.nodes)
    for begin in range(0, len(alike), step):
        hops = distances(fabric, alike[begin : begin + step])[:, first:].astype(np.int64)
        hops[hops == UNREACHABLE] = np.iinfo(np.int64).max
        np.maximum(farthest, hops.max(axis=0), out=farthest)
    is_switch = np.concatenate([np.full(g.count, g.device.kind == "switch") for g in fabric.groups])[first:]
    farthest[~is_switch] = np.iinfo(np.int64).max
    if not len(farthest) or farthest.min() == np.iinfo(np.int64).max:
        what = f"no switch of {fabric.name} reaches all {len(ranks)} ranks"
        raise InputError([Fault(what, "take an algorithm that runs in the ranks", ("algorithm",))])
    nearest = first + np.flatnonzero(farthest == farthest.min())
    found: IntArray = np.repeat(nearest, _parallel(fabric, int(ranks[0]), nearest))
    return found


def _parallel(fabric: Fabric, rank: int, switches: IntArray) -> IntArray:
    """Return how many links join a rank to each switch, 1 where they are no neighbours."""
    starts, channels = fabric.out
    near = fabric.channel_dst[channels[starts[rank] : starts[rank + 1]]]
    count: IntArray = (near[None, :] == switches[:, None]).sum(axis=1)
    return np.maximum(1, count)
