"""A machine given as arrays of ends: the door to Fabric for what is no tree of levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError
from fabricsim.fabric import About, Device, Fabric, Link, NodeGroup

IntArray = NDArray[np.int64]
MAX_RANKS: Final = 2**24
MAX_LINKS: Final = 50_000_000
"""Links of one such machine; building them takes some 100 B each, 5 GB."""


@dataclass(frozen=True, eq=False)
class Strand:
    """Links of one class in one level: (links,) ends as node ids, `a` of each link and `b`."""

    level: str
    a: IntArray
    b: IntArray
    link: Link


@dataclass(frozen=True)
class Switches:
    """So many switches of one kind, in one level."""

    level: str
    count: int
    device: Device


@dataclass(frozen=True, eq=False)
class Network:
    """NPUs 0 … ranks−1, row-major over `shape`; then the switches, tier by tier; then who meets.

    tapers: down over up bandwidth of a tier's switches, by its level's name.
    """

    shape: tuple[int, ...]
    device: Device
    tiers: Sequence[Switches]
    strands: Sequence[Strand]
    policy: str = "minimal"
    tapers: Mapping[str, float] = field(default_factory=dict)

    def fabric(self, name: str) -> Fabric:
        """Return the fabric, nodes called npu0 …, sw0 …, links numbered strand by strand.

        Raises InputError, keyed `switch`, where a switch has fewer ports than links.
        """
        groups = self._groups()
        sizes = [len(strand.a) for strand in self.strands]
        levels = list(dict.fromkeys(strand.level for strand in self.strands))
        links = list(dict.fromkeys(strand.link for strand in self.strands))
        src = np.concatenate([strand.a for strand in self.strands])
        dst = np.concatenate([strand.b for strand in self.strands])
        _check_ports(groups, src, dst)
        return Fabric(
            name,
            groups,
            tuple(links),
            src,
            dst,
            np.repeat([links.index(strand.link) for strand in self.strands], sizes),
            np.repeat([levels.index(strand.level) for strand in self.strands], sizes),
            np.full(len(src), -1),
            tuple(levels),
            self.policy,
            about=About(tapers=self.tapers),
        )

    def _groups(self) -> tuple[NodeGroup, ...]:
        groups = [NodeGroup(0, self.shape, "npu{}", self.device, numbered_from=0)]
        first = ranks = math.prod(self.shape)
        for tier in self.tiers:
            groups.append(
                NodeGroup(first, (tier.count,), "sw{}", tier.device, tier.level, numbered_from=first - ranks)
            )
            first += tier.count
        return tuple(groups)


def _check_ports(groups: Sequence[NodeGroup], src: IntArray, dst: IntArray) -> None:
    nodes = groups[-1].first + groups[-1].count
    degree = np.bincount(src, minlength=nodes) + np.bincount(dst, minlength=nodes)
    for group in groups:
        most = int(degree[group.first : group.first + group.count].max())
        if group.device.ports is not None and most > group.device.ports:
            what = f"each switch needs {most} ports, {group.device.name} has {group.device.ports}"
            raise InputError([Fault(what, "use a switch with more ports", ("switch",))])


def check_size(ranks: int, links: int, key: str) -> None:
    """Raise InputError keyed `key` for a machine too large to build; called before its arrays are made."""
    for count, most, what in ((ranks, MAX_RANKS, "NPUs"), (links, MAX_LINKS, "links")):
        if count > most:
            raise InputError(
                [Fault(f"the machine has {count} {what}, more than {most}", "make it smaller", (key,))]
            )
