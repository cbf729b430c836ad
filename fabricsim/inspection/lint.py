"""What looks wrong with a topology, one sentence each. A check is a function from a fabric to its findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric, IntArray, LevelInfo, NodeGroup
from fabricsim.inspection.pairs import Pairs
from fabricsim.inspection.ports import degrees, levels_of, sums_of
from fabricsim.inspection.reach import too_long
from fabricsim.units import format_bandwidth

Bools = NDArray[np.bool_]


def lint(fabric: Fabric, pairs: Pairs) -> list[str]:
    """Return what looks wrong with a topology, one sentence each; empty for a clean one."""
    return [*_separated(fabric, pairs), *(finding for check in CHECKS for finding in check(fabric))]


def _separated(fabric: Fabric, pairs: Pairs) -> list[str]:
    if pairs.separated is None:
        return []
    a, b = (fabric.node_name(rank) for rank in pairs.separated)
    return [f"disconnected: no path leads from {a} to {b}"]


def _radix(fabric: Fabric) -> list[str]:
    used = degrees(fabric, np.ones(len(fabric.levels), np.bool_))
    found = []
    for group in fabric.groups:
        own, ports = used[group.first : group.first + group.count], group.device.ports
        if ports is not None and own.max() > ports:
            worst = fabric.node_name(group.first + int(own.argmax()))
            found.append(f"radix: {worst} has {own.max()} links, {group.device.name} has {ports} ports")
    return found


def _duplicate_names(fabric: Fabric) -> list[str]:
    """Find groups of nodes that share a name pattern, and single names given twice."""
    seen: dict[str, NodeGroup] = {}
    found = []
    for group in fabric.groups:
        for name in group.names or (group.pattern,):
            if name in seen and (group.numbered_from is None or group.names):
                both = f"{seen[name].level or seen[name].device.name} and {group.level or group.device.name}"
                found.append(f"duplicate names: {name} names nodes of {both}")
            seen[name] = group
    return found


# -- planes and tiers ------------------------------------------------------------------------------------------


def _planes(fabric: Fabric) -> list[str]:
    """Find planes that do not reach every NPU, and planes that carry less than others toward a tier above."""
    found = []
    for index, info in enumerate(fabric.about.levels):
        if info.planes < 2:
            continue
        own = (fabric.level == index) & (fabric.plane >= 0)
        if info.attached and own.any():
            found += _unequal(info, fabric.plane[own], _rates(fabric)[fabric.link_class[own]])
        elif info.rule == "switched" and not info.attached:
            found += _not_whole(fabric, info, own)
    return found


def _not_whole(fabric: Fabric, info: LevelInfo, own: Bools) -> list[str]:
    met = np.zeros((info.planes, fabric.nodes), np.bool_)
    for ends in (fabric.src, fabric.dst):
        met[fabric.plane[own], ends[own]] = True
    reach = met[:, : fabric.ranks].sum(axis=1)
    return [
        f"plane: plane {plane} of {info.name} reaches {count} of {fabric.ranks} NPUs"
        for plane, count in enumerate(reach.tolist())
        if count < fabric.ranks
    ]


def _unequal(info: LevelInfo, plane: IntArray, rate: NDArray[np.float64]) -> list[str]:
    carried = np.bincount(plane, rate)
    low, high = float(carried.min()), float(carried.max())
    if low == high:
        return []
    return [
        f"unequal planes: plane {carried.argmin()} of {info.name} carries {low / high:.0%} of what others do"
    ]


def _oversubscription(fabric: Fabric) -> list[str]:
    """Find tiers whose switches have more below than above, other than their file states."""
    return [
        f"oversubscription: {info.name} is {info.taper:.4g} : 1, its file states a taper of {info.stated_taper:.4g}"
        for info in fabric.about.levels
        if info.taper is not None and not np.isclose(info.taper, info.stated_taper, rtol=1e-3)
    ]


def _unbalanced(fabric: Fabric) -> list[str]:
    """Find switches that do not get equal shares of all nodes below them, so that equal splitting overloads some.

    With k(u, s) links between node u and switch s of one tier, u sends k(u, s)/K(u) of its traffic by way of s, and
    the node at the other end receives by the same share only if it is equal for all u that share s.
    """
    found = []
    for group in fabric.groups:
        if group.device.kind != "switch":
            continue
        last = group.first + group.count
        up = (fabric.dst >= group.first) & (fabric.dst < last) & (fabric.src < group.first)
        if up.any():
            found += _shares(fabric, group, up)
    return found


def _shares(fabric: Fabric, group: NodeGroup, up: Bools) -> list[str]:
    below, switch = fabric.src[up], fabric.dst[up] - group.first
    rate = _rates(fabric)[fabric.link_class[up]]
    pair, index = np.unique(below * group.count + switch, return_inverse=True)
    links = np.bincount(index.reshape(-1))
    node, at = pair // group.count, pair % group.count
    count, carried = np.bincount(node, links), np.bincount(node, np.bincount(index.reshape(-1), rate))
    share = links / count[node]
    even = np.bincount(index.reshape(-1), rate) / carried[node]
    low, high = np.full(group.count, np.inf), np.zeros(group.count)
    np.minimum.at(low, at, share)
    np.maximum.at(high, at, share)
    found = []
    worst = int((high - np.where(np.isfinite(low), low, high)).argmax())
    if np.isfinite(low[worst]) and high[worst] > low[worst] * (1 + 1e-9):
        name = fabric.node_name(group.first + worst)
        found.append(
            f"unbalanced ECMP: {name} takes {low[worst]:.0%} of the links of some nodes below it, "
            f"{high[worst]:.0%} of others"
        )
    if not np.allclose(share, even, rtol=1e-9):
        name = fabric.node_name(int(node[np.abs(share - even).argmax()]))
        found.append(f"unbalanced ECMP: the links of {name} into one tier have unequal rates")
    return found


def _rates(fabric: Fabric) -> NDArray[np.float64]:
    return np.array([link.bandwidth for link in fabric.links], np.float64)


# -- against what is said elsewhere ----------------------------------------------------------------------------

_FACTORS: Final = {
    2: "both directions are added up",
    8: "bits are taken for bytes",
    16: "bits are taken for bytes, and both directions added up",
    1000: "a prefix is off by one",
}
"""How a rate goes wrong, and by how much."""


def _units(fabric: Fabric) -> list[str]:
    """Compare what an NPU's scale-up ports add up to with the sum its device record states.

    More than stated is wrong by itself. Less is right where ports are left free, so of p ports of which u are used
    u/p is expected, and only a factor of a wrong unit is told. Raw and data rates differ by some per cent, units by
    2 and more. Nothing is said where either sum is unknown.
    """
    device, levels = fabric.device(0), levels_of(fabric, "scale-up")
    total = int(sums_of([link.raw or link.bandwidth for link in fabric.links], fabric, levels).max(initial=0))
    if not device.port_sum or not total:
        return []
    used = int(degrees(fabric, levels)[: fabric.ranks].max())
    expected = device.port_sum * min(1.0, used / device.ports if device.ports else 1.0)
    over, under = total / device.port_sum, expected / total
    stated = f"{device.name} states {format_bandwidth(device.port_sum)}"
    said = f"units: the ports of an NPU add up to {format_bandwidth(total)}, {stated}"
    for factor, why in _FACTORS.items():
        if abs(max(over, under) / factor - 1) < 0.1:
            return [f"{said}, a factor of {factor}: {why}?"]
    return [f"{said} at most"] if over > 1.02 else []


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


CHECKS: Final[tuple[Callable[[Fabric], list[str]], ...]] = (
    _radix,
    _duplicate_names,
    _planes,
    _oversubscription,
    _unbalanced,
    _units,
    too_long,
    _published,
)
"""What is checked, in the order of findings, after whether everyone is reached at all."""
