"""Shapes of switched tiers: star, fat tree, leaf and spine, Clos with taper, planes, rails."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from fabricsim.errors import InputError
from fabricsim.fabric import Device
from fabricsim.topology.grammar import Count, LinkRef
from fabricsim.topology.level import Level
from fabricsim.topology.records import scaled
from fabricsim.topology.shapes.shape import (
    HOST,
    LINK,
    RELAY,
    SIZE,
    Composed,
    Shape,
    Size,
    Switched,
    Taper,
    each,
    link_of,
    refuse,
    switch_of,
)
from fabricsim.validation import shown


def _above_zero(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InputError(f"{shown(value)} is not a taper", "write down over up bandwidth, such as 2")
    return value


class Star(Switched):
    """The keys of a star."""

    size: Size = Field(description=SIZE)


class FatTree(Switched):
    """The keys of a fat tree."""

    k: Count = Field(description="ports of each switch: an even number")


class LeafSpine(Switched):
    """The keys of leaf and spine."""

    leaves: Count = Field(description="how many leaf switches")
    hosts: Count = Field(description="how many NPUs each leaf has")
    spines: Count = Field(description="how many spine switches")
    taper: Taper = 1.0


class MultiPlane(LeafSpine):
    """The keys of planes of leaf and spine."""

    planes: Count = Field(description="how many separate planes every NPU reaches, by one link each")


class Clos(Switched):
    """The keys of a Clos network."""

    radix: Count = Field(description="ports of each switch")
    tiers: Literal[2, 3] = Field(description="tiers of switches: 2 or 3")
    blocks: Count | None = Field(
        None,
        description="leaves (2 tiers) or pods (3 tiers) that the top joins; as many as it has ports if absent",
    )
    taper: Annotated[tuple[float, ...], each(_above_zero)] = (1,)


class Rails(Switched):
    """The keys of servers joined by rails."""

    npus: Size = Field(description="how many NPUs each server has")
    servers: Size = Field(description="how many servers share their rail switches")
    rail: LinkRef = Field(description=f"from an NPU to its rail's switch, as in {LINK}")


class RailOptimised(Rails):
    """The keys of rails below spines."""

    groups: Size = Field(description="how many groups of servers, with rail switches of their own")
    spines: Count = Field(description="how many spine switches join all rails")
    taper: Taper = 1.0


def _star(part: Star) -> tuple[Composed, str]:
    level = Level("star", "switched", part.size, link_of(part.link), switch=switch_of(part.switch))
    return Composed([level], HOST), str(part.size)


def _fat_tree(part: FatTree) -> tuple[Composed, str]:
    """Return three tiers of switches with k ports, half down and half up (Al-Fares et al., SIGCOMM 2008)."""
    if part.k % 2:
        raise refuse("k", f"{part.k} is odd", "half of each switch's ports lead up: write an even k")
    half, link, switch = part.k // 2, link_of(part.link), switch_of(part.switch)
    levels = [
        Level("edge", "switched", half, link, switch=switch),
        Level("aggregation", "switched", half, link, switch=switch, uplinks_of="edge", switches=half),
        Level("core", "switched", part.k, link, switch=switch, uplinks_of="aggregation", switches=half),
    ]
    return Composed(levels, HOST), f"k{part.k}"


def _leaves_and_spines(part: LeafSpine, planes: int) -> list[Level]:
    """Return leaves with one link to each spine of their plane, of hosts·b / (spines·taper)."""
    if part.leaves * part.hosts < 2:
        raise refuse("hosts", "one NPU has nobody to talk to", "add leaves or hosts")
    link, switch = link_of(part.link), switch_of(part.switch)
    share = Fraction(part.hosts) / (part.spines * Fraction(str(part.taper)))
    uplink = link if share == 1 else scaled(link, share, "uplink")
    return [
        Level("leaf", "switched", part.hosts, link, planes=planes, switch=switch),
        Level("spine", "switched", part.leaves, uplink, switch=switch, uplinks_of="leaf",
              uplinks=part.spines, switches=part.spines),
    ]  # fmt: skip


def _leaf_spine(part: LeafSpine) -> tuple[Composed, str]:
    levels = _leaves_and_spines(part, 1)
    return Composed(levels, HOST), f"{part.leaves}x{part.hosts}x{part.spines}"


def _multi_plane(part: MultiPlane) -> tuple[Composed, str]:
    """Return the planes; their default is to spray, since a single path would use one of them."""
    levels = _leaves_and_spines(part, part.planes)
    ending = f"{part.planes}-{part.leaves}x{part.hosts}x{part.spines}"
    return Composed(levels, HOST, "spray" if part.planes > 1 else "minimal"), ending


# -- Clos ---------------------------------------------------------------------------------------------------


def _clos(part: Clos) -> tuple[Composed, str]:
    """Return tiers of switches of one radix, every port used below the top (Clos, BSTJ 1953).

    With a taper t a switch of R ports has R·t/(1+t) down and R/(1+t) up; the top tier has only ports down, and the
    fewest switches whose ports suffice.
    """
    link, switch = link_of(part.link), _of_radix(part)
    tapers = _tapers(part)
    down = [_down(part.radix, taper) for taper in tapers]
    blocks = _blocks(part, down[0])
    names = ["leaf", "spine"] if part.tiers == 2 else ["leaf", "pod", "core"]
    members = [*down, blocks]
    levels = [
        Level(
            name, "switched", members[tier], link, switch=switch,
            uplinks_of=names[tier - 1] if tier else None,
            taper=tapers[tier] if tier < len(tapers) else Fraction(1),
        )
        for tier, name in enumerate(names)
    ]  # fmt: skip
    return Composed(levels, HOST), f"{part.tiers}-tier-r{part.radix}x{blocks}"


def _of_radix(part: Clos) -> Device:
    switch = switch_of(part.switch)
    if switch.ports not in (None, part.radix):
        raise refuse("radix", f"is {part.radix}, the switch has {switch.ports} ports", "state one number")
    return replace(switch, ports=part.radix)


def _tapers(part: Clos) -> list[Fraction]:
    """Return the taper of each tier but the top, inner first."""
    below = part.tiers - 1
    if len(part.taper) not in (1, below):
        what = f"{len(part.taper)} tapers are given for the {below} tiers below the top"
        raise refuse("taper", what, "write one, or one for each, inner first")
    found = [Fraction(str(taper)) for taper in part.taper]
    return found * (below if len(found) == 1 else 1)


def _down(radix: int, taper: Fraction) -> int:
    down = radix * taper / (1 + taper)
    if down.denominator != 1:
        what = f"a taper of {float(taper):g} does not divide {radix} ports into whole numbers down and up"
        ports = taper.numerator + taper.denominator
        raise refuse("taper", what, f"use a radix that is a multiple of {ports}, or another taper")
    if down < 1 or down == radix:
        raise refuse(
            "taper", f"a taper of {float(taper):g} leaves no port of {radix}", "choose one nearer to 1"
        )
    return int(down)


def _blocks(part: Clos, hosts: int) -> int:
    blocks = part.blocks or part.radix
    if blocks > part.radix:
        raise refuse(
            "blocks",
            f"{blocks} blocks need as many ports of a top switch",
            f"write at most {part.radix}, the radix",
        )
    if blocks * hosts < 2:
        raise refuse("blocks", "one NPU has nobody to talk to", "write 2 or more")
    return blocks


# -- rails --------------------------------------------------------------------------------------------------


def _servers_and_rails(part: Rails) -> list[Level]:
    """Return servers with a switch each, and a switch for NPUs of the same place in all servers of a group."""
    switch = switch_of(part.switch)
    rail = link_of(part.rail, "rail", name="rail")
    return [
        Level("server", "switched", part.npus, link_of(part.link), switch=switch),
        Level("rail", "rails", part.servers, rail, switch=switch, network="scale-out"),
    ]


def _rail_only(part: Rails) -> tuple[Composed, str]:
    """Return rails that never meet above the servers: NPUs forward (Wang et al., Hot Interconnects 2024)."""
    return Composed(_servers_and_rails(part), RELAY), f"{part.servers}x{part.npus}"


def _rail_optimised(part: RailOptimised) -> tuple[Composed, str]:
    """Return rails below spines that join them all: links up of servers·b / (spines·taper) to each spine."""
    levels = _servers_and_rails(part)
    link = link_of(part.rail, "rail", name="rail")
    share = Fraction(part.servers) / (part.spines * Fraction(str(part.taper)))
    uplink = link if share == 1 else scaled(link, share, "uplink")
    spine = Level(
        "spine", "switched", part.groups, uplink, switch=switch_of(part.switch), uplinks_of="rail",
        uplinks=part.spines, switches=part.spines, join=True, network="scale-out",
    )  # fmt: skip
    return Composed([*levels, spine], HOST), f"{part.groups}x{part.servers}x{part.npus}"


STAR = Shape("all NPUs on one switch", Star, _star)
FAT_TREE = Shape("three tiers of switches with k ports, k^3/4 NPUs", FatTree, _fat_tree)
LEAF_SPINE = Shape("two tiers of switches, with a taper", LeafSpine, _leaf_spine)
CLOS = Shape("two or three tiers of switches of one radix, with a taper for each tier", Clos, _clos)
MULTI_PLANE = Shape("separate planes of leaves and spines, each NPU in all of them", MultiPlane, _multi_plane)
RAIL_ONLY = Shape("servers whose NPUs of equal place share a switch, and nothing above", Rails, _rail_only)
RAIL_OPTIMISED = Shape(
    "servers whose NPUs of equal place share a switch, below spines", RailOptimised, _rail_optimised
)
