"""Levels that differ from copy to copy, parts that are missing, and nodes beside the members."""

from collections import Counter
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.inspection.symmetry import symmetry_of
from fabricsim.routing import unreachable
from fabricsim.topology import resolve
from tests.topology.lab import LINK, by_end, degrees, pairs, shape
from tests.topology.test_files import ODD, built, places, put

RELAY = {"forwards": True}


def machine(*levels: dict[str, Any], **keys: Any) -> Fabric:
    return resolve({"levels": [{"link": LINK, **level} for level in levels], **keys})


def bare(name: str, members: Any) -> dict[str, Any]:
    return {"name": name, "members": members, "rule": "none"}


def names(fabric: Fabric) -> list[str]:
    return [fabric.node_name(node) for node in range(fabric.nodes)]


def grouped(*levels: dict[str, Any], **keys: Any) -> Fabric:
    """Return a machine whose levels of rule none have no link."""
    plain = [level if level["rule"] == "none" else {"link": LINK, **level} for level in levels]
    return resolve({"levels": plain, **keys})


# -- ragged ----------------------------------------------------------------------------------------------------

SMALL = {
    "line": nx.path_graph,
    "ring": lambda n: nx.Graph(nx.cycle_graph(n)) if n > 2 else nx.path_graph(n),
    "full-mesh": nx.complete_graph,
}


@pytest.mark.parametrize("rule", SMALL)
@pytest.mark.parametrize("sizes", [[4, 6], [2, 5, 1, 3]])
def test_each_copy_is_the_graph_of_its_own_size(rule: str, sizes: list[int]) -> None:
    fabric = grouped({"name": "group", "members": sizes, "rule": rule}, bare("pod", len(sizes)))
    whole = nx.disjoint_union_all([SMALL[rule](n) for n in sizes])
    assert fabric.ranks == sum(sizes)
    assert pairs(fabric) == Counter((min(a, b), max(a, b)) for a, b in whole.edges)
    assert names(fabric) == [f"pod/group{g}/npu{k}" for g, n in enumerate(sizes) for k in range(n)]
    assert [fabric.node(name) for name in names(fabric)] == list(range(fabric.nodes))


def test_four_and_six_npus_below_two_joined_switches() -> None:
    fabric = machine(
        {"name": "group", "members": [4, 6], "rule": "switched"},
        {"name": "pod", "members": 2, "rule": "full-mesh", "uplinks_of": "group"},
    )
    assert degrees(fabric) == {("npu", 1): 10, ("switch", 4 + 1): 1, ("switch", 6 + 1): 1}
    assert symmetry_of(fabric) is None
    assert unreachable(fabric, np.zeros(9, np.int64), np.arange(1, 10)) == []


def test_the_list_holds_in_every_copy_above_and_boards_go_with_all_that_is_in_them() -> None:
    fabric = grouped(
        {"name": "board", "members": 2, "rule": "switched", "planes": 2},
        {"name": "group", "members": [1, 3], "rule": "full-mesh"},
        bare("pod", 2),
        bare("hall", 2),
    )
    assert (fabric.ranks, fabric.switches) == (2 * (1 + 3) * 2, 2 * (1 + 3) * 2)
    assert degrees(fabric) == {("npu", 2): 2 * 2, ("npu", 2 + 2): 2 * 3 * 2, ("switch", 2): 16}
    assert by_end(Fabric.from_networkx(fabric.to_networkx())) == by_end(fabric)


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([{"members": [4, 6]}, {"members": 3}], "levels.0.members: 2 numbers of members are given for 3 copies"),
        ([{"members": [4]}, {"members": 3}], "levels.0.members: has 1 entries"),
        ([{"members": [4, 0]}, {"members": 2}], "levels.0.members: it is 0, which is too small"),
        ([{"members": 2}, {"members": [4, 6]}], "levels.1.members: 2 numbers of members are given for 1 copies"),
        ([{"members": [4, 6], "rule": "switched"}, {"members": 2, "rule": "switched", "uplinks_of": "l0x"}],
         "levels.1.uplinks: the switches of l0x have links down to copies of unequal size; state uplinks"),
        ([{"members": [4, 6], "rule": "ring", "twist": {}}, {"members": 2}], "does not fit copies with unequal"),
    ],
)  # fmt: skip
def test_a_bad_list_of_members_is_told(levels: list[dict[str, Any]], said: str) -> None:
    named = [{"name": f"l{i}x", "rule": "full-mesh", **level} for i, level in enumerate(levels)]
    with pytest.raises(InputError) as error:
        machine(*named)
    assert said in str(error.value)


