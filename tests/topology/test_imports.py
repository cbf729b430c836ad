"""Networks that other tools describe: edge tables, htsim's fat trees, ASTRA-sim's networks."""

from pathlib import Path
from typing import Any

import networkx as nx
import pytest

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.topology import load_topology, resolve
from tests.topology.lab import LINK, by_end, degrees, pairs, shape


def loaded(tmp_path: Path, name: str, text: str, **keys: Any) -> Fabric:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return resolve({"graph": name, **keys}, tmp_path)


def refused(tmp_path: Path, name: str, text: str) -> str:
    with pytest.raises(InputError) as error:
        loaded(tmp_path, name, text)
    assert str(tmp_path / name) in str(error.value)
    return str(error.value).replace(str(tmp_path / name), name)


# -- edge tables ----------------------------------------------------------------------------------------------

TABLE = """\
# four and six GPUs below two leaves
source,target,bandwidth,latency,target_kind,links,medium

{rows}
leaf0,leaf1,100 GB/s,500 ns,switch,2,optical
"""


def table(*rows: str) -> str:
    return TABLE.format(rows="\n".join(rows))


def test_an_edge_table_is_its_graph(tmp_path: Path) -> None:
    rows = [f"gpu{g}.{k},leaf{g},50 GB/s,200 ns,switch,," for g, n in enumerate((4, 6)) for k in range(n)]
    fabric = loaded(tmp_path, "ragged.csv", table(*rows))
    graph = nx.MultiGraph()
    for group, gpus in enumerate((4, 6)):
        graph.add_node(f"leaf{group}", kind="switch")
        for index in range(gpus):
            graph.add_edge(f"gpu{group}.{index}", f"leaf{group}", bandwidth="50 GB/s", latency="200 ns")
    graph.add_edges_from([("leaf0", "leaf1", {"bandwidth": "100 GB/s", "latency": "500 ns"})] * 2)
    assert by_end(fabric) == by_end(Fabric.from_networkx(graph))
    assert fabric.name == "ragged"
    assert degrees(fabric) == {("npu", 1): 10, ("switch", 4 + 2): 1, ("switch", 6 + 2): 1}
    assert {link.medium for link in fabric.links} == {None, "optical"}
    assert load_topology(tmp_path / "ragged.csv").digest == fabric.digest


def test_a_table_may_leave_rates_to_the_scenario(tmp_path: Path) -> None:
    rows = "\n".join(f"npu{k},npu{(k + 1) % 5}" for k in range(5))
    fabric = loaded(tmp_path, "ring.csv", f"source,target\n{rows}\n", link=LINK)
    assert by_end(fabric) == by_end(shape("ring", size=5))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "t.csv: has no links"),
        ("source,target\n", "t.csv: has no links"),
        ("source,target,rate\n", "t.csv:1: 'rate' is not a column; known: bandwidth, lanes"),
        ("a,b,50 GB/s\n", "t.csv:1: 'a' is not a column"),
        ("source,bandwidth\n", "t.csv:1: there is no column 'target'"),
        ("source,target,source\n", "t.csv:1: there are two columns 'source'"),
        ("source,target,bandwidth\na,b\n", "t.csv:2: has 2 entries, the header has 3"),
        ("source,target,bandwidth\n\n,b,1 GB/s\n", "t.csv:3: source is missing"),
        ("source,target\na,b\n", "t.csv:2: edges.a - b: has no bandwidth"),
        ("source,target,bandwidth\na,b,0 GB/s\n", "t.csv:2: edges.a - b: the bandwidth is not above zero"),
        ("source,target,bandwidth\na,b,5 GB\n", "t.csv:2: edges.a - b: '5 GB' has the unit"),
        ("source,target,bandwidth\nc,b,5 GB/s\na,a,5 GB/s\n", "t.csv:3: edges.a - a: joins a node to itself"),
        ("source,target,bandwidth,links\na,b,5 GB/s,0\n", "t.csv:2: links is '0'"),
        ("source,target,bandwidth,links\na,b,5 GB/s,two\n", "t.csv:2: links is 'two'"),
        ("source,target,target_kind\na,b,gpu\n", "t.csv:2: 'gpu' is not a kind of node"),
        ("source,target,target_kind\na,b,switch\nc,b,nic\n", "t.csv:3: 'b' is a nic here, a switch in line 2"),
        ("source,target,target_kind,source_kind,bandwidth\na,b,ocs,cpu,1 GB/s\n", "t.csv: the graph has no NPU"),
    ],
)  # fmt: skip
def test_a_bad_table_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, "t.csv", text)


