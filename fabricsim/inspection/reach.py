"""How long a link of a medium may be, by the rate of a lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fabricsim.fabric import Fabric, Link
from fabricsim.topology.layout import lengths_of, places_of


@dataclass(frozen=True)
class Reach:
    """metres: how long a link of a medium may be whose lanes carry up to lane_rate [bit/s]."""

    medium: str
    lane_rate: float
    metres: float
    confidence: str
    source: str


REACHES: Final = (
    Reach("pcb", np.inf, 1.0, "assumed", "a board or backplane"),
    Reach("copper", 28e9, 5.0, "reported", "passive cables of 25 Gbit/s a lane are sold up to 3 to 5 m"),
    Reach("copper", 60e9, 3.0, "reported", "passive cables of 50 Gbit/s a lane"),
    Reach(
        "copper", 120e9, 2.0, "published", "IEEE 802.3ck: at least 2 m of passive cable at 100 Gbit/s a lane"
    ),
    Reach("copper", np.inf, 1.0, "assumed", "half of what 100 Gbit/s a lane allows"),
    Reach(
        "active-copper", np.inf, 7.0, "reported", "retimed cables of 112 Gbit/s a lane are sold for 2 to 7 m"
    ),
    Reach("optical", np.inf, 500.0, "published", "IEEE 802.3bs: 400GBASE-DR4 over 500 m"),
)
"""For each medium, slow lanes first. A record's own `reach` wins over these."""


def reach_of(link: Link) -> Reach | None:
    """Return how long a link may be; None where its medium is not stated.

    Where a record does not tell the rate of a lane, the longest reach of the medium holds.
    """
    if link.reach is not None:
        return Reach(link.medium or "", np.inf, link.reach, "stated", f"the record of {link.name}")
    rate = 8 * (link.raw or link.bandwidth) / link.lanes if link.lanes else 0.0
    return next((r for r in REACHES if r.medium == link.medium and rate <= r.lane_rate), None)


def too_long(fabric: Fabric) -> list[str]:
    """Return one sentence for each kind of link that is longer than its medium reaches; none without a layout."""
    layout = fabric.about.layout
    if layout is None:
        return []
    lengths = lengths_of(fabric, layout, places_of(fabric, layout))
    most = np.array([reach.metres if (reach := reach_of(link)) else np.inf for link in fabric.links])
    over = lengths > most[fabric.link_class] + 1e-9
    found = []
    for name in dict.fromkeys(link.name for link in fabric.links):
        own = np.array([link.name == name for link in fabric.links])
        long = over & own[fabric.link_class]
        reach = reach_of(next(link for link in fabric.links if link.name == name))
        if long.any() and reach is not None:
            found.append(
                f"reach: {int(long.sum())} links of {name} are up to {lengths[long].max():.4g} m long, {reach.medium} "
                f"reaches {reach.metres:g} m ({reach.confidence}: {reach.source})"
            )
    return found
