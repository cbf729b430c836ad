"""What leaves NPUs, on three bases: raw (signalling), wire (after coding), payload (without headers).

A port leads out of a package; links between the dies of one package are told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Device, Fabric

IntArray = NDArray[np.int64]
NETWORKS: Final = ("scale-up", "scale-out")


def levels_of(fabric: Fabric, *networks: str) -> NDArray[np.bool_]:
    """Return (levels,) which levels belong to one of the networks: `package`, `scale-up`, `scale-out`."""
    return np.array([fabric.about.networks.get(name, "scale-up") in networks for name in fabric.levels])


def sums_of(rates: Sequence[int], fabric: Fabric, levels: NDArray[np.bool_]) -> IntArray:
    """Return (ranks,) the sum over each NPU's links of the rate of their class, in the levels chosen."""
    # exact, since sums stay below 2**53; nodes other than NPUs are summed too, which is cheaper than leaving them out
    weight = np.where(levels[fabric.level], np.asarray(rates, np.float64)[fabric.link_class], 0.0)
    return _at_ends(fabric, weight)[: fabric.ranks].astype(np.int64)


def degrees(fabric: Fabric, levels: NDArray[np.bool_]) -> IntArray:
    """Return (nodes,) how many links of the chosen levels each node has."""
    return _at_ends(fabric, None if levels.all() else levels[fabric.level].astype(np.float64)).astype(
        np.int64
    )


def _at_ends(fabric: Fabric, weight: NDArray[np.float64] | None) -> NDArray[np.float64] | IntArray:
    """Return (nodes,) the sum of the weights of the links of each node, 1 a link where there are none."""
    ends = (np.bincount(end, weight, fabric.nodes) for end in (fabric.src, fabric.dst))
    return sum(ends, np.zeros(fabric.nodes))


def class_used(fabric: Fabric, levels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (classes,) which classes of links occur in the chosen levels."""
    return np.bincount(fabric.link_class, levels[fabric.level], len(fabric.links)) > 0


def payload_share(fabric: Fabric) -> float:
    """Return what of the wire is payload where packets are full."""
    return fabric.model.mtu / fabric.model.wire(fabric.model.mtu)


def least_rates(fabric: Fabric, name: str, levels: NDArray[np.bool_]) -> dict[str, Any]:
    """Return the least sum [B/s] of any NPU's links in some levels, raw, on the wire and as payload.

    Raw is None where one of those links states only its data rate.
    """
    used = np.flatnonzero(class_used(fabric, levels)).tolist()
    raw = [link.raw or 0 for link in fabric.links]
    wire = int(sums_of([link.bandwidth for link in fabric.links], fabric, levels).min())
    return {
        f"{name}_raw_Bps": int(sums_of(raw, fabric, levels).min()) if all(raw[i] for i in used) else None,
        f"{name}_Bps": wire,
        f"{name}_payload_Bps": wire * payload_share(fabric),
    }


def port_figures(fabric: Fabric) -> dict[str, Any]:
    """Return what an NPU's ports add up to, what its record says, and what of them is not wired here.

    spare_Bps: what the record's sum leaves beside the wired ports, on the record's own basis.
    """
    device, outside = fabric.device(0), levels_of(fabric, *NETWORKS)
    inside = levels_of(fabric, "package")
    bandwidth = [link.bandwidth for link in fabric.links]
    used = int(degrees(fabric, np.ones(len(fabric.levels), np.bool_))[: fabric.ranks].max(initial=0))
    return {
        "vendor_port_sum_Bps": device.port_sum,
        **least_rates(fabric, "port_sum", outside),
        **least_rates(fabric, "scale_up_injection", levels_of(fabric, "scale-up")),
        **least_rates(fabric, "scale_out_injection", levels_of(fabric, "scale-out")),
        "package_Bps": int(sums_of(bandwidth, fabric, inside).min()) if inside.any() else None,
        "ports": device.ports,
        "ports_used": used,
        "spare_ports": max(0, device.ports - used) if device.ports is not None else None,
        "dual_use_ports": device.dual_use,
        "spare_Bps": _spare(fabric, device),
    }


def _spare(fabric: Fabric, device: Device) -> int | None:
    """Return what a device's own sum leaves over; None where nothing is known, or its sum is of something else."""
    if device.port_sum is None:
        return None
    levels = levels_of(fabric, "scale-up")
    rates = [link.raw or link.bandwidth for link in fabric.links]
    left = device.port_sum - int(sums_of(rates, fabric, levels).min())
    return left if left >= 0 else None


def tiers(fabric: Fabric) -> list[dict[str, Any]]:
    """Return the switched tiers, inner first: name, switches, and oversubscription toward the tier above."""
    found = []
    for group in fabric.groups:
        if group.device.kind in ("switch", "ocs"):
            taper = fabric.about.tapers.get(group.level)
            found.append(
                {"name": group.level or group.device.name, "count": group.count, "oversubscription": taper}
            )
    return found
