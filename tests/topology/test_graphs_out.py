"""Graph files that are written read back as the same fabric."""

from collections import Counter
from pathlib import Path

import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.topology import load_topology, resolve
from fabricsim.topology.graphs import READERS
from fabricsim.topology.graphs_out import WRITERS

LINK = {"bandwidth": "50 GB/s", "latency": "200 ns"}
SHAPES = {
    "star": {"shape": "star", "size": 5, "link": LINK},
    "torus": {"shape": "torus", "size": [3, 4], "link": LINK},
    "fat tree": {"shape": "fat-tree", "k": 4, "link": LINK},
}


def content(fabric: Fabric) -> tuple[object, ...]:
    """Return what of a fabric a graph states: nodes with what they do, ranks in order, links."""
    names = [fabric.node_name(node) for node in range(fabric.nodes)]
    nodes = {
        name: (fabric.device(node).kind, bool(fabric.forwards[node]), int(fabric.delay_ps[node]))
        for node, name in enumerate(names)
    }
    links: Counter[object] = Counter()
    for a, b, cls in zip(fabric.src.tolist(), fabric.dst.tolist(), fabric.link_class.tolist(), strict=True):
        link = fabric.links[cls]
        ends = frozenset((names[a], names[b]))
        links[ends, link.bandwidth, link.latency_ps, link.name, link.lanes, link.medium] += 1
    return nodes, names[: fabric.ranks], links


def written(fabric: Fabric, suffix: str, folder: Path) -> Fabric:
    path = folder / f"graph{suffix}"
    path.write_text(WRITERS[suffix](fabric), encoding="utf-8")
    return resolve({"graph": str(path)})


def test_every_kind_that_is_read_is_written() -> None:
    assert list(WRITERS) == list(READERS)


@pytest.mark.parametrize("suffix", [".graphml", ".json"])
@pytest.mark.parametrize("name", ["hgx-h100", "ub-mesh-rack", *SHAPES])
def test_a_machine_reads_back(name: str, suffix: str, tmp_path: Path) -> None:
    fabric = resolve(SHAPES[name]) if name in SHAPES else load_topology(name)
    assert content(written(fabric, suffix, tmp_path)) == content(fabric)


@pytest.mark.parametrize("name", ["star", "fat tree"])
def test_an_edge_table_reads_back(name: str, tmp_path: Path) -> None:
    fabric = resolve(SHAPES[name])
    assert content(written(fabric, ".csv", tmp_path)) == content(fabric)


@pytest.mark.parametrize(
    ("name", "words"), [("torus", "forwards, which an edge"), ("hgx-h100", "a delay of"), ("two", "no link")]
)
def test_an_edge_table_that_would_lose_something_is_refused(name: str, words: str) -> None:
    import networkx as nx

    if name == "two":
        graph = nx.Graph()
        graph.add_nodes_from(["a", "b", "c"], kind="npu")
        graph.add_edge("a", "b", **LINK)
        fabric = Fabric.from_networkx(graph)
    else:
        fabric = resolve(SHAPES[name]) if name in SHAPES else load_topology(name)
    with pytest.raises(InputError, match=words):
        WRITERS[".csv"](fabric)


def test_an_edge_table_that_would_order_ranks_anew_is_refused() -> None:
    import networkx as nx

    graph = nx.Graph()
    for rank, name in enumerate(("a", "b", "c", "d")):
        graph.add_node(name, kind="npu", rank=rank)
    graph.add_edge("a", "d", **LINK)
    graph.add_edge("b", "d", **LINK)
    graph.add_edge("c", "d", **LINK)
    with pytest.raises(InputError, match="order of the ranks"):
        WRITERS[".csv"](Fabric.from_networkx(graph))
