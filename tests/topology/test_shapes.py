"""Shapes are the graphs of the textbooks: built here a second time, from their definitions."""

from collections import Counter
from itertools import product
from math import prod

import networkx as nx
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.topology import SHAPES, resolve
from tests.topology.lab import LINK, by_end, degrees, edges, pairs, shape

SIZES = [(2,), (3,), (5,), (2, 2), (4, 3), (2, 3, 4), (3, 3, 3)]
EVERY = [
    {"shape": "ring", "size": 5}, {"shape": "line", "size": 4}, {"shape": "full-mesh", "size": [3, 4]},
    {"shape": "torus", "size": [4, 3, 2]}, {"shape": "mesh", "size": [2, 5]}, {"shape": "hypercube", "size": 8},
    {"shape": "star", "size": 6}, {"shape": "fat-tree", "k": 4},
    {"shape": "leaf-spine", "leaves": 4, "hosts": 3, "spines": 2, "taper": 1.5},
    {"shape": "torus", "size": [2, 4], "twist": True}, {"shape": "clos", "radix": 6, "tiers": 3, "taper": [2, 1]},
    {"shape": "rail-optimised", "npus": 2, "servers": 4, "groups": 2, "spines": 2, "rail": LINK},
    {"shape": "rail-only", "npus": 2, "servers": 4, "rail": LINK}, {"shape": "hyperx", "size": [2, 3], "hosts": 2},
    {"shape": "multi-plane", "leaves": 2, "hosts": 2, "spines": 2, "planes": 2},
    {"shape": "dragonfly", "a": 2, "p": 1, "h": 2}, {"shape": "slim-fly", "q": 3},
    {"shape": "hamming-mesh", "board": [2, 2], "size": [2, 3]},
    {"shape": "jellyfish", "switches": 8, "degree": 3, "hosts": 2},
]  # fmt: skip


def coordinates(size: tuple[int, ...]) -> dict[tuple[int, ...], int]:
    """Return the rank of each coordinate: rank = x + a·y + a·b·z."""
    weights = [prod(size[:axis]) for axis in range(len(size))]
    return {
        at: sum(c * w for c, w in zip(at, weights, strict=True)) for at in product(*(range(n) for n in size))
    }


def grid(size: tuple[int, ...], periodic: bool) -> Counter[tuple[int, int]]:
    """Return the edges of nx.grid_graph by rank; its nodes have the last dimension first."""
    rank = {at if len(at) > 1 else at[0]: r for at, r in coordinates(size).items()}
    graph = nx.grid_graph(size[::-1], periodic=periodic)
    return edges(nx.relabel_nodes(graph, {n: n if isinstance(n, int) else tuple(n) for n in graph}), rank)


def test_every_shape_is_in_this_file() -> None:
    assert {spec["shape"] for spec in EVERY} == set(SHAPES)


@pytest.mark.parametrize("n", [2, 3, 4, 9])
def test_ring_and_line(n: int) -> None:
    assert pairs(shape("line", size=n)) == edges(nx.path_graph(n))
    # a ring of two is one link, as networkx has it; an edge of a cycle counts once
    assert pairs(shape("ring", size=n)) == edges(nx.Graph(nx.cycle_graph(n)))


@pytest.mark.parametrize("size", SIZES)
def test_mesh_is_the_grid(size: tuple[int, ...]) -> None:
    assert pairs(shape("mesh", size=list(size))) == grid(size, periodic=False)


@pytest.mark.parametrize("size", SIZES)
def test_torus_is_the_periodic_grid(size: tuple[int, ...]) -> None:
    fabric = shape("torus", size=list(size))
    assert pairs(fabric) == grid(size, periodic=True)
    assert degrees(fabric) == {("npu", sum(2 if n > 2 else 1 for n in size)): prod(size)}


@pytest.mark.parametrize("size", SIZES)
def test_full_mesh_joins_what_differs_in_one_coordinate(size: tuple[int, ...]) -> None:
    rank = coordinates(size)
    expected = Counter(
        (min(rank[a], rank[b]), max(rank[a], rank[b]))
        for a, b in product(rank, rank)
        if rank[a] < rank[b] and sum(x != y for x, y in zip(a, b, strict=True)) == 1
    )
    fabric = shape("full-mesh", size=list(size))
    assert pairs(fabric) == expected
    assert fabric.link_count == prod(size) * sum(n - 1 for n in size) // 2


def test_one_number_is_one_dimension() -> None:
    assert shape("full-mesh", size=6).digest == shape("full-mesh", size=[6]).digest
    assert pairs(shape("full-mesh", size=6)) == edges(nx.complete_graph(6))


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_hypercube(dimensions: int) -> None:
    fabric = shape("hypercube", size=2**dimensions)
    expected = Counter(
        (a, a | 1 << bit) for a in range(2**dimensions) for bit in range(dimensions) if not a >> bit & 1
    )
    assert pairs(fabric) == expected
    assert nx.is_isomorphic(nx.Graph(fabric.to_networkx()), nx.hypercube_graph(dimensions))


