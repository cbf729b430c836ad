"""Textbook shapes, made of the same levels as machines: `{shape: torus, size: [4, 4], link: {…}}`.

Nodes are npu0 … in rank order and sw0 … level by level. The first entry of a size is the coordinate that varies
fastest: rank = x + a·y. The NPUs of direct shapes forward, without delay; those that hang on switches do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, PlainValidator

from fabricsim.errors import Fault, FaultList, InputError, Key, close_match
from fabricsim.fabric import Device, Fabric, Link
from fabricsim.topology.compose import Naming, compose
from fabricsim.topology.grammar import Count, LinkPart, LinkRef, SwitchPart, SwitchRef, spelt_out
from fabricsim.topology.level import SWITCH, Level
from fabricsim.topology.parameters import Parameters
from fabricsim.topology.records import book_of, scaled
from fabricsim.validation import Part, checked, shown, validate

_RELAY: Final = Device("npu", forwards=True)
_HOST: Final = Device("npu")
_NO_PARAMETERS: Final = Parameters({}, {})
MAX_DIMENSIONS: Final = 24
"""A machine of 2^24 NPUs, the largest there is, has no more."""


def _least_two(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InputError(f"{shown(value)} is not a whole number", "write the number of NPUs")
    if value < 2:
        raise InputError(f"{value} is too small", "write 2 or more")
    return value


def _each(read: Callable[[object], Any]) -> PlainValidator:
    """Return a validator of one value, or of a list with one for each dimension."""

    def read_all(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            return (read(value),)
        if not 1 <= len(value) <= MAX_DIMENSIONS:
            raise InputError(
                f"has {len(value)} entries", f"write 1 to {MAX_DIMENSIONS}, one for each dimension"
            )
        faults, found = FaultList(), []
        for index, item in enumerate(value):
            with faults.at(index):
                found.append(read(item))
        faults.raise_if_any()
        return tuple(found)

    return PlainValidator(checked(read_all))


def _link_part(value: object) -> LinkPart:
    return validate(LinkPart, spelt_out(value))


_SIZE: Final = "how many NPUs"
_LINK: Final = "link: {bandwidth: 50 GB/s, latency: 500 ns}"
Size = Annotated[int, PlainValidator(checked(_least_two))]
Sizes = Annotated[tuple[int, ...], _each(_least_two)]
Links = Annotated[tuple[LinkPart, ...], _each(_link_part)]


class _One(Part):
    shape: str
    size: Size = Field(description=_SIZE)
    link: LinkRef = Field(description=_LINK)


class _Grid(Part):
    shape: str
    size: Sizes = Field(description=f"{_SIZE}, a number or one for each dimension")
    link: Links = Field(description=_LINK)


class _Star(_One):
    switch: SwitchRef | None = None


class _FatTree(Part):
    shape: str
    k: Count = Field(description="ports of each switch: an even number")
    link: LinkRef = Field(description=_LINK)
    switch: SwitchRef | None = None


class _LeafSpine(Part):
    shape: str
    leaves: Count = Field(description="how many leaf switches")
    hosts: Count = Field(description="how many NPUs each leaf has")
    spines: Count = Field(description="how many spine switches")
    link: LinkRef = Field(description=_LINK)
    taper: Annotated[float, Field(gt=0)] = 1.0
    switch: SwitchRef | None = None


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Shape(Generic[P]):
    """A shape: the keys it takes, what each NPU is, and the levels and the name's ending that keys give."""

    keys: type[P]
    device: Device
    levels: Callable[[P], tuple[list[Level], str]]

    def build(self, spec: Mapping[str, Any]) -> Fabric:
        """Return the fabric of `spec`. Raises InputError keyed by path in it."""
        part = validate(self.keys, spec)
        levels, ending = self.levels(part)
        name = f"{spec['shape']}-{ending}"
        try:
            return compose(name, levels, self.device, naming=Naming(flat=True))
        except InputError as error:
            raise InputError([replace(fault, key=_stated(fault, part)) for fault in error.faults]) from None


def _stated(fault: Fault, part: Part) -> Key:
    """Return the key of a shape that stands behind a fault of one of its levels."""
    last = fault.key[-1] if fault.key else ""
    standing = {"members": ("size", "k", "leaves"), "switch": ("switch",)}.get(str(last), ())
    return next(((key,) for key in standing if key in part.model_fields_set), ())


def _link(part: LinkPart, *key: str | int) -> Link:
    faults = FaultList()
    with faults.at(*key or ("link",)):
        return book_of(None, _NO_PARAMETERS).link(part, "link")
    raise InputError(faults.faults)


def _switch(part: SwitchPart | None) -> Device:
    if part is None:
        return SWITCH
    faults = FaultList()
    with faults.at("switch"):
        return book_of(None, _NO_PARAMETERS).switch(part, "switch")
    raise InputError(faults.faults)


