"""What all pairs of NPUs say together: hops, and what uniform all-to-all can carry.

Every pair where the machine is small; one NPU of each class of equivalent ones where its levels are symmetric;
else a sample, which is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.inspection.symmetry import Symmetry, symmetry_of
from fabricsim.routing import UNREACHABLE, next_hops

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
MAX_EXACT_RANKS: Final = 2048
"""Up to here every pair of NPUs is looked at; all-pairs work beyond is not for a quick look."""
_CHUNK_RANKS: Final = 128
_SAMPLE: Final = 64
_WORK: Final = 2_000_000_000
"""Targets times channels that a quick look may cost: under a minute."""
SINGLE_PATH: Final = frozenset({"minimal", "dimension-order"})
"""Policies under which a pair uses one of its shortest paths, not all."""


@dataclass(frozen=True)
class Pairs:
    """What all pairs of NPUs say together.

    rate: what each pair may carry [B/s on the wire] when all do. separated: two NPUs without a path.
    hops_sampled, rate_sampled: destinations looked at where those are not all, else 0.
    """

    diameter: int
    mean: float
    rate: float
    separated: tuple[int, int] | None = None
    hops_sampled: int = 0
    rate_sampled: int = 0


def pairs_of(fabric: Fabric) -> Pairs:
    """Return hops and uniform rate by the cheapest way that is exact, else by a sample."""
    symmetry = symmetry_of(fabric)
    small = fabric.ranks <= MAX_EXACT_RANKS
    if symmetry is not None and (not small or len(symmetry.targets) * 8 <= fabric.ranks):
        found = by_classes(fabric, symmetry) if _affordable(fabric, symmetry) else None
        if found is not None and (not small or not found.rate_sampled):
            return found
    return all_pairs(fabric) if small else sampled(fabric)


def _affordable(fabric: Fabric, symmetry: Symmetry) -> bool:
    return (
        len(symmetry.targets) <= MAX_EXACT_RANKS and len(symmetry.targets) * max(fabric.channels, 1) <= _WORK
    )


# -- every pair ----------------------------------------------------------------------------------------------


def all_pairs(fabric: Fabric) -> Pairs:
    """Return hops over all pairs, and the rate of uniform all-to-all.

    Load is split equally over the next hops of the default policy: all candidates, or the first where a pair
    takes a single path.
    """
    load = np.zeros(fabric.channels)
    longest, total, count = 0, 0, 0
    separated = None
    for first in range(0, fabric.ranks, _CHUNK_RANKS):
        targets = np.arange(first, min(first + _CHUNK_RANKS, fabric.ranks))
        hops = next_hops(fabric, targets)
        distance = hops.distance[:, : fabric.ranks].astype(np.int64)
        missing = np.argwhere(distance == UNREACHABLE)
        if len(missing) and separated is None:
            separated = (int(missing[0, 1]), int(targets[missing[0, 0]]))
        longest = max(longest, int(distance.max()))
        total += int(distance[distance > 0].sum())
        count += int((distance > 0).sum())
        load += _uniform_load(fabric, hops)
    rate = _least(fabric.bandwidth, load)
    return Pairs(longest, total / count if count else 0.0, rate, separated)


def _uniform_load(fabric: Fabric, hops: Any) -> Floats:
    """Return (channels,) load of one unit from every NPU to each of the targets, split over the next hops."""
    nodes = fabric.nodes
    amount = np.zeros(hops.distance.shape)
    amount[:, : fabric.ranks] = 1.0
    amount[hops.distance <= 0] = 0.0
    flat = amount.reshape(-1)
    load = np.zeros(fabric.channels)
    starts, counts = hops.starts.reshape(-1), hops.counts.reshape(-1)
    if fabric.policy in SINGLE_PATH:
        counts = np.minimum(counts, 1)
    distance = hops.distance.reshape(-1)
    for step in range(int(distance.max(initial=0)), 0, -1):
        cell = np.nonzero((distance == step) & (flat > 0))[0]
        n = counts[cell].astype(np.int64)
        offset = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        channel = hops.channels[np.repeat(starts[cell], n) + offset]
        part = np.repeat(flat[cell] / n, n)
        load += np.bincount(channel, weights=part, minlength=fabric.channels)
        target_row = np.repeat(cell // nodes, n)
        flat += np.bincount(
            target_row * nodes + fabric.channel_dst[channel], weights=part, minlength=len(flat)
        )
    return load


def _least(capacity: IntArray | Floats, load: Floats) -> float:
    used = load > 0
    return float(np.min(capacity[used] / load[used])) if used.any() else 0.0


# -- one target at a time --------------------------------------------------------------------------------------


def hops_to(fabric: Fabric, target: int) -> NDArray[np.int16]:
    """Return (nodes,) hops to one node, UNREACHABLE where no path forwards."""
    src, dst = fabric.channel_src, fabric.channel_dst
    distance = np.full(fabric.nodes, UNREACHABLE, np.int16)
    distance[target] = 0
    left = np.flatnonzero((fabric.forwards[dst] | (dst == target)) & (src != target))
    hops = 0
    while len(left):
        near = left[distance[dst[left]] == hops]
        if not len(near):
            break
        hops += 1
        distance[src[near]] = hops
        left = left[distance[src[left]] == UNREACHABLE]
    return distance


def toward(fabric: Fabric, target: int) -> tuple[NDArray[np.int16], IntArray, Floats, bool]:
    """Return hops to one NPU, the channels used and their load of one unit from every other, and if paths are single.

    Load is split as `all_pairs` does.
    """
    src, dst = fabric.channel_src, fabric.channel_dst
    distance = hops_to(fabric, target)
    far, near = distance[src], distance[dst]
    used = np.flatnonzero(
        (far == near + 1) & (near != UNREACHABLE) & (fabric.forwards[dst] | (dst == target))
    )
    order = np.argsort(far[used], kind="stable")
    used = used[order]
    counts = np.bincount(src[used], minlength=fabric.nodes)
    single = bool(counts.max(initial=0) <= 1)
    if fabric.policy in SINGLE_PATH and not single:
        used = used[np.sort(np.unique(src[used], return_index=True)[1])]
        counts = np.minimum(counts, 1)
    return distance, used, _spread(fabric, distance, used, counts), single


def _spread(fabric: Fabric, distance: NDArray[np.int16], used: IntArray, counts: IntArray) -> Floats:
    """Return (used,) the load of each channel, farthest first; `used` is sorted by the hops of its source."""
    amount = np.zeros(fabric.nodes)
    amount[: fabric.ranks] = distance[: fabric.ranks] > 0
    load = np.zeros(len(used))
    hops = distance[fabric.channel_src[used]]
    for step in range(int(hops.max(initial=0)), 0, -1):
        part = slice(*np.searchsorted(hops, [step, step + 1]))
        node = fabric.channel_src[used[part]]
        load[part] = amount[node] / counts[node]
        amount += np.bincount(fabric.channel_dst[used[part]], weights=load[part], minlength=fabric.nodes)
    return load


def by_classes(fabric: Fabric, symmetry: Symmetry) -> Pairs:
    """Return what all pairs say from one target of each class; channels of a class share their load evenly.

    Where a pair takes one of several shortest paths, the choice is by number and not symmetric: the rate is then
    that of a sample.
    """
    kinds = symmetry.channel_class
    members = np.bincount(kinds)
    capacity = np.bincount(kinds, fabric.bandwidth) / np.maximum(members, 1)
    load = np.zeros(len(members))
    alone = fabric.policy not in SINGLE_PATH

    def add(used: IntArray, part: Floats, size: int) -> None:
        load[:] += size * np.bincount(kinds[used], part, minlength=len(load))

    found, single = _gather(fabric, symmetry.targets, symmetry.sizes, add)
    rate = _least(capacity, load / np.maximum(members, 1))
    if alone or single:
        return Pairs(*found[:2], rate, found[2])
    guess = sampled(fabric)
    return Pairs(*found[:2], guess.rate, found[2], rate_sampled=guess.rate_sampled)


def sampled(fabric: Fabric) -> Pairs:
    """Return what pairs toward evenly spaced destinations say; the diameter is then the largest one seen."""
    count = max(1, min(_SAMPLE, fabric.ranks, _WORK // max(fabric.channels, 1)))
    targets = np.arange(count) * fabric.ranks // count
    load = np.zeros(fabric.channels)

    def add(used: IntArray, part: Floats, size: int) -> None:
        load[used] += size * part

    found, _ = _gather(fabric, targets, np.ones(count, np.int64), add)
    rate = _least(fabric.bandwidth, load * (fabric.ranks / count))
    return Pairs(*found[:2], rate, found[2], count, count)


def _gather(
    fabric: Fabric, targets: IntArray, sizes: IntArray, add: Callable[[IntArray, Floats, int], None]
) -> tuple[tuple[int, float, tuple[int, int] | None], bool]:
    """Return (longest, mean, separated) toward targets that stand for so many each, and if all paths are single."""
    longest, total, count, separated, single = 0, 0, 0, None, True
    for target, size in zip(targets.tolist(), sizes.tolist(), strict=True):
        distance, used, load, alone = toward(fabric, target)
        hops = distance[: fabric.ranks].astype(np.int64)
        if separated is None and hops.min() == UNREACHABLE:
            separated = (int(np.argmin(hops)), target)
        longest, single = max(longest, int(hops.max())), single and alone
        total += size * int(hops[hops > 0].sum())
        count += size * int((hops > 0).sum())
        add(used, load, size)
    return (longest, total / count if count else 0.0, separated), single
