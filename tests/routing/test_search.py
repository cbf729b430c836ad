"""A search of a part of the fabric finds what a search of all of it finds."""

import networkx as nx
import numpy as np
import pytest

from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import UNREACHABLE, Routing, next_hops, routes, unreachable
from fabricsim.routing.search import Search, hops_to, part_of, swapped, twins
from fabricsim.schedule import Schedule
from fabricsim.topology import load_topology, resolve
from tests.engines.lab import fabric_of, messages
from tests.topology.lab import shape

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
DIES = {
    "levels": [
        {"name": "package", "members": 2, "rule": "full-mesh", "link": LINK},
        {"name": "node", "members": 3, "rule": "switched", "planes": 2, "link": LINK},
        {
            "name": "pod",
            "members": 2,
            "rule": "switched",
            "uplinks_of": "node",
            "uplinks": 2,
            "switches": 2,
            "link": LINK,
        },
    ]
}
FABRICS = {
    "torus": lambda: shape("torus", size=[4, 3, 2]),
    "full-mesh": lambda: shape("full-mesh", size=[4, 3]),
    "fat-tree": lambda: shape("fat-tree", k=4),
    "leaf-spine": lambda: shape("leaf-spine", leaves=3, hosts=4, spines=2),
    "rail": lambda: load_topology("hgx-h100-rail", servers=2),
    "dies": lambda: resolve(DIES),
    "random": lambda: fabric_of(nx.random_regular_graph(3, 14, seed=5)),
}


@pytest.mark.parametrize("name", FABRICS)
def test_candidates_are_those_of_the_whole_fabric(name: str) -> None:
    fabric = FABRICS[name]()
    src, dst = (column.reshape(-1) for column in np.indices((fabric.ranks, fabric.ranks)))
    apart = src != dst
    src, dst = src[apart], dst[apart]
    targets = np.arange(fabric.ranks)
    part = part_of(fabric, targets)
    twin = twins(fabric, targets)
    searched, row = np.unique(twin[dst], return_inverse=True)
    distance = hops_to(fabric, part, searched, row, swapped(src, dst, twin))
    search = Search(fabric, searched, distance, twin)
    whole = next_hops(fabric, targets)
    assert np.array_equal(search.hops(src, dst), whole.distance[dst, src])
    starts, counts, channels = search.candidates(src, dst)
    assert np.array_equal(counts, whole.counts[dst, src])
    for index in range(0, len(src), 7):
        at = whole.starts[dst[index], src[index]]
        expected = whole.channels[at : at + counts[index]]
        assert np.array_equal(channels[starts[index] : starts[index] + counts[index]], expected)


def test_hosts_of_one_leaf_are_searched_once_and_nodes_that_forward_each_alone() -> None:
    fabric = FABRICS["leaf-spine"]()
    assert twins(fabric, np.arange(12))[:12].tolist() == [0] * 4 + [4] * 4 + [8] * 4
    torus = FABRICS["torus"]()
    assert twins(torus, np.arange(24))[:24].tolist() == list(range(24))
    dies = FABRICS["dies"]()
    assert twins(dies, np.arange(12))[:12].tolist() == list(range(12)), "each has a link that the others lack"


def test_a_search_stops_with_its_last_source() -> None:
    fabric = shape("ring", size=16)
    near = hops_to(fabric, part_of(fabric, np.arange(2)), np.array([0]), np.array([0]), np.array([1]))
    assert np.flatnonzero(near[0] != UNREACHABLE).tolist() == [0, 1, 15]


def test_ranks_that_do_not_talk_are_left_out_where_they_do_not_forward() -> None:
    fabric = shape("fat-tree", k=4)
    part = part_of(fabric, np.array([0, 9]))
    assert np.unique(part.src[part.src < fabric.ranks]).tolist() == [0, 9]


@pytest.mark.parametrize("policy", ["minimal", "ecmp", "spray"])
def test_a_few_targets_at_a_time_give_the_same_routes(policy: str, monkeypatch) -> None:
    fabric: Fabric = FABRICS["fat-tree"]()
    rows = [(a, (a * 5 + 3) % 16, 9000) for a in range(16) if a != (a * 5 + 3) % 16]
    traffic = Schedule((messages(*rows),)).messages
    whole = routes(fabric, traffic, Routing(policy), Model(), 3)
    monkeypatch.setattr("fabricsim.routing.paths.CELLS", 3 * fabric.nodes)
    pieces = routes(fabric, traffic, Routing(policy), Model(), 3)
    for name in ("starts", "channels", "first", "count"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name))


def test_nobody_talks() -> None:
    none = np.zeros(0, np.int64)
    assert unreachable(shape("ring", size=4), none, none) == []
