"""The parts that a user can name as failing, and which links each of them takes along.

Times are text such as '100 us', or seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.failures.selection import between, links_at, links_of_plane, selected
from fabricsim.schedule import IntArray
from fabricsim.topology.layout import risk_groups

LinkEnds = tuple[str, str] | tuple[str, str, int]
"""Two adjacent nodes by name: all parallel links between them, or with a number k the k-th one."""


@dataclass(frozen=True)
class Flap:
    """A part that fails again and again: `times` times, every `period`, for `down` each time."""

    period: str | float
    down: str | float
    times: int


@dataclass(frozen=True)
class LinkDegraded:
    """A link runs at `factor` of its bandwidth from `at` on, until `repair_after` later if that is given.

    link: its two ends, and a number for one of several parallels; or a selector such as 'any cabinet3 to pod plane 2'.
    """

    at: str | float
    link: LinkEnds | str
    factor: float
    repair_after: str | float | None = None
    flap: Flap | None = None

    def parts(self, fabric: Fabric) -> Iterator[tuple[IntArray, float]]:
        """Yield the links and the factor that is left of them. Raises InputError keyed below `link`."""
        yield _links(fabric, self.link), self.factor


@dataclass(frozen=True)
class LinkDown:
    """A link carries nothing from `at` on, until `repair_after` later if that is given; `link` as in LinkDegraded."""

    at: str | float
    link: LinkEnds | str
    repair_after: str | float | None = None
    flap: Flap | None = None

    @property
    def factor(self) -> float:
        """The share of its bandwidth that is left: none."""
        return 0.0

    def parts(self, fabric: Fabric) -> Iterator[tuple[IntArray, float]]:
        """Yield the links, with nothing left of them."""
        yield _links(fabric, self.link), 0.0


@dataclass(frozen=True)
class LaneDown:
    """Some lanes of a link fail: of L lanes, L − count carry on at the rate they had.

    lane: two adjacent nodes and how many lanes; all parallel links between the nodes lose as many.
    """

    at: str | float
    lane: tuple[str, str, int]
    repair_after: str | float | None = None
    flap: Flap | None = None

    def parts(self, fabric: Fabric) -> Iterator[tuple[IntArray, float]]:
        """Yield the links and the share of lanes left, by class. Raises InputError keyed below `lane`."""
        faults = FaultList()
        with faults.at("lane"):
            links = between(fabric, self.lane[0], self.lane[1])
            shares = [(cls, self._left(fabric, int(cls))) for cls in np.unique(fabric.link_class[links])]
        faults.raise_if_any()
        for cls, share in shares:
            yield links[fabric.link_class[links] == cls], share

    def _left(self, fabric: Fabric, cls: int) -> float:
        lanes, count = fabric.links[cls].lanes, self.lane[2]
        if lanes is None:
            what = f"{fabric.links[cls].name} does not say how many lanes it has"
            raise InputError(what, "state lanes in its record, or degrade the link by a factor")
        if not 1 <= count < lanes:
            what = f"{count} of {lanes} lanes cannot fail here"
            raise InputError([Fault(what, f"write 1 to {lanes - 1}; all of them are the link", (2,))])
        return (lanes - count) / lanes


@dataclass(frozen=True)
class NodeDown:
    """A node fails, or all nodes below a path such as a board or a rack: its links run at `factor`, 0 if down."""

    at: str | float
    node: str
    factor: float = 0.0
    repair_after: str | float | None = None
    flap: Flap | None = None

    def parts(self, fabric: Fabric) -> Iterator[tuple[IntArray, float]]:
        """Yield the links that have an end there. Raises InputError keyed `node`."""
        faults = FaultList()
        with faults.at("node"):
            links = links_at(fabric, self.node)
        faults.raise_if_any()
        yield links, self.factor


@dataclass(frozen=True)
class PlaneDown:
    """A plane or rail fails: every link of that number runs at `factor`, in all levels or in one."""

    at: str | float
    plane: int
    level: str | None = None
    factor: float = 0.0
    repair_after: str | float | None = None
    flap: Flap | None = None

    def parts(self, fabric: Fabric) -> Iterator[tuple[IntArray, float]]:
        """Yield the plane's links. Raises InputError keyed `plane` or `level`."""
        yield links_of_plane(fabric, self.plane, self.level), self.factor


@dataclass(frozen=True)
class GroupDown:
    """A group of common risk fails: the bundle of cables between two racks, named `cabinet0 - cabinet3`."""

    at: str | float
    group: str
    factor: float = 0.0
    repair_after: str | float | None = None
    flap: Flap | None = None

    def parts(self, fabric: Fabric) -> Iterator[tuple[IntArray, float]]:
        """Yield the group's links. Raises InputError keyed `group`, also where the machine has no layout."""
        groups = risk_groups(fabric)
        if not groups:
            what = f"{fabric.name} has no groups of common risk"
            raise InputError([Fault(what, "give its file a layout", ("group",))])
        if self.group not in groups:
            what = f"{self.group!r} is not a group of {fabric.name}"
            raise InputError([Fault(what, close_match(self.group, groups), ("group",))])
        yield groups[self.group], self.factor


Failure = LinkDegraded | LinkDown | LaneDown | NodeDown | PlaneDown | GroupDown


def _links(fabric: Fabric, ends: LinkEnds | str) -> IntArray:
    faults = FaultList()
    with faults.at("link"):
        if isinstance(ends, str):
            return selected(fabric, ends)
        if len(ends) not in (2, 3):
            raise InputError(
                f"{ends!r} does not name a link", "name two adjacent nodes, and a number for one of several"
            )
        found = between(fabric, ends[0], ends[1])
        return found if len(ends) == 2 else found[[_parallel(len(found), ends)]]
    raise InputError(faults.faults)


def _parallel(count: int, ends: tuple[str, str, int]) -> int:
    if not 0 <= ends[2] < count:
        what = f"there is no link {ends[2]} between {ends[0]} and {ends[1]}"
        raise InputError(what, f"they are joined by {count}, numbered from 0")
    return ends[2]
