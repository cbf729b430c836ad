"""Which routings can deadlock: proofs, and circles that are real."""

import itertools

import networkx as nx
import numpy as np
import pytest

from fabricsim.cli import main
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routing, lanes_of, next_hops, routes
from fabricsim.routing.cycles import on_circles, shortest_circle
from fabricsim.routing.deadlock import deadlock, told
from fabricsim.routing.dependencies import dependencies
from fabricsim.schedule import Schedule
from fabricsim.topology import load_topology
from tests.engines.lab import fabric_of, messages
from tests.routing.test_search import FABRICS
from tests.routing.test_shares import all_pairs
from tests.topology.lab import shape


def listed(fabric: Fabric, routing: Routing, seeds: int, packets: int = 1) -> set[tuple[int, int]]:
    """Return the dependencies of the routes that many messages take, by listing them."""
    src, dst = all_pairs(fabric)
    found = set()
    for seed in range(seeds):
        rows = [(a, b, packets) for a, b in zip(src.tolist(), dst.tolist(), strict=True)]
        paths = routes(fabric, Schedule((messages(*rows),)).messages, routing, Model(mtu=1), seed)
        place = (paths.channels * routing.lane_count + lanes_of(fabric, paths, routing)).tolist()
        for a, b in itertools.pairwise(paths.starts.tolist()):
            found |= set(itertools.pairwise(place[a:b]))
    return found


@pytest.mark.parametrize(
    ("fabric", "routing", "seeds", "packets"),
    [
        (shape("ring", size=5), Routing(lanes="dateline"), 1, 1),
        (shape("torus", size=[3, 4]), Routing("minimal", lanes="dateline"), 1, 1),
        (shape("torus", size=[3, 4]), Routing("dimension-order", lanes="dateline"), 40, 1),
        (shape("torus", size=[3, 3]), Routing("spray", lanes=(0, 1, 2)), 2, 6),
        (shape("full-mesh", size=[3, 3]), Routing("spray", lanes="tfc"), 1, 2),
        (shape("full-mesh", size=[3, 3]), Routing("all-path", split="equal", lanes="tfc"), 1, 60),
        (shape("fat-tree", k=4), Routing("spray"), 1, 4),
        (shape("star", size=4), Routing("valiant", lanes="up-down"), 60, 1),
        (shape("ring", size=4), Routing("valiant", lanes=(0, 1, 2, 3)), 60, 1),
    ],
    ids=lambda value: value.text if isinstance(value, Routing) else str(getattr(value, "name", value)),
)
def test_dependencies_are_those_of_all_routes(
    fabric: Fabric, routing: Routing, seeds: int, packets: int
) -> None:
    found = {tuple(edge) for edge in dependencies(fabric, routing, np.arange(fabric.ranks)).tolist()}
    assert found == listed(fabric, routing, seeds, packets)


@pytest.mark.parametrize("seed", range(8))
def test_circles_are_those_of_networkx(seed: int) -> None:
    graph = nx.gnp_random_graph(12, 0.12, seed=seed, directed=True)
    edges = np.array(list(graph.edges), np.int64).reshape(-1, 2)
    assert (len(on_circles(edges)) == 0) == nx.is_directed_acyclic_graph(graph)
    circle = shortest_circle(edges)
    lengths = [len(cycle) for cycle in nx.simple_cycles(graph)]
    assert len(circle) == min(lengths, default=0)
    assert all(graph.has_edge(a, b) for a, b in itertools.pairwise([*circle, *circle[:1]]))


FREE = [
    ("star", shape("star", size=6), Routing("minimal")),
    ("fat tree", shape("fat-tree", k=4), Routing("ecmp")),
    ("large fat tree", shape("fat-tree", k=16), Routing("spray")),
    ("rails", FABRICS["rail"](), Routing("spray")),
    ("full mesh in order", shape("full-mesh", size=[4, 4]), Routing("dimension-order")),
    ("two lanes", shape("full-mesh", size=[4, 4]), Routing("spray", lanes="tfc")),
    ("all paths on two lanes", shape("full-mesh", size=[4, 4]), Routing("all-path", lanes="tfc")),
    ("a lane a hop", shape("full-mesh", size=[3, 3]), Routing("spray", lanes=(0, 1, 2, 3))),
    ("ring", shape("ring", size=6), Routing(lanes="dateline")),
]


