"""A fabric with the links of one class faster or slower: what is asked when numbers are uncertain, or may be bought."""

from __future__ import annotations

from dataclasses import replace

from fabricsim.fabric.fabric import Fabric


def rescaled(fabric: Fabric, link: str, *, bandwidth: float = 1.0, latency: float = 1.0) -> Fabric:
    """Return the fabric with the bandwidth and the latency of the links called `link` multiplied by factors."""
    links = tuple(
        replace(one, bandwidth=max(1, round(one.bandwidth * bandwidth)), latency=one.latency * latency)
        if one.name == link
        else one
        for one in fabric.links
    )
    return replace(fabric, links=links)
