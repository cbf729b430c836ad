"""Dimension order, Valiant, and the options of a routing."""

import itertools

import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import POLICIES, Routing, default_routing, next_hops, routes, shares
from fabricsim.schedule import Schedule
from fabricsim.topology import resolve
from tests.engines.lab import messages
from tests.routing.test_search import FABRICS, LINK
from tests.routing.test_shares import all_pairs, dense
from tests.topology.lab import shape


def paths(fabric: Fabric, routing: Routing, size: int = 7) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    src, dst = all_pairs(fabric)
    traffic = Schedule(
        (messages(*[(a, b, size) for a, b in zip(src.tolist(), dst.tolist(), strict=True)]),)
    ).messages
    found = routes(fabric, traffic, routing, Model(mtu=1), 3)
    starts = found.starts[np.concatenate([found.first, [len(found.starts) - 1]])]
    return src, dst, [found.channels[a:b] for a, b in itertools.pairwise(starts)]


@pytest.mark.parametrize(
    "fabric",
    [shape("torus", size=[4, 3, 2]), shape("full-mesh", size=[3, 4]), shape("hyperx", size=[3, 3], hosts=2)],
)
def test_dimension_order_takes_one_level_after_the_other_on_shortest_paths(fabric: Fabric) -> None:
    src, dst, walks = paths(fabric, Routing("dimension-order"))
    hops = next_hops(fabric, np.arange(fabric.ranks)).distance
    for a, b, walk in zip(src, dst, walks, strict=True):
        levels = fabric.level[walk // 2]
        inner = levels[levels > 0] if fabric.switches else levels
        assert np.all(np.diff(inner) >= 0)
        assert len(walk) == hops[b, a]


def test_dimension_order_without_coordinates_needs_single_paths() -> None:
    src, _, walks = paths(shape("star", size=4), Routing("dimension-order"))
    assert [len(walk) for walk in walks] == [2] * len(src)
    with pytest.raises(InputError, match="fat-tree-k4 has no coordinates"):
        paths(shape("fat-tree", k=4), Routing("dimension-order"))


@pytest.mark.parametrize("name", ["torus", "fat-tree", "random"])
@pytest.mark.parametrize("per", ["message", "packet"])
def test_valiant_joins_two_shortest_legs(name: str, per: str) -> None:
    fabric = FABRICS[name]()
    src, dst = all_pairs(fabric)
    traffic = Schedule(
        (messages(*[(a, b, 3) for a, b in zip(src.tolist(), dst.tolist(), strict=True)]),)
    ).messages
    found = routes(fabric, traffic, Routing("valiant", per=per), Model(mtu=1), 3)
    between = set()
    for message in range(len(src)):
        for path in range(found.first[message], found.first[message] + found.count[message]):
            walk = found.channels[found.starts[path] : found.starts[path + 1]]
            assert fabric.channel_src[walk[0]] == src[message]
            assert fabric.channel_dst[walk[-1]] == dst[message]
            assert np.array_equal(fabric.channel_dst[walk[:-1]], fabric.channel_src[walk[1:]])
            between.add(int(fabric.channel_dst[walk[len(walk) // 2 - 1]]))
    assert found.count.tolist() == [3 if per == "packet" else 1] * len(src)
    assert len(between) > 3


def test_valiant_by_packet_is_even_over_all_ways_round() -> None:
    """Of n ways round, two lead straight (by way of the source or of the target), the others by one rank each."""
    fabric = shape("full-mesh", size=5)
    found = dense(fabric, shares(fabric, np.array([0]), np.array([1]), Routing("valiant", per="packet")))[0]
    assert sorted(found[found > 0].tolist()) == pytest.approx([1 / 5] * 6 + [2 / 5])


def test_valiant_needs_a_node_that_forwards() -> None:
    lone = resolve({"levels": [{"name": "pair", "members": 2, "rule": "full-mesh", "link": LINK}]})
    with pytest.raises(InputError, match="no node of topology forwards from and to all ranks"):
        shares(lone, np.array([0]), np.array([1]), Routing("valiant"))


def test_routes_avoid_dead_channels() -> None:
    for name in ("torus", "fat-tree", "rail", "random"):
        fabric = FABRICS[name]()
        src, dst = all_pairs(fabric)
        traffic = Schedule(
            (messages(*[(a, b, 9) for a, b in zip(src.tolist(), dst.tolist(), strict=True)]),)
        ).messages
        for policy in POLICIES:
            if policy == "dimension-order" or (name, policy) == ("rail", "valiant"):
                continue  # a rank has one link to its rail, and ways round are beyond it
            routing = Routing(policy, split="equal")
            healthy = routes(fabric, traffic, routing, Model(mtu=1), 1)
            inner = fabric.src[healthy.channels // 2] >= (fabric.ranks if name == "fat-tree" else 0)
            link = int(healthy.channels[inner][0]) // 2  # one that is not the only link of a rank
            alive = np.ones(fabric.channels, np.bool_)
            alive[[2 * link, 2 * link + 1]] = False
            assert alive[routes(fabric, traffic, routing, Model(mtu=1), 1, alive).channels].all()
            assert alive[shares(fabric, src, dst, routing, 1, alive=alive).channels].all()


def test_options_are_checked_and_named_in_the_text() -> None:
    assert Routing("spray").text == "spray/message"
    assert Routing("all-path", lanes=[0, 1]).text == "all-path/message/max_detour=1/split=optimal/lanes=0, 1"
    for options, says in (
        ({"lanes": "datelin"}, "did you mean 'dateline'"),
        ({"lanes": "escape"}, "those of all-path do not"),
        ({"lanes": ()}, "does not give each hop a lane"),
        ({"lanes": (0, 99)}, "does not give each hop a lane"),
        ({"split": "best"}, "known: optimal, capacity, equal"),
        ({"per": "hop"}, "known: message, packet"),
        ({"max_detour": 9}, "a detour of 9 hops"),
    ):
        with pytest.raises(InputError, match=says):
            Routing("all-path", **options)


def test_a_topology_states_options_of_its_routing() -> None:
    level = {"name": "board", "members": 4, "rule": "full-mesh", "link": LINK}
    stated = {"policy": "all-path", "max_detour": 2, "lanes": "tfc"}
    fabric = resolve({"device": {"forwards": True}, "levels": [level], "routing": stated})
    assert default_routing(fabric) == Routing("all-path", max_detour=2, lanes="tfc")
    for wrong in (
        {"lanes": "tfcc"},
        {"lanes": []},
        {"lanes": [0, -1]},
        {"max_detour": -1},
        {"split": "most"},
    ):
        with pytest.raises(InputError, match="routing"):
            resolve({"levels": [level], "routing": {"policy": "all-path", **wrong}})
