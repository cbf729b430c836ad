"""A topology file, with its parameters set, to a Fabric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import networkx as nx
from pydantic import BaseModel

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import About, Evidence, Fabric
from fabricsim.model import Endpoint, Model
from fabricsim.topology.compose import COUNTED_WORD, NAME_RIGHT, Naming, check_levels, compose
from fabricsim.topology.evidence import evidence_of
from fabricsim.topology.expressions import Expression
from fabricsim.topology.grammar import GraphPart, LevelPart, TopologyPart
from fabricsim.topology.level import SWITCH, Level
from fabricsim.topology.parameters import Parameters, check_used, parameters_of
from fabricsim.topology.records import KINDS, Book, RecordPart, book_of
from fabricsim.topology.rules import SWITCHED, circulant, random_regular, stated_graph


def build(
    part: TopologyPart, value: Mapping[str, Any], name: str, settings: Mapping[str, Any] | None = None
) -> Fabric:
    """Return the machine of a topology file, some of its parameters set to other values.

    value: the plain mapping that `part` was read from; name: what to call a machine that states no name. Raises
    InputError keyed by path in the file, those of settings below `set`.
    """
    parameters = parameters_of(part.parameters, settings or {})
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
    levels = _levels(part, book, faults)
    faults.raise_if_any()
    with faults.at("levels"):
        check_levels(levels, Naming(unit))
    with faults.at():
        own = evidence_of(value, part.evidence)
    faults.raise_if_any()
    evidence = (*own, *_records_evidence(part, book, faults))
    faults.raise_if_any()
    about = About(part.title, part.vendor_sum, evidence)
    fabric = compose(
        part.name or name, levels, device, naming=Naming(unit), about=about, model=_model(part, levels),
        policy=part.routing.policy if part.routing else "minimal",
    )  # fmt: skip
    if parameters.changed:
        return fabric  # what is published holds for the machine as shipped
    _check_counts(part, fabric)
    return replace(fabric, about=replace(fabric.about, counts=dict(part.counts)))


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

    A cell counts where buffers are finite only.
    """
    stated = part.model.values() if part.model else {}
    keys = ("flit", "header", "cell") if "buffer" in stated else ("flit", "header")
    links = [level.link for level in levels if level.link is not None]
    shared = {key: {getattr(link, key) for link in links} for key in keys}
    agreed = {key: values.pop() for key, values in shared.items() if len(values) == 1 and None not in values}
    endpoint = Endpoint(**part.endpoint.values()) if part.endpoint else Endpoint()
    return Model(endpoint=endpoint, **{**agreed, **stated})


# -- levels ------------------------------------------------------------------------------------------------


def _levels(part: TopologyPart, book: Book, faults: FaultList) -> list[Level]:
    found: list[Level] = []
    for index, level in enumerate(part.levels):
        with faults.at("levels", index):
            found.append(_level(level, book, found))
    return found


def _level(part: LevelPart, book: Book, inner: Sequence[Level]) -> Level:
    _check_keys(part)
    numbers, faults = book.parameters.numbers, FaultList()
    found: dict[str, Any] = {"members": _members_beside(part, inner), "beside": part.beside}
    for key in ("members", "planes", "switches", "uplinks"):
        stated: Expression | None = getattr(part, key)
        if stated is not None:
            with faults.at(key):
                found[key] = stated.whole(numbers)
    if part.ports is not None:
        with faults.at("ports"):
            found["ports"] = tuple(item.whole(numbers) for item in part.ports)
    if part.taper is not None:
        with faults.at("taper"):
            found["taper"] = _taper(part.taper, numbers)
    if part.link is not None:
        with faults.at("link"):
            found["link"] = book.link(part.link, part.name)
    with faults.at("switch"):
        found["switch"] = book.switch(part.switch, f"{part.name}-switch") if part.switch else SWITCH
    if part.graph is not None:
        with faults.at("graph"):
            found["graph"] = _graph(part.graph, found["members"])
    faults.raise_if_any()
    return Level(
        part.name, part.rule, uplinks_of=part.uplinks_of, join=part.join, tag=part.tag, network=part.network,
        **found,
    )  # fmt: skip


