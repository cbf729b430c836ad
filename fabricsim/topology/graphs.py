"""Graph files: GraphML, NetworkX node-link JSON and edge tables, through `Fabric.from_networkx`."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
import xml.parsers.expat as expat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import networkx as nx

from fabricsim.document import parse_document
from fabricsim.errors import Fault, FaultList, InputError, Key, close_match
from fabricsim.fabric import Fabric
from fabricsim.topology.edge_table import read_edge_table
from fabricsim.validation import shown

Lines = Mapping[Key, int]
"""The line of each node and edge, by `nodes.<name>` and `edges.<a> - <b>`, or by their place in a list."""


def load_graph(path: Path, link: Mapping[str, Any]) -> Fabric:
    """Return the fabric of a graph file; `link` states bandwidth and latency where an edge does not.

    Raises InputError, with file and line, for a file that cannot be read and for every bad node and edge.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path.name!r} is not a graph file", f"known: {', '.join(READERS)}")
    text = ""
    try:
        text = _text(path)
        graph = reader.graph(text)
        _check_types(graph)
        return Fabric.from_networkx(graph, link=link, name=str(graph.graph.get("name") or path.stem))
    except InputError as error:
        lines = reader.lines(text) if text else {}
        raise InputError([_placed(fault, path, lines) for fault in error.faults]) from None


def _placed(fault: Fault, path: Path, lines: Lines) -> Fault:
    """Return a fault with its file, and the line of the longest part of its key that has one."""
    line = fault.line
    for length in range(len(fault.key), 0, -1):
        if line is None:
            line = lines.get(fault.key[:length])
    return replace(fault, file=str(path), line=line)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError("there is no such file") from None
    except UnicodeDecodeError:
        raise InputError("is not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}") from None


def _graphml(text: str) -> nx.Graph[Any]:
    if "<!ENTITY" in text:  # no graph needs them, and they can expand without end
        raise InputError("declares XML entities", "write the values out")
    try:
        graph: nx.Graph[Any] = nx.parse_graphml(text)
    except ElementTree.ParseError as error:
        raise InputError(f"is not XML: {error}") from None
    except (nx.NetworkXError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"is not GraphML: {error}") from None
    return graph


def _node_link(text: str) -> nx.Graph[Any]:
    """Return the graph of node-link JSON; edges are under `edges`, or `links` as before NetworkX 3.6."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("nodes"), list):
        raise InputError(
            "is not node-link JSON", "write {nodes: [{id: …}, …], edges: [{source: …, target: …}, …]}"
        )
    key = "edges" if "edges" in data else "links"
    if not isinstance(data.get(key), list):
        raise InputError("has no list of edges", "write edges: [{source: …, target: …}, …]")
    if data.get("directed"):
        raise InputError("the graph is directed", "links are full duplex: write directed: false")
    about = data.get("graph")
    graph: nx.MultiGraph[Any] = nx.MultiGraph(**(about if isinstance(about, dict) else {}))
    faults = FaultList()
    _add_nodes(graph, data["nodes"], faults)
    _add_edges(graph, data[key], key, bool(data.get("multigraph")), faults)
    faults.raise_if_any()
    return graph


def _add_nodes(graph: nx.Graph[Any], nodes: list[Any], faults: FaultList) -> None:
    for index, node in enumerate(nodes):
        with faults.at("nodes", index):
            if not isinstance(node, dict) or not isinstance(node.get("id"), str | int):
                raise InputError("has no id", "write {id: npu0, …}")
            if node["id"] in graph:
                raise InputError(f"{node['id']!r} is the id of an earlier node too", "name each node once")
            graph.add_node(node["id"], **{name: value for name, value in node.items() if name != "id"})


def _add_edges(
    graph: nx.MultiGraph[Any], edges: list[Any], key: str, parallel: bool, faults: FaultList
) -> None:
    for index, edge in enumerate(edges):
        with faults.at(key, index):
            if not isinstance(edge, dict) or "source" not in edge or "target" not in edge:
                raise InputError("has no source and target", "write {source: npu0, target: npu1, …}")
            ends = edge["source"], edge["target"]
            for end in ends:
                if not isinstance(end, str | int) or end not in graph:
                    raise InputError(f"{shown(end)} is not a node", close_match(str(end), map(str, graph)))
            if not parallel and graph.has_edge(*ends):
                what = f"joins {ends[0]} and {ends[1]} a second time"
                raise InputError(what, "drop one of them, or write multigraph: true for parallel links")
            rest = {name: value for name, value in edge.items() if name not in ("source", "target", "key")}
            graph.add_edge(*ends, **rest)


def _graphml_lines(text: str) -> Lines:
    """Return the line of each node and edge of GraphML; none where it is not XML."""
    lines: dict[Key, int] = {}
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name == "node":
            lines.setdefault(("nodes", attributes.get("id", "")), parser.CurrentLineNumber)
        elif name == "edge":
            ends = f"{attributes.get('source')} - {attributes.get('target')}"
            lines.setdefault(("edges", ends), parser.CurrentLineNumber)

    parser.StartElementHandler = start
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        return {(): error.lineno}
    return lines


def _node_link_lines(text: str) -> Lines:
    """Return the line of each node and edge of node-link JSON, by place and by name; none where it is too large."""
    try:
        document = parse_document(text, "")
    except InputError:
        return {}
    lines = dict(document.lines)
    value = document.value if isinstance(document.value, Mapping) else {}
    for index, node in enumerate(value.get("nodes") or ()):
        if isinstance(node, Mapping):
            lines.setdefault(("nodes", str(node.get("id"))), document.line(("nodes", index)))
    for key in ("edges", "links"):
        for index, edge in enumerate(value.get(key) or ()):
            if isinstance(edge, Mapping):
                ends = f"{edge.get('source')} - {edge.get('target')}"
                lines.setdefault(("edges", ends), document.line((key, index)))
    return lines


def _table_lines(text: str) -> Lines:
    """Return the line of each node and edge of a table; faults of the table itself know theirs."""
    try:
        return read_edge_table(text)[1]
    except InputError:
        return {}


@dataclass(frozen=True)
class Reader:
    """How to read one kind of graph file: its graph, and where what stands, asked only when something is wrong."""

    graph: Callable[[str], nx.Graph[Any]]
    lines: Callable[[str], Lines]


READERS: Final[Mapping[str, Reader]] = {
    ".graphml": Reader(_graphml, _graphml_lines),
    ".json": Reader(_node_link, _node_link_lines),
    ".csv": Reader(lambda text: read_edge_table(text)[0], _table_lines),
}
"""How to read a graph file, by its suffix."""

_TYPES: Final[Mapping[str, tuple[type, str]]] = {
    "rank": (int, "a whole number"),
    "lanes": (int, "a whole number"),
    "forwards": (bool, "true or false"),
}


def _check_types(graph: nx.Graph[Any]) -> None:
    """Check attributes that a file may give in the wrong type, such as the text 'false', which is not false."""
    faults = FaultList()
    for node, data in graph.nodes(data=True):
        with faults.at("nodes", str(node)):
            _check(data)
    for a, b, data in graph.edges(data=True):
        with faults.at("edges", f"{a} - {b}"):
            _check(data)
    faults.raise_if_any()


def _check(data: Mapping[str, Any]) -> None:
    wrong = [
        Fault(f"{shown(data[name])} is not {words}", f"write {words}", (name,))
        for name, (kind, words) in _TYPES.items()
        if name in data and type(data[name]) is not kind
    ]
    if wrong:
        raise InputError(wrong)
