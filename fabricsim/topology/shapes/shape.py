"""What a shape is, and what shapes share: sizes, links, switches, and faults under the keys that were written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import Field, PlainValidator

from fabricsim.errors import Fault, FaultList, InputError, Key
from fabricsim.fabric import Device, Fabric, Link
from fabricsim.topology.compose import Naming, compose
from fabricsim.topology.grammar import Count, LinkPart, LinkRef, SwitchPart, SwitchRef, spelt_out
from fabricsim.topology.level import SWITCH, Level
from fabricsim.topology.network import Network
from fabricsim.topology.parameters import Parameters
from fabricsim.topology.records import book_of
from fabricsim.validation import Part, checked, shown, validate

RELAY: Final = Device("npu", forwards=True)
"""The NPU of a direct shape: packets pass through it."""

HOST: Final = Device("npu")
"""The NPU of a switched shape: nothing passes through it."""

MAX_DIMENSIONS: Final = 24
"""A machine of 2^24 NPUs, the largest there is, has no more."""

_NO_PARAMETERS: Final = Parameters({}, {})


# -- the values of keys -------------------------------------------------------------------------------------


def at_least(least: int) -> Callable[[object], int]:
    """Return the reader of a whole number that is not below `least`."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{shown(value)} is not a whole number", "write the number of NPUs")
        if value < least:
            raise InputError(f"{value} is too small", f"write {least} or more")
        return value

    return read


def each(read: Callable[[object], Any]) -> PlainValidator:
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


SIZE: Final = "how many NPUs"
LINK: Final = "link: {bandwidth: 50 GB/s, latency: 500 ns}"
Size = Annotated[int, PlainValidator(checked(at_least(2)))]
Sizes = Annotated[tuple[int, ...], each(at_least(2))]
Links = Annotated[tuple[LinkPart, ...], each(_link_part)]
Taper = Annotated[float, Field(gt=0)]


class Linked(Part):
    """The keys of every shape that has one class of links."""

    shape: str
    link: LinkRef = Field(description=LINK)


class Switched(Linked):
    """The keys of every shape with switches."""

    switch: SwitchRef | None = None


class Hosted(Switched):
    """The keys of a shape whose switches each have NPUs."""

    hosts: Count | None = Field(None, description="how many NPUs each switch has")


# -- shapes -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Composed:
    """A shape made of the same levels as machines, inner first."""

    levels: Sequence[Level]
    device: Device
    policy: str = "minimal"

    def fabric(self, name: str) -> Fabric:
        """Return the fabric. Raises InputError keyed `levels.<index>.<key>`."""
        return compose(name, self.levels, self.device, naming=Naming(flat=True), policy=self.policy)


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Shape(Generic[P]):
    """A shape: what it is in one line, the keys it takes, and what those build: its plan and the name's ending."""

    about: str
    keys: type[P]
    plan: Callable[[P], tuple[Composed | Network, str]]

    def build(self, spec: Mapping[str, Any]) -> Fabric:
        """Return the fabric of `spec`. Raises InputError keyed by path in it."""
        part = validate(self.keys, spec)
        plan, ending = self.plan(part)
        try:
            return plan.fabric(f"{spec['shape']}-{ending}")
        except InputError as error:
            raise InputError([replace(fault, key=_stated(fault, part)) for fault in error.faults]) from None


_STANDING: Final = {
    "members": ("size", "k", "leaves", "blocks", "servers"),
    "switch": ("switch",),
    "switches": ("spines",),
    "taper": ("taper",),
    "uplinks": ("taper",),
}


def _stated(fault: Fault, part: Part) -> Key:
    """Return the key of a shape that stands behind a fault of one of its levels."""
    last = fault.key[-1] if fault.key else ""
    standing = _STANDING.get(str(last), ())
    return next(((key,) for key in standing if key in part.model_fields_set), ())


def refuse(key: str, what: str, right: str) -> InputError:
    """Return the error of one key of a shape."""
    return InputError([Fault(what, right, (key,))])


def link_of(part: LinkPart, *key: str | int, name: str = "link") -> Link:
    """Return the link that a shape states under `key`, called `name` unless it is a record."""
    faults = FaultList()
    with faults.at(*key or ("link",)):
        return book_of(None, _NO_PARAMETERS).link(part, name)
    raise InputError(faults.faults)


def switch_of(part: SwitchPart | None) -> Device:
    """Return the switch that a shape states, else one of any number of ports and no delay."""
    if part is None:
        return SWITCH
    faults = FaultList()
    with faults.at("switch"):
        return book_of(None, _NO_PARAMETERS).switch(part, "switch")
    raise InputError(faults.faults)
