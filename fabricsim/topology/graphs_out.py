"""Fabrics as graph files, which `load_graph` reads back: GraphML, node-link JSON, and edge tables."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Final

import networkx as nx

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric


def graphml_text(fabric: Fabric) -> str:
    """Return a fabric as GraphML. Raises InputError where it has too many nodes for one graph."""
    lines = nx.generate_graphml(fabric.to_networkx())
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(lines) + "\n"


def node_link_text(fabric: Fabric) -> str:
    """Return a fabric as node-link JSON. Raises InputError where it has too many nodes for one graph."""
    return json.dumps(nx.node_link_data(fabric.to_networkx(), edges="edges"), indent=1) + "\n"


def edge_table_text(fabric: Fabric) -> str:
    """Return a fabric as an edge table in CSV, a line for each link.

    Raises InputError where that would lose something: a table states neither nodes without links, nor what nodes do
    to packets, and its ranks are in the order in which NPUs are named.
    """
    graph = fabric.to_networkx()
    _check_plain(graph)
    ids = {name: fabric.node(name) for name in graph}
    edges = [(*_by(ids, a, b), data) for a, b, data in graph.edges(data=True)]
    edges.sort(
        key=lambda edge: (ids[edge[1]], ids[edge[0]])
    )  # this names NPUs by rank, unless their links forbid it
    ranks = [ids[name] for a, b, _ in edges for name in (a, b) if graph.nodes[name]["kind"] == "npu"]
    if list(dict.fromkeys(ranks)) != list(range(fabric.ranks)):
        raise InputError("an edge table cannot keep the order of the ranks", "write .graphml or .json")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for a, b, data in edges:
        kinds = graph.nodes[a]["kind"], graph.nodes[b]["kind"]
        writer.writerow([a, b, *kinds, *(data.get(name, "") for name in _COLUMNS[4:])])
    return file.getvalue()


def _by(ids: Mapping[str, int], a: str, b: str) -> tuple[str, str]:
    return (a, b) if ids[a] <= ids[b] else (b, a)


def _check_plain(graph: nx.MultiGraph[str]) -> None:
    for name, data in graph.nodes(data=True):
        said = {
            f"a delay of {data['delay']}": data["delay"] != "0 ps",
            "forwards" if data["forwards"] else "does not forward": data["forwards"]
            == (data["kind"] == "npu"),
            "no link": not graph.degree(name),
        }
        lost = [words for words, true in said.items() if true]
        if lost:
            raise InputError(f"{name}: {lost[0]}, which an edge table cannot say", "write .graphml or .json")


_COLUMNS: Final = (
    "source", "target", "source_kind", "target_kind", "bandwidth", "latency", "lanes", "medium", "link",
)  # fmt: skip

WRITERS: Final[Mapping[str, Callable[[Fabric], str]]] = {
    ".graphml": graphml_text,
    ".json": node_link_text,
    ".csv": edge_table_text,
}
"""How to write a graph file, by its suffix: those that `graphs.READERS` reads."""
