"""From `layout:` to places, cable lengths, bundles, and latency by length.

Racks stand in rows, filled one after the other; trays are counted from the floor. A cable between two racks runs up
to the way above them, along it at right angles, and down again; within a rack it runs straight up or down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric, IntArray, LevelInfo, NodeGroup
from fabricsim.fabric.layout import Layout, Stand
from fabricsim.topology.expressions import Expression
from fabricsim.topology.grammar import LayoutPart, StandPart
from fabricsim.topology.parameters import Parameters

Floats = NDArray[np.float64]
MAX_LENGTHS: Final = 4096
"""Different lengths that one class of links may have where its latency depends on them."""


def layout_of(part: LayoutPart, parameters: Parameters) -> Layout:
    """Return a file's layout with its parameters set. Raises InputError keyed below `layout`."""
    faults = FaultList()
    found: dict[str, float] = {}
    for key in _LENGTHS:
        if getattr(part, key) is not None:
            with faults.at(key):
                found[key] = parameters.quantity(getattr(part, key), "length")
    per_rack = _count(part.per_rack, parameters, faults, "per_rack") or 1
    rows = _count(part.rows, parameters, faults, "rows") or 1
    stands = tuple(_stand(level, stand, parameters, faults) for level, stand in part.switches.items())
    faults.raise_if_any()
    return Layout(part.rack, part.tray or part.rack, per_rack, rows=rows, stands=stands, **found)


_LENGTHS: Final = ("tray_height", "height", "pitch", "row_pitch", "inside_tray", "slack", "step")


def _stand(level: str, part: StandPart, parameters: Parameters, faults: FaultList) -> Stand:
    per_tray = _count(part.per_tray, parameters, faults, "switches", level, "per_tray") or 1
    per_rack = _count(part.per_rack, parameters, faults, "switches", level, "per_rack")
    return Stand(level, per_tray, per_rack, part.place)


def _count(stated: Expression | None, parameters: Parameters, faults: FaultList, *key: str) -> int | None:
    """Return a number of things, 1 or more; None where it is not stated, or wrong, which is recorded."""
    if stated is not None:
        with faults.at(*key):
            return stated.whole(parameters.numbers)
    return None


@dataclass(frozen=True, eq=False)
class Places:
    """Where nodes stand: (nodes,) rack and tray, counted in the rack from the floor; (racks,) names and x, y [m]."""

    rack: IntArray
    tray: IntArray
    names: tuple[str, ...]
    x: Floats
    y: Floats


def places_of(fabric: Fabric, layout: Layout) -> Places:
    """Return where every node stands. Raises InputError, keyed below `layout`, for what cannot stand there."""
    hall = _Hall(layout, _Levels.of(fabric, layout))
    rack, tray = np.zeros(fabric.nodes, np.int64), np.zeros(fabric.nodes, np.int64)
    for group in fabric.groups:
        part = slice(group.first, group.first + group.count)
        # what is left out keeps its place empty
        kept = np.delete(np.arange(group.count + len(group.missing)), group.missing)
        racks, trays = hall.put(group)
        rack[part], tray[part] = racks[kept], trays[kept]
    _check_height(layout, tray)
    x, y = _floor(layout, np.concatenate(hall.order))
    return Places(rack, tray, tuple(hall.names), x, y)


