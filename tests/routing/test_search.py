"""A search of a part of the fabric finds what a search of all of it finds."""

import networkx as nx
import numpy as np
import pytest

from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import UNREACHABLE, Routing, next_hops, routes, unreachable
from fabricsim.routing.search import Search, hops_to, part_of
from fabricsim.schedule import Schedule
from tests.engines.lab import fabric_of, messages
from tests.topology.lab import shape

FABRICS = {
    "torus": lambda: shape("torus", size=[4, 3, 2]),
    "full-mesh": lambda: shape("full-mesh", size=[4, 3]),
    "fat-tree": lambda: shape("fat-tree", k=4),
    "leaf-spine": lambda: shape("leaf-spine", leaves=3, hosts=4, spines=2),
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
    search = Search(fabric, targets, hops_to(fabric, part, targets, dst, src))
    whole = next_hops(fabric, targets)
    assert np.array_equal(search.hops(src, dst), whole.distance[dst, src])
    starts, counts, channels = search.candidates(src, dst)
    assert np.array_equal(counts, whole.counts[dst, src])
    for index in range(0, len(src), 7):
        at = whole.starts[dst[index], src[index]]
        expected = whole.channels[at : at + counts[index]]
        assert np.array_equal(channels[starts[index] : starts[index] + counts[index]], expected)


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