def _members_beside(part: LevelPart, inner: Sequence[Level]) -> int:
    """Return the members of the level that this one stands beside, 1 where it has its own."""
    if (part.beside is None) == (part.members is None):
        state = "is missing" if part.members is None else "is stated, and beside too"
        raise InputError(
            [Fault(state, "write members, or beside: the level whose members meet", ("members",))]
        )
    known = {level.name: level.members for level in inner}
    if part.beside is not None and part.beside not in known:
        what = f"{part.beside!r} is not an inner level"
        raise InputError([Fault(what, close_match(part.beside, known), ("beside",))])
    return known[part.beside] if part.beside is not None else 1


def _taper(stated: Expression, numbers: Mapping[str, Fraction]) -> Fraction:
    taper = stated.value(numbers)
    if taper <= 0:
        raise InputError(f"{stated.told(taper)}, which is not above zero", "write down : up, such as 2")
    return taper


_NEEDS: Final[Mapping[str, tuple[str, Callable[[LevelPart], bool]]]] = {
    "planes": ("rule: switched on NPUs", lambda p: p.rule == "switched" and p.uplinks_of is None),
    "switch": ("a rule with switches", lambda p: p.rule in SWITCHED),
    "switches": ("a rule with switches", lambda p: p.rule in SWITCHED),
    "taper": ("a rule with switches", lambda p: p.rule in SWITCHED),
    "tag": ("a rule with switches", lambda p: p.rule in SWITCHED),
    "uplinks": ("rule: switched with uplinks_of", lambda p: p.uplinks_of is not None and p.rule in SWITCHED),
    "join": ("rule: switched with uplinks_of", lambda p: p.uplinks_of is not None and p.rule in SWITCHED),
    "graph": ("rule: graph", lambda p: p.rule == "graph"),
    "ports": ("a rule that has neighbours of equal number", lambda p: p.rule not in ("none", "graph")),
    "link": ("a rule that joins members", lambda p: p.rule != "none"),
    "uplinks_of": ("a rule that joins members", lambda p: p.rule != "none"),
}
"""What a key needs beside it to have an effect: in words, and as a check of the level."""


def _check_keys(part: LevelPart) -> None:
    idle = [key for key in part.model_fields_set if key in _NEEDS and not _NEEDS[key][1](part)]
    if idle:
        raise InputError([Fault("has no effect here", f"it needs {_NEEDS[key][0]}", (key,)) for key in idle])


def _graph(part: GraphPart, members: int) -> nx.Graph[Any]:
    stated = part.model_fields_set
    if part.edges is not None and stated == {"edges"}:
        wrong = [edge for edge in part.edges if len(edge) not in (2, 3)]
        if wrong:
            raise InputError(f"{list(wrong[0])} is not an edge", "write [a, b], or [a, b, links]")
        return stated_graph(members, list(part.edges))
    if part.generator == "circulant" and part.offsets is not None and stated == {"generator", "offsets"}:
        return circulant(members, list(part.offsets))
    if part.degree is not None and part.seed is not None and stated == {"generator", "degree", "seed"}:
        return random_regular(members, part.degree, part.seed)
    right = (
        "write edges, or generator: circulant with offsets, or generator: random-regular with degree and seed"
    )
    raise InputError("does not state one graph", right)


# -- what else a file says -----------------------------------------------------------------------------------


def _used(part: TopologyPart) -> set[str]:
    """Return every name that an expression, a quantity or a reference of the file may mean."""
    found: set[str] = set()
    pending: list[object] = [getattr(part, key) for key in ("device", "budget", "levels", *KINDS.values())]
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
    refs += [ref for level in part.levels for ref in (level.link, level.switch) if ref is not None]
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
    """Return what `counts:` may state of a fabric: npus, packages, switches, links; of each level, and in all."""
    counts = {
        "npus": fabric.ranks,
        "packages": fabric.ranks // fabric.device(0).per_package,
        "switches": fabric.switches,
        "links": fabric.link_count,
    }
    for info in fabric.about.levels:
        counts[f"{info.name}.copies"] = info.copies
        counts[f"{info.name}.links"] = info.copies * info.links
        counts[f"{info.name}.switches"] = info.copies * info.planes * info.switches
    return counts


def _check_counts(part: TopologyPart, fabric: Fabric) -> None:
    built, faults = built_counts(fabric), FaultList()
    for key, count in part.counts.items():
        if key not in built:
            faults.add(f"{key!r} is not a count", close_match(key, built), ("counts", key))
        elif built[key] != count:
            faults.add(f"{count} are published, the levels give {built[key]}", "", ("counts", key))
    faults.raise_if_any()
