"""The compiled machine: numbering, names, and the way from and to NetworkX."""

import networkx as nx
import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Device, Fabric, NodeGroup
from fabricsim.topology import load_topology, resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def ragged() -> nx.MultiGraph:
    """Four and six NPUs on two switches, with two links between the switches."""
    graph = nx.MultiGraph()
    for group, count in enumerate((4, 6)):
        graph.add_node(f"leaf{group}", kind="switch", delay="100 ns")
        for index in range(count):
            graph.add_edge(f"gpu{group}.{index}", f"leaf{group}", **LINK)
    graph.add_edge("leaf0", "leaf1", bandwidth="100 GB/s", latency="1 us")
    graph.add_edge("leaf0", "leaf1", bandwidth="100 GB/s", latency="1 us")
    return graph


def test_npus_come_first_and_links_are_two_channels() -> None:
    fabric = Fabric.from_networkx(ragged())
    assert (fabric.ranks, fabric.switches, fabric.link_count, fabric.channels) == (10, 2, 12, 24)
    assert [fabric.node_name(rank) for rank in range(5)] == ["gpu0.0", "gpu0.1", "gpu0.2", "gpu0.3", "gpu1.0"]
    assert np.array_equal(fabric.channel_src[0::2], fabric.channel_dst[1::2])
    assert np.array_equal(fabric.channel_dst[0::2], fabric.channel_src[1::2])
    assert fabric.delay_ps[fabric.node("leaf1")] == 100_000
    assert fabric.forwards.tolist() == [False] * 10 + [True] * 2


def test_parallel_links_stay_distinct() -> None:
    fabric = Fabric.from_networkx(ragged())
    between = fabric.links_between(fabric.node("leaf1"), fabric.node("leaf0"))
    assert len(between) == 2
    assert fabric.channel_name(2 * between[1]) == "leaf0 -> leaf1 #1"
    assert fabric.links_between(fabric.node("gpu0.0"), fabric.node("gpu0.1")) == []


def test_there_and_back_is_the_same_fabric() -> None:
    fabric = Fabric.from_networkx(ragged())
    again = Fabric.from_networkx(fabric.to_networkx())
    assert again.digest == fabric.digest
    assert nx.is_isomorphic(again.to_networkx(), ragged())


def test_ranks_can_be_given() -> None:
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, {0: 2, 1: 0, 2: 1}, "rank")
    fabric = Fabric.from_networkx(graph, link=LINK)
    assert [fabric.node_name(rank) for rank in range(3)] == ["1", "2", "0"]


def test_out_lists_the_channels_that_leave_each_node() -> None:
    fabric = Fabric.from_networkx(ragged())
    starts, channels = fabric.out
    for node in range(fabric.nodes):
        own = channels[starts[node] : starts[node + 1]]
        assert own.tolist() == np.flatnonzero(fabric.channel_src == node).tolist()


def test_patterns_name_nodes_and_find_them() -> None:
    group = NodeGroup(10, (3, 4), "pod/rack{}/npu{}", Device("npu"))
    assert [group.name(i) for i in (0, 5, 11)] == ["pod/rack0/npu0", "pod/rack1/npu1", "pod/rack2/npu3"]
    assert all(group.find(group.name(i)) == 10 + i for i in range(12))
    for stranger in ("pod/rack3/npu0", "pod/rack0/npu4", "pod/rack00/npu1", "pod/rack0", "rack0/npu0"):
        assert group.find(stranger) is None


