"""Overlays: a lab's own numbers laid over a machine whose published file stays as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from fabricsim.document import Document, read_document
from fabricsim.errors import FaultList, InputError, close_match
from fabricsim.fabric import Device, Evidence, Fabric, Link, Overlay
from fabricsim.model import Endpoint
from fabricsim.model.grammar import EndpointPart
from fabricsim.topology.evidence import evidence_of
from fabricsim.topology.grammar import EvidenceParts
from fabricsim.units import format_bandwidth, format_time
from fabricsim.validation import Bandwidth, Part, Time, json_schema_of, validate

SCHEMA: Final = "fabricsim.overlay/1"


class LinkChange(Part):
    """links, one entry: what is measured of a class of links."""

    bandwidth: Bandwidth | None = Field(None, description="data rate, one direction, in place of the file's")
    efficiency: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="share of the bandwidth that is reached: above 0, at most 1"
    )
    latency: Time | None = Field(
        None, description="in place of the file's; what a layout adds for each metre is added to this too"
    )
    retry: Time | None = Field(None, description="how long a sender waits for a link-level answer")


class NodeChange(Part):
    """switches, devices, one entry: what is measured of a kind of nodes."""

    delay: Time = Field(description="what it adds to a packet passing through")


class OverlayPart(Part):
    """An overlay file."""

    format: Literal["fabricsim.overlay/1"] = Field(alias="schema", description=f"schema: {SCHEMA}")
    title: str = ""
    topology: str | None = Field(None, description="the machine that it is of; any if absent")
    links: dict[str, LinkChange] = Field(default_factory=dict, description="by class, as `inspect` names it")
    switches: dict[str, NodeChange] = Field(default_factory=dict, description="by kind of switch")
    devices: dict[str, NodeChange] = Field(default_factory=dict, description="by kind of NPU, CPU or NIC")
    endpoint: EndpointPart | None = Field(None, description="what each rank adds to a message")
    evidence: EvidenceParts = Field(default_factory=dict, description="by key: confidence, source, note")


@dataclass(frozen=True)
class OverlayFile:
    """An overlay as read: its part, and the file that it was in."""

    part: OverlayPart
    document: Document


def read_overlay(path: Path) -> OverlayFile:
    """Return the overlay of a file. Raises InputError with every fault found, each with its line."""
    return overlay_of(read_document(path))


def overlay_of(document: Document) -> OverlayFile:
    """Return the overlay that a document states. Raises InputError as `read_overlay` does."""
    faults = FaultList()
    with faults.at():
        part = validate(OverlayPart, document.value)
        evidence_of(document.value, part.evidence)
        return OverlayFile(part, document)
    raise document.locate(InputError(faults.faults))


def overlaid(fabric: Fabric, overlay: OverlayFile) -> Fabric:
    """Return `fabric` with what an overlay states in place of its own numbers.

    Classes of links and kinds of nodes go by the names that the fabric has for them; all of one name change alike.
    Raises InputError, with the overlay's file and lines, for a name that the fabric does not have, or another machine.
    """
    part, faults, said = overlay.part, FaultList(), list[str]()
    if part.topology is not None and part.topology != fabric.name:
        faults.add(f"is of {part.topology}, not of {fabric.name}", "measure it there", ("topology",))
    links = _changed_links(fabric, part.links, faults, said)
    switches = {group.device.name for group in fabric.groups if group.device.kind in ("switch", "ocs")}
    devices = {group.device.name for group in fabric.groups} - switches
    for kind, changes, known in (("switches", part.switches, switches), ("devices", part.devices, devices)):
        _check_names(kind, changes, known, fabric.name, faults)
    groups = tuple(
        replace(group, device=_changed_device(group.device, part.switches | part.devices, said))
        for group in fabric.groups
    )
    if faults.faults:
        raise overlay.document.locate(InputError(faults.faults))
    model = replace(fabric.model, endpoint=_changed_endpoint(fabric.model.endpoint, part, said))
    evidence = _evidence(fabric, overlay)
    told = tuple(dict.fromkeys(said))
    record = Overlay(overlay.document.file, hashlib.sha256(overlay.document.text.encode()).hexdigest(), told)
    notes = (*fabric.about.notes, *(f"{Path(record.file).name}: {change}" for change in told))
    overlays = (*fabric.about.overlays, record)
    about = replace(fabric.about, evidence=evidence, notes=notes, overlays=overlays)
    return replace(fabric, links=links, groups=groups, model=model, about=about)


def _check_names(
    kind: str, changes: Mapping[str, object], known: set[str], machine: str, faults: FaultList
) -> None:
    for name in changes:
        if name not in known:
            faults.add(
                f"{name!r} is not one of the {kind} of {machine}", close_match(name, known), (kind, name)
            )


def _changed_links(
    fabric: Fabric, changes: Mapping[str, LinkChange], faults: FaultList, said: list[str]
) -> tuple[Link, ...]:
    _check_names("links", changes, {link.name for link in fabric.links}, fabric.name, faults)
    return tuple(
        _changed_link(link, changes[link.name], said) if link.name in changes else link
        for link in fabric.links
    )


def _changed_link(link: Link, change: LinkChange, said: list[str]) -> Link:
    """Return a link with its measured numbers; raw × coding stays its bandwidth where it has both."""
    new = link
    if change.bandwidth is not None:
        new = replace(new, bandwidth=change.bandwidth, raw=None, coding=1.0)
    if change.efficiency is not None:
        reached = max(1, round(new.bandwidth * change.efficiency))
        coding = new.coding if new.raw is None else reached / new.raw
        new = replace(new, bandwidth=reached, coding=coding)
    if change.latency is not None:
        new = replace(new, latency=change.latency + link.latency_per_metre * (link.length or 0.0))
    if change.retry is not None:
        new = replace(new, retry=change.retry)
    if new.bandwidth != link.bandwidth:
        rates = format_bandwidth(new.bandwidth), format_bandwidth(link.bandwidth)
        said.append(f"{link.name}: {rates[0]} in place of {rates[1]}")
    if new.latency != link.latency:
        said.append(
            f"{link.name}: latency {format_time(new.latency)} in place of {format_time(link.latency)}"
        )
    if new.retry != link.retry and new.retry is not None:
        said.append(f"{link.name}: retry {format_time(new.retry)}")
    return new


def _changed_device(device: Device, changes: Mapping[str, NodeChange], said: list[str]) -> Device:
    if device.name not in changes:
        return device
    delay = changes[device.name].delay
    if delay != device.delay:
        said.append(f"{device.name}: delay {format_time(delay)} in place of {format_time(device.delay)}")
    return replace(device, delay=delay)


def _changed_endpoint(endpoint: Endpoint, part: OverlayPart, said: list[str]) -> Endpoint:
    if part.endpoint is None:
        return endpoint
    said.append("endpoint: " + ", ".join(sorted(part.endpoint.values())))
    return replace(endpoint, **part.endpoint.values())


def _evidence(fabric: Fabric, overlay: OverlayFile) -> tuple[Evidence, ...]:
    """Return what the machine says of its numbers, and what the overlay says of those in their place.

    An entry for exactly a number that is replaced gives way; of others the longer key speaks. Numbers of which the
    overlay says nothing are its own assumption.
    """
    part, value = overlay.part, overlay.document.value
    own = evidence_of(value, part.evidence)
    name = Path(overlay.document.file).name
    for kind in ("links", "switches", "devices"):
        for of, keys in (value.get(kind) or {}).items():
            own += [
                Evidence(f"{kind}.{of}.{key}", "assumed", name)
                for key in keys
                if not any(_covers(one.key, f"{kind}.{of}.{key}") for one in own)
            ]
    replaced = {one.key for one in own}
    return (*(one for one in fabric.about.evidence if one.key not in replaced), *own)


def _covers(key: str, number: str) -> bool:
    return number == key or number.startswith(key + ".")


def is_overlay(value: Any) -> bool:
    """Return whether a file's content says that it is an overlay."""
    return isinstance(value, Mapping) and str(value.get("schema", "")).startswith("fabricsim.overlay/")


def overlay_schema() -> dict[str, Any]:
    """Return the JSON Schema of an overlay file, for editors."""
    return json_schema_of(OverlayPart, f"{SCHEMA} file")
