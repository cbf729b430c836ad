"""Every rule against the graph of its definition, and the arithmetic of ports."""

from collections import Counter
from fractions import Fraction
from itertools import product
from typing import Any

import networkx as nx
import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Device, Fabric, Link
from fabricsim.topology.compose import Naming, compose
from fabricsim.topology.level import Level
from fabricsim.topology.rules import RULES, SWITCHED, circulant, random_regular, stated_graph
from tests.topology.lab import HOP, by_end, degrees, edges, pairs

NPU = Device("npu")


def machine(*levels: Level, device: Device = NPU) -> Fabric:
    return compose("test", levels, device)


def switch(ports: int) -> Device:
    return Device(f"switch-{ports}", "switch", forwards=True, ports=ports)


def names(fabric: Fabric) -> Counter[tuple[str, str]]:
    """Return the links as pairs of node names, first end first."""
    ends = zip(fabric.src.tolist(), fabric.dst.tolist(), strict=True)
    return Counter((fabric.node_name(a), fabric.node_name(b)) for a, b in ends)


DIRECT = {
    "none": nx.empty_graph,
    "line": nx.path_graph,
    "ring": lambda n: nx.Graph(nx.cycle_graph(n)) if n > 1 else nx.empty_graph(n),
    "full-mesh": nx.complete_graph,
}


def test_every_rule_is_tested() -> None:
    assert {*DIRECT, *SWITCHED, "graph"} == set(RULES)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("rule", DIRECT)
def test_a_direct_rule_is_its_graph(rule: str, n: int) -> None:
    assert pairs(machine(Level("board", rule, n, HOP))) == edges(DIRECT[rule](n))


@pytest.mark.parametrize(("inner", "outer"), list(product(["line", "ring", "full-mesh"], repeat=2)))
def test_two_direct_levels_are_the_cartesian_product(inner: str, outer: str) -> None:
    fabric = machine(Level("board", inner, 4, HOP), Level("rack", outer, 3, HOP))
    expected = nx.cartesian_product(DIRECT[outer](3), DIRECT[inner](4))
    rank = {(y, x): 4 * y + x for y, x in expected}
    assert pairs(fabric) == edges(expected, rank)
    assert fabric.node_name(rank[2, 1]) == "rack/board2/npu1"


def test_a_grouping_level_joins_nothing_but_counts() -> None:
    fabric = machine(Level("tray", "none", 4), Level("rack", "full-mesh", 3, HOP))
    assert pairs(fabric) == Counter(
        (4 * a + k, 4 * b + k) for a, b in [(0, 1), (0, 2), (1, 2)] for k in range(4)
    )
    assert fabric.levels == ("tray", "rack")


def test_a_stated_graph_keeps_its_parallel_links() -> None:
    graph = stated_graph(4, [(0, 1), (1, 2, 3), (3, 1)])
    fabric = machine(Level("board", "graph", 4, HOP, graph=graph), Level("rack", "none", 2))
    assert pairs(fabric) == {(0, 1): 1, (1, 2): 3, (1, 3): 1, (4, 5): 1, (5, 6): 3, (5, 7): 1}


@pytest.mark.parametrize(
    ("edge", "words"),
    [
        ((0, 4), "numbered 0 to 3"),
        ((2, 2), "to itself"),
        ((2, 3, 0), "has 0 parallel links"),
        ((1, 0), "joined twice"),
    ],
)
def test_a_stated_graph_is_checked(edge: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        stated_graph(4, [(0, 1), edge])


def test_generated_graphs() -> None:
    fabric = machine(Level("board", "graph", 8, HOP, graph=circulant(8, [1, 3])))
    assert pairs(fabric) == Counter(
        {(min(a, b), max(a, b)) for a in range(8) for b in ((a + 1) % 8, (a + 3) % 8)}
    )
    random = machine(Level("board", "graph", 10, HOP, graph=random_regular(10, 3, seed=1)))
    assert degrees(random) == {("npu", 3): 10}
    again = machine(Level("board", "graph", 10, HOP, graph=random_regular(10, 3, seed=1)))
    assert random.digest == again.digest
    with pytest.raises(InputError, match="gives each 3 neighbours"):
        random_regular(5, 3, seed=1)


# -- switches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("planes", "switches", "ports"), [(1, 1, 1), (3, 1, 3), (2, 2, 4), (2, 2, 8), (4, 1, 8)]
)
def test_every_npu_reaches_every_switch_of_every_plane(planes: int, switches: int, ports: int) -> None:
    level = Level("rack", "switched", 3, HOP, (ports,), planes=planes, switches=switches, tag="nv")
    fabric = machine(Level("tray", "none", 2), level)
    called = [
        f"rack/nv{plane}" + (f"-{i}" if switches > 1 else "")
        for plane in range(planes)
        for i in range(switches)
    ]
    each = ports // (planes * switches)
    expected = {(f"rack/tray{t}/npu{k}", sw): each for t in range(3) for k in range(2) for sw in called}
    assert names(fabric) == expected
    assert fabric.plane.tolist() == [int(called.index(sw) / switches) for _, sw in names_in_order(fabric)]