# -- htsim --------------------------------------------------------------------------------------------------------

FAT_TREE = """\
# k = 4
Nodes 16
Tiers 3
Podsize 4
Tier 0
Downlink_speed_Gbps 400
Radix_Down 2
radix_up 2
Downlink_Latency_ns 500
Tier 1
Downlink_speed_Gbps 400
Radix_Down 2
Radix_Up 2
Downlink_Latency_ns 500
Tier 2
Downlink_speed_Gbps 400
Radix_Down 4
Downlink_Latency_ns 500
"""


def test_htsim_s_fat_tree_is_the_fat_tree(tmp_path: Path) -> None:
    fabric = loaded(tmp_path, "k4.topo", FAT_TREE)
    assert by_end(fabric) == by_end(shape("fat-tree", k=4))
    assert load_topology(tmp_path / "k4.topo").digest == fabric.digest
    assert fabric.policy == "ecmp"


def test_tiers_bundles_and_speeds_of_htsim(tmp_path: Path) -> None:
    text = """\
    Nodes 32
    Tiers 2
    Podsize 32
    Tier 0
    Downlink_speed_Gbps 100
    Radix_Down 8
    Radix_Up 4
    Oversubscribed 2
    Downlink_Latency_ns 1000
    Switch_Latency_ns 300
    Queue_Up 100000
    Tier 1
    Downlink_speed_Gbps 200
    Radix_Down 8   # four ToRs, two links each
    Bundle 2
    Downlink_Latency_ns 2000
    """
    fabric = loaded(tmp_path, "two.topo", text)
    assert degrees(fabric) == {("npu", 1): 32, ("switch", 8 + 4): 4, ("switch", 8): 2}
    assert set(pairs(fabric).values()) == {1, 2}
    assert [(link.bandwidth, link.latency_ps) for link in fabric.links] == [
        (125 * 10**8, 10**6),
        (25 * 10**9, 2 * 10**6),
    ]
    assert fabric.delay_ps[32:].tolist() == [300_000] * 4 + [0] * 2
    assert fabric.about.notes == ("queue sizes of the file are not taken over; state them in a model",)
    assert fabric.about.tapers == {"tor": 8 * 100 / (4 * 200)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Nodes 16", "Node 16", "k4.topo:2: 'node' is not a key here; did you mean 'nodes'"),
        ("Nodes 16", "Nodes sixteen", "k4.topo:2: 'Nodes sixteen' is not a key and a whole number"),
        ("Nodes 16", "Nodes 18", "k4.topo:2: 18 hosts are no multiple of 4 hosts of a pod"),
        ("Nodes 16\n", "", "k4.topo:1: nodes is missing"),
        ("Tiers 3", "Tiers 2", "k4.topo:3: 2 tiers are stated, 3 described"),
        ("Podsize 4", "Podsize 3", "k4.topo:4: 3 hosts of a pod are no multiple of 2 hosts of a ToR"),
        ("Tier 1", "Tier 0", "k4.topo:10: tier 0 is given twice"),
        ("Tier 1", "Tier 7", "k4.topo:10: tier 7 is too high"),
        ("radix_up 2\n", "", "k4.topo:5: tier 0 states no radix_up"),
        ("radix_up 2", "radix_up 0", "k4.topo:8: radix_up is 0; at least 1"),
        ("radix_up 2", "radix_down 2", "k4.topo:8: radix_down is given twice; first in line 7"),
        ("radix_up 2", "radix_up 1", "k4.topo:5: oversubscription times radix_up is 1, not 2"),
        ("Radix_Down 4", "Radix_Down 8", "k4.topo:17: radix_down of tier 2 is 8, not 4"),
        ("Tier 1", "Tier 1\nBundle 2", "k4.topo:13: radix_down of tier 1 is 2, not 4"),
        ("speed_Gbps 400", "speed_Gbps 0", "k4.topo:6: downlink_speed_gbps is 0; at least 1"),
    ],
)  # fmt: skip
def test_a_bad_topo_file_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert FAT_TREE.count(old) >= 1
    told = refused(tmp_path, "k4.topo", FAT_TREE.replace(old, new, 1))
    assert said in told