class _Hall:
    """Racks while groups are put into them: their names, their order on the floor, and the next free tray."""

    def __init__(self, layout: Layout, levels: _Levels) -> None:
        self.layout, self.levels = layout, levels
        racks = -(-levels.rack.copies // layout.per_rack)
        name = layout.rack if layout.per_rack == 1 else "rack"
        self.names = [f"{name}{index}" for index in range(racks)]
        self.order = [(np.arange(racks) + 0.5) / racks]
        self.trays = layout.per_rack * levels.trays_of_rack
        self.next_tray = self.trays

    def put(self, group: NodeGroup) -> tuple[IntArray, IntArray]:
        """Return rack and tray of each place of a group, those included that no node takes."""
        place, stand = np.arange(group.count + len(group.missing)), self.levels.stand(group)
        if self.levels.inside_tray(group):
            copy = place * self.levels.tray.copies // len(place)
            return copy // self.trays, copy % self.trays
        if stand.per_rack is not None:
            return self._in_own_racks(group.level, place, stand)
        if self.levels.info(group).copies >= self.levels.rack.copies:
            return self._above_trays(place, stand)
        what = f"where the switches of {group.level!r} stand is not stated"
        right = "write how many share a rack: {per_rack: 8}"
        raise InputError([Fault(what, right, ("switches", group.level))])

    def _in_own_racks(self, level: str, place: IntArray, stand: Stand) -> tuple[IntArray, IntArray]:
        assert stand.per_rack is not None
        first, racks = len(self.names), -(-len(place) // stand.per_rack)
        self.names += [f"{level}-rack{index}" for index in range(racks)]
        self.order.append(_order(stand.place, racks))
        return first + place // stand.per_rack, place % stand.per_rack // stand.per_tray

    def _above_trays(self, place: IntArray, stand: Stand) -> tuple[IntArray, IntArray]:
        copies, per_rack = self.levels.rack.copies, self.layout.per_rack
        each, first = -(-len(place) * per_rack // copies), self.next_tray
        self.next_tray += -(-each // stand.per_tray)
        return place * copies // len(place) // per_rack, first + place % each // stand.per_tray


@dataclass(frozen=True, eq=False)
class _Levels:
    """The levels of a machine, those of racks and trays, and where the switches of others stand."""

    infos: tuple[LevelInfo, ...]
    rack: LevelInfo
    tray: LevelInfo
    stands: tuple[Stand, ...]

    @staticmethod
    def of(fabric: Fabric, layout: Layout) -> _Levels:
        infos = {info.name: info for info in fabric.about.levels if not info.beside}
        for key, name in (("rack", layout.rack), ("tray", layout.tray)):
            if name not in infos:
                what = f"{name!r} is not a level with members of its own"
                raise InputError([Fault(what, close_match(name, infos), (key,))])
        rack, tray = infos[layout.rack], infos[layout.tray]
        if tray.copies % rack.copies:
            raise InputError(
                [Fault(f"{layout.tray!r} is not inside {layout.rack!r}", "name an inner level", ("tray",))]
            )
        levels = _Levels(fabric.about.levels, rack, tray, layout.stands)
        known = [info.name for info in fabric.about.levels] + [g.level for g in fabric.groups if g.level]
        for stand in layout.stands:
            if stand.level not in known:  # a level that has no switches in this variant may have a stand
                what = f"{stand.level!r} is not a level"
                raise InputError([Fault(what, close_match(stand.level, known), ("switches", stand.level))])
        return levels

    @property
    def trays_of_rack(self) -> int:
        """Trays of the members in each copy of the rack's level."""
        return self.tray.copies // self.rack.copies

    def info(self, group: NodeGroup) -> LevelInfo:
        """Return the level that a group belongs to; NPUs belong to the innermost."""
        return next((i for i in self.infos if i.name == group.level.split(".")[0]), self.infos[0])

    def inside_tray(self, group: NodeGroup) -> bool:
        """Return whether each node of a group is part of one tray."""
        return not group.level or self.info(group).copies >= self.tray.copies

    def stand(self, group: NodeGroup) -> Stand:
        """Return what is stated of where a group stands, or what holds if nothing is."""
        return next((s for s in self.stands if s.level == group.level), Stand(group.level))


def _order(place: str, racks: int) -> Floats:
    """Return a key for each rack: racks of NPUs have keys between 0 and 1, evenly spaced."""
    if place == "spread":
        return (np.arange(racks) + 0.5) / racks
    return np.full(racks, 0.5 if place == "middle" else 1.0)


def _floor(layout: Layout, order: Floats) -> tuple[Floats, Floats]:
    """Return (racks,) x and y: rows are filled one after the other, in the order of the keys."""
    position = np.empty(len(order), np.int64)
    position[np.argsort(order, kind="stable")] = np.arange(len(order))
    row = -(-len(order) // layout.rows)
    x: Floats = position % row * np.float64(layout.pitch)
    y: Floats = position // row * np.float64(layout.row_pitch)
    return x, y


def _check_height(layout: Layout, tray: IntArray) -> None:
    trays = int(tray.max()) + 1
    if trays * layout.tray_height > layout.height + 1e-9:
        what = f"{trays} trays of {layout.tray_height:g} m do not fit below {layout.height:g} m"
        raise InputError([Fault(what, "use more racks, or lower trays", ("height",))])


# -- lengths and bundles -----------------------------------------------------------------------------------------


def lengths_of(fabric: Fabric, layout: Layout, places: Places) -> Floats:
    """Return (links,) [m] the length of each link: inside a tray, up or down a rack, or over the way above racks."""
    rack_a, rack_b = places.rack[fabric.src], places.rack[fabric.dst]
    high_a, high_b = ((places.tray[end] + 0.5) * layout.tray_height for end in (fabric.src, fabric.dst))
    along = np.abs(places.x[rack_a] - places.x[rack_b]) + np.abs(places.y[rack_a] - places.y[rack_b])
    found = (
        np.where(rack_a == rack_b, np.abs(high_a - high_b), 2 * layout.height - high_a - high_b + along)
        + layout.slack
    )
    if layout.step is not None:  # a length that is a multiple but for rounding stays
        found = np.ceil(found / layout.step - 1e-9) * layout.step
    inside = (rack_a == rack_b) & (places.tray[fabric.src] == places.tray[fabric.dst])
    return np.where(inside, layout.inside_tray, found)


def bundles_of(fabric: Fabric, places: Places) -> tuple[IntArray, tuple[str, ...]]:
    """Return (links,) the bundle of each link, −1 within one rack, and the bundles' names, `rack3 - rack7`.

    The cables between two racks lie together: what cuts one may cut all, so a bundle is a group of common risk.
    """
    a, b = places.rack[fabric.src], places.rack[fabric.dst]
    low, high = np.minimum(a, b), np.maximum(a, b)
    racks = len(places.names)
    pairs, index = np.unique(np.where(a == b, -1, low * racks + high), return_inverse=True)
    inside = int(len(pairs) > 0 and pairs[0] == -1)
    names = tuple(f"{places.names[p // racks]} - {places.names[p % racks]}" for p in pairs[inside:].tolist())
    return index.reshape(-1) - inside, names


def risk_groups(fabric: Fabric) -> dict[str, IntArray]:
    """Return the links of each bundle by its name; empty for a machine without a layout."""
    layout = fabric.about.layout
    if layout is None:
        return {}
    bundle, names = bundles_of(fabric, places_of(fabric, layout))
    order = np.argsort(bundle, kind="stable")
    starts = np.searchsorted(bundle[order], np.arange(len(names) + 1))
    return {name: order[starts[i] : starts[i + 1]] for i, name in enumerate(names)}


# -- latency by length -------------------------------------------------------------------------------------------


def laid_out(fabric: Fabric, layout: Layout) -> Fabric:
    """Return the machine with its layout: classes whose latency depends on length are divided by it.

    latency = what the class states + latency_per_metre × length. Raises InputError keyed below `layout`.
    """
    lengths = np.round(lengths_of(fabric, layout, places_of(fabric, layout)), 3)
    links, link_class = list(fabric.links), fabric.link_class.copy()
    for index, link in enumerate(fabric.links):
        if not link.latency_per_metre:
            continue
        own = np.flatnonzero(fabric.link_class == index)
        metres, which = np.unique(lengths[own], return_inverse=True)
        if len(metres) > MAX_LENGTHS:
            what = f"{link.name} has {len(metres)} different lengths, more than the {MAX_LENGTHS} that are kept apart"
            raise InputError([Fault(what, "state a step, such as '1 m'", ("step",))])
        link_class[own] = len(links) + which.reshape(-1)
        links += [
            replace(link, latency=link.latency + link.latency_per_metre * m, length=m)
            for m in metres.tolist()
        ]
    about = replace(fabric.about, layout=layout)
    kept, link_class = np.unique(link_class, return_inverse=True)
    used: Sequence[int] = kept.tolist()
    return replace(
        fabric, links=tuple(links[i] for i in used), link_class=link_class.reshape(-1), about=about
    )