@pytest.mark.parametrize(("name", "fabric", "routing"), FREE, ids=[row[0] for row in FREE])
def test_what_cannot_deadlock(name: str, fabric: Fabric, routing: Routing) -> None:
    verdict = deadlock(fabric, routing)
    assert verdict.free
    assert verdict.links > 0
    assert "no deadlock" in next(told(verdict, fabric, routing))


CIRCLES = [
    ("ring", shape("ring", size=5), Routing("minimal"), 5),
    ("torus by spray", shape("torus", size=[5, 5]), Routing("spray", lanes="dateline"), 4),
    ("torus in order", shape("torus", size=[5, 5]), Routing("dimension-order"), 5),
    ("large torus", load_topology("tpu-v4"), Routing("minimal"), 16),
    ("full mesh", shape("full-mesh", size=8), Routing("all-path"), 3),
    ("two dimensions", shape("full-mesh", size=[4, 4]), Routing("spray"), 4),
    ("ways round", shape("fat-tree", k=4), Routing("valiant"), 4),
]


@pytest.mark.parametrize(("name", "fabric", "routing", "length"), CIRCLES, ids=[row[0] for row in CIRCLES])
def test_a_smallest_circle_is_named(name: str, fabric: Fabric, routing: Routing, length: int) -> None:
    verdict = deadlock(fabric, routing)
    assert not verdict.free
    assert verdict.lost == ""
    assert len(verdict.circle) == length
    ends = [name.split(" (")[0].split(" #")[0].split(" -> ") for name in verdict.circle]
    assert all(a[1] == b[0] for a, b in itertools.pairwise([*ends, ends[0]])), "each leads to the next"
    lines = list(told(verdict, fabric, routing))
    assert f"can deadlock: {length} channels wait for each other in a circle" in lines[0]
    assert [line.strip() for line in lines[1:]] == list(verdict.circle)


def test_a_torus_in_order_with_datelines_is_free_until_a_link_is_lost() -> None:
    """Around a lost link routes leave the order of dimensions, and no dateline stands in their way."""
    fabric = shape("torus", size=[4, 4])
    routing = Routing("dimension-order", lanes="dateline")
    assert deadlock(fabric, routing, losses=False).free
    assert deadlock(shape("mesh", size=[4, 4]), Routing("dimension-order"), losses=False).free
    verdict = deadlock(fabric, routing)
    assert verdict.lost == "npu0 - npu1"
    assert "no deadlock on the healthy fabric" in next(told(verdict, fabric, routing))


