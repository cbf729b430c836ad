"""All-path routing: which paths there are, how a message is split over them, and what relaying costs."""

import itertools

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routing, lanes_of, relaying, routes, shares
from fabricsim.routing.detours import PathSet, all_paths
from fabricsim.routing.split import maximised, split_of
from fabricsim.schedule import Schedule
from tests.engines.lab import fabric_of, messages
from tests.routing.test_shares import all_pairs, dense
from tests.topology.lab import shape


def largest(fabric: Fabric, src: list[int], dst: list[int], routing: Routing) -> float:
    """Return the most that any channel carries, in messages."""
    found = shares(fabric, np.array(src), np.array(dst), routing)
    return float(np.bincount(found.channels, found.weights).max())


@pytest.mark.parametrize("detour", [0, 1, 2])
def test_paths_are_the_simple_paths_of_networkx(detour: int) -> None:
    graph = nx.random_regular_graph(3, 10, seed=2)
    fabric = fabric_of(graph.copy())
    src, dst = all_pairs(fabric)
    paths = all_paths(fabric, src, dst, Routing("all-path", max_detour=detour))
    for pair in range(0, len(src), 7):
        a, b = (int(fabric.node_name(int(end))) for end in (src[pair], dst[pair]))
        most = nx.shortest_path_length(graph, a, b) + detour
        found = []
        for path in range(paths.first[pair], paths.first[pair + 1]):
            walk = paths.channels[paths.starts[path] : paths.starts[path + 1]]
            found.append([a, *(int(fabric.node_name(int(n))) for n in fabric.channel_dst[walk])])
        assert sorted(found) == sorted(nx.all_simple_paths(graph, a, b, cutoff=most))
        assert [len(path) for path in found] == sorted(len(path) for path in found)


def test_equal_split_on_a_full_mesh_of_8_costs_13_of_7_links_per_byte() -> None:
    """One direct path and six of two hops: (1 + 6 · 2) / 7."""
    fabric = shape("full-mesh", size=8)
    src, dst = all_pairs(fabric)
    cost = relaying(fabric, src, dst, np.ones(len(src)), Routing("all-path", split="equal"))
    assert cost.links_per_byte == pytest.approx(13 / 7)
    assert cost.shortest == pytest.approx(1)
    assert cost.relayed == pytest.approx(6 / 7)


def test_the_optimal_split_keeps_uniform_traffic_on_shortest_paths() -> None:
    for size, most in (
        ([8], 1),
        ([4, 4], 4),
    ):  # 12 other columns, in n²−n pairs over n links each: n a channel
        fabric = shape("full-mesh", size=size)
        src, dst = all_pairs(fabric)
        cost = relaying(fabric, src, dst, np.ones(len(src)), Routing("all-path"))
        assert cost.relayed == 0
        assert largest(fabric, src.tolist(), dst.tolist(), Routing("all-path")) == pytest.approx(most)


def test_the_optimal_split_of_a_lone_pair_uses_all_that_leaves_it() -> None:
    assert largest(shape("full-mesh", size=8), [0], [1], Routing("all-path")) == pytest.approx(1 / 7)
    assert largest(shape("full-mesh", size=[4, 4]), [0], [5], Routing("all-path")) == pytest.approx(1 / 6)


def test_the_optimal_split_of_a_shift_on_a_full_mesh() -> None:
    """Of each rank's 7 links one is direct, two make a relayed path: 1 + 6 / 2 = 4 times the direct rate."""
    fabric = shape("full-mesh", size=8)
    assert largest(
        fabric, list(range(8)), [(r + 1) % 8 for r in range(8)], Routing("all-path")
    ) == pytest.approx(1 / 4)


def test_capacity_split_follows_the_narrowest_link() -> None:
    graph = nx.Graph()
    for relay, rate in ((2, 10), (3, 30)):
        graph.add_edge(0, relay, bandwidth="90 GB/s")
        graph.add_edge(relay, 1, bandwidth=f"{rate} GB/s")
    fabric = fabric_of(graph)
    ends = (np.array([fabric.node(name)]) for name in "01")
    found = dense(fabric, shares(fabric, *ends, Routing("all-path", split="capacity")))[0]
    assert sorted(found[found > 0].tolist()) == pytest.approx([0.25, 0.25, 0.75, 0.75])


