"""Graphs that users bring: GraphML and node-link JSON, ours and other people's."""

import json
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from fabricsim.errors import InputError
from fabricsim.topology import load_topology, resolve
from tests.topology.lab import LINK, by_end, shape

PAIR = {
    "nodes": [{"id": "a"}, {"id": "b"}],
    "edges": [{"source": "a", "target": "b", "bandwidth": "50 GB/s", "latency": "1 us"}],
}


def saved(tmp_path: Path, data: Any, name: str = "graph.json") -> Path:
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["gb200-nvl72", "hgx-h100", "ub-mesh-rack"])
def test_graphml_gives_the_fabric_back(tmp_path: Path, name: str) -> None:
    fabric = load_topology(name)
    nx.write_graphml(fabric.to_networkx(), tmp_path / "machine.graphml")
    again = resolve({"graph": "machine.graphml"}, tmp_path)
    assert by_end(again) == by_end(fabric)
    assert [again.node_name(n) for n in range(again.nodes)] == [
        fabric.node_name(n) for n in range(fabric.nodes)
    ]
    assert again.forwards.tolist() == fabric.forwards.tolist()
    assert again.name == fabric.name


@pytest.mark.parametrize("key", ["edges", "links"])
def test_node_link_json_gives_the_fabric_back(tmp_path: Path, key: str) -> None:
    fabric = shape("leaf-spine", leaves=3, hosts=2, spines=2, taper=2)
    graph = fabric.to_networkx()
    data = {
        "directed": False, "multigraph": True, "graph": graph.graph,
        "nodes": [{"id": node, **attributes} for node, attributes in graph.nodes(data=True)],
        key: [{"source": a, "target": b, "key": k, **rest} for a, b, k, rest in graph.edges(keys=True, data=True)],
    }  # fmt: skip
    saved(tmp_path, data)
    again = resolve({"graph": "graph.json"}, tmp_path)
    assert by_end(again) == by_end(fabric)
    assert again.name == fabric.name
    assert resolve("graph.json", tmp_path).digest == again.digest


def test_networkx_s_own_node_link_data_is_read(tmp_path: Path) -> None:
    graph = nx.cycle_graph(5)
    saved(tmp_path, nx.node_link_data(graph))
    fabric = resolve({"graph": "graph.json", "link": LINK}, tmp_path)
    assert by_end(fabric) == by_end(shape("ring", size=5))


def test_a_default_link_serves_edges_that_state_none(tmp_path: Path) -> None:
    saved(tmp_path, {"nodes": PAIR["nodes"], "edges": [{"source": "a", "target": "b", "latency": "2 us"}]})
    fabric = resolve({"graph": "graph.json", "link": LINK}, tmp_path)
    assert fabric.bandwidth.tolist() == [50 * 10**9] * 2
    assert fabric.latency_ps.tolist() == [2_000_000] * 2
    with pytest.raises(InputError, match=r"graph\.json:1: edges\.a - b: has no bandwidth"):
        resolve({"graph": "graph.json"}, tmp_path)


def test_parallel_edges_stay_distinct_where_the_file_says_so(tmp_path: Path) -> None:
    twice = {**PAIR, "edges": PAIR["edges"] * 2}
    saved(tmp_path, {**twice, "multigraph": True})
    assert resolve({"graph": "graph.json"}, tmp_path).link_count == 2
    saved(tmp_path, twice)
    with pytest.raises(InputError, match=r"edges\.1: joins a and b a second time"):
        resolve({"graph": "graph.json"}, tmp_path)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not node-link JSON"),
        ({"nodes": []}, "has no list of edges"),
        ({"nodes": [], "edges": []}, "the graph has no NPU"),
        ({**PAIR, "directed": True}, "the graph is directed"),
        ({**PAIR, "nodes": [{"id": "a"}, {}]}, "nodes.1: has no id"),
        ({**PAIR, "nodes": [{"id": "a"}, {"id": "a"}]}, "nodes.1: 'a' is the id of an earlier node too"),
        ({**PAIR, "edges": [{"source": "a"}]}, "edges.0: has no source and target"),
        ({**PAIR, "edges": [{"source": "a", "target": "c"}]}, "edges.0: 'c' is not a node"),
        ({**PAIR, "edges": [{"source": "a", "target": [1]}]}, "edges.0: a list is not a node"),
        (
            {**PAIR, "nodes": [{"id": "a", "rank": "x"}, {"id": "b"}]},
            "nodes.a.rank: 'x' is not a whole number",
        ),
        (
            {**PAIR, "nodes": [{"id": "a", "forwards": "false"}, {"id": "b"}]},
            "nodes.a.forwards: 'false' is not true",
        ),
        (
            {**PAIR, "nodes": [{"id": "a", "kind": "gpu"}, {"id": "b"}]},
            "nodes.a: 'gpu' is not a kind of node",
        ),
    ],
)
def test_a_bad_graph_is_told_with_its_file(tmp_path: Path, data: Any, said: str) -> None:
    path = saved(tmp_path, data)
    with pytest.raises(InputError) as error:
        resolve({"graph": "graph.json"}, tmp_path)
    text = str(error.value)
    assert text.startswith(str(path))
    assert f": {said}" in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not xml", "is not XML"),
        ("<a/>", "is not GraphML"),
        ('<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><graphml>&d;</graphml>', "declares XML entities"),
        ('<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="directed">'
         '<node id="a"/><node id="b"/><edge source="a" target="b"/></graph></graphml>', "the graph is directed"),
    ],
)  # fmt: skip
def test_bad_graphml_is_told(tmp_path: Path, text: str, said: str) -> None:
    saved(tmp_path, text, "graph.graphml")
    with pytest.raises(InputError, match=said):
        resolve({"graph": "graph.graphml", "link": LINK}, tmp_path)


@pytest.mark.parametrize("name", ["graph.txt", "graph"])
def test_other_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"known: \.graphml, \.json, \.csv, \.topo, network\.yml"):
        resolve({"graph": name}, tmp_path)
