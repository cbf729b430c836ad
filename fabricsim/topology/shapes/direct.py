"""Shapes without switches: NPUs that forward, joined dimension by dimension."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pydantic import Field

from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Link
from fabricsim.topology.level import Level
from fabricsim.topology.network import Network
from fabricsim.topology.shapes.shape import (
    LINK,
    RELAY,
    SIZE,
    Composed,
    Linked,
    Links,
    Shape,
    Size,
    Sizes,
    link_of,
    refuse,
)
from fabricsim.topology.shapes.twist import twisted
from fabricsim.validation import Part


class One(Linked):
    """The keys of a shape with one dimension."""

    size: Size = Field(description=SIZE)


class Grid(Part):
    """The keys of a shape with any number of dimensions."""

    shape: str
    size: Sizes = Field(description=f"{SIZE}, a number or one for each dimension")
    link: Links = Field(description=LINK)


class Torus(Grid):
    """The keys of a torus."""

    twist: bool = Field(
        False, description="a wrap in a shorter dimension also advances each longest one by half its length"
    )


def _one(rule: str) -> Callable[[One], tuple[Composed, str]]:
    def plan(part: One) -> tuple[Composed, str]:
        return Composed([Level(rule, rule, part.size, link_of(part.link))], RELAY), str(part.size)

    return plan


def _grid(rule: str) -> Callable[[Grid], tuple[Composed, str]]:
    """Return the levels of a product: one dimension each, the first innermost."""

    def plan(part: Grid) -> tuple[Composed, str]:
        links = _per_dimension(part)
        levels = [Level(f"dim{i}", rule, size, links[i]) for i, size in enumerate(part.size)]
        return Composed(levels, RELAY), "x".join(map(str, part.size))

    return plan


def _per_dimension(part: Grid) -> list[Link]:
    if len(part.link) == 1:
        stated = link_of(part.link[0])
        return [stated] * len(part.size)
    if len(part.link) != len(part.size):
        what = f"{len(part.link)} links are given for {len(part.size)} dimensions"
        raise InputError([Fault(what, "write one link, or one for each dimension", ("link",))])
    links = [link_of(link, "link", index) for index, link in enumerate(part.link)]
    return [
        replace(link, name=f"dim{index}") if link.name == "link" else link for index, link in enumerate(links)
    ]


def _torus(part: Torus) -> tuple[Composed | Network, str]:
    if not part.twist:
        return _grid("ring")(part)
    return twisted(part.size, _per_dimension(part)), "x".join(map(str, part.size)) + "-twisted"


def _hypercube(part: One) -> tuple[Composed, str]:
    dimensions = part.size.bit_length() - 1
    if part.size != 2**dimensions:
        raise refuse(
            "size",
            f"{part.size} is not a power of two",
            f"write {2**dimensions} or {2 ** (dimensions + 1)}",
        )
    link = link_of(part.link)
    return Composed([Level(f"dim{i}", "line", 2, link) for i in range(dimensions)], RELAY), str(part.size)


RING = Shape("each NPU joined to the next, the last to the first", One, _one("ring"))
LINE = Shape("each NPU joined to the next", One, _one("line"))
FULL_MESH = Shape("all joined that differ in one coordinate, any dimensions", Grid, _grid("full-mesh"))
TORUS = Shape("rings in any number of dimensions; twist: true advances the longest", Torus, _torus)
MESH = Shape("lines in any number of dimensions", Grid, _grid("line"))
HYPERCUBE = Shape("all joined that differ in one bit of their number", One, _hypercube)
