"""Levels to a Fabric: numbers the nodes, wires level after level, names everything, checks the ports."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import FaultList, InputError
from fabricsim.fabric import About, Device, Fabric, LevelInfo, Link, NodeGroup
from fabricsim.model import Model
from fabricsim.topology.level import Level, base, size
from fabricsim.topology.wiring import Tier, Wiring, fault, wire

MAX_RANKS: Final = 2**24
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
COUNTED_WORD: Final = re.compile(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z_-])?")
"""A word that an index follows: no digit last, or the index could not be told from it."""


@dataclass(frozen=True)
class Naming:
    """How nodes are called: NPUs as `unit`, by path from the outermost level in, or flat: npu0 …, sw0 …."""

    unit: str = "npu"
    flat: bool = False


def compose(
    name: str,
    levels: Sequence[Level],
    device: Device,
    *,
    naming: Naming | None = None,
    policy: str = "minimal",
    model: Model | None = None,
    about: About | None = None,
) -> Fabric:
    """Return the machine made of `levels`, inner first, over NPUs that are each a `device`.

    Ranks run depth first, the outermost coordinate slowest; switches follow level by level; links are numbered
    level by level, and in each by copy, edge and position. Raises InputError keyed `levels.<index>.<key>`.
    """
    faults = FaultList()
    with faults.at("levels"):
        return _composed(name, levels, device, naming or Naming(), policy, model or Model(), about or About())
    raise InputError(faults.faults)


def _composed(
    name: str,
    levels: Sequence[Level],
    device: Device,
    naming: Naming,
    policy: str,
    model: Model,
    about: About,
) -> Fabric:
    check_levels(levels, naming)
    ranks = size(levels)
    wirings, tiers = _wired(levels, ranks)
    _check_ports(levels, wirings, tiers, device)
    classes = list(dict.fromkeys(level.link for level in levels if level.link is not None))
    counts = [len(wiring.src) for wiring in wirings]
    of_level = [classes.index(level.link) if level.link is not None else 0 for level in levels]
    return Fabric(
        name,
        _groups(levels, device, naming, tiers),
        tuple(classes) or (Link("none", 1, 0.0),),
        _joined([wiring.src for wiring in wirings]),
        _joined([wiring.dst for wiring in wirings]),
        np.repeat(np.array(of_level, np.int32), counts),
        np.repeat(np.arange(len(levels), dtype=np.int16), counts),
        _joined([wiring.plane for wiring in wirings]),
        tuple(level.name for level in levels),
        policy,
        model,
        _about(about, levels, wirings, tiers),
    )


def _joined(columns: Sequence[NDArray[np.int64] | NDArray[np.int32]]) -> NDArray[np.int64]:
    return np.concatenate(columns).astype(np.int64, copy=False)


def _wired(levels: Sequence[Level], ranks: int) -> tuple[list[Wiring], dict[str, Tier]]:
    wirings: list[Wiring] = []
    tiers: dict[str, Tier] = {}
    first = ranks
    for index, level in enumerate(levels):
        wiring = wire(levels, index, tiers, first)
        wirings.append(wiring)
        if wiring.tier is not None:
            tiers[level.name] = wiring.tier
            first += wiring.tier.per_copy * size(levels[index + 1 :])
    return wirings, tiers


# -- checks ----------------------------------------------------------------------------------------------


NAME_RIGHT: Final = "use letters, digits, - and _, a letter first; no digit last where an index follows"


def check_levels(levels: Sequence[Level], naming: Naming) -> None:
    """Raise InputError, keyed from the list of levels, for names that clash and members that cannot be."""
    faults = FaultList()
    if not levels:
        faults.add("there is no level", "give at least one")
    for index, level in enumerate(levels):
        with faults.at():
            if not naming.flat:
                _check_words(levels, index, naming)
            if level.members < 1:
                raise fault(index, "members", f"{level.members} members are too few", "give 1 or more")
    faults.raise_if_any()
    ranks = size(levels)
    if ranks > MAX_RANKS:
        what = f"the machine has {ranks} {naming.unit}s, more than {MAX_RANKS}"
        raise fault(len(levels) - 1, "members", what, "make it smaller")


def _check_words(levels: Sequence[Level], index: int, naming: Naming) -> None:
    level = levels[index]
    below = [naming.unit, *(inner.name for inner in levels[:index])]
    if level.name in below:
        raise fault(index, "name", f"{level.name!r} is the name of two levels", "name each level once")
    last = size(levels[index + 1 :]) == 1 and all(outer.beside for outer in levels[index + 1 :])
    if not (_WORD if last else COUNTED_WORD).fullmatch(level.name):
        raise fault(index, "name", f"{level.name!r} cannot be part of a node's name", NAME_RIGHT)
    if level.beside is not None and level.beside != levels[base(levels, index)].name:
        what = f"{level.beside!r} is not the nearest inner level that has members"
        raise fault(index, "beside", what, f"it is {levels[base(levels, index)].name!r}")
    if not COUNTED_WORD.fullmatch(level.tag):
        raise fault(index, "tag", f"{level.tag!r} cannot be part of a node's name", NAME_RIGHT)
    if level.tag in below:
        what = f"{level.tag!r} is already the name of what the level is made of"
        raise fault(index, "tag", what, "call its switches otherwise")


def _check_ports(
    levels: Sequence[Level], wirings: Sequence[Wiring], tiers: Mapping[str, Tier], device: Device
) -> None:
    used: list[int] = []
    for index, (level, wiring) in enumerate(zip(levels, wirings, strict=True)):
        if level.uplinks_of is None and wiring.ports:
            used.append(wiring.ports)
            if device.ports is not None and sum(used) > device.ports:
                what = f"the levels use {' + '.join(map(str, used))} = {sum(used)} ports of each NPU"
                raise fault(index, "ports", what, f"{device.name} has {device.ports}")
        if level.name in tiers:
            _check_radix(levels, index, wirings, tiers[level.name])


def _check_radix(levels: Sequence[Level], index: int, wirings: Sequence[Wiring], tier: Tier) -> None:
    level = levels[index]
    pairs = zip(levels, wirings, strict=True)
    up = sum(wiring.ports for outer, wiring in pairs if outer.uplinks_of == level.name)
    down = int(tier.down.max(initial=0))
    if level.switch.ports is not None and down + up > level.switch.ports:
        what = f"each switch needs {down + up} ports, {down} down and {up} up"
        raise fault(index, "switch", what, f"{level.switch.name} has {level.switch.ports}")


# -- names -----------------------------------------------------------------------------------------------


def _groups(
    levels: Sequence[Level], device: Device, naming: Naming, tiers: Mapping[str, Tier]
) -> tuple[NodeGroup, ...]:
    shape = tuple(level.members for level in reversed(levels) if level.beside is None)
    ranks = math.prod(shape)
    if naming.flat:
        groups = [NodeGroup(0, shape, naming.unit + "{}", device, numbered_from=0)]
    else:
        groups = [NodeGroup(0, shape, f"{_path(levels, 0)}/{naming.unit}{{}}", device)]
    for level in levels:
        if level.name in tiers:
            groups.append(_switch_group(levels, level, tiers[level.name], ranks if naming.flat else None))
    return tuple(groups)


def _path(levels: Sequence[Level], index: int) -> str:
    """Return the pattern of a level's path; each index is printed with the level that is counted."""
    counted = [level.name for level in levels[base(levels, index) :] if level.beside is None]
    return "/".join([counted[-1], *(f"{name}{{}}" for name in reversed(counted[:-1]))])