def test_star() -> None:
    fabric = shape("star", size=7, switch={"delay": "300 ns"})
    assert degrees(fabric) == {("npu", 1): 7, ("switch", 7): 1}
    assert fabric.delay_ps.tolist() == [0] * 7 + [300_000]
    assert nx.is_isomorphic(nx.Graph(fabric.to_networkx()), nx.star_graph(7))


def fat_tree(k: int) -> nx.Graph:
    """Return the fat tree of Al-Fares et al. (2008), sec. 3: pods of k/2 edge and k/2 aggregation switches."""
    half, graph = k // 2, nx.Graph()
    for pod, edge, other in product(range(k), range(half), range(half)):
        graph.add_edge(("edge", pod, edge), ("host", pod, edge, other))
        graph.add_edge(("edge", pod, edge), ("aggregation", pod, other))
        graph.add_edge(("aggregation", pod, edge), ("core", edge, other))
    return graph


@pytest.mark.parametrize("k", [2, 4, 6])
def test_fat_tree_is_that_of_the_paper(k: int) -> None:
    fabric, half = shape("fat-tree", k=k), k // 2
    assert fabric.ranks == k**3 // 4
    assert fabric.switches == 5 * k**2 // 4
    assert degrees(fabric) == {("npu", 1): k**3 // 4, ("switch", k): 5 * k**2 // 4}
    tiers = {"edge": (k, half), "aggregation": (k, half), "core": (half, half)}
    rank, first = {}, fabric.ranks
    for pod, edge, host in product(range(k), range(half), range(half)):
        rank["host", pod, edge, host] = (pod * half + edge) * half + host
    for tier, (rows, columns) in tiers.items():
        for row, column in product(range(rows), range(columns)):
            rank[tier, row, column] = first + row * columns + column
        first += rows * columns
    assert pairs(fabric) == edges(fat_tree(k), rank)


@pytest.mark.parametrize(("leaves", "hosts", "spines", "taper"), [(8, 8, 8, 1), (4, 6, 2, 3), (2, 8, 4, 0.5)])
def test_leaf_spine_tapers_by_the_rate_of_its_uplinks(
    leaves: int, hosts: int, spines: int, taper: float
) -> None:
    fabric = shape("leaf-spine", leaves=leaves, hosts=hosts, spines=spines, taper=taper)
    tiers = Counter({("switch", hosts + spines): leaves}) + Counter({("switch", leaves): spines})
    assert degrees(fabric) == Counter({("npu", 1): leaves * hosts}) + tiers
    up = fabric.bandwidth[::2][fabric.level == fabric.levels.index("spine")]
    assert up.tolist() == [round(hosts * 50e9 / (spines * taper))] * (leaves * spines)
    assert fabric.about.tapers == {"leaf": taper}
    ends = fabric.ranks + leaves
    assert pairs(fabric) == Counter(
        [(rank, fabric.ranks + rank // hosts) for rank in range(fabric.ranks)]
        + [(fabric.ranks + leaf, ends + spine) for leaf in range(leaves) for spine in range(spines)]
    )


# -- what all shapes share ------------------------------------------------------------------------------


@pytest.fixture(params=EVERY, ids=str)
def fabric(request: pytest.FixtureRequest) -> Fabric:
    return resolve({**request.param, "link": LINK})


def test_names_are_flat_and_lead_back(fabric: Fabric) -> None:
    names = [fabric.node_name(node) for node in range(fabric.nodes)]
    assert names == [f"npu{r}" for r in range(fabric.ranks)] + [f"sw{s}" for s in range(fabric.switches)]
    assert [fabric.node(name) for name in names] == list(range(fabric.nodes))


@pytest.mark.parametrize("name", ["npu", "npu00", "npu-1", "sw99", "npu1x", "sw²"])
def test_other_names_are_refused(fabric: Fabric, name: str) -> None:
    with pytest.raises(InputError, match="is not a node"):
        fabric.node(name)


def test_direct_npus_forward_and_others_do_not(fabric: Fabric) -> None:
    direct = fabric.switches == 0 or fabric.name.startswith(("rail-only", "hamming-mesh"))
    assert fabric.forwards[: fabric.ranks].tolist() == [direct] * fabric.ranks
    assert fabric.forwards[fabric.ranks :].all()
    assert not fabric.delay_ps.any()


def test_shapes_are_store_and_forward_and_minimal(fabric: Fabric) -> None:
    policy = "spray" if fabric.name.startswith("multi-plane") else "minimal"  # one path would use one plane
    assert (fabric.policy, fabric.model.switching) == (policy, "store-and-forward")
    assert (fabric.model.mtu, fabric.model.header, fabric.model.flit) == (4096, 0, 1)


def test_a_shape_goes_through_networkx_and_back(fabric: Fabric) -> None:
    again = Fabric.from_networkx(fabric.to_networkx())
    names = [again.node_name(node) for node in range(again.nodes)]
    assert names == [fabric.node_name(node) for node in range(fabric.nodes)]
    assert by_end(again) == by_end(fabric)
    assert again.forwards.tolist() == fabric.forwards.tolist()


def test_levels_add_up(fabric: Fabric) -> None:
    if not fabric.about.levels:
        pytest.skip("built from arrays, not from levels")
    assert [info.name for info in fabric.about.levels] == list(fabric.levels)
    for index, info in enumerate(fabric.about.levels):
        assert info.copies * info.links == int((fabric.level == index).sum())
    assert sum(info.copies * info.planes * info.switches for info in fabric.about.levels) == fabric.switches


def test_a_list_of_links_gives_one_to_each_dimension() -> None:
    fast, slow = LINK, {"bandwidth": "1 GB/s", "latency": "1 us"}
    fabric = resolve({"shape": "torus", "size": [4, 3], "link": [fast, slow]})
    across = abs(fabric.src - fabric.dst) % 4 == 0
    assert set(fabric.bandwidth[::2][across]) == {10**9}
    assert set(fabric.bandwidth[::2][~across]) == {50 * 10**9}


def test_one_link_in_a_list_serves_all_dimensions() -> None:
    assert shape("torus", size=[3, 3], link=[LINK]).digest == shape("torus", size=[3, 3]).digest


def test_a_link_may_be_a_record() -> None:
    fabric = resolve({"shape": "ring", "size": 4, "link": "nvlink5"})
    assert {link.name for link in fabric.links} == {"nvlink5"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"shape": "rign", "size": 4}, "shape: 'rign' is not a shape; did you mean 'ring'"),
        ({"shape": 3, "size": 4}, "shape: 3 is not a shape"),
        ({"shape": "ring", "size": 4, "link": None}, "link: has no value"),
        ({"shape": "ring", "size": 1}, "size: 1 is too small"),
        ({"shape": "ring", "size": 0}, "size: 0 is too small"),
        ({"shape": "ring", "size": 2.0}, "size: 2.0 is not a whole number"),
        ({"shape": "ring", "size": True}, "size: true is not a whole number"),
        ({"shape": "ring", "size": [4]}, "size: a list is not a whole number"),
        ({"shape": "ring"}, "size: is missing"),
        ({"shape": "mesh", "size": []}, "size: has 0 entries"),
        ({"shape": "mesh", "size": [2] * 30}, "size: has 30 entries"),
        ({"shape": "mesh", "size": [3, 1]}, "size.1: 1 is too small"),
        ({"shape": "torus", "size": [3, 3], "twist": True}, "twist: all dimensions are equally long"),
        ({"shape": "torus", "size": [3, 3], "link": [LINK] * 3}, "link: 3 links are given for 2 dimensions"),
        ({"shape": "torus", "size": [3, 3], "link": [LINK, {}]}, "link.1: states no bandwidth"),
        ({"shape": "torus", "size": [3], "link": {"bandwith": 1}}, "did you mean 'bandwidth'"),
        (
            {"shape": "torus", "size": [3], "link": {"bandwidth": "0 GB/s"}},
            "link.bandwidth: '0 GB/s' is zero",
        ),
        ({"shape": "torus", "size": [3], "link": {"bandwidth": 7}}, "link.bandwidth: 7 has no unit"),
        (
            {"shape": "ring", "size": 3, "link": {**LINK, "latency": "-1 ns"}},
            "link.latency: '-1 ns' is negative",
        ),
        ({"shape": "ring", "size": 3, "link": {**LINK, "coding": 0.9}}, "link: states coding without raw"),
        ({"shape": "ring", "size": 3, "link": {"raw": "1 GB/s"}}, "link: states raw without coding"),
        (
            {"shape": "ring", "size": 3, "link": {"raw": "1 GB/s", "coding": 2}},
            "coding is above 0 and at most 1",
        ),
        ({"shape": "ring", "size": 3, "link": "nvlink55"}, "did you mean 'nvlink5'"),
        ({"shape": "hypercube", "size": 6}, "size: 6 is not a power of two; write 4 or 8"),
        ({"shape": "fat-tree", "k": 5}, "k: 5 is odd"),
        ({"shape": "fat-tree", "k": 0}, "k: 0 is too small"),
        ({"shape": "fat-tree", "k": 10**6}, "k: the machine has"),
        ({"shape": "fat-tree", "k": 8, "switch": {"ports": 6}}, "switch: each switch needs 8 ports"),
        ({"shape": "star", "size": 8, "switch": {"delay": "1"}}, "switch.delay: '1' has no unit"),
        ({"shape": "star", "size": 10**9}, "size: the machine has 1000000000 npus"),
        ({"shape": "full-mesh", "size": 10**4}, "size: 10000 members joined by full-mesh"),
        ({"shape": "leaf-spine", "leaves": 2, "hosts": 2, "spines": 2, "taper": 0}, "taper: 0 is too small"),
        ({"shape": "leaf-spine", "leaves": 1, "hosts": 1, "spines": 1}, "hosts: one NPU has nobody"),
        ({"shape": "leaf-spine", "leaves": 2, "hosts": 2}, "spines: is missing"),
    ],
)
def test_bad_shapes_say_what_is_wrong(spec: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as error:
        resolve({"link": LINK, **spec})
    assert words in str(error.value)
