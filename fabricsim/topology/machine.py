"""A topology file, with its parameters set, to a Fabric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import About, Device, Evidence, Fabric
from fabricsim.model import Endpoint, Model
from fabricsim.topology.absent import without
from fabricsim.topology.compose import COUNTED_WORD, NAME_RIGHT, Naming, check_levels, compose
from fabricsim.topology.evidence import evidence_of
from fabricsim.topology.expressions import Expression
from fabricsim.topology.grammar import TopologyPart
from fabricsim.topology.layout import laid_out, layout_of, places_of
from fabricsim.topology.level import Level
from fabricsim.topology.level_parts import levels_of, renumbered
from fabricsim.topology.parameters import Parameters, check_used, parameters_of
from fabricsim.topology.records import KINDS, Book, RecordPart, book_of


def build(
    part: TopologyPart, value: Mapping[str, Any], name: str, settings: Mapping[str, Any] | None = None
) -> Fabric:
    """Return the machine of a topology file, some of its parameters set to other values.

    value: the plain mapping that `part` was read from; name: what to call a machine that states no name. Raises
    InputError keyed by path in the file, those of settings below `set`.
    """
    if part.unavailable:
        raise InputError(
            f"there is nothing to load: {part.unavailable}", "write a file of your own assumptions"
        )
    if not part.levels:
        raise InputError([Fault("is missing", "add it: the levels, innermost first", ("levels",))])
    parameters = parameters_of(part.parameters, settings or {}, part.auto)
    try:
        return _built(part, value, name, parameters)
    except InputError as error:
        if not parameters.changed:
            raise
        told = parameters.told()
        raise InputError([replace(f, what=f"{f.what} (where {told})") for f in error.faults]) from None


def _built(part: TopologyPart, value: Mapping[str, Any], name: str, parameters: Parameters) -> Fabric:
    book = book_of(part, parameters)
    faults = FaultList()
    with faults.at("parameters"):
        check_used(part.parameters, _used(part))
    _check_budget(part, parameters, faults)
    _check_records(part, book, faults)
    with faults.at("device"):
        device, unit = book.device(part.device, "npu")
        if device.kind != "npu":
            raise InputError([Fault(f"{device.kind!r} has no rank", "state kind: npu", ("kind",))])
        if not COUNTED_WORD.fullmatch(unit):
            raise InputError([Fault(f"{unit!r} cannot be part of a node's name", NAME_RIGHT, ("unit",))])
    levels = levels_of(part, book, faults)
    faults.raise_if_any()
    with faults.at("levels"):
        _check_names(levels, unit)
    with faults.at():
        own = evidence_of(value, part.evidence)
    faults.raise_if_any()
    evidence = (*own, *_records_evidence(part, book, faults))
    faults.raise_if_any()
    notes = parameters.notes
    if part.max_job is not None:
        notes = (*notes, f"one job has at most {part.max_job} NPUs")
    about = About(part.title, part.vendor_sum, evidence, notes=notes, routing=_routing_options(part))
    with faults.at("levels"):
        fabric = _composed(part, name, levels, device, unit, about)
    faults.raise_if_any()
    if part.without is not None:
        with faults.at("without"):
            fabric = without(fabric, part.without.nodes, part.without.links)
        faults.raise_if_any()
    fabric = _placed(part, fabric, parameters)
    if parameters.changed:
        return fabric  # what is published holds for the machine as shipped
    _check_counts(part, fabric)
    return replace(fabric, about=replace(fabric.about, counts=dict(part.counts)))


def _check_names(levels: Mapping[int, Level], unit: str) -> None:
    try:
        check_levels(list(levels.values()), Naming(unit))
    except InputError as error:
        raise renumbered(error, list(levels)) from None


def _composed(
    part: TopologyPart, name: str, levels: Mapping[int, Level], device: Device, unit: str, about: About
) -> Fabric:
    """Return the levels composed. Raises InputError keyed by the index of a level in the file."""
    policy = part.routing.policy if part.routing else "minimal"
    own = list(levels.values())
    try:
        return compose(
            part.name or name,
            own,
            device,
            naming=Naming(unit),
            about=about,
            model=_model(part, own),
            policy=policy,
        )
    except InputError as error:
        bare = [
            replace(fault, key=fault.key[1:] if fault.key[:1] == ("levels",) else fault.key)
            for fault in error.faults
        ]
        raise renumbered(InputError(bare), list(levels)) from None


def _placed(part: TopologyPart, fabric: Fabric, parameters: Parameters) -> Fabric:
    if part.layout is not None:
        faults = FaultList()
        with faults.at("layout"):
            return laid_out(fabric, layout_of(part.layout, parameters))
        raise InputError(faults.faults)
    for link in fabric.links:
        if link.latency_per_metre:
            what = f"{link.name} has a latency by the metre, and no length"
            raise InputError([Fault(what, "add layout: where the racks stand", ("layout",))])
    return fabric


def _routing_options(part: TopologyPart) -> dict[str, Any]:
    stated = part.routing.model_fields_set - {"policy"} if part.routing else set()
    return {key: getattr(part.routing, key) for key in sorted(stated)}


def _check_budget(part: TopologyPart, parameters: Parameters, faults: FaultList) -> None:
    for name, rule in part.budget.items():
        with faults.at("budget", name):
            if not rule.holds(parameters.numbers):
                values = (f"{key} = {parameters.numbers[key]}" for key in sorted(rule.names))
                raise InputError(f"{rule.text} does not hold", ", ".join(values))


def _check_records(part: TopologyPart, book: Book, faults: FaultList) -> None:
    """Check the file's own records, also those that no level uses."""
    for name, link in part.links.items():
        with faults.at("links", name):
            book.link(link, name)
    for name, switch in part.switches.items():
        with faults.at("switches", name):
            book.switch(switch, name)
    for name, device in part.devices.items():
        with faults.at("devices", name):
            book.device(device, name)