def by_scipy(fabric: Fabric, paths: PathSet, demand: np.ndarray) -> float:
    """Return the least largest load by SciPy's linear programming."""
    count = len(paths.hops)
    of = np.repeat(np.arange(count), paths.hops)
    used, row = np.unique(paths.channels, return_inverse=True)
    load = np.zeros((len(used), count + 1))
    np.add.at(load, (row, of), demand[paths.pair][of] / (fabric.bandwidth[used[row]] / 50e9))
    load[:, count] = -1
    whole = np.zeros((len(demand), count + 1))
    whole[paths.pair, np.arange(count)] = 1
    done = linprog(np.eye(1, count + 1, count)[0], load, np.zeros(len(used)), whole, np.ones(len(demand)))
    return float(done.fun)


@pytest.mark.parametrize("seed", range(6))
def test_the_optimal_split_is_that_of_a_linear_program(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = nx.random_regular_graph(3, 12, seed=seed)
    for _, _, data in graph.edges(data=True):
        data["bandwidth"] = f"{rng.integers(1, 5) * 25} GB/s"
    fabric = fabric_of(graph)
    src = np.arange(12)
    dst = (src + rng.integers(1, 12, 12)) % 12
    paths = all_paths(fabric, src, dst, Routing("all-path", max_detour=2))
    demand = rng.integers(1, 4, 12).astype(float)
    weight = split_of(fabric, paths, demand, "optimal")
    assert np.allclose(np.bincount(paths.pair, weight), 1)
    part = np.repeat(weight * demand[paths.pair], paths.hops)
    load = np.bincount(paths.channels, part, fabric.channels) / (fabric.bandwidth / 50e9)
    assert load.max() == pytest.approx(by_scipy(fabric, paths, demand), rel=1e-7)


def test_the_simplex_method_takes_the_second_goal_among_the_best_of_the_first() -> None:
    rows = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])
    goals = np.array([[1.0, 1.0, 1.0], [-1.0, -3.0, -2.0]])
    assert maximised(rows, np.array([4.0, 3.0]), goals).tolist() == pytest.approx([3, 0, 1])


def test_packets_are_dealt_by_share_and_interleaved() -> None:
    fabric = shape("full-mesh", size=8)
    traffic = Schedule((messages((0, 1, 70), (2, 3, 8)),)).messages
    paths = routes(fabric, traffic, Routing("all-path", split="equal"), Model(mtu=10), 0)
    assert paths.count.tolist() == [7, 1]
    first = [paths.channels[paths.starts[p]] for p in range(7)]
    assert len(set(first)) == 7, "seven packets, seven paths"
    assert paths.hops[7] == 1, "a single packet goes straight"


def test_two_lanes_leave_out_what_needs_a_third() -> None:
    """On 4 × 4 the two shortest paths need two lanes at most; of the detours, (1, 0, 0) and (1, 1, 0) need three."""
    fabric = shape("full-mesh", size=[4, 4])
    src, dst = np.array([0]), np.array([5])
    free = all_paths(fabric, src, dst, Routing("all-path"))
    kept = all_paths(fabric, src, dst, Routing("all-path", lanes="tfc"))
    dims = [tuple(fabric.level[free.channels[a:b] // 2].tolist()) for a, b in itertools.pairwise(free.starts)]
    assert len(free.hops) - len(kept.hops) == sum(order in {(1, 0, 0), (1, 1, 0)} for order in dims) == 4
    traffic = Schedule((messages((0, 5, 4096 * 16)),)).messages
    routing = Routing("all-path", lanes="tfc", split="equal")
    lanes = lanes_of(fabric, routes(fabric, traffic, routing, Model(), 0), routing)
    assert set(lanes.tolist()) == {0, 1}


def test_what_cannot_be_split_is_refused() -> None:
    fabric = shape("full-mesh", size=[6, 6])
    src, dst = all_pairs(fabric)
    with pytest.raises(InputError, match="too large to solve; use split: equal or capacity"):
        shares(fabric, src, dst, Routing("all-path"), size=1 + src)
    with pytest.raises(InputError, match="no path from 1 to 2"):
        shares(fabric_of(nx.Graph([(0, 1), (2, 3)])), np.array([1]), np.array([2]), Routing("all-path"))
