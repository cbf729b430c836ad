"""Networks of ASTRA-sim's analytical back end: `network.yml`.

    topology: [Ring, Switch]
    npus_count: [8, 4]
    bandwidth: [50, 25]      # its GB/s are 2^30 bytes a second
    latency: [500, 500]      # ns, for each link

One entry a dimension, the first varying fastest with the rank. A Switch of a dimension joins the NPUs that differ in
it alone, so a way through it takes the latency twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from fabricsim.errors import Fault, FaultList, InputError
from fabricsim.fabric import Device, Fabric, Link
from fabricsim.topology.compose import Naming, compose
from fabricsim.topology.level import Level
from fabricsim.validation import ListOf, Part, validate

GIB: Final = 2**30
_RULES: Final[Mapping[str, str]] = {"Ring": "ring", "FullyConnected": "full-mesh", "Switch": "rails"}
Many = Annotated[int, Field(ge=2)]
Rate = Annotated[float, Field(gt=0, le=2**30)]
Delay = Annotated[float, Field(ge=0, le=1e12)]


class NetworkPart(Part):
    """A network.yml."""

    topology: Annotated[
        ListOf[Literal["Ring", "FullyConnected", "Switch"]], Field(min_length=1, max_length=24)
    ] = Field(description="Ring, FullyConnected or Switch, one a dimension")
    npus_count: ListOf[Many] = Field(description="NPUs of each dimension")
    bandwidth: ListOf[Rate] = Field(description="of each link and direction, in units of 2^30 bytes a second")
    latency: ListOf[Delay] = Field(description="of each link, in ns")


def is_network(value: object) -> bool:
    """Return whether the content of a file is a network.yml."""
    return isinstance(value, Mapping) and "npus_count" in value and "levels" not in value


def read_network(value: Mapping[str, object], name: str) -> Fabric:
    """Return the fabric of a network.yml. Raises InputError keyed by path in it."""
    part, faults = validate(NetworkPart, value), FaultList()
    for key in ("npus_count", "bandwidth", "latency"):
        entries = len(getattr(part, key))
        if entries != len(part.topology):
            faults.add(
                f"has {entries} entries, topology has {len(part.topology)}", "write one a dimension", (key,)
            )
    faults.raise_if_any()
    levels = [
        Level(
            f"dim{index}-{kind.lower()}", _RULES[kind], part.npus_count[index],
            Link(f"dim{index}", round(part.bandwidth[index] * GIB), part.latency[index] * 1e-9),
        )
        for index, kind in enumerate(part.topology)
    ]  # fmt: skip
    try:
        return compose(name, levels, Device("npu", forwards=True), naming=Naming(flat=True))
    except InputError as error:
        raise InputError(
            [Fault(fault.what, fault.right, ("npus_count",)) for fault in error.faults]
        ) from None
