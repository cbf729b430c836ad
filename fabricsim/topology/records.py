"""Links, switches and devices by name: those that files share, and those of one file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Final

from fabricsim.data_folders import data_folder
from fabricsim.document import Document, read_document
from fabricsim.errors import Fault, InputError, close_match
from fabricsim.fabric import Device, Link
from fabricsim.topology.expressions import show
from fabricsim.topology.grammar import DevicePart, LinkPart, RecordsPart, SwitchPart, TopologyPart
from fabricsim.topology.parameters import Parameters
from fabricsim.validation import validate

RecordPart = LinkPart | SwitchPart | DevicePart
KINDS: Final[Mapping[type[RecordPart], str]] = {
    LinkPart: "links",
    SwitchPart: "switches",
    DevicePart: "devices",
}
"""The key under which files keep each kind of record."""

_REPLACES: Final = {"bandwidth": ("raw", "coding"), "raw": ("bandwidth",)}
"""What of a record no longer holds where a rate is stated nearer; nor do its factors."""


@dataclass(frozen=True)
class Book:
    """All records that one file can name, by (kind, name): its own, and the shared ones."""

    records: Mapping[tuple[str, str], RecordPart]
    parameters: Parameters

    def chain(self, part: RecordPart) -> Iterator[tuple[str, RecordPart]]:
        """Yield (name, record) of every record that `part` builds on, the nearest first."""
        kind = KINDS[type(part)]
        seen: list[str] = []
        while part.use is not None:
            name = self.parameters.word(part.use)
            if name in seen:
                raise InputError(f"{name!r} builds on itself", "break the circle of `use`")
            if (kind, name) not in self.records:
                known = [key for of, key in self.records if of == kind]
                raise InputError(f"{name!r} is not one of the {kind}", close_match(name, known))
            seen.append(name)
            part = self.records[kind, name]
            yield name, part

    def merged(self, part: RecordPart) -> dict[str, Any]:
        """Return the values stated nearest, and as `scales` the factors on the rates stated there or nearer."""
        values: dict[str, Any] = {"scales": ()}
        for record in (*reversed([record for _, record in self.chain(part)]), part):
            stated = {key: getattr(record, key) for key in record.model_fields_set - {"use", "evidence"}}
            for key in stated.keys() & _REPLACES.keys():  # a rate stated nearer stands for itself
                values = {name: value for name, value in values.items() if name not in _REPLACES[key]}
                values["scales"] = ()
            if "scale" in stated:
                values["scales"] = (*values["scales"], stated["scale"])
            values |= stated
        return values

    def name(self, part: RecordPart, otherwise: str) -> str:
        """Return the name of the record that `part` is or builds on, else `otherwise`."""
        return next((name for name, _ in self.chain(part)), otherwise)

    # -- the three kinds ----------------------------------------------------------------------------

    def link(self, part: LinkPart, name: str) -> Link:
        """Return the link that `part` states, called `name` unless it is a record unchanged.

        bandwidth = raw × coding, both times every scale. Raises InputError for what is missing or contradicts.
        """
        values = self.merged(part)
        if part.model_fields_set == {"use"}:
            name = self.name(part, name)
        rate, raw, coding = self._rates(values)
        latency = self.parameters.quantity(values.get("latency", 0.0), "time")
        return Link(
            name, rate, latency, raw, coding, values.get("lanes"), values.get("medium"),
            self._given(values, "flit", "size"), self._given(values, "header", "size"),
            self._given(values, "cell", "size"), self._given(values, "retry", "time"), self._cables(values),
            self._given(values, "latency_per_metre", "time") or 0.0, self._given(values, "reach", "length"),
        )  # fmt: skip

    def _given(self, values: Mapping[str, Any], key: str, kind: str) -> Any:
        """Return a quantity in SI, None where it is not stated."""
        return self.parameters.quantity(values[key], kind) if key in values else None

    def _cables(self, values: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
        counts = {
            medium: number.value(self.parameters.numbers)
            for medium, number in values.get("cables", {}).items()
        }
        for medium, count in counts.items():
            if count <= 0:
                raise InputError(
                    [Fault(f"{show(count)} cables are too few", "leave them out", ("cables", medium))]
                )
        return tuple((medium, float(count)) for medium, count in sorted(counts.items()))

    def _rates(self, values: Mapping[str, Any]) -> tuple[int, int | None, float]:
        numbers = self.parameters.numbers
        scale = math.prod((factor.value(numbers) for factor in values["scales"]), start=Fraction(1))
        if scale <= 0:
            raise InputError("the scale is not above zero", "leave the link out instead")
        if "raw" not in values:
            if "bandwidth" not in values:
                raise InputError("states no bandwidth", "add bandwidth: 50 GB/s, or raw and coding")
            if "coding" in values:
                raise InputError("states coding without raw", "write raw and coding, or only bandwidth")
            rate = Fraction(self.parameters.quantity(values["bandwidth"], "bandwidth", 1))
            return _whole(rate * scale), None, 1.0
        if "bandwidth" in values:
            raise InputError(
                "states both raw and bandwidth", "bandwidth is raw × coding: state one of the two"
            )
        if "coding" not in values:
            raise InputError(
                "states raw without coding", "add coding, the share left after FEC and alignment"
            )
        coding = values["coding"].value(numbers)
        if not 0 < coding <= 1:
            raise InputError(f"{values['coding'].told(coding)} of raw", "coding is above 0 and at most 1")
        raw = Fraction(self.parameters.quantity(values["raw"], "bandwidth", 1)) * scale
        return _whole(raw * coding), _whole(raw), float(coding)

    def switch(self, part: SwitchPart, name: str) -> Device:
        """Return the switch that `part` states; `name` is for one that builds on no record."""
        values = self.merged(part)
        delay = self.parameters.quantity(values.get("delay", 0.0), "time")
        kind, dark = values.get("kind", "switch"), self._given(values, "reconfiguration", "time")
        if (dark is not None) != (kind == "ocs"):
            raise InputError(
                "a circuit switch and no other states how long it takes",
                "write kind: ocs and reconfiguration: 10 ms",
            )
        return Device(self.name(part, name), kind, True, delay, self._ports(values), reconfiguration=dark)

    def device(self, part: DevicePart, name: str) -> tuple[Device, str]:
        """Return the NPU that `part` states, and what it is called in node names."""
        values = self.merged(part)
        delay = self.parameters.quantity(values.get("delay", 0.0), "time")
        forwards, packaged = bool(values.get("forwards")), values.get("per_package", 1)
        flops = {of: self.parameters.quantity(rate, "flops") for of, rate in values.get("flops", {}).items()}
        kind = values.get("kind", "npu")
        device = Device(
            self.name(part, name), kind, forwards, delay, self._ports(values), packaged,
            tuple(sorted(flops.items())), self._given(values, "memory", "size"),
            self._given(values, "memory_bandwidth", "bandwidth"), self._given(values, "port_sum", "bandwidth"),
            dual_use=values["dual_use"].whole(self.parameters.numbers) if "dual_use" in values else None,
        )  # fmt: skip
        return device, values.get("unit", kind)

    def _ports(self, values: Mapping[str, Any]) -> int | None:
        return values["ports"].whole(self.parameters.numbers) if "ports" in values else None


def _whole(rate: Fraction) -> int:
    if rate < 1:
        raise InputError("the bandwidth is below 1 B/s", "check raw, coding and scale")
    return round(rate)


def scaled(link: Link, factor: Fraction, name: str) -> Link:
    """Return a link with its rates multiplied by `factor`."""
    raw = None if link.raw is None else _whole(link.raw * factor)
    return replace(link, name=name, bandwidth=_whole(link.bandwidth * factor), raw=raw)


# -- where they come from -------------------------------------------------------------------------------


def book_of(part: TopologyPart | None, parameters: Parameters) -> Book:
    """Return the records that a file can name: its own take the place of shared ones."""
    own: dict[tuple[str, str], RecordPart] = {}
    for kind in KINDS.values() if part is not None else ():
        own |= {(kind, name): record for name, record in getattr(part, kind).items()}
    return Book({**shared(), **own}, parameters)


@cache
def shared() -> Mapping[tuple[str, str], RecordPart]:
    """Return the records that ship with the package, by (kind, name). Raises InputError for a bad file."""
    found: dict[tuple[str, str], RecordPart] = {}
    for document in record_files():
        try:
            part = validate(RecordsPart, document.value)
            for kind in KINDS.values():
                _add(found, kind, getattr(part, kind))
        except InputError as error:
            raise document.locate(error) from None
    return found


def _add(found: dict[tuple[str, str], RecordPart], kind: str, records: Mapping[str, RecordPart]) -> None:
    for name, record in records.items():
        if (kind, name) in found:
            raise InputError([Fault("is recorded in another file too", "keep one of them", (kind, name))])
        found[kind, name] = record


def record_files() -> list[Document]:
    """Return the files of shared records."""
    return [read_document(path) for path in sorted(Path(data_folder("topologies"), "records").glob("*.yaml"))]
