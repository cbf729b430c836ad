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
from fabricsim.topology.absent import check_ragged, kept, present
from fabricsim.topology.annex import Annex, annexes
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
    beyond = annexes(levels, wirings, tiers, ranks + sum(_tier_size(levels, tier) for tier in tiers.values()))
    strands = _strands(levels, wirings, beyond)
    classes = list(dict.fromkeys(strand.link for strand in strands)) or [Link("none", 1, 0.0)]
    counts = [len(strand.src) for strand in strands]
    names = [level.name for level in levels] + [_annex_name(levels, annex) for annex in beyond if annex.of]
    fabric = Fabric(
        name,
        (*_groups(levels, device, naming, tiers), *_annex_groups(levels, naming, ranks, beyond)),
        tuple(classes),
        _joined([strand.src for strand in strands]),
        _joined([strand.dst for strand in strands]),
        np.repeat(np.array([classes.index(strand.link) for strand in strands], np.int32), counts),
        np.repeat(np.array([names.index(strand.level) for strand in strands], np.int16), counts),
        _joined([strand.plane for strand in strands]),
        tuple(names),
        policy,
        model,
        _about(about, levels, wirings, tiers, beyond),
    )
    if any(level.ragged for level in levels):
        return kept(fabric, present(levels, fabric))
    return fabric


@dataclass(frozen=True, eq=False)
class _Strand:
    """The links of one class in one level: (links,) ends and planes."""

    level: str
    link: Link
    src: NDArray[np.int64]
    dst: NDArray[np.int64]
    plane: NDArray[np.int64] | NDArray[np.int32]


def _strands(levels: Sequence[Level], wirings: Sequence[Wiring], beyond: Sequence[Annex]) -> list[_Strand]:
    """Return the links level by level, those of attachments last; circuits take the place of their level's links."""
    circuits = {annex.index: annex for annex in beyond if annex.of is None}
    found = []
    for index, (level, wiring) in enumerate(zip(levels, wirings, strict=True)):
        if level.link is not None:
            of = circuits.get(index, wiring)
            found.append(_Strand(level.name, level.link, of.src, of.dst, of.plane))
    attached = [annex for annex in beyond if annex.of is not None]
    found.extend(_Strand(_annex_name(levels, a), a.link, a.src, a.dst, a.plane) for a in attached)
    return found


def _joined(columns: Sequence[NDArray[np.int64] | NDArray[np.int32]]) -> NDArray[np.int64]:
    joined = np.concatenate([*columns, np.zeros(0, np.int64)]).astype(np.int64, copy=False)
    joined.flags.writeable = False  # so that the fabric need not copy it
    return joined


def _tier_size(levels: Sequence[Level], tier: Tier) -> int:
    return tier.per_copy * size(levels[tier.index + 1 :])


def _wired(levels: Sequence[Level], ranks: int) -> tuple[list[Wiring], dict[str, Tier]]:
    wirings: list[Wiring] = []
    tiers: dict[str, Tier] = {}
    first = ranks
    for index, level in enumerate(levels):
        wiring = wire(levels, index, tiers, first)
        wirings.append(wiring)
        if wiring.tier is not None:
            tiers[level.name] = wiring.tier
            first += _tier_size(levels, wiring.tier)
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
        if level.ragged:
            with faults.at(index, "members"):
                check_ragged(levels, index)
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
    down = int(tier.down.max(initial=0)) + sum(item.count * item.links for item in level.attach)
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


def _annex_name(levels: Sequence[Level], annex: Annex) -> str:
    assert annex.of is not None
    return f"{levels[annex.index].name}.{annex.of.name}"


def _annex_groups(
    levels: Sequence[Level], naming: Naming, ranks: int, beyond: Sequence[Annex]
) -> list[NodeGroup]:
    found = []
    for annex in beyond:
        level = levels[annex.index]
        name = _annex_name(levels, annex) if annex.of else level.name
        copies = tuple(outer.members for outer in reversed(levels[annex.index + 1 :]) if outer.beside is None)
        if naming.flat:
            shape: tuple[int, ...] = (math.prod(copies) * annex.each,)
            pattern, number = "sw{}", annex.first - ranks
            found.append(NodeGroup(annex.first, shape, pattern, annex.device, name, numbered_from=number))
        else:
            word = annex.of.name if annex.of else "ocs"
            pattern = f"{_path(levels, annex.index)}/{word}{{}}"
            found.append(NodeGroup(annex.first, (*copies, annex.each), pattern, annex.device, name))
    return found


# -- what is told of the levels ----------------------------------------------------------------------------


def _about(
    about: About,
    levels: Sequence[Level],
    wirings: Sequence[Wiring],
    tiers: Mapping[str, Tier],
    beyond: Sequence[Annex],
) -> About:
    tapers = _tapers(levels, wirings, tiers)
    infos = [
        _info(levels, index, wiring, tapers.get(levels[index].name)) for index, wiring in enumerate(wirings)
    ]
    networks = {level.name: level.network for level in levels if level.network != "scale-up"}
    networks |= {
        _annex_name(levels, annex): levels[annex.index].network
        for annex in beyond
        if annex.of and levels[annex.index].network != "scale-up"
    }
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
        float(level.taper), bool(level.twist),
    )  # fmt: skip
