"""What leaves NPUs, tier by tier and cable by cable."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric

IntArray = NDArray[np.int64]


def port_sums(fabric: Fabric) -> IntArray:
    """Return (ranks,) [B/s] the sum of all channels that leave each NPU."""
    return sums_of([link.bandwidth for link in fabric.links], fabric, np.ones(len(fabric.levels), np.bool_))


def raw_port_sum(fabric: Fabric) -> int | None:
    """Return the least [B/s] sum of signalling rates of an NPU's channels; None where a link states no raw rate."""
    if any(link.raw is None for link in fabric.links):
        return None
    raw = [link.raw or 0 for link in fabric.links]
    return int(sums_of(raw, fabric, np.ones(len(fabric.levels), np.bool_)).min())


def sums_of(rates: list[int], fabric: Fabric, levels: NDArray[np.bool_]) -> IntArray:
    """Return (ranks,) the sum over each NPU's links of the rate of their class, in the levels chosen."""
    sums = np.zeros(fabric.ranks, np.int64)
    for index, rate in enumerate(rates):
        chosen = (fabric.link_class == index) & levels[fabric.level]
        for ends in (fabric.src, fabric.dst):
            mine = ends[chosen]
            sums += rate * np.bincount(mine[mine < fabric.ranks], minlength=fabric.ranks)
    return sums


def injection(fabric: Fabric, network: str) -> int:
    """Return the least [B/s] an NPU can send into the scale-up or the scale-out network, one direction."""
    mine = np.array([fabric.about.networks.get(name, "scale-up") == network for name in fabric.levels])
    return int(sums_of([link.bandwidth for link in fabric.links], fabric, mine).min())


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
