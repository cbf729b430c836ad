"""What differs between two topologies: parameters, counts, links, bounds.

Nodes are the same where their names are. Links between the same two nodes are matched one by one, equal ones first;
what is left over on both sides is re-rated, on one side removed or added.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from fabricsim.fabric import Fabric, IntArray
from fabricsim.inspection.figures import inspect
from fabricsim.inspection.node_names import node_names
from fabricsim.topology.machine import built_counts

EXAMPLES: Final = 5
"""Links of each kind that are named."""
_NOT_BOUNDS: Final = frozenset({"npus", "packages", "switches", "links", "channels"})
_SHIFT: Final = 2**31
Rate = tuple[int, int]


@dataclass(frozen=True)
class Side:
    """One of two topologies: how the user calls it, the machine, and the parameters it has."""

    label: str
    fabric: Fabric
    parameters: Mapping[str, Any]


def diff(a: Side, b: Side) -> dict[str, Any]:
    """Return what differs between two topologies, as `fabricsim diff --json` prints it.

    parameters, records, counts, bounds: rows of name, a and b, None where a side has none. records are what the NPU
    is, the names of switches and links, and the model; bounds are the figures of `inspect`. links: how many are the
    same, added, removed and re-rated (bandwidth or latency changed), and these by level. same: nothing differs.
    """
    found: dict[str, Any] = {
        "a": a.label,
        "b": b.label,
        "parameters": _rows(a.parameters, b.parameters),
        "records": _rows(_records(a.fabric), _records(b.fabric)),
        "counts": _rows(built_counts(a.fabric), built_counts(b.fabric)),
        "links": _links(a.fabric, b.fabric),
        "bounds": _rows(_bounds(a.fabric), _bounds(b.fabric)),
    }
    changed = any(found["links"][kind] for kind in ("added", "removed", "rerated"))
    rows = any(found[key] for key in ("parameters", "records", "counts", "bounds"))
    return {**found, "same": not (changed or rows)}


def _rows(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "a": a.get(name), "b": b.get(name)}
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]


def _records(fabric: Fabric) -> dict[str, Any]:
    device = asdict(fabric.device(0))
    device["flops"] = dict(device["flops"])
    switches = dict.fromkeys(g.device.name for g in fabric.groups if g.device.kind in ("switch", "ocs"))
    return {
        **_flat("device", {_UNITS.get(key, key): value for key, value in device.items()}),
        "switches": ", ".join(switches),
        "links": ", ".join(dict.fromkeys(link.name for link in fabric.links)),
        **_flat("model", asdict(fabric.model)),
    }


_UNITS: Final = {
    "memory": "memory_B",
    "memory_bandwidth": "memory_bandwidth_Bps",
    "port_sum": "port_sum_Bps",
    "delay": "delay_s",
    "reconfiguration": "reconfiguration_s",
}
"""Names of a device's quantities with their unit, as figures have it."""


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Return nested mappings as one, keyed by path."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {path: leaf for key, item in value.items() for path, leaf in _flat(f"{name}.{key}", item).items()}


def _bounds(fabric: Fabric) -> dict[str, Any]:
    """Return the figures of a topology that are single values and no counts."""
    return {
        key: value
        for key, value in inspect(fabric).items()
        if key not in _NOT_BOUNDS and (key.endswith(("_Bps", "_hops", "_exact")) or key == "default_routing")
    }


# -- links -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Ends:
    """(links,) the pair of nodes and the rate of each link, both numbered over the two sides; and its own number."""

    pair: IntArray
    rate: IntArray
    link: IntArray

    def taken(self, rows: IntArray) -> _Ends:
        return _Ends(self.pair[rows], self.rate[rows], self.link[rows])