# -- ASTRA-sim ------------------------------------------------------------------------------------------------------

RING = "topology: [ Ring ]\nnpus_count: [ 16 ]\nbandwidth: [ 50.0 ]  # GB/s\nlatency: [ 500.0 ]  # ns\n"


def test_its_gigabyte_is_binary_and_its_ring_takes_the_shorter_way(tmp_path: Path) -> None:
    """1 MiB from 1 to 4: three hops, each of 500 ns and 2^20 / (50 · 2^30) s, stored and forwarded whole."""
    fabric = loaded(tmp_path, "network.yml", RING)
    assert set(fabric.bandwidth.tolist()) == {50 * 2**30}
    traffic = fs.incast("1 MiB", fan_in=1, target=1, ranks=[1, 4])
    result = fs.simulate(fabric, traffic, model=fs.Model(mtu=2**20))
    seconds = result.metrics["completion_time_s"]
    assert seconds == pytest.approx(3 * (500e-9 + 1 / (50 * 2**10)), abs=3e-12)
    assert int(seconds * 1e9) == 60_093  # what ASTRA-sim's own tests expect


def test_dimensions_are_little_endian_and_a_switch_serves_one_dimension(tmp_path: Path) -> None:
    text = (
        "topology: [FullyConnected, Switch]\nnpus_count: [3, 4]\nbandwidth: [100, 25]\nlatency: [10, 20.5]\n"
    )
    fabric = loaded(tmp_path, "net.yaml", text)
    assert (fabric.ranks, fabric.switches) == (12, 3)
    expected = {(a, b) for a in range(12) for b in range(a + 1, 12) if a // 3 == b // 3}
    found = pairs(fabric)
    assert {pair for pair in found if pair[1] < 12} == expected
    assert {pair for pair in found if pair[1] >= 12} == {(rank, 12 + rank % 3) for rank in range(12)}
    assert sorted({link.latency_ps for link in fabric.links}) == [10_000, 20_500]
    assert load_topology(tmp_path / "net.yaml").digest == fabric.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Ring", "Torus", "network.yml:1: topology.0: 'Torus' is not known here"),
        ("[ 16 ]", "[ 1 ]", "network.yml:2: npus_count.0: 1 is too small"),
        ("[ 16 ]", "[ 16, 2 ]", "network.yml:2: npus_count: has 2 entries, topology has 1"),
        ("50.0", "0", "network.yml:3: bandwidth.0: 0 is too small"),
        ("50.0", "-5", "network.yml:3: bandwidth.0: -5 is too small"),
        ("50.0", "50 GB/s", "network.yml:3: bandwidth.0: "),
        ("latency", "delay", "network.yml:4: delay: is not a key here"),
        ("[ 16 ]", "[ 100000000 ]", "network.yml:2: npus_count: the machine has 100000000 npus, more than"),
    ],
)  # fmt: skip
def test_a_bad_network_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert said in refused(tmp_path, "network.yml", RING.replace(old, new, 1))


def test_what_a_file_states_itself_cannot_be_stated_beside_it(tmp_path: Path) -> None:
    for name, text in (("network.yml", RING), ("k4.topo", FAT_TREE)):
        with pytest.raises(InputError, match="link: has no effect here"):
            loaded(tmp_path, name, text, link=LINK)
    with pytest.raises(InputError, match=r"other\.yml:1: is not a network\.yml"):
        loaded(tmp_path, "other.yml", "a: 1\n")
    with pytest.raises(InputError, match=r"none\.topo: cannot be read"):
        resolve({"graph": "none.topo"}, tmp_path)