# -- direct shapes ------------------------------------------------------------------------------------------


def _one(rule: str) -> Callable[[_One], tuple[list[Level], str]]:
    def levels(part: _One) -> tuple[list[Level], str]:
        return [Level(rule, rule, part.size, _link(part.link))], str(part.size)

    return levels


def _grid(rule: str) -> Callable[[_Grid], tuple[list[Level], str]]:
    """Return the levels of a product: one dimension each, the first innermost."""

    def levels(part: _Grid) -> tuple[list[Level], str]:
        links = _per_dimension(part)
        found = [Level(f"dim{i}", rule, size, links[i]) for i, size in enumerate(part.size)]
        return found, "x".join(map(str, part.size))

    return levels


def _per_dimension(part: _Grid) -> list[Link]:
    if len(part.link) == 1:
        stated = _link(part.link[0])
        return [stated] * len(part.size)
    if len(part.link) != len(part.size):
        what = f"{len(part.link)} links are given for {len(part.size)} dimensions"
        raise InputError([Fault(what, "write one link, or one for each dimension", ("link",))])
    links = [_link(link, "link", index) for index, link in enumerate(part.link)]
    return [
        replace(link, name=f"dim{index}") if link.name == "link" else link for index, link in enumerate(links)
    ]


def _hypercube(part: _One) -> tuple[list[Level], str]:
    dimensions = part.size.bit_length() - 1
    if part.size != 2**dimensions:
        right = f"write {2**dimensions} or {2 ** (dimensions + 1)}"
        raise InputError([Fault(f"{part.size} is not a power of two", right, ("size",))])
    link = _link(part.link)
    return [Level(f"dim{index}", "line", 2, link) for index in range(dimensions)], str(part.size)


# -- switched shapes ----------------------------------------------------------------------------------------


def _star(part: _Star) -> tuple[list[Level], str]:
    return [Level("star", "switched", part.size, _link(part.link), switch=_switch(part.switch))], str(
        part.size
    )


def _fat_tree(part: _FatTree) -> tuple[list[Level], str]:
    """Return three tiers of switches with k ports, half down and half up (Al-Fares et al., SIGCOMM 2008)."""
    if part.k % 2:
        raise InputError(
            [Fault(f"{part.k} is odd", "half of each switch's ports lead up: write an even k", ("k",))]
        )
    half, link, switch = part.k // 2, _link(part.link), _switch(part.switch)
    return [
        Level("edge", "switched", half, link, switch=switch),
        Level("aggregation", "switched", half, link, switch=switch, uplinks_of="edge", switches=half),
        Level("core", "switched", part.k, link, switch=switch, uplinks_of="aggregation", switches=half),
    ], f"k{part.k}"


def _leaf_spine(part: _LeafSpine) -> tuple[list[Level], str]:
    """Return leaves with one link to each spine, of hosts·b / (spines·taper)."""
    if part.leaves * part.hosts < 2:
        raise InputError([Fault("one NPU has nobody to talk to", "add leaves or hosts", ("hosts",))])
    link, switch = _link(part.link), _switch(part.switch)
    share = Fraction(part.hosts) / (part.spines * Fraction(str(part.taper)))
    uplink = link if share == 1 else scaled(link, share, "uplink")
    return [
        Level("leaf", "switched", part.hosts, link, switch=switch),
        Level("spine", "switched", part.leaves, uplink, switch=switch, uplinks_of="leaf",
              uplinks=part.spines, switches=part.spines),
    ], f"{part.leaves}x{part.hosts}x{part.spines}"  # fmt: skip


SHAPES: Final[Mapping[str, Shape[Any]]] = {
    "ring": Shape(_One, _RELAY, _one("ring")),
    "line": Shape(_One, _RELAY, _one("line")),
    "full-mesh": Shape(_Grid, _RELAY, _grid("full-mesh")),
    "torus": Shape(_Grid, _RELAY, _grid("ring")),
    "mesh": Shape(_Grid, _RELAY, _grid("line")),
    "hypercube": Shape(_One, _RELAY, _hypercube),
    "star": Shape(_Star, _HOST, _star),
    "fat-tree": Shape(_FatTree, _HOST, _fat_tree),
    "leaf-spine": Shape(_LeafSpine, _HOST, _leaf_spine),
}
"""What `{shape: …}` may name."""


def build_shape(spec: Mapping[str, Any]) -> Fabric:
    """Return the fabric that `{shape: …}` states. Raises InputError keyed by path in `spec`."""
    name = spec["shape"]
    if not isinstance(name, str) or name not in SHAPES:
        right = close_match(str(name), SHAPES)
        raise InputError([Fault(f"{shown(name)} is not a shape", right, ("shape",))])
    return SHAPES[name].build(spec)