# -- what is left out -------------------------------------------------------------------------------------------

BOARDS = ({"name": "board", "members": 4, "rule": "full-mesh"}, {"name": "pod", "members": 3, "rule": "ring"})


def test_missing_parts_keep_the_names_of_the_others() -> None:
    whole = machine(*BOARDS, device=RELAY)
    gone = {"pod/board1/npu2", "pod/board2/npu0", "pod/board2/npu1", "pod/board2/npu2", "pod/board2/npu3"}
    cut = machine(*BOARDS, device=RELAY, without={"nodes": ["pod/board1/npu2", "pod/board2"]})
    assert names(cut) == [name for name in names(whole) if name not in gone]
    kept = whole.to_networkx()
    kept.remove_nodes_from(gone)
    assert cut.link_count == kept.number_of_edges()
    assert {frozenset(edge) for edge in cut.to_networkx().edges()} == {
        frozenset(edge) for edge in kept.edges()
    }
    assert set(cut.part("pod/board1")) == {"pod/board1/npu0", "pod/board1/npu1", "pod/board1/npu3"}
    assert cut.digest != whole.digest


def test_dead_ports_take_all_parallels_or_so_many() -> None:
    level = {"name": "box", "members": 2, "rule": "switched", "ports": 4}
    ends = ["box/npu0", "box/sw0"]
    for count, left in (([], 0), ([1], 3), ([4], 0)):
        fabric = machine(level, without={"links": [[*ends, *count]]})
        assert pairs(fabric) == {key: n for key, n in {(0, 2): left, (1, 2): 4}.items() if n}


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ({"nodes": ["pod/board7"]}, "without.nodes.0: 'pod/board7' is not a part of topology; did you mean"),
        ({"nodes": ["pod/board01"]}, "without.nodes.0: 'pod/board01' is not a part"),
        ({"nodes": ["pod"]}, "without: no NPU is left"),
        ({"links": [["pod/board0/npu0"]]}, "without.links.0: 1 entries are no link"),
        ({"links": [["pod/board0/npu0", "pod/board1/npu1"]]}, "are not adjacent"),
        ({"links": [["pod/board0/npu0", "pod/board0/npu1", 2]]}, "without.links.0: 2 links are not among 1"),
        ({"link": []}, "without.link: is not a key here; did you mean 'links'"),
    ],
)
def test_what_cannot_be_left_out_is_told(lost: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        machine(*BOARDS, without=lost)
    assert said in str(error.value)


# -- attached nodes ------------------------------------------------------------------------------------------------


def test_cpus_hang_on_every_switch_of_their_node_and_take_no_rank() -> None:
    cpu = {"name": "cpu", "device": {"kind": "cpu"}, "count": 2, "links": 3, "link": LINK}
    fabric = machine(
        {"name": "node", "members": 4, "rule": "switched", "planes": 2, "attach": [cpu]},
        {"name": "pod", "members": 3, "rule": "switched", "uplinks_of": "node", "uplinks": 1, "switches": 1},
    )
    assert fabric.ranks == 12
    assert degrees(fabric) == {
        ("npu", 2): 12,
        ("cpu", 2 * 3): 6,
        ("switch", 4 + 2 * 3 + 1): 6,
        ("switch", 3): 2,
    }
    found = {
        fabric.node_name(a): b
        for a, b in zip(fabric.src.tolist(), fabric.dst.tolist(), strict=True)
        if a >= 20
    }
    assert set(found) == {f"pod/node{n}/cpu{c}" for n in range(3) for c in (0, 1)}
    assert not fabric.forwards[-6:].any()
    assert symmetry_of(fabric) is not None
    assert fabric.about.tapers == {"node": 4.0}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"device": {"kind": "npu"}}, "levels.0.attach.0.device: cpu would need a rank"),
        ({"name": "cpu7"}, "levels.0.attach.0.name: 'cpu7' cannot be part of a node's name"),
        ({"count": -1}, "levels.0.attach.0.count: it is -1, which is too small"),
        ({"count": 10**12}, "levels.0.members: 1000000000000 links are more than"),
        ({"links": 10**12}, "levels.0.members: 1000000000000 links are more than"),
        ({"links": 0}, "levels.0.attach.0.links: it is 0, which is too small"),
    ],
)
def test_a_bad_attachment_is_told(change: dict[str, Any], said: str) -> None:
    cpu = {"name": "cpu", "device": {"kind": "cpu"}, "link": LINK, **change}
    with pytest.raises(InputError) as error:
        machine({"name": "node", "members": 4, "rule": "switched", "attach": [cpu]})
    assert said in str(error.value)