def names_in_order(fabric: Fabric) -> list[tuple[str, str]]:
    ends = zip(fabric.src.tolist(), fabric.dst.tolist(), strict=True)
    return [(fabric.node_name(a), fabric.node_name(b)) for a, b in ends]


def test_planes_may_have_unequal_ports() -> None:
    fabric = machine(Level("server", "switched", 8, HOP, (5, 4, 4, 5), planes=4))
    expected = {(f"server/npu{k}", f"server/sw{p}"): n for k in range(8) for p, n in enumerate((5, 4, 4, 5))}
    assert names(fabric) == expected


def test_rails_join_equal_positions() -> None:
    fabric = machine(Level("server", "none", 4), Level("pod", "rails", 3, HOP, (2,), switches=2, tag="leaf"))
    expected = {
        (f"pod/server{s}/npu{k}", f"pod/leaf{k}-{i}"): 1 for s in range(3) for k in range(4) for i in (0, 1)
    }
    assert names(fabric) == expected
    assert fabric.plane.tolist() == [rank % 4 for rank in fabric.src.tolist()]


def two_tiers(**keys: Any) -> Fabric:
    """Return 3 racks of 4 NPUs on 2 planes, their switches joined by a second tier."""
    return machine(
        Level("rack", "switched", 4, HOP, planes=2),
        Level("pod", "switched", 3, HOP, uplinks_of="rack", **keys),
    )


def test_uplinks_stay_in_their_plane() -> None:
    fabric = two_tiers(switches=2)
    racks = {
        (f"pod/rack{r}/npu{k}", f"pod/rack{r}/sw{p}"): 1 for r in range(3) for k in range(4) for p in (0, 1)
    }
    up = {(f"pod/rack{r}/sw{p}", f"pod/sw{p}-{i}"): 2 for r in range(3) for p in (0, 1) for i in (0, 1)}
    assert names(fabric) == racks | up
    for plane in (0, 1):  # a plane with its NPUs is a machine of its own: nothing leads to the other
        own = fabric.plane == plane
        reached = {
            fabric.node_name(n) for n in np.unique([fabric.src[own], fabric.dst[own]]) if n >= fabric.ranks
        }
        assert reached == {f"pod/rack{r}/sw{plane}" for r in range(3)} | {
            f"pod/sw{plane}-{i}" for i in (0, 1)
        }


def test_planes_reach_through_all_tiers() -> None:
    fabric = machine(
        Level("rack", "switched", 2, HOP, planes=3),
        Level("pod", "switched", 2, HOP, uplinks_of="rack", switches=2),
        Level("hall", "switched", 2, HOP, uplinks_of="pod", switches=2),
    )
    apart = nx.Graph((a, b) for a, b in pairs(fabric) if b >= fabric.ranks and a >= fabric.ranks)
    parts = list(nx.connected_components(apart))
    assert len(parts) == 3  # the switches of a plane hang together, and with no other
    for part in parts:
        own = np.isin(fabric.dst, list(part))
        assert len(np.unique(fabric.plane[own])) == 1


def test_joined_uplinks_meet_in_the_same_switches() -> None:
    fabric = two_tiers(switches=2, join=True, tag="spine")
    up = {(a, b): n for (a, b), n in names(fabric).items() if "spine" in b}
    assert up == {
        (f"pod/rack{r}/sw{p}", f"pod/spine{i}"): 2 for r in range(3) for p in (0, 1) for i in (0, 1)
    }
    rising = fabric.level == 1
    assert fabric.plane[rising].tolist() == [(a - fabric.ranks) % 2 for a in fabric.src[rising].tolist()]


def test_uplinks_pass_through_grouping_levels() -> None:
    rows = [
        Level("rack", "switched", 2, HOP, planes=2),
        Level("row", "none", 3),
        Level("hall", "switched", 2, HOP, uplinks_of="rack", switches=1),
    ]
    expected = {
        (f"hall/row{w}/rack{r}/sw{p}", f"hall/sw{p}"): 2 for w in range(2) for r in range(3) for p in range(2)
    }
    found = {(a, b): n for (a, b), n in names(machine(*rows)).items() if "npu" not in a}
    assert found == expected


