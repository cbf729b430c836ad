"""The levels of a topology file, with the parameters set: each entry of `levels:` to a Level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import networkx as nx
import numpy as np

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Device
from fabricsim.topology.compose import COUNTED_WORD, NAME_RIGHT
from fabricsim.topology.expressions import Expression
from fabricsim.topology.grammar import AttachPart, GraphPart, LevelPart, TopologyPart
from fabricsim.topology.level import SWITCH, Attachment, Level
from fabricsim.topology.records import Book
from fabricsim.topology.rules import SWITCHED, circulant, random_regular, stated_graph
from fabricsim.topology.shapes import build_shape


def levels_of(part: TopologyPart, book: Book, faults: FaultList) -> dict[int, Level]:
    """Return the levels that exist under the book's parameters, by their index in the file, the innermost first.

    Faults, keyed by path in the file, are added to `faults`.
    """
    found: dict[int, Level] = {}
    for index, level in enumerate(part.levels):
        with faults.at("levels", index):
            if level.when is None or level.when.holds(book.parameters.numbers):
                found[index] = _level(level, book, list(found.values()))
    return found


def renumbered(error: InputError, indices: Sequence[int]) -> InputError:
    """Return faults keyed by the index of a level that exists as keyed by its index in the file."""
    return InputError(
        [
            replace(fault, key=(indices[fault.key[0]], *fault.key[1:]))
            if fault.key and isinstance(fault.key[0], int)
            else fault
            for fault in error.faults
        ]
    )


def _level(part: LevelPart, book: Book, inner: Sequence[Level]) -> Level:
    _check_keys(part)
    numbers, faults = book.parameters.numbers, FaultList()
    found: dict[str, Any] = {"members": _members_beside(part, inner), "beside": part.beside}
    if part.members is not None:
        with faults.at("members"):
            sizes = tuple(item.whole(numbers) for item in part.members)
            found |= {"members": max(sizes), "ragged": sizes if len(sizes) > 1 else ()}
    for key in ("planes", "switches", "uplinks"):
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
            found["graph"] = _graph(part.graph, found["members"], numbers)
    if part.through is not None:
        with faults.at("through"):
            found["through"] = _circuit_switch(part, book)
    with faults.at("twist"):
        found["twist"] = _twist(part.twist, numbers, inner)
    with faults.at("attach"):
        found["attach"] = _attachments(part.attach, book)
    faults.raise_if_any()
    return Level(
        part.name, part.rule, uplinks_of=part.uplinks_of, rails_of=part.rails_of, join=part.join, tag=part.tag,
        network=part.network, **found,
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


def _circuit_switch(part: LevelPart, book: Book) -> Device:
    assert part.through is not None
    device = book.switch(part.through, f"{part.name}-ocs")
    if device.kind != "ocs":
        raise InputError(f"{device.name} does not switch circuits", "name one of kind: ocs")
    return device


def _twist(
    stated: Mapping[str, Expression], numbers: Mapping[str, Fraction], inner: Sequence[Level]
) -> tuple[tuple[str, int], ...]:
    """Return by how many members a wrap advances each inner level, less those that it does not."""
    known, found, faults = [level.name for level in inner if level.beside is None], {}, FaultList()
    for name, step in stated.items():
        with faults.at(name):
            if name not in known:
                raise InputError(f"{name!r} is not an inner level that has members", close_match(name, known))
            found[name] = step.whole(numbers, 0)
    faults.raise_if_any()
    return tuple((name, step) for name, step in found.items() if step)


def _attachments(parts: Sequence[AttachPart], book: Book) -> tuple[Attachment, ...]:
    found, faults = [], FaultList()
    for index, part in enumerate(parts):
        with faults.at(index):
            found.append(_attachment(part, book))
    faults.raise_if_any()
    return tuple(attachment for attachment in found if attachment.count)


def _attachment(part: AttachPart, book: Book) -> Attachment:
    numbers, faults = book.parameters.numbers, FaultList()
    count = links = 1
    with faults.at("count"):
        count = 1 if part.count is None else part.count.whole(numbers, 0)
    with faults.at("links"):
        links = 1 if part.links is None else part.links.whole(numbers)
    if not COUNTED_WORD.fullmatch(part.name):
        faults.add(f"{part.name!r} cannot be part of a node's name", NAME_RIGHT, ("name",))
    with faults.at("device"):
        device, _ = book.device(part.device, part.name)
        if device.kind == "npu":
            raise InputError(f"{device.name} would need a rank", "state kind: cpu, nic or spare")
    with faults.at("link"):
        link = book.link(part.link, part.name)
    faults.raise_if_any()
    return Attachment(part.name, device, count, link, links)


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
    "rails_of": ("rule: rails", lambda p: p.rule == "rails"),
    "uplinks": ("rule: switched with uplinks_of", lambda p: p.uplinks_of is not None and p.rule in SWITCHED),
    "join": ("rule: switched with uplinks_of", lambda p: p.uplinks_of is not None and p.rule in SWITCHED),
    "graph": ("rule: graph", lambda p: p.rule == "graph"),
    "ports": ("a rule that has neighbours of equal number", lambda p: p.rule not in ("none", "graph")),
    "link": ("a rule that joins members", lambda p: p.rule != "none"),
    "through": ("a rule that joins members to members", lambda p: p.rule not in ("none", *SWITCHED)),
    "twist": ("rule: ring, on NPUs", lambda p: p.rule == "ring" and p.uplinks_of is None),
    "attach": ("a rule with switches", lambda p: p.rule in SWITCHED),
    "uplinks_of": ("a rule that joins members", lambda p: p.rule != "none"),
}
"""What a key needs beside it to have an effect: in words, and as a check of the level."""


def _check_keys(part: LevelPart) -> None:
    idle = [key for key in part.model_fields_set if key in _NEEDS and not _NEEDS[key][1](part)]
    if idle:
        raise InputError([Fault("has no effect here", f"it needs {_NEEDS[key][0]}", (key,)) for key in idle])
    if part.members is not None and len(part.members) > 1:
        clash = [key for key in ("graph", "twist", "through") if key in part.model_fields_set]
        if clash:
            what = f"{clash[0]} does not fit copies with unequal numbers of members"
            raise InputError([Fault(what, "write one number of members", ("members",))])


def _shape_graph(shape: Mapping[str, Any], members: int) -> nx.Graph[Any]:
    """Return the graph of a shape's switches, of its NPUs where it has none."""
    if "shape" not in shape:
        raise InputError("names no shape", "write {shape: torus, size: [4, 4]}")
    fabric = build_shape({"link": _ANY, **shape})
    first, count = (fabric.ranks, fabric.switches) if fabric.switches else (0, fabric.ranks)
    if count != members:
        raise InputError(f"{fabric.name} has {count} of them, the level {members} members", "make them agree")
    inner = (fabric.src >= first) & (fabric.dst >= first)
    pairs = np.sort(np.stack([fabric.src[inner], fabric.dst[inner]], axis=1) - first, axis=1)
    ends, links = np.unique(pairs, axis=0, return_counts=True)
    return stated_graph(members, [(a, b, n) for (a, b), n in zip(ends.tolist(), links.tolist(), strict=True)])


_ANY: Final = {"bandwidth": "1 GB/s"}
"""The link of a shape of which only the graph counts."""


def _graph(part: GraphPart, members: int, numbers: Mapping[str, Fraction]) -> nx.Graph[Any]:
    stated = part.model_fields_set
    if part.edges is not None and stated == {"edges"}:
        wrong = [edge for edge in part.edges if len(edge) not in (2, 3)]
        if wrong:
            raise InputError(f"{list(wrong[0])} is not an edge", "write [a, b], or [a, b, links]")
        return stated_graph(members, list(part.edges))
    if part.generator == "circulant" and part.offsets is not None and stated == {"generator", "offsets"}:
        return circulant(members, [offset.whole(numbers) for offset in part.offsets])
    if part.degree is not None and part.seed is not None and stated == {"generator", "degree", "seed"}:
        return random_regular(members, part.degree, part.seed)
    if part.shape is not None and stated == {"shape"}:
        faults = FaultList()
        with faults.at("shape"):
            return _shape_graph(part.shape, members)
        raise InputError(faults.faults)
    right = (
        "write edges, or shape, or generator: circulant with offsets, or random-regular with degree and seed"
    )
    raise InputError("does not state one graph", right)