def _switch_group(levels: Sequence[Level], level: Level, tier: Tier, ranks: int | None) -> NodeGroup:
    copies = tuple(outer.members for outer in reversed(levels[tier.index + 1 :]) if outer.beside is None)
    if ranks is not None:
        shape = (*copies, tier.columns, tier.switches)
        return NodeGroup(
            tier.first, shape, "sw{}", level.switch, level.name, numbered_from=tier.first - ranks
        )
    path = f"{_path(levels, tier.index)}/{level.tag}"
    if level.join:
        return NodeGroup(tier.first, (*copies, tier.switches), path + "{}", level.switch, level.name)
    if tier.switches == 1:
        return NodeGroup(tier.first, (*copies, tier.columns), path + "{}", level.switch, level.name)
    shape = (*copies, tier.columns, tier.switches)
    return NodeGroup(tier.first, shape, path + "{}-{}", level.switch, level.name)


# -- what is told of the levels ----------------------------------------------------------------------------


def _about(
    about: About, levels: Sequence[Level], wirings: Sequence[Wiring], tiers: Mapping[str, Tier]
) -> About:
    tapers = _tapers(levels, wirings, tiers)
    infos = [
        _info(levels, index, wiring, tapers.get(levels[index].name)) for index, wiring in enumerate(wirings)
    ]
    networks = {level.name: level.network for level in levels if level.network != "scale-up"}
    return replace(about, tapers=tapers, networks={**about.networks, **networks}, levels=tuple(infos))


def _tapers(
    levels: Sequence[Level], wirings: Sequence[Wiring], tiers: Mapping[str, Tier]
) -> dict[str, float]:
    """Return down over up bandwidth of each level's switches that have something above them."""
    carried = [
        len(wiring.src) * (level.link.bandwidth if level.link else 0)
        for level, wiring in zip(levels, wirings, strict=True)
    ]
    found: dict[str, float] = {}
    for name, tier in tiers.items():
        # a link between two switches of the tier is an uplink of both
        up = sum(
            carried[index] * (1 if level.name in tiers else 2)
            for index, level in enumerate(levels)
            if level.uplinks_of == name
        )
        if up:
            found[name] = float(Fraction(carried[tier.index], up))
    return found


def _info(levels: Sequence[Level], index: int, wiring: Wiring, taper: float | None) -> LevelInfo:
    level, tier = levels[index], wiring.tier
    copies = size(levels[index + 1 :])
    return LevelInfo(
        level.name, level.rule, copies, wiring.members, level.uplinks_of or "", wiring.points,
        tier.columns if tier else 0, tier.switches if tier else 0, len(wiring.src) // copies, taper,
        level.link.name if level.link else "", level.network, wiring.edges, level.beside or "",
        float(level.taper),
    )  # fmt: skip