def test_attached_nodes_take_ports_of_switches() -> None:
    cpu = {"name": "cpu", "device": {"kind": "cpu"}, "link": LINK}
    with pytest.raises(InputError, match="each switch needs 5 ports, 5 down"):
        machine({"name": "node", "members": 4, "rule": "switched", "switch": {"ports": 4}, "attach": [cpu]})


# -- circuits and twists ---------------------------------------------------------------------------------------------


def test_a_circuit_is_two_links_and_its_switch() -> None:
    ocs = {"kind": "ocs", "reconfiguration": "10 ms", "delay": "5 ns"}
    ring = {"name": "pod", "members": 4, "rule": "ring"}
    fabric = grouped(bare("board", 2), {**ring, "through": ocs}, device=RELAY)
    plain = grouped(bare("board", 2), ring, device=RELAY)
    assert (fabric.ranks, fabric.switches, fabric.link_count) == (8, 0, 2 * plain.link_count)
    assert degrees(fabric) == {("npu", 2): 8, ("ocs", 2): 8}
    assert fabric.device(8).reconfiguration == 10e-3
    graph = fabric.to_networkx()
    through = {frozenset(graph[f"pod/ocs{i}"]) for i in range(8)}
    assert through == {frozenset(edge) for edge in plain.to_networkx().edges()}


