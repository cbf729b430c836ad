"""A network of routers that are all alike, each with the same number of NPUs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fabricsim.fabric import Device, Link
from fabricsim.topology.network import Network, Strand, Switches
from fabricsim.topology.shapes.shape import HOST


def routers(count: int, hosts: int, device: Device, link: Link, strands: Sequence[Strand]) -> Network:
    """Return `count` routers with `hosts` NPUs each; the ends of `strands` are numbers of routers."""
    ranks = np.arange(count * hosts)
    own = Strand("router", ranks, len(ranks) + ranks // hosts, link)
    moved = [
        Strand(strand.level, strand.a + len(ranks), strand.b + len(ranks), strand.link) for strand in strands
    ]
    return Network((count, hosts), HOST, [Switches("router", count, device)], [own, *moved])
