"""What looks wrong with a topology, one sentence each."""

from __future__ import annotations

import numpy as np

from fabricsim.fabric import Fabric
from fabricsim.inspection.pairs import Pairs


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
        # each (plane, NPU) once, whatever number of parallel links
        met = np.unique(plane.astype(np.int64) * fabric.ranks + ends[own]) // fabric.ranks
        names, counts = np.unique(met, return_counts=True)
        reach = dict(zip(names.tolist(), counts.tolist(), strict=True))
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