def test_switches_may_meet_without_others_above() -> None:
    fabric = machine(
        Level("rack", "switched", 2, HOP, planes=2), Level("pod", "full-mesh", 3, HOP, uplinks_of="rack")
    )
    found = {(a, b): n for (a, b), n in names(fabric).items() if "npu" not in a}
    expected = {
        (f"pod/rack{a}/sw{p}", f"pod/rack{b}/sw{p}"): 1
        for a in range(3)
        for b in range(a + 1, 3)
        for p in (0, 1)
    }
    assert found == expected
    assert fabric.about.tapers == {"rack": 2 / 2}  # two NPUs below, two neighbours beside


@pytest.mark.parametrize("taper", [Fraction(1), Fraction(2), Fraction(4), Fraction(4, 3)])
def test_taper_leaves_so_many_uplinks(taper: Fraction) -> None:
    fabric = machine(
        Level("rack", "switched", 8, HOP, taper=taper),
        Level("pod", "switched", 4, HOP, uplinks_of="rack", switches=1),
    )
    assert int((fabric.level == 1).sum()) == 4 * 8 / taper
    assert fabric.about.tapers == {"rack": float(taper)}


def test_faster_uplinks_are_fewer() -> None:
    fast = Link("fast", 4 * HOP.bandwidth, HOP.latency)
    fabric = machine(
        Level("rack", "switched", 8, HOP), Level("pod", "switched", 4, fast, uplinks_of="rack", switches=1)
    )
    assert int((fabric.level == 1).sum()) == 4 * 8 // 4
    assert fabric.about.tapers == {"rack": 1.0}