def escape_routes(fabric: Fabric) -> set[tuple[int, int]]:
    """Return what waits for what on the escape network of a fabric without rings: first candidates from every node."""
    hops = next_hops(fabric, np.arange(fabric.ranks))
    found = set()
    for row, node in itertools.product(range(fabric.ranks), range(fabric.nodes)):
        walk = []
        while node != row:
            walk.append(3 * int(hops.channels[hops.starts[row, node]]))
            node = int(fabric.channel_dst[walk[-1] // 3])
        found |= set(itertools.pairwise(walk))
    return found


@pytest.mark.parametrize("fabric", [shape("full-mesh", size=[3, 3]), shape("mesh", size=[3, 3])])
def test_escape_routes_begin_at_every_node(fabric: Fabric) -> None:
    edges = dependencies(fabric, Routing("adaptive", lanes="escape"), np.arange(fabric.ranks))
    assert {tuple(edge) for edge in edges.tolist()} == escape_routes(fabric)


def test_adaptive_packets_need_an_escape_network() -> None:
    escape = Routing("adaptive", lanes="escape")
    for fabric in (
        shape("torus", size=[4, 4]),
        shape("torus", size=[3, 4, 5]),
        shape("full-mesh", size=[4, 4]),
    ):
        assert not deadlock(fabric, Routing("adaptive"), losses=False).free
        verdict = deadlock(fabric, escape, losses=False)
        assert verdict.free
        assert "the escape network has no circle" in "".join(told(verdict, fabric, escape))
    assert deadlock(shape("fat-tree", k=4), escape).free
    assert deadlock(load_topology("tpu-v4"), escape).free


def test_an_escape_network_is_entered_from_switches_too() -> None:
    """Down from a switch and then over the board, beside over the board and then up: no dimension comes first."""
    fabric, escape = load_topology("ub-mesh-superpod"), Routing("adaptive", lanes="escape")
    verdict = deadlock(fabric, escape, losses=False)
    assert not verdict.free
    assert "the circle is in the escape network" in "".join(told(verdict, fabric, escape))


def test_answers_on_the_lanes_of_requests_close_a_circle() -> None:
    verdict = deadlock(shape("star", size=4), Routing(), responses=True)
    assert len(verdict.circle) == 4


def test_large_machines_by_symmetry() -> None:
    for name, routing in (
        ("atlas950-superpod", Routing("spray")),
        ("ub-mesh-superpod", Routing("all-path", lanes="tfc")),
        ("ub-mesh-superpod", Routing("minimal")),
        ("ub-mesh-pod", Routing("dimension-order")),
        ("tpu-v4", Routing("dimension-order", lanes="dateline")),
    ):
        assert deadlock(load_topology(name), routing, losses=False).free
    assert len(deadlock(load_topology("ub-mesh-superpod"), Routing("spray"), losses=False).circle) == 4


def test_a_loss_on_a_large_machine_is_judged_by_kind() -> None:
    """Once a link of a board is lost its two NPUs relay by a third, which no healthy route does: still no circle."""
    verdict = deadlock(load_topology("atlas950-superpod", cabinets=4), Routing("spray"))
    assert verdict.free
    assert verdict.alike
    assert verdict.links == 1 + 8 + 8


def test_where_nothing_can_be_said() -> None:
    graph = nx.random_regular_graph(3, 200, seed=1)
    with pytest.raises(InputError, match="200 ranks, and no symmetry"):
        deadlock(fabric_of(graph), Routing())
    with pytest.raises(InputError, match="needs more than the 2 lanes of tfc"):
        deadlock(shape("full-mesh", size=[3, 3, 3]), Routing("spray", lanes="tfc"))
    with pytest.raises(InputError, match="fits the 2 lanes of tfc"):
        deadlock(shape("ring", size=8), Routing("all-path", lanes="tfc"))


def test_inspect_says_whether_routes_can_deadlock(tmp_path, capsys, monkeypatch) -> None:
    file = tmp_path / "ring.yaml"
    level = "{name: ring, rule: ring, members: 6, link: {bandwidth: 50 GB/s, latency: 1 ns}}"
    file.write_text(
        f"schema: fabricsim.topology/1\nname: ring\ndevice: {{forwards: true}}\nlevels: [{level}]\n"
    )
    for setting, code, says in (
        ((), 1, "ring, minimal, virtual lanes: single: can deadlock: 6 channels wait"),
        (
            ("routing.lanes=dateline",),
            0,
            "no deadlock on the healthy fabric (all routes followed)\nnor after the loss",
        ),
        (("routing.split=equal",), 3, "routing.split: has no effect under minimal"),
        (("routing.lanes=dateling",), 3, "routing.lanes: 'dateling' is not a rule for lanes"),
    ):
        arguments = [word for text in setting for word in ("--set", text)]
        monkeypatch.setattr("sys.argv", ["fabricsim", "inspect", str(file), "--deadlock", *arguments])
        with pytest.raises(SystemExit) as done:
            main()
        assert int(done.value.code or 0) == code
        assert says in "".join(capsys.readouterr())
