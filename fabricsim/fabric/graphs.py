"""Fabrics from NetworkX graphs, and NetworkX graphs of fabrics, of their parts and of their levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import FaultList, InputError, close_match
from fabricsim.fabric.parts import KINDS, Device, IntArray, Link, NodeGroup
from fabricsim.units import parse_bandwidth, parse_time, to_ps

if TYPE_CHECKING:
    from fabricsim.fabric.fabric import Fabric

MAX_GRAPH_NODES: Final = 20_000
"""Above this no NetworkX graph is made: a node and its links cost some 10 kB (measured)."""


# -- graphs of a fabric ---------------------------------------------------------------------------------


def write_graph(fabric: Fabric, kept: NDArray[np.bool_] | None = None) -> nx.MultiGraph[str]:
    """Return the nodes `kept` (all if None) and the links between them, by name; quantities are text."""
    nodes = np.arange(fabric.nodes) if kept is None else np.flatnonzero(kept)
    if len(nodes) > MAX_GRAPH_NODES:
        what = f"{len(nodes)} nodes of {fabric.name} are too many for one NetworkX graph"
        raise InputError(what, f"up to {MAX_GRAPH_NODES} are drawn; take a part, or one level")
    graph: nx.MultiGraph[str] = nx.MultiGraph(name=fabric.name)
    names = {node: fabric.node_name(node) for node in nodes.tolist()}
    for node, name in names.items():
        graph.add_node(name, **_node_data(fabric, node))
    chosen = (
        np.arange(fabric.link_count) if kept is None else np.flatnonzero(kept[fabric.src] & kept[fabric.dst])
    )
    for link in chosen.tolist():
        graph.add_edge(names[int(fabric.src[link])], names[int(fabric.dst[link])], **_edge_data(fabric, link))
    return graph


def _node_data(fabric: Fabric, node: int) -> dict[str, Any]:
    group = next(g for g in fabric.groups if g.first <= node < g.first + g.count)
    device = group.device
    data = {
        "kind": device.kind, "device": device.name, "level": group.level,
        "forwards": device.forwards, "delay": f"{to_ps(device.delay)} ps",
    }  # fmt: skip
    return {**data, "rank": node} if device.kind == "npu" else data


def _edge_data(fabric: Fabric, link: int) -> dict[str, Any]:
    cls = fabric.links[int(fabric.link_class[link])]
    data = {
        "bandwidth": f"{cls.bandwidth} B/s", "latency": f"{cls.latency_ps} ps", "link": cls.name,
        "level": fabric.levels[int(fabric.level[link])], "plane": int(fabric.plane[link]),
    }  # fmt: skip
    stated = {"medium": cls.medium, "lanes": cls.lanes}
    return data | {key: value for key, value in stated.items() if value is not None}


def part_graph(fabric: Fabric, path: str) -> nx.MultiGraph[str]:
    """Return the nodes at and below a path, and the links between them."""
    kept = np.zeros(fabric.nodes, np.bool_)
    parts: set[str] = set()
    for group in fabric.groups:
        kept[group.below(path)] = True
    if not kept.any():
        for group in fabric.groups:
            parts |= {group.name(index).rpartition("/")[0] for index in range(min(group.count, 4096))}
        raise InputError(
            f"{path!r} is not a part of {fabric.name}", close_match(path, sorted(parts - {""})[:512])
        )
    return write_graph(fabric, kept)


def level_graph(fabric: Fabric, name: str) -> nx.Graph[str]:
    """Return one copy of a level: members and the switches of one column, and how many links join them."""
    infos = {info.name: info for info in fabric.about.levels}
    if name not in infos:
        raise InputError(f"{name!r} is not a level of {fabric.name}", close_match(name, infos))
    info = infos[name]
    graph: nx.Graph[str] = nx.Graph(name=name, rule=info.rule, copies=info.copies, link=info.link)
    graph.add_nodes_from((f"member{index}" for index in range(info.members)), kind="member")
    graph.add_nodes_from((f"switch{index}" for index in range(info.switches)), kind="switch")
    labels = list(graph.nodes)
    graph.add_edges_from((labels[a], labels[b], {"links": links}) for a, b, links in info.edges.tolist())
    return graph


# -- a fabric's parts from a graph ------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class GraphParts:
    """What a graph holds of a fabric: node groups, link classes, and (links,) ends and classes."""

    groups: tuple[NodeGroup, ...]
    links: tuple[Link, ...]
    src: IntArray
    dst: IntArray
    link_class: IntArray


def read_graph(graph: nx.Graph[Any], link: Mapping[str, Any]) -> GraphParts:
    """Return the parts of the fabric that a graph describes; `link` gives what an edge does not state."""
    if graph.is_directed():
        raise InputError("the graph is directed", "links are full duplex: pass graph.to_undirected()")
    faults = FaultList()
    devices: dict[Any, Device] = {}
    for node, data in graph.nodes(data=True):
        with faults.at("nodes", str(node)):
            devices[node] = _device(data)
    npus = [node for node, device in devices.items() if device.kind == "npu"]
    with faults.at("nodes"):
        npus = _by_rank(npus, graph)
    classes: dict[Link, int] = {}
    ends: list[tuple[Any, Any, int]] = []
    for a, b, data in graph.edges(data=True):
        with faults.at("edges", f"{a} - {b}"):
            if a == b:
                raise InputError("joins a node to itself", "leave it out")
            ends.append((a, b, classes.setdefault(_link({**link, **data}), len(classes))))
    faults.raise_if_any()
    if not npus:
        raise InputError("the graph has no NPU", "give at least one node kind='npu'")
    groups = _named_groups(npus, devices)
    ids = {node: index for index, node in enumerate(n for group in groups for n in group.names or ())}
    if len({str(node) for node in ids}) < len(ids):
        raise InputError("two nodes have the same name when written as text", "rename one of them")
    # numbered by their ends, so that a fabric does not depend on the order in which a graph was put together
    links = sorted(
        (min(ids[a], ids[b]), max(ids[a], ids[b]), position, c) for position, (a, b, c) in enumerate(ends)
    )
    src, dst, _, link_class = np.array(links, np.int64).reshape(-1, 4).T
    named = tuple(replace(group, names=tuple(str(n) for n in group.names or ())) for group in groups)
    return GraphParts(named, tuple(classes) or (Link("none", 1, 0.0),), src, dst, link_class)


def _named_groups(npus: Sequence[Any], devices: Mapping[Any, Device]) -> list[NodeGroup]:
    """Group nodes by device, NPUs first in rank order; node ids follow the groups."""
    groups: list[NodeGroup] = []
    ordered = [*npus, *(node for node, device in devices.items() if device.kind != "npu")]
    first = 0
    while first < len(ordered):
        device = devices[ordered[first]]
        last = first
        while last < len(ordered) and devices[ordered[last]] == device:
            last += 1
        groups.append(NodeGroup(first, (last - first,), "", device, "", tuple(ordered[first:last])))
        first = last
    return groups


def _device(data: Mapping[str, Any]) -> Device:
    kind = str(data.get("kind", "npu"))
    if kind not in KINDS:
        raise InputError(f"{kind!r} is not a kind of node", close_match(kind, KINDS))
    delay = parse_time(data["delay"]) if "delay" in data else 0.0
    if delay < 0:
        raise InputError("the delay is negative", "write 0 ns or more")
    forwards = data.get("forwards", kind != "npu")
    if not isinstance(forwards, bool | np.bool_):
        raise InputError(f"forwards is {forwards!r}", "write true or false")
    return Device(str(data.get("device", kind)), kind, bool(forwards), delay)


def _link(data: Mapping[str, Any]) -> Link:
    if "bandwidth" not in data:
        raise InputError("has no bandwidth", "set bandwidth='50 GB/s' on the edge, or pass link={...}")
    bandwidth = parse_bandwidth(data["bandwidth"])
    latency = parse_time(data.get("latency", "0 s"))
    if bandwidth < 1:
        raise InputError("the bandwidth is not above zero", "leave the edge out instead")
    if latency < 0:
        raise InputError("the latency is negative", "write 0 ns or more")
    lanes = _whole(data["lanes"], "lanes") if data.get("lanes") is not None else None
    return Link(str(data.get("link", "link")), bandwidth, latency, lanes=lanes, medium=data.get("medium"))


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{what} is {value!r}", "write a whole number")
    return int(value)


def _by_rank(npus: Iterable[Any], graph: nx.Graph[Any]) -> list[Any]:
    ranked = [(graph.nodes[node].get("rank"), node) for node in npus]
    if all(rank is None for rank, _ in ranked):
        return [node for _, node in ranked]
    numbered = [(-1 if rank is None else _whole(rank, f"the rank of {node}"), node) for rank, node in ranked]
    if sorted(rank for rank, _ in numbered) != list(range(len(numbered))):
        raise InputError("the ranks are not 0 … n−1, each once", "number every NPU, or none")
    return [node for _, node in sorted(numbered, key=lambda pair: pair[0])]
