"""Fat trees of htsim's `.topo` files.

    Nodes 16
    Tiers 3
    Podsize 4
    Tier 0
    Downlink_speed_Gbps 100
    Radix_Down 2
    Radix_Up 2
    Downlink_Latency_ns 1000

A file names each tier, 0 the one of the hosts, and describes the links below it; keys are of any case, `#` starts a
comment. Queue sizes are not taken over: a scenario's `model` states buffers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import About, Device, Fabric, Link
from fabricsim.topology.compose import Naming, compose
from fabricsim.topology.level import Level

_HEAD: Final = {"nodes": 1, "tiers": 2, "podsize": 1}
_TIER: Final = {
    "downlink_speed_gbps": 1, "radix_down": 1, "radix_up": 1, "downlink_latency_ns": 0, "switch_latency_ns": 0,
    "oversubscribed": 1, "bundle": 1, "queue_up": 0, "queue_down": 0,
}  # fmt: skip
"""The least value of each key."""
_DEFAULTS: Final = {"switch_latency_ns": 0, "oversubscribed": 1, "bundle": 1}
_NAMES: Final = ("tor", "agg", "core")


@dataclass
class _Section:
    """The keys of the head or of a tier, with their lines."""

    line: int
    values: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, key: str) -> int:
        return self.values[key] if key in self.values else _DEFAULTS[key]


def load_topo(path: Path) -> Fabric:
    """Return the fabric of a `.topo` file. Raises InputError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Fault(f"cannot be read: {error}", file=str(path))]) from None
    try:
        return read_topo(text, path.stem)
    except InputError as error:
        raise InputError([replace(fault, key=(), file=str(path)) for fault in error.faults]) from None


def read_topo(text: str, name: str) -> Fabric:
    """Return the fabric of a `.topo` file. Raises InputError with every fault found, each with its line."""
    head, tiers = _sections(text)
    _check_given(head, tiers)
    levels = _levels(head, tiers)
    queues = any(key in tier.values for tier in tiers for key in ("queue_up", "queue_down"))
    notes = ("queue sizes of the file are not taken over; state them in a model",) if queues else ()
    return compose(
        name, levels, Device("host"), naming=Naming(flat=True), policy="ecmp", about=About(name, notes=notes)
    )


def _sections(text: str) -> tuple[_Section, list[_Section]]:
    head, faults = _Section(1), FaultList()
    tiers: dict[int, _Section] = {}
    section, known = head, _HEAD
    for line, stated in enumerate(text.splitlines(), 1):
        words = stated.partition("#")[0].split()
        if not words:
            continue
        key = words[0].lower()
        with faults.at():
            value = _number(words, line)
            if key == "tier":
                if value > 2 or value in tiers:
                    raise _at(
                        line, f"tier {value} is {'given twice' if value in tiers else 'too high'}", "0, 1, 2"
                    )
                section = tiers[value] = _Section(line)
                known = _TIER
                continue
            _put(section, key, value, known, line)
    faults.raise_if_any()
    return head, [tiers[index] for index in sorted(tiers)]


def _number(words: list[str], line: int) -> int:
    if len(words) != 2 or not (words[1].isascii() and words[1].isdigit()):
        raise _at(line, f"{' '.join(words)!r} is not a key and a whole number", "as in 'Radix_Down 4'")
    if int(words[1]) > 2**40:
        raise _at(line, f"{words[1]} is out of range", "write a smaller number")
    return int(words[1])


def _put(section: _Section, key: str, value: int, known: Mapping[str, int], line: int) -> None:
    if key not in known:
        raise _at(line, f"{key!r} is not a key here", close_match(key, known))
    if key in section.values:
        raise _at(line, f"{key} is given twice", f"first in line {section.lines[key]}")
    if value < known[key]:
        raise _at(line, f"{key} is {value}", f"at least {known[key]}")
    section.values[key], section.lines[key] = value, line


