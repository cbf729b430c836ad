"""What a level has beside its members and their switches: attached nodes, and circuits through circuit switches.

An attachment hangs so many nodes of its own (CPUs, NICs, spare NPUs) on every switch of each copy of the level. A
circuit is a link that runs through a node of kind `ocs`: one such node stands for one connection of a circuit switch,
so that nothing leaves it but by the other end, and to make another circuit takes the switch's reconfiguration time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fabricsim.fabric import Device, IntArray, Link
from fabricsim.topology.level import Attachment, Level, size
from fabricsim.topology.wiring import Tier, Wiring, fault, limit


@dataclass(frozen=True, eq=False)
class Annex:
    """Nodes `first` …, so many a copy of level `index`, and their links: (links,) ends and planes.

    of: the attachment; None for circuits, whose links take the place of those of the level.
    """

    index: int
    first: int
    each: int
    device: Device
    link: Link
    src: IntArray
    dst: IntArray
    plane: IntArray
    of: Attachment | None = None


def annexes(
    levels: Sequence[Level], wirings: Sequence[Wiring], tiers: Mapping[str, Tier], first: int
) -> list[Annex]:
    """Return the annexes of all levels, inner first, their nodes numbered from `first` on.

    Raises InputError, keyed from the list of levels, for an attachment to a level without switches.
    """
    found: list[Annex] = []
    for index, level in enumerate(levels):
        if level.through is not None:
            found.append(_circuits(levels, index, wirings[index], first))
            first += len(wirings[index].src)
        for attachment in level.attach:
            if level.name not in tiers:
                raise fault(
                    index, "attach", f"{level.name} has no switches", "attach to a level that brings them"
                )
            found.append(_attached(levels, tiers[level.name], attachment, first))
            first += attachment.count * size(levels[index + 1 :])
    return found


def _circuits(levels: Sequence[Level], index: int, wiring: Wiring, first: int) -> Annex:
    """Return the two halves of each link of a level, one after the other, with the circuit between them."""
    level, links = levels[index], len(wiring.src)
    assert level.through is not None
    assert level.link is not None
    middle = first + np.arange(links)
    src = np.stack([wiring.src, middle], axis=1).reshape(-1)
    dst = np.stack([middle, wiring.dst], axis=1).reshape(-1)
    each = links // size(levels[index + 1 :])
    return Annex(index, first, each, level.through, level.link, src, dst, np.repeat(wiring.plane, 2))


def _attached(levels: Sequence[Level], tier: Tier, attachment: Attachment, first: int) -> Annex:
    """Return every attached node's links to each switch of its copy."""
    copies, own = size(levels[tier.index + 1 :]), tier.per_copy
    limit(tier.index, copies * attachment.count * own * attachment.links)
    copy = np.arange(copies)[:, None, None, None]
    node = np.arange(attachment.count)[:, None, None]
    switch = np.arange(own)[:, None]
    shape = (copies, attachment.count, own, attachment.links)
    src = np.broadcast_to(first + copy * attachment.count + node, shape).reshape(-1)
    dst = np.broadcast_to(tier.first + copy * own + switch, shape).reshape(-1)
    plane = np.broadcast_to(np.repeat(tier.plane_of, tier.switches)[:, None], shape).reshape(-1)
    return Annex(
        tier.index, first, attachment.count, attachment.device, attachment.link, src, dst, plane, attachment
    )
