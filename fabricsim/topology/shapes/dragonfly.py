"""Dragonfly: groups of routers, full meshes inside and between (Kim et al., ISCA 2008)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fabricsim.topology.grammar import Count, LinkRef
from fabricsim.topology.network import Network, Strand, check_size
from fabricsim.topology.shapes.routers import routers
from fabricsim.topology.shapes.shape import LINK, Shape, Switched, link_of, refuse, switch_of

IntArray = NDArray[np.int64]


class Dragonfly(Switched):
    """The keys of a dragonfly."""

    a: Count = Field(description="routers in each group")
    p: Count = Field(description="NPUs of each router")
    h: Count = Field(description="links of each router to other groups")
    groups: Count | None = Field(
        None, description="how many groups; a·h + 1 if absent, the most there can be"
    )
    arrangement: Literal["palm-tree", "absolute"] = Field(
        "palm-tree", description="which router leads to which group"
    )
    far: LinkRef | None = Field(None, description=f"between groups; as `link` if absent. {LINK}")


def _dragonfly(part: Dragonfly) -> tuple[Network, str]:
    groups = _groups(part)
    count = part.a * groups
    check_size(count * part.p, count * (part.p + part.a // 2 + part.h), "groups")
    link, device = link_of(part.link), switch_of(part.switch)
    far = link if part.far is None else link_of(part.far, "far", name="far")
    strands = [Strand("group", *_local(part.a, groups), link), Strand("between", *_far(part, groups), far)]
    return routers(count, part.p, device, link, strands), f"a{part.a}p{part.p}h{part.h}g{groups}"


def _groups(part: Dragonfly) -> int:
    ports = part.a * part.h
    groups = part.groups or ports + 1
    if groups < 2 or ports % (groups - 1):
        fitting = [str(n + 1) for n in range(1, min(ports, 4096) + 1) if ports % n == 0]
        what = f"{groups} groups cannot share {ports} links of each evenly"
        raise refuse("groups", what, f"write one of {', '.join(fitting)}")
    return groups


def _local(a: int, groups: int) -> tuple[IntArray, IntArray]:
    low, high = np.triu_indices(a, 1)
    first = np.arange(groups)[:, None] * a
    return (first + low).reshape(-1), (first + high).reshape(-1)


def _far(part: Dragonfly, groups: int) -> tuple[IntArray, IntArray]:
    """Return the ends of the links between groups, each once.

    Port j = i·h + k of a group is the k-th of its i-th router. Palm tree: port j leads to the group j + 1 further
    on, whose port that comes back is the one of the rest of the way round. Absolute: port j leads to group j, or to
    j + 1 from group j on (Hastings et al., CLUSTER 2015; here the palm tree turns forward).
    With fewer groups than a·h + 1 each turn of groups − 1 ports goes round once more.
    """
    others = groups - 1
    port = np.tile(np.arange(part.a * part.h), groups)
    group = np.repeat(np.arange(groups), part.a * part.h)
    turn, place = port // others, port % others
    if part.arrangement == "palm-tree":
        to, back = (group + place + 1) % groups, others - 1 - place
    else:
        to = place + (place >= group)
        back = group - (group > to)
    once = group < to
    router = group * part.a + port // part.h
    peer = to * part.a + (turn * others + back) // part.h
    return router[once], peer[once]


DRAGONFLY = Shape("groups of a routers with p NPUs and h links to other groups each", Dragonfly, _dragonfly)
