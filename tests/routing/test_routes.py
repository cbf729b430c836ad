"""Shortest paths, and which of them a packet takes."""

import itertools

import networkx as nx
import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.model import Model
from fabricsim.routing import (
    UNREACHABLE,
    Routing,
    channel_busy_ps,
    distances,
    next_hops,
    path_ps,
    routes,
    splitmix64,
    unreachable,
)
from fabricsim.schedule import Schedule
from fabricsim.topology import resolve
from tests.engines.lab import LINK, fabric_of, messages

MESH = nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 4))


def test_distances_are_those_of_networkx() -> None:
    fabric = fabric_of(MESH.copy())
    found = distances(fabric, np.arange(16))
    for a, b in itertools.product(range(16), repeat=2):
        expected = nx.shortest_path_length(MESH, a, b)
        assert found[fabric.node(str(b)), fabric.node(str(a))] == expected


def test_next_hops_are_exactly_the_channels_one_hop_nearer() -> None:
    fabric = fabric_of(MESH.copy())
    hops = next_hops(fabric, np.arange(16))
    for target, node in itertools.product(range(16), repeat=2):
        start = hops.starts[target, node]
        found = hops.channels[start : start + hops.counts[target, node]].tolist()
        near = [
            c
            for c in range(fabric.channels)
            if fabric.channel_src[c] == node
            and hops.distance[target, fabric.channel_dst[c]] == hops.distance[target, node] - 1
        ]
        assert found == near


def test_work_in_pieces_changes_nothing(monkeypatch) -> None:
    fabric = fabric_of(MESH.copy())
    whole = next_hops(fabric, np.arange(16))
    monkeypatch.setattr("fabricsim.routing.shortest._CHUNK", 1)
    pieces = next_hops(fabric, np.arange(16))
    for name in ("distance", "starts", "counts", "channels"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name))


@pytest.mark.parametrize("policy", ["minimal", "ecmp", "spray"])
def test_every_path_is_a_shortest_path(policy: str) -> None:
    fabric = fabric_of(MESH.copy())
    traffic = Schedule(
        (messages(*[(a, b, 10_000) for a, b in itertools.permutations(range(16), 2)]),)
    ).messages
    paths = routes(fabric, traffic, Routing(policy), Model(), 4)
    for message in range(len(traffic)):
        for path in range(paths.first[message], paths.first[message] + paths.count[message]):
            walk = paths.channels[paths.starts[path] : paths.starts[path + 1]]
            assert fabric.channel_src[walk[0]] == traffic.src[message]
            assert fabric.channel_dst[walk[-1]] == traffic.dst[message]
            assert np.array_equal(fabric.channel_dst[walk[:-1]], fabric.channel_src[walk[1:]])
            a, b = (int(fabric.node_name(int(end))) for end in (traffic.src[message], traffic.dst[message]))
            assert len(walk) == nx.shortest_path_length(MESH, a, b)


def test_a_cut_fabric_names_the_pairs() -> None:
    graph = nx.Graph([(0, 1), (2, 3)])
    fabric = fabric_of(graph)
    assert unreachable(fabric, np.array([0, 1, 2]), np.array([1, 2, 3])) == [(1, 2)]
    assert distances(fabric, np.array([3]))[0, 0] == UNREACHABLE
    with pytest.raises(InputError, match="no path from 1 to 2"):
        routes(fabric, Schedule((messages((1, 2, 5)),)).messages, Routing(), Model(), 0)


def test_splitmix64_is_the_published_generator() -> None:
    """The generator seeded with 0 starts 0xE220A8397B1DCDAF (Vigna, prng.di.unimi.it/splitmix64.c)."""
    assert int(splitmix64(0)) == 0xE220A8397B1DCDAF
    assert int(splitmix64(0, 1)) != int(splitmix64(1, 0))
    assert splitmix64(1, np.arange(4)).tolist() == [int(splitmix64(1, i)) for i in range(4)]


def test_busy_time_and_path_latency_of_a_known_path() -> None:
    graph = nx.Graph()
    graph.add_edge(0, "s0", bandwidth="100 GB/s", latency="1 us")
    graph.add_edge("s0", 1, bandwidth="50 GB/s", latency="2 us")
    graph.nodes["s0"]["delay"] = "300 ns"
    fabric = fabric_of(graph)
    traffic = Schedule((messages((0, 1, 10_000), (0, 1, 4096)),)).messages
    paths = routes(fabric, traffic, Routing(), Model(), 0)
    busy = channel_busy_ps(fabric, traffic, paths, Model())
    assert sorted(busy[busy > 0].tolist()) == [10_000 * 10 + 4096 * 10, 10_000 * 20 + 4096 * 20]
    assert path_ps(fabric, paths).tolist() == [3_300_000, 3_300_000]


def test_unknown_policies_are_refused_with_a_match() -> None:
    with pytest.raises(InputError, match="did you mean 'spray'"):
        Routing("sprai")
    with pytest.raises(InputError, match="known: message, pair"):
        Routing("ecmp", "flow")


def test_adaptive_routes_are_those_of_spray_and_have_no_lanes() -> None:
    """Where packets would go if all queues were equal; what they do is for the engine to say."""
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    traffic = Schedule((messages((0, 15, 64 * 4096)),)).messages
    one, other = (routes(fabric, traffic, Routing(policy), Model(), 3) for policy in ("adaptive", "spray"))
    assert np.array_equal(one.channels, other.channels)
    with pytest.raises(InputError, match="no rule for lanes knows their hops"):
        Routing("adaptive", lanes="up-down")