def _model(part: TopologyPart, levels: Sequence[Level]) -> Model:
    """Return the file's model; flit, header and cell, where it states none, are those on which all links agree.

    Links inside a package make no packets of their own and are not asked. A cell counts where buffers are finite only.
    """
    stated = part.model.values() if part.model else {}
    keys = ("flit", "header", "cell") if "buffer" in stated else ("flit", "header")
    links = [level.link for level in levels if level.link is not None and level.network != "package"]
    shared = {key: {getattr(link, key) for link in links} for key in keys}
    agreed = {key: values.pop() for key, values in shared.items() if len(values) == 1 and None not in values}
    endpoint = Endpoint(**part.endpoint.values()) if part.endpoint else Endpoint()
    return Model(endpoint=endpoint, **{**agreed, **stated})


# -- what else a file says -----------------------------------------------------------------------------------


def _used(part: TopologyPart) -> set[str]:
    """Return every name that an expression, a quantity or a reference of the file may mean."""
    found: set[str] = set()
    pending: list[object] = [
        getattr(part, key) for key in ("device", "budget", "auto", "levels", "layout", *KINDS.values())
    ]
    while pending:
        item = pending.pop()
        if isinstance(item, Expression):
            found |= item.names
        elif isinstance(item, str):
            found.add(item)
        elif isinstance(item, BaseModel):
            pending += [getattr(item, key) for key in type(item).model_fields]
        elif isinstance(item, Mapping):
            pending += item.values()
        elif isinstance(item, tuple):
            pending += item
    return found


def _records_evidence(part: TopologyPart, book: Book, faults: FaultList) -> list[Evidence]:
    """Return the evidence of the records that the machine uses, shared or its own, each once."""
    refs: list[RecordPart] = [part.device]
    for level in part.levels:
        refs += [ref for ref in (level.link, level.switch, level.through) if ref is not None]
        refs += [ref for item in level.attach for ref in (item.device, item.link)]
    used = dict.fromkeys((KINDS[type(ref)], name) for ref in refs for name, _ in book.chain(ref))
    found: list[Evidence] = []
    for kind, name in used:
        record = book.records[kind, name]
        with faults.at(kind, name):
            found += evidence_of(record_value(record), record.evidence, f"{kind}.{name}")
    return found


def record_value(record: RecordPart) -> dict[str, Any]:
    """Return the plain mapping of a record, every number in it as one."""
    values: dict[str, Any] = {}
    for key in record.model_fields_set - {"evidence"}:
        value = getattr(record, key)
        if isinstance(value, Mapping):
            values[key] = {of: _plain(item) for of, item in value.items()}
        else:
            values[key] = _plain(value)
    return values


def _plain(value: object) -> object:
    return value.text if isinstance(value, Expression) else value


def built_counts(fabric: Fabric) -> dict[str, int]:
    """Return what `counts:` may state of a fabric: npus, packages, switches, links, racks; of each level, and in all.

    What is attached to a level counts by its name: four a node called cpu are `node.cpus`.
    """
    counts = {
        "npus": fabric.ranks,
        "packages": fabric.ranks // fabric.device(0).per_package,
        "switches": fabric.switches,
        "links": fabric.link_count,
    }
    links = np.bincount(fabric.level, minlength=len(fabric.levels)).tolist()
    for name, count in zip(fabric.levels, links, strict=True):
        own = [group for group in fabric.groups if group.level == name]
        counts[f"{name}.links"] = count
        counts[f"{name}.switches"] = sum(group.count for group in own if group.device.kind == "switch")
        counts |= {f"{name}.circuits": group.count for group in own if group.device.kind == "ocs"}
        counts |= {f"{name}s": group.count for group in own if group.device.kind not in ("switch", "ocs")}
    if fabric.about.layout is not None:
        counts["racks"] = len(places_of(fabric, fabric.about.layout).names)
    return counts | {f"{info.name}.copies": info.copies for info in fabric.about.levels}


def _check_counts(part: TopologyPart, fabric: Fabric) -> None:
    built, faults = built_counts(fabric), FaultList()
    for key, count in part.counts.items():
        if key not in built:
            faults.add(f"{key!r} is not a count", close_match(key, built), ("counts", key))
        elif built[key] != count:
            faults.add(f"{count} are published, the levels give {built[key]}", "", ("counts", key))
    faults.raise_if_any()