def test_arrays_cannot_be_written() -> None:
    fabric = Fabric.from_networkx(ragged())
    for array in (fabric.src, fabric.bandwidth, fabric.latency_ps, fabric.channel_src, fabric.out[1]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def faulty(change) -> nx.MultiGraph:
    graph = ragged()
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g.edges["gpu0.0", "leaf0", 0].pop("bandwidth"), "edges.leaf0 - gpu0.0: has no bandwidth"),
        (lambda g: g.edges["gpu0.0", "leaf0", 0].update(bandwidth=50e9), "has no unit"),
        (lambda g: g.edges["gpu0.0", "leaf0", 0].update(bandwidth="0 GB/s"), "not above zero"),
        (lambda g: g.edges["gpu0.0", "leaf0", 0].update(bandwidth="-5 GB/s"), "not above zero"),
        (lambda g: g.edges["gpu0.0", "leaf0", 0].update(latency="-5 ns"), "latency is negative"),
        (
            lambda g: g.nodes["leaf0"].update(kind="swich"),
            "nodes.leaf0: 'swich' is not a kind of node; did you mean 'switch'",
        ),
        (lambda g: g.nodes["leaf0"].update(delay="-1 ns"), "delay is negative"),
        (lambda g: g.nodes["gpu0.0"].update(rank=3), "the ranks are not 0"),
        (lambda g: g.add_edge("leaf0", "leaf0", **LINK), "joins a node to itself"),
        (lambda g: g.nodes["gpu0.0"].update(rank="first"), "the rank of gpu0.0 is 'first'"),
        (lambda g: g.nodes["gpu0.0"].update(forwards="false"), "forwards is 'false'"),
        (lambda g: g.edges["gpu0.0", "leaf0", 0].update(lanes="four"), "lanes is 'four'"),
    ],
)
def test_bad_graphs_are_refused(change, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Fabric.from_networkx(faulty(change))
    assert words in str(caught.value)


def test_directed_graphs_and_graphs_without_npus_are_refused() -> None:
    with pytest.raises(InputError, match="directed"):
        Fabric.from_networkx(nx.DiGraph([(0, 1)]), link=LINK)
    with pytest.raises(InputError, match="no NPU"):
        Fabric.from_networkx(nx.Graph(), link=LINK)


def test_unknown_nodes_get_a_match() -> None:
    with pytest.raises(InputError, match=r"did you mean 'gpu0\.3'"):
        Fabric.from_networkx(ragged()).node("gpu03")


def test_a_fabric_shows_itself_in_a_notebook() -> None:
    graph = ragged()
    graph.graph["name"] = "<b>bold</b>"
    html = Fabric.from_networkx(graph)._repr_html_()
    assert "10 NPUs, 2 switches, 12 links" in html
    assert "<b>bold</b>" not in html


def test_a_part_is_what_lies_below_a_path() -> None:
    fabric = load_topology("cloudmatrix384")
    node = fabric.part("pod/node3")
    assert sum(data["kind"] == "npu" for _, data in node.nodes(data=True)) == 16
    assert node.number_of_nodes() == 16 + 7
    assert node.number_of_edges() == 16 * 7 + 8
    assert fabric.part("pod/node3/npu2").number_of_edges() == 1
    whole = fabric.part("pod")
    assert nx.utils.graphs_equal(whole, fabric.to_networkx())
    with pytest.raises(InputError, match="'pod/node48' is not a part of cloudmatrix384; did you mean"):
        fabric.part("pod/node48")


def test_a_part_of_a_machine_too_large_to_draw_whole() -> None:
    fabric = resolve({"shape": "fat-tree", "k": 44, "link": LINK})
    with pytest.raises(InputError, match="too many for one NetworkX graph"):
        fabric.to_networkx()
    assert fabric.part("npu7").number_of_nodes() == 1


def test_a_level_is_a_small_graph() -> None:
    fabric = load_topology("cloudmatrix384")
    pod = fabric.graph_of_level("pod")
    assert nx.is_isomorphic(nx.Graph(pod), nx.complete_bipartite_graph(48, 16))
    assert pod.graph["rule"] == "switched"
    assert nx.is_isomorphic(fabric.graph_of_level("npu"), nx.complete_graph(2))
    with pytest.raises(InputError, match="'nod' is not a level of cloudmatrix384; did you mean 'node'"):
        fabric.graph_of_level("nod")