def _check_given(head: _Section, tiers: list[_Section]) -> None:
    missing = [f"{key} is missing" for key in _HEAD if key not in head.values]
    if missing:
        raise InputError([Fault(what, "state Nodes, Tiers and Podsize", line=1) for what in missing])
    if head["tiers"] not in (2, 3) or len(tiers) != head["tiers"]:
        raise _at(
            head.lines["tiers"],
            f"{head['tiers']} tiers are stated, {len(tiers)} described",
            "describe 2 or 3",
        )
    faults = FaultList()
    for index, tier in enumerate(tiers):
        needed = ["downlink_speed_gbps", "radix_down", "downlink_latency_ns"]
        needed += ["radix_up"] if index < len(tiers) - 1 else []
        for key in needed:
            if key not in tier.values:
                with faults.at():
                    raise _at(tier.line, f"tier {index} states no {key}", "add it")
    faults.raise_if_any()


def _levels(head: _Section, tiers: list[_Section]) -> list[Level]:
    """Return the tiers as levels, after the checks that htsim makes of their numbers."""
    hosts, up = tiers[0]["radix_down"], tiers[0]["radix_up"]
    pod = head["nodes"] if len(tiers) == 2 else head["podsize"]
    _divides(head, "podsize", pod, hosts, "hosts of a pod", "hosts of a ToR")
    _divides(head, "nodes", head["nodes"], pod, "hosts", "hosts of a pod")
    _divides(tiers[1], "bundle", up, tiers[1]["bundle"], "uplinks of a ToR", "links of a bundle")
    tors, aggs, pods = pod // hosts, up // tiers[1]["bundle"], head["nodes"] // pod
    _equal(tiers[0], "bundle", tiers[0]["bundle"], 1, "links of a host")
    _equal(
        tiers[0], "oversubscribed", tiers[0]["oversubscribed"] * up, hosts, "oversubscription times radix_up"
    )
    _equal(
        tiers[1],
        "radix_down",
        tiers[1]["radix_down"],
        tors * tiers[1]["bundle"],
        "radix_down of tier 1",
    )
    levels = [_level(tiers, 0, hosts), _level(tiers, 1, tors, "tor", up, aggs)]
    if len(tiers) == 3:
        bundle, rise = tiers[2]["bundle"], tiers[1]["radix_up"]
        _divides(tiers[2], "bundle", rise, bundle, "uplinks of an aggregation switch", "links of a bundle")
        _equal(tiers[2], "radix_down", tiers[2]["radix_down"], pods * bundle, "radix_down of tier 2")
        levels.append(_level(tiers, 2, pods, "agg", rise, rise // bundle))
    return levels


def _level(
    tiers: list[_Section], tier: int, members: int, below: str | None = None, uplinks: int | None = None,
    switches: int | None = None,
) -> Level:  # fmt: skip
    own = tiers[tier]
    latency = own["downlink_latency_ns"] * 1e-9
    link = Link(f"below-{_NAMES[tier]}", own["downlink_speed_gbps"] * 10**9 // 8, latency)
    switch = Device(_NAMES[tier], "switch", True, own["switch_latency_ns"] * 1e-9)
    return Level(
        _NAMES[tier],
        "switched",
        members,
        link,
        switch=switch,
        uplinks_of=below,
        uplinks=uplinks,
        switches=switches,
    )


def _divides(section: _Section, key: str, whole: int, part: int, what: str, of: str) -> None:
    if whole % part:
        line = section.lines.get(key, section.line)
        raise _at(line, f"{whole} {what} are no multiple of {part} {of}", "make them come out even")


def _equal(section: _Section, key: str, stated: int, wanted: int, what: str) -> None:
    if stated != wanted:
        raise _at(section.lines.get(key, section.line), f"{what} is {stated}, not {wanted}", f"change {key}")


def _at(line: int, what: str, right: str) -> InputError:
    return InputError([Fault(what, right, line=line)])