def _links(a: Fabric, b: Fabric) -> dict[str, Any]:
    ids: dict[str, int] = {}
    rates: dict[Rate, int] = {}
    nodes = [
        np.array([ids.setdefault(n, len(ids)) for n in node_names(fabric)], np.int64) for fabric in (a, b)
    ]
    sides = [_ends(fabric, own, rates) for fabric, own in zip((a, b), nodes, strict=True)]
    one, two = (_joint(side, len(ids), len(rates)) for side in sides)
    left_a, left_b = _unmatched(sides[0], sides[1], one, two)
    only_a, only_b = _unmatched(left_a, left_b, left_a.pair, left_b.pair)
    changed_a, changed_b = _rest(left_a, only_a), _rest(left_b, only_b)
    return {
        "same": len(sides[0].link) - len(left_a.link),
        "added": len(only_b.link),
        "removed": len(only_a.link),
        "rerated": len(changed_a.link),
        "common_nodes": len(np.intersect1d(nodes[0], nodes[1])),
        "by_level": [
            *_by_level("added", None, None, b, only_b.link),
            *_by_level("removed", a, only_a.link, None, None),
            *_by_level("rerated", a, changed_a.link, b, changed_b.link),
        ],
        "examples": [
            *_named("added", b, only_b),
            *_named("removed", a, only_a),
            *_named("rerated", b, changed_b),
        ],
    }


def _joint(side: _Ends, nodes: int, rates: int) -> IntArray:
    """Return one number for pair and rate: 2**24 nodes leave room for thousands of rates."""
    return (side.pair // _SHIFT * nodes + side.pair % _SHIFT) * rates + side.rate


def _ends(fabric: Fabric, ids: IntArray, rates: dict[Rate, int]) -> _Ends:
    src, dst = ids[fabric.src], ids[fabric.dst]
    classes = [rates.setdefault((link.bandwidth, link.latency_ps), len(rates)) for link in fabric.links]
    pair = np.minimum(src, dst) * _SHIFT + np.maximum(src, dst)
    return _Ends(pair, np.array(classes, np.int64)[fabric.link_class], np.arange(fabric.link_count))


def _unmatched(a: _Ends, b: _Ends, key_a: IntArray, key_b: IntArray) -> tuple[_Ends, _Ends]:
    """Return the links of both sides that are left when each takes one of equal key with it."""
    left = []
    for own, other, side in ((key_a, key_b, a), (key_b, key_a, b)):
        order = np.argsort(own, kind="stable")
        ordered = own[order]
        place = np.arange(len(own)) - np.searchsorted(ordered, ordered)  # of each among its equals
        partners = np.sort(other)
        many = np.searchsorted(partners, ordered, "right") - np.searchsorted(partners, ordered)
        left.append(side.taken(order[place >= many]))
    return left[0], left[1]


def _rest(all_of: _Ends, some: _Ends) -> _Ends:
    """Return the links that are not among `some`, by pair and then by number, so that both sides go in step."""
    rows = np.flatnonzero(~np.isin(all_of.link, some.link))
    return all_of.taken(rows[np.lexsort((all_of.link[rows], all_of.pair[rows]))])


def _by_level(
    kind: str, a: Fabric | None, links_a: IntArray | None, b: Fabric | None, links_b: IntArray | None
) -> list[dict[str, Any]]:
    """Return how many links changed alike: level, and rate before and after."""
    before, after = _told(a, links_a), _told(b, links_b)
    counts = Counter(itertools.zip_longest(before, after))
    return [
        {"change": kind, "level": (y or x)[0], "count": count, "a": _rate(x), "b": _rate(y)}
        for (x, y), count in counts.items()
    ]


def _told(fabric: Fabric | None, links: IntArray | None) -> list[tuple[str, int, int]]:
    if fabric is None or links is None:
        return []
    kinds = [(link.bandwidth, link.latency_ps) for link in fabric.links]
    levels, classes = fabric.level[links].tolist(), fabric.link_class[links].tolist()
    return [(fabric.levels[level], *kinds[of]) for level, of in zip(levels, classes, strict=True)]


def _rate(told: tuple[str, int, int] | None) -> dict[str, float] | None:
    return None if told is None else {"bandwidth_Bps": told[1], "latency_s": told[2] / 1e12}


def _named(kind: str, fabric: Fabric, ends: _Ends) -> list[dict[str, str]]:
    first = np.sort(ends.link)[:EXAMPLES].tolist()
    return [{"change": kind, "link": fabric.channel_name(2 * link).replace(" -> ", " - ")} for link in first]
