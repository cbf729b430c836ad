"""HyperX: switches in a full mesh of any dimensions, each with NPUs (Ahn et al., SC 2009)."""

from __future__ import annotations

from pydantic import Field

from fabricsim.topology.grammar import Count
from fabricsim.topology.level import Level
from fabricsim.topology.shapes.shape import HOST, Composed, Shape, Sizes, Switched, link_of, switch_of


class HyperX(Switched):
    """The keys of a HyperX."""

    size: Sizes = Field(description="how many switches, a number or one for each dimension")
    hosts: Count = Field(description="how many NPUs each switch has")


def _hyperx(part: HyperX) -> tuple[Composed, str]:
    link = link_of(part.link)
    own = Level("router", "switched", part.hosts, link, switch=switch_of(part.switch))
    dims = [
        Level(f"dim{i}", "full-mesh", size, link, uplinks_of="router") for i, size in enumerate(part.size)
    ]
    return Composed([own, *dims], HOST), "x".join(map(str, (*part.size, part.hosts)))


HYPERX = Shape("switches with NPUs, joined that differ in one coordinate", HyperX, _hyperx)
