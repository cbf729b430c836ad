"""What a topology is, in numbers that can be compared: counts, hops, cuts, injection, bounds, findings.

No single "aggregate bandwidth": the vendor's own wording, the sum of ports, injection, bisection and the
all-to-all bound are different things and are told apart.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing import UNREACHABLE, next_hops

IntArray = NDArray[np.int64]
MAX_EXACT_RANKS: Final = 2048
"""Up to here hops and bounds look at every pair of NPUs; all-pairs work beyond is not for a quick look."""
_CHUNK_RANKS: Final = 128


@dataclass(frozen=True)
class Pairs:
    """What all pairs of NPUs say together: hops, and the load of uniform all-to-all on each channel."""

    diameter: int
    mean: float
    load: NDArray[np.float64]
    separated: tuple[int, int] | None


def inspect(fabric: Fabric) -> dict[str, Any]:
    """Return the figures of a topology under the names that `fabricsim inspect --json` prints.

    Rates are B/s, per direction and per NPU where the name says injection or bound. Raises InputError above
    MAX_EXACT_RANKS NPUs.
    """
    if fabric.ranks > MAX_EXACT_RANKS:
        raise InputError(
            f"{fabric.name} has {fabric.ranks} NPUs", f"up to {MAX_EXACT_RANKS} are inspected, pair by pair"
        )
    pairs = all_pairs(fabric)
    ports = port_sums(fabric)
    cut, exact = bisection(fabric, pairs)
    up = injection(fabric, "scale-up")
    out = injection(fabric, "scale-out")
    known = pairs.separated is None and fabric.ranks > 1
    figures: dict[str, Any] = {
        "name": fabric.name,
        "title": fabric.about.title,
        "npus": fabric.ranks,
        "switches": fabric.switches,
        "channels": fabric.channels,
        "links": fabric.link_count,
        "diameter_hops": pairs.diameter if known else None,
        "mean_hops": pairs.mean if known else None,
        "vendor_sum": fabric.about.vendor_sum or None,
        "port_sum_Bps": int(ports.min()),
        "scale_up_injection_Bps": up,
        "scale_out_injection_Bps": out,
        "bisection_Bps": cut if known else None,
        "bisection_exact": exact and known,
        "all_to_all_bound_Bps": all_to_all_bound(fabric, pairs) if known else None,
        "default_routing": fabric.policy,
        "tiers": tiers(fabric),
        "cables": cables(fabric),
        "lint": lint(fabric, pairs),
        "evidence": dict(Counter(entry.confidence for entry in fabric.about.evidence)),
    }
    return figures


# -- pairs of NPUs -----------------------------------------------------------------------------------------


def all_pairs(fabric: Fabric) -> Pairs:
    """Return hops over all pairs, and the load that one unit from each NPU to each other puts on each channel.

    Load is split equally over the next hops of the default policy: all candidates, or the first for `minimal`.
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
    return Pairs(longest, total / count if count else 0.0, load, separated)


def _uniform_load(fabric: Fabric, hops: Any) -> NDArray[np.float64]:
    """Return (channels,) load of one unit from every NPU to each of the targets, split over the next hops."""
    nodes = fabric.nodes
    amount = np.zeros(hops.distance.shape)
    amount[:, : fabric.ranks] = 1.0
    amount[hops.distance <= 0] = 0.0
    flat = amount.reshape(-1)
    load = np.zeros(fabric.channels)
    starts, counts = hops.starts.reshape(-1), hops.counts.reshape(-1)
    if fabric.policy == "minimal":
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


def all_to_all_bound(fabric: Fabric, pairs: Pairs) -> float:
    """Return the payload rate [B/s] at which every NPU can send to all others evenly, its own share excluded.

    The channel with the highest load over capacity binds. Payload is mtu over wire bytes of a full packet.
    """
    used = pairs.load > 0
    share = fabric.model.mtu / fabric.model.wire(fabric.model.mtu)
    return float((fabric.ranks - 1) * np.min(fabric.bandwidth[used] / pairs.load[used]) * share)