@pytest.mark.parametrize(
    ("through", "said"),
    [
        ({"kind": "switch"}, "levels.0.through: pod-ocs does not switch circuits"),
        ({"kind": "ocs"}, "levels.0.through: a circuit switch and no other states how long it takes"),
        (
            {"reconfiguration": "1 ms"},
            "levels.0.through: a circuit switch and no other states how long it takes",
        ),
    ],
)
def test_a_bad_circuit_switch_is_told(through: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        machine({"name": "pod", "members": 4, "rule": "ring", "through": through})
    assert said in str(error.value)


@pytest.mark.parametrize("size", [[4, 2], [8, 4, 4], [4, 4, 2]])
def test_a_twist_in_levels_is_that_of_the_shape(size: list[int]) -> None:
    longest = [axis for axis, length in enumerate(size) if length == max(size)]
    levels = []
    for axis, length in enumerate(size):
        twist = {f"dim{i}x": size[i] // 2 for i in longest} if length < max(size) else {}
        levels.append({"name": f"dim{axis}x", "members": length, "rule": "ring", "twist": twist})
    assert by_end(machine(*levels, device=RELAY)) == by_end(shape("torus", size=size, twist=True))


def test_a_twist_of_nothing_is_a_torus() -> None:
    levels = [{"name": "row", "members": 4, "rule": "ring"}, {"name": "layer", "members": 2, "rule": "ring"}]
    plain = machine(*levels, device=RELAY)
    assert machine(levels[0], {**levels[1], "twist": {"row": 0}}, device=RELAY).digest == plain.digest
    with pytest.raises(InputError, match=r"levels\.1\.twist\.layer: 'layer' is not an inner level"):
        machine(levels[0], {**levels[1], "twist": {"layer": 1}})


# -- variants -------------------------------------------------------------------------------------------------------

TIERS = {
    "parameters": {"n": 4, "tiers": "auto"},
    "auto": {"tiers": {"1": "n <= 4", "2": "n <= 16"}},
    "levels": [
        {"name": "leaf", "members": "min(n, 4)", "rule": "switched", "link": LINK},
        {"name": "top", "when": "tiers > 1", "members": "n // 4", "rule": "switched", "uplinks_of": "leaf",
         "uplinks": 2, "switches": 2, "link": LINK},
    ],
}  # fmt: skip


def test_auto_takes_the_first_that_fits_and_says_so(tmp_path: Any) -> None:
    import json

    path = tmp_path / "tiers.yaml"
    path.write_text(json.dumps({"schema": "fabricsim.topology/1", **TIERS}), encoding="utf-8")
    one, two = (resolve({"name": str(path), "set": {"n": n}}) for n in (4, 8))
    assert (one.levels, two.levels) == (("leaf",), ("leaf", "top"))
    assert one.about.notes == ("tiers: auto is 1, the first of 1, 2 that fits",)
    assert two.about.notes == ("tiers: auto is 2, the first of 1, 2 that fits",)
    assert resolve({"name": str(path), "set": {"n": 8, "tiers": 2}}).digest == two.digest
    assert resolve({"name": str(path), "set": {"n": 8, "tiers": 2}}).about.notes == ()
    for changed, said in (
        ({"n": 20}, "auto.tiers: none of 1, 2 fits; change a parameter; n = 20"),
        ({"tiers": "two"}, "set.tiers: 'two' is not a number; write a number, or auto"),
    ):
        with pytest.raises(InputError) as error:
            resolve({"name": str(path), "set": changed})
        assert said in str(error.value)


def test_faults_name_levels_as_the_file_numbers_them() -> None:
    leaf, top = TIERS["levels"]
    hall = {"name": "hall", "members": 2, "rule": "switched", "uplinks_of": "top", "link": LINK}
    levels = [leaf, {**top, "when": "tiers > 5"}, hall]
    with pytest.raises(InputError, match=r"levels\.2\.uplinks_of: 'top' is not an inner level"):
        resolve({**TIERS, "levels": levels})


def test_a_placeholder_says_why_it_cannot_be_loaded() -> None:
    with pytest.raises(InputError, match="there is nothing to load: nothing is known"):
        resolve({"levels": [], "unavailable": "nothing is known"} | {"levels": TIERS["levels"]})
    with pytest.raises(InputError, match="levels: has 0 entries"):
        resolve({"levels": []})


# -- shapes as levels -------------------------------------------------------------------------------------------------

KEYS: dict[str, dict[str, Any]] = {
    "torus": {"size": [4, 2], "twist": True},
    "mesh": {"size": [2, 3]},
    "hypercube": {"size": 8},
    "slim-fly": {"q": 5, "hosts": 1},
    "dragonfly": {"a": 2, "p": 1, "h": 1},
    "jellyfish": {"switches": 8, "degree": 3, "hosts": 1, "seed": 1},
    "leaf-spine": {"leaves": 3, "hosts": 1, "spines": 2},
}


@pytest.mark.parametrize("name", KEYS)
def test_any_shape_is_a_level(name: str) -> None:
    """Boards of two, each with a switch: the switches meet as those of the shape do, the boards as its NPUs."""
    alone = shape(name, **KEYS[name])
    members, first = (alone.switches, alone.ranks) if alone.switches else (alone.ranks, 0)
    level = {
        "name": "top",
        "members": members,
        "rule": "graph",
        "graph": {"shape": {"shape": name, **KEYS[name]}},
    }
    inner = {pair: n for pair, n in pairs(alone).items() if min(pair) >= first}
    boards = machine({"name": "board", "members": 2, "rule": "switched"}, {**level, "uplinks_of": "board"})
    npus = 2 * members
    assert {p: n for p, n in pairs(boards).items() if p[0] >= npus} == {
        (a - first + npus, b - first + npus): n for (a, b), n in inner.items()
    }
    direct = grouped(bare("board", 2), level, device=RELAY)
    expected = {(2 * (a - first) + k, 2 * (b - first) + k): n for (a, b), n in inner.items() for k in (0, 1)}
    assert pairs(direct) == expected


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({"shape": {"size": 4}}, "levels.0.graph.shape: names no shape"),
        (
            {"shape": {"shape": "torus", "size": [2, 4]}},
            "levels.0.graph.shape: torus-2x4 has 8 of them, the level 4",
        ),
        (
            {"shape": {"shape": "taurus"}},
            "levels.0.graph.shape.shape: 'taurus' is not a shape; did you mean 'torus'",
        ),
        ({"shape": {"shape": "ring", "size": 4}, "seed": 1}, "levels.0.graph: does not state one graph"),
    ],
)
def test_a_bad_shape_of_a_level_is_told(graph: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        machine({"name": "top", "members": 4, "rule": "graph", "graph": graph})
    assert said in str(error.value)


# -- nothing but an InputError ---------------------------------------------------------------------------------

WHOLE = {
    "parameters": {"n": 2, "tiers": "auto", "step": 1},
    "auto": {"tiers": {"1": "n < 2", "2": "n < 9"}},
    "device": {"forwards": True, "flops": {"bf16": "1 TFLOP/s"}, "memory": "1 GB", "port_sum": "1 GB/s"},
    "levels": [
        {"name": "box", "members": [2, 3], "rule": "switched", "planes": 2, "link": LINK,
         "attach": [{"name": "cpu", "device": {"kind": "cpu"}, "count": 1, "links": 1, "link": LINK}]},
        {"name": "row", "members": 2, "rule": "ring", "link": LINK},
        {"name": "layer", "members": 4, "rule": "ring", "twist": {"row": "step"}, "link": LINK},
        {"name": "rail", "members": 2, "rule": "rails", "rails_of": "row", "link": {**LINK, "cables": {"copper": 2}}},
        {"name": "hall", "when": "tiers > 1", "members": "n", "rule": "ring", "link": LINK,
         "through": {"kind": "ocs", "reconfiguration": "1 ms"}},
        {"name": "site", "members": 4, "rule": "graph", "link": LINK,
         "graph": {"shape": {"shape": "torus", "size": [2, 2]}}},
    ],
    "without": {"nodes": ["site/hall0/rail0/layer0/row0/box0"], "links": [["site/hall1/rail0/layer0/row0/box0/npu0",
                "site/hall1/rail0/layer0/row0/box0/sw0", 1]]},
}  # fmt: skip


def test_all_of_it_at_once() -> None:
    fabric = resolve(WHOLE)
    assert fabric.ranks == 4 * 2 * 2 * 4 * (2 + 3) - 2
    assert {group.device.kind for group in fabric.groups} == {"npu", "switch", "cpu", "ocs"}
    assert by_end(Fabric.from_networkx(fabric.to_networkx())) == by_end(fabric)


@settings(max_examples=250, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(places(WHOLE)[1:]), st.sampled_from(ODD)), min_size=1, max_size=2))
def test_odd_values_build_or_are_refused(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    spec: Any = WHOLE
    for key, new in changes:
        if key in places(spec):
            spec = put(spec, key, new)
    fabric = built(spec)
    assert fabric is None or fabric.ranks >= 1