@pytest.mark.parametrize(("members", "ports", "expected"), [(4, 32, 1), (8, 32, 2), (16, 32, 4), (32, 32, 8)])
def test_the_fewest_switches_that_have_the_ports(members: int, ports: int, expected: int) -> None:
    fabric = machine(
        Level("rack", "switched", 8, HOP),
        Level("pod", "switched", members, HOP, uplinks_of="rack", switch=switch(ports)),
    )
    assert fabric.about.levels[1].switches == expected
    assert degrees(fabric)["switch", 8 * members // expected] >= expected


def test_a_middle_tier_keeps_ports_for_the_tier_above() -> None:
    fabric = machine(
        Level("rack", "switched", 4, HOP, switch=switch(8)),
        Level("pod", "switched", 4, HOP, uplinks_of="rack", switch=switch(8)),
        Level("hall", "switched", 8, HOP, uplinks_of="pod", switch=switch(8)),
    )
    # radix 8 in three tiers is the fat tree of k = 8
    assert degrees(fabric) == {("npu", 1): 8**3 // 4, ("switch", 8): 5 * 8**2 // 4}


# -- names, order, identity ---------------------------------------------------------------------------------


def test_names_lead_back_to_ids() -> None:
    fabric = two_tiers(switches=2)
    found = [fabric.node_name(node) for node in range(fabric.nodes)]
    assert len(set(found)) == fabric.nodes
    assert [fabric.node(name) for name in found] == list(range(fabric.nodes))
    assert found[0] == "pod/rack0/npu0"
    assert found[fabric.ranks - 1] == "pod/rack2/npu3"


def test_ranks_run_depth_first() -> None:
    fabric = machine(Level("board", "none", 2), Level("rack", "none", 3), Level("pod", "ring", 4, HOP))
    expected = [f"pod/rack{a}/board{b}/npu{c}" for a, b, c in product(range(4), range(3), range(2))]
    assert [fabric.node_name(rank) for rank in range(fabric.ranks)] == expected


def test_links_are_numbered_level_by_level() -> None:
    fabric = two_tiers(switches=2)
    assert np.all(np.diff(fabric.level) >= 0)
    assert two_tiers(switches=2).digest == fabric.digest


def test_a_machine_goes_through_networkx_and_back() -> None:
    fabric = two_tiers(switches=2)
    again = Fabric.from_networkx(fabric.to_networkx())
    assert by_end(again) == by_end(fabric)
    assert [again.node_name(n) for n in range(again.nodes)] == [
        fabric.node_name(n) for n in range(fabric.nodes)
    ]


def test_flat_names_are_numbered_on() -> None:
    levels = [
        Level("rack", "switched", 2, HOP, planes=2), Level("pod", "switched", 3, HOP, uplinks_of="rack", switches=1)
    ]  # fmt: skip
    fabric = compose("test", levels, NPU, naming=Naming("gpu", flat=True))
    found = [fabric.node_name(node) for node in range(fabric.nodes)]
    assert found == [f"gpu{r}" for r in range(6)] + [f"sw{s}" for s in range(3 * 2 + 2)]


# -- refusals -----------------------------------------------------------------------------------------------


def refused(words: str, *levels: Level, device: Device = NPU) -> None:
    with pytest.raises(InputError) as error:
        machine(*levels, device=device)
    assert words in str(error.value)


RACK = Level("rack", "switched", 4, HOP)


@pytest.mark.parametrize(
    ("words", "levels"),
    [
        ("there is no level", []),
        ("levels.0.members: 0 members are too few", [Level("rack", "ring", 0, HOP)]),
        ("levels.1.name: 'rack' is the name of two levels", [RACK, Level("rack", "ring", 2, HOP)]),
        ("levels.0.name: 'npu' is the name of two levels", [Level("npu", "ring", 2, HOP)]),
        ("levels.0.name: 'r1' cannot be part", [Level("r1", "ring", 2, HOP), Level("pod", "none", 2)]),
        ("levels.0.name: 'a/b' cannot be part", [Level("a/b", "ring", 2, HOP)]),
        ("levels.0.tag: 'l1' cannot be part", [Level("rack", "switched", 2, HOP, tag="l1")]),
        ("levels.0.tag: 'npu' is already", [Level("rack", "switched", 2, HOP, tag="npu")]),
        ("levels.0.link: is missing", [Level("rack", "ring", 2)]),
        ("levels.0.ports: 7 ports do not divide evenly among 3", [Level("rack", "full-mesh", 4, HOP, (7,))]),
        ("levels.0.ports: full-mesh has no planes", [Level("rack", "full-mesh", 4, HOP, (3, 3))]),
        ("levels.0.ports: 3 ports do not divide evenly among 2 planes",
         [Level("rack", "switched", 4, HOP, (3,), planes=2)]),
        ("levels.0.ports: 3 numbers of ports are given for 2 planes",
         [Level("rack", "switched", 4, HOP, (1, 1, 1), planes=2)]),
        ("levels.0.ports: 3 links do not divide evenly among 2 switches",
         [Level("rack", "switched", 4, HOP, (3,), switches=2)]),
        ("levels.0.ports: there is one plane", [Level("rack", "switched", 4, HOP, (1, 1))]),
        ("levels.1.uplinks_of: 'board' is not an inner level with switches",
         [RACK, Level("pod", "switched", 2, HOP, uplinks_of="board")]),
        ("levels.1.uplinks_of: rails join NPUs", [RACK, Level("pod", "rails", 2, HOP, uplinks_of="rack")]),
        ("levels.1.ports: switches are attached here",
         [RACK, Level("pod", "switched", 2, HOP, (4,), uplinks_of="rack", switches=1)]),
        ("levels.1.uplinks: 4 links do not divide evenly among 3 switches",
         [RACK, Level("pod", "switched", 2, HOP, uplinks_of="rack", switches=3)]),
        ("levels.1.switches: the number of switches does not follow",
         [RACK, Level("pod", "switched", 2, HOP, uplinks_of="rack")]),
        ("levels.1.switch: 9 switches need 9 ports",
         [RACK, Level("pod", "switched", 9, HOP, uplinks_of="rack", switch=switch(8))]),
        ("levels.0.taper: 4 links down at a taper of 3 leave 1.33333 links up",
         [Level("rack", "switched", 4, HOP, taper=Fraction(3)),
          Level("pod", "switched", 2, HOP, uplinks_of="rack", switches=1)]),
        ("levels.1.uplinks: the switches of rack have unequal numbers of links down",
         [Level("rack", "switched", 4, HOP, (2, 1), planes=2),
          Level("pod", "switched", 2, HOP, uplinks_of="rack", switches=1)]),
        ("levels.0.switch: each switch needs 4 ports, 4 down and 0 up",
         [Level("rack", "switched", 4, HOP, switch=switch(3))]),
        ("levels.0.switch: each switch needs 8 ports, 4 down and 4 up",
         [Level("rack", "switched", 4, HOP, switch=switch(7)),
          Level("pod", "switched", 2, HOP, uplinks_of="rack", switches=1)]),
        ("levels.0.members: 300000000 links are more", [Level("rack", "switched", 3, HOP, planes=10**8)]),
        ("1000000000000000000 links are more", [Level("rack", "switched", 3, HOP, (10**18,))]),
        ("1000000000000000000 links are more",
         [RACK, Level("pod", "switched", 1, HOP, uplinks_of="rack", uplinks=10**18, switches=1)]),
        ("2000000000000000000 links are more",
         [Level("rack", "full-mesh", 2, HOP, (10**18,)), Level("pod", "none", 2)]),
        ("levels.0.graph: is missing", [Level("rack", "graph", 3, HOP)]),
    ],
)  # fmt: skip
def test_bad_levels_are_refused(words: str, levels: list[Level]) -> None:
    refused(words, *levels)


def test_ports_of_the_device_are_enough_or_refused() -> None:
    levels = Level("board", "full-mesh", 8, HOP, (14,)), Level("rack", "switched", 4, HOP, planes=4)
    assert degrees(machine(*levels, device=Device("x", ports=18)))["npu", 18] == 32
    refused(
        "levels.1.ports: the levels use 14 + 4 = 18 ports of each NPU", *levels, device=Device("x", ports=17)
    )