# -- cuts --------------------------------------------------------------------------------------------------


def bisection(fabric: Fabric, pairs: Pairs) -> tuple[int, bool]:
    """Return the smallest capacity [B/s, one direction] between two halves of the NPUs, and whether that is proven.

    Halves are cut along each coordinate of the machine; switches fall on whichever side makes the cut smaller
    (a minimum cut), so the figure is never below the true bisection. It is proven where a lower bound meets it:
    if uniform all-to-all carries λ for each of N NPUs, any halving is crossed by λ·N²/(4(N−1)); and where NPUs
    meet in one tree of switched tiers, no halving is cheaper an NPU than injection over the product of tapers.
    """
    if fabric.ranks < 2:
        return 0, False
    cut = min(_cut(fabric, half) for half in _halves(fabric))
    half, ranks = fabric.ranks // 2, fabric.ranks
    rate = all_to_all_bound(fabric, pairs) * fabric.model.wire(fabric.model.mtu) / fabric.model.mtu
    least = max(rate * half * (ranks - half) / (ranks - 1), half * _tree_rate(fabric))
    return cut, bool(cut <= least * (1 + 1e-9))


def _tree_rate(fabric: Fabric) -> float:
    """Return what an NPU can at least send across any halving through a tree of switched tiers, 0 if there is none.

    With d ports down and d/t up, putting a of a switch's d NPUs on one side costs min(a, d − a + d/t) channels, so
    never less than 1/t an NPU; by induction the tapers of the tiers multiply.
    """
    linked = [info for info in fabric.about.levels if info.links]
    bottom = [info for info in linked if info.planes and not info.attached]
    top = [info for info in linked if info.attached]
    if len(bottom) != 1 or not all(info.planes for info in top):
        return 0.0
    own = np.repeat(fabric.level == fabric.levels.index(bottom[0].name), 2) & (
        fabric.channel_src < fabric.ranks
    )
    sums = np.bincount(fabric.channel_src[own], weights=fabric.bandwidth[own], minlength=fabric.ranks)
    taper = math.prod(max(1.0, value) for value in fabric.about.tapers.values())
    return float(sums.min()) / taper


