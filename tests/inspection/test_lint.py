"""Every finding has a machine that triggers it and the same machine put right."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import networkx as nx
import numpy as np
import pytest

from fabricsim.fabric import Device, Fabric
from fabricsim.inspection import inspect
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def box(**keys: Any) -> dict[str, Any]:
    return {"name": "box", "members": 4, "rule": "switched", "link": LINK, **keys}


def machine(*levels: dict[str, Any], **keys: Any) -> Fabric:
    return resolve({"name": "test", "levels": list(levels), **keys})


def without(fabric: Fabric, links: list[int]) -> Fabric:
    kept = ~np.isin(np.arange(fabric.link_count), links)
    columns = ("src", "dst", "link_class", "level", "plane")
    return replace(fabric, **{key: getattr(fabric, key)[kept] for key in columns})


def islands(joined: bool) -> Fabric:
    graph = nx.Graph()
    graph.add_edges_from([("a", "s0"), ("b", "s0"), ("c", "s1"), ("d", "s1")], **LINK)
    for switch in ("s0", "s1"):
        graph.nodes[switch]["kind"] = "switch"
    if joined:
        graph.add_edge("s0", "s1", **LINK)
    return Fabric.from_networkx(graph)


def star(ports: int) -> Fabric:
    fabric = resolve({"shape": "star", "size": 4, "link": LINK})
    group = replace(fabric.groups[1], device=Device("tiny", "switch", True, 0.0, ports=ports))
    return replace(fabric, groups=(fabric.groups[0], group))


def counted(npus: int) -> Fabric:
    fabric = star(4)
    return replace(fabric, about=replace(fabric.about, counts={"npus": npus}))


def planes(missing: list[int]) -> Fabric:
    return without(machine(box(planes=2)), missing)


def two_tiers(missing: list[int], **keys: Any) -> Fabric:
    """Boxes of four NPUs on two planes, whose switches have four links each to two switches above."""
    top = {"name": "top", "members": 2, "rule": "switched", "uplinks_of": "box", "switches": 2, "link": LINK}
    return without(machine(box(planes=2), {**top, "uplinks": 4, **keys}), missing)


def networks(tag: str) -> Fabric:
    beside = {"name": "leaf", "beside": "box", "rule": "switched", "link": LINK, "network": "scale-out"}
    return machine(box(), {**beside, "tag": tag})


def homed(second: int) -> Fabric:
    """Return two NPUs on two switches: the first has two links to one and one to the other."""
    graph = nx.MultiGraph()
    for npu, links in (("a", (2, 1)), ("b", (second, 3 - second))):
        for switch, count in zip(("s0", "s1"), links, strict=True):
            graph.add_node(switch, kind="switch")
            graph.add_edges_from([(npu, switch)] * count, **LINK)
    return Fabric.from_networkx(graph)


def device(stated: str | None) -> Fabric:
    """Return four NPUs with four ports of 50 GB/s, all wired, whose record states a sum."""
    record = {"ports": 4} | ({"port_sum": stated} if stated else {})
    return machine(box(planes=4), device=record)


@pytest.mark.parametrize(
    ("make", "wrong", "right", "said"),
    [
        (islands, False, True, "disconnected: no path leads from c to a"),
        (star, 3, 4, "radix: sw0 has 4 links, tiny has 3 ports"),
        (counted, 5, 4, "counts: npus is 4, published are 5"),
        (networks, "sw", "leaf", "duplicate names: box/sw{} names nodes of box and leaf"),
        (planes, [1], [], "plane: plane 1 of box reaches 3 of 4 NPUs"),
        (homed, 1, 2, "unbalanced ECMP: s0 takes 33% of the links of some nodes below it, 67% of others"),
        (device, "200 MB/s", "200 GB/s", "add up to 200 GB/s, npu states 200 MB/s, a factor of 1000: a prefix"),
        (device, "200 TB/s", "200 GB/s", "add up to 200 GB/s, npu states 200 TB/s, a factor of 1000: a prefix"),
        (device, "200 Gbit/s", "200 GB/s", "npu states 25 GB/s, a factor of 8: bits are taken for bytes?"),
        (device, "100 GB/s", None, "npu states 100 GB/s, a factor of 2: both directions are added up?"),
        (device, "400 GB/s", "213 GB/s", "npu states 400 GB/s, a factor of 2: both directions are added up?"),
        (device, "150 GB/s", "200 GB/s", "npu states 150 GB/s at most"),
    ],
)  # fmt: skip
def test_a_finding_and_its_cure(make: Callable[[Any], Fabric], wrong: Any, right: Any, said: str) -> None:
    assert inspect(make(right))["lint"] == []
    assert said in inspect(make(wrong))["lint"][0]


def test_a_plane_that_carries_less_than_others() -> None:
    """Of the eight links of a plane above, one is missing: 7/8 = 88 %; and what is left is split unevenly."""
    assert inspect(two_tiers([]))["lint"] == []
    first = 16  # after two boxes of four NPUs on two planes
    found = inspect(two_tiers([first]))["lint"]
    assert [finding.split(":")[0] for finding in found] == ["unequal planes", "unbalanced ECMP"]
    assert found[0].endswith("plane 0 of top carries 88% of what others do")


def test_oversubscription_that_the_file_does_not_state() -> None:
    """Four links down and two up are 2 : 1."""
    found = inspect(two_tiers([], uplinks=2))["lint"]
    assert found == ["oversubscription: box is 2 : 1, its file states a taper of 1"]
    top = {"name": "top", "members": 2, "rule": "switched", "uplinks_of": "box", "switches": 2, "link": LINK}
    assert inspect(machine(box(planes=2, taper=2), {**top, "uplinks": 2}))["lint"] == []


def test_links_of_unequal_rate_into_one_tier() -> None:
    graph = nx.MultiGraph()
    graph.add_node("s", kind="switch")
    for npu in "ab":
        graph.add_edge(npu, "s", **LINK)
        graph.add_edge(npu, "s", **LINK)
    assert inspect(Fabric.from_networkx(graph))["lint"] == []
    graph.add_node("t", kind="switch")
    for npu in "ab":
        graph.add_edge(npu, "t", bandwidth="10 GB/s", latency="0 s")
    found = inspect(Fabric.from_networkx(graph))["lint"]
    assert found == ["unbalanced ECMP: the links of a into one tier have unequal rates"]