def _halves(fabric: Fabric) -> list[NDArray[np.bool_]]:
    """Return (ranks,) masks of one half of the NPUs, one per coordinate of the first NPU group."""
    shape = fabric.groups[0].shape
    ranks = fabric.ranks
    if fabric.groups[0].count != ranks:
        shape = (ranks,)
    coordinates = np.unravel_index(np.arange(ranks), shape)
    halves = []
    for coordinate in coordinates:
        order = np.argsort(coordinate, kind="stable")
        mask = np.zeros(ranks, np.bool_)
        mask[order[: ranks // 2]] = True
        halves.append(mask)
    return halves


def _cut(fabric: Fabric, half: NDArray[np.bool_]) -> int:
    """Return the minimum cut [B/s] from one half of the NPUs to the other: each half is one node."""
    label = np.arange(fabric.nodes)
    label[: fabric.ranks] = np.where(half, -1, -2)
    a, b = label[fabric.channel_src], label[fabric.channel_dst]
    different = a != b
    pairs, index = np.unique(np.stack([a[different], b[different]], axis=1), axis=0, return_inverse=True)
    capacity = np.zeros(len(pairs), np.int64)
    np.add.at(capacity, index.reshape(-1), fabric.bandwidth[different])
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from((-1, -2))
    for (x, y), value in zip(pairs.tolist(), capacity.tolist(), strict=True):
        graph.add_edge(x, y, capacity=value)
    return int(nx.maximum_flow_value(graph, -1, -2, flow_func=nx.algorithms.flow.dinitz))


# -- ports, tiers, cables -----------------------------------------------------------------------------------


def port_sums(fabric: Fabric) -> IntArray:
    """Return (ranks,) [B/s] the sum of all channels that leave each NPU."""
    sums = np.zeros(fabric.nodes, np.int64)
    np.add.at(sums, fabric.channel_src, fabric.bandwidth)
    return sums[: fabric.ranks]


def injection(fabric: Fabric, network: str) -> int:
    """Return the least [B/s] an NPU can send into the scale-up or the scale-out network, one direction."""
    mine = np.array([fabric.about.networks.get(name, "scale-up") == network for name in fabric.levels])
    chosen = mine[np.repeat(fabric.level, 2)]
    sums = np.zeros(fabric.nodes, np.int64)
    np.add.at(sums, fabric.channel_src[chosen], fabric.bandwidth[chosen])
    return int(sums[: fabric.ranks].min())


def tiers(fabric: Fabric) -> list[dict[str, Any]]:
    """Return the switched tiers, inner first: name, switches, and oversubscription toward the tier above."""
    found = []
    for group in fabric.groups:
        if group.device.kind == "switch":
            taper = fabric.about.tapers.get(group.level)
            found.append(
                {"name": group.level or group.device.name, "count": group.count, "oversubscription": taper}
            )
    return found


def cables(fabric: Fabric) -> dict[str, int]:
    """Return the number of links of each medium; links that state none count as `unstated`."""
    counts: Counter[str] = Counter()
    for index, cls in enumerate(fabric.links):
        counts[cls.medium or "unstated"] += int(np.sum(fabric.link_class == index))
    return {medium: count for medium, count in sorted(counts.items()) if count}


# -- findings ------------------------------------------------------------------------------------------------


def lint(fabric: Fabric, pairs: Pairs) -> list[str]:
    """Return what looks wrong with a topology, one sentence each; empty for a clean one."""
    return [*_radix(fabric), *_separated(fabric, pairs), *_planes(fabric), *_published(fabric)]


def _radix(fabric: Fabric) -> list[str]:
    degree = np.bincount(np.concatenate([fabric.src, fabric.dst]), minlength=fabric.nodes)
    found = []
    for group in fabric.groups:
        used = degree[group.first : group.first + group.count]
        if group.device.ports is not None and used.max() > group.device.ports:
            worst = fabric.node_name(group.first + int(used.argmax()))
            found.append(
                f"radix: {worst} has {used.max()} links, {group.device.name} has {group.device.ports} ports"
            )
    return found


def _separated(fabric: Fabric, pairs: Pairs) -> list[str]:
    if pairs.separated is None:
        return []
    a, b = (fabric.node_name(rank) for rank in pairs.separated)
    return [f"disconnected: no path leads from {a} to {b}"]


def _planes(fabric: Fabric) -> list[str]:
    """Find levels in which one plane reaches fewer NPUs than another."""
    found = []
    ends = np.concatenate([fabric.src, fabric.dst])
    for index, name in enumerate(fabric.levels):
        own = np.tile((fabric.level == index) & (fabric.plane >= 0), 2) & (ends < fabric.ranks)
        plane = np.tile(fabric.plane, 2)[own]
        if not len(plane):
            continue
        reach: Mapping[int, int] = {int(p): len(np.unique(ends[own][plane == p])) for p in np.unique(plane)}
        if len(set(reach.values())) > 1:
            low = min(reach, key=lambda p: reach[p])
            found.append(
                f"unequal planes: plane {low} of {name} reaches {reach[low]} NPUs, others {max(reach.values())}"
            )
    return found


def _published(fabric: Fabric) -> list[str]:
    """Compare with the counts the topology file says were published."""
    built = {"npus": fabric.ranks, "switches": fabric.switches, "links": fabric.link_count}
    for group in fabric.groups:
        if group.device.kind == "switch" and group.level:
            built[f"{group.level}.switches"] = built.get(f"{group.level}.switches", 0) + group.count
    return [
        f"counts: {key} is {built[key]}, published are {value}"
        for key, value in fabric.about.counts.items()
        if key in built and built[key] != value
    ]
