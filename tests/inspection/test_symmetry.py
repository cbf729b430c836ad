"""Figures by classes of equivalent NPUs are those of every pair."""

from dataclasses import replace

import pytest

from fabricsim.fabric import Fabric
from fabricsim.inspection import inspect
from fabricsim.inspection.cuts import bisection, level_cut
from fabricsim.inspection.pairs import all_pairs, by_classes, sampled
from fabricsim.inspection.symmetry import symmetry_of
from fabricsim.topology import load_topology, resolve, shipped

B = 50e9
LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
SMALL = [
    ("ring", {"size": 7}),
    ("ring", {"size": 8}),
    ("line", {"size": 6}),
    ("torus", {"size": [4, 3, 2]}),
    ("mesh", {"size": [4, 3]}),
    ("full-mesh", {"size": [4, 6]}),
    ("hypercube", {"size": 16}),
    ("star", {"size": 6}),
    ("fat-tree", {"k": 4}),
    ("leaf-spine", {"leaves": 4, "hosts": 4, "spines": 2, "taper": 2}),
]


def shape(kind: str, **keys) -> Fabric:
    return replace(resolve({"shape": kind, "link": LINK, **keys}), policy="spray")


def same(fabric: Fabric) -> None:
    symmetry = symmetry_of(fabric)
    assert symmetry is not None
    assert symmetry.sizes.sum() == fabric.ranks
    found, truth = by_classes(fabric, symmetry), all_pairs(fabric)
    assert (found.diameter, found.hops_sampled, found.rate_sampled) == (truth.diameter, 0, 0)
    assert found.mean == pytest.approx(truth.mean, rel=1e-12)
    assert found.rate == pytest.approx(truth.rate, rel=1e-9)


@pytest.mark.parametrize(("kind", "keys"), SMALL)
def test_shapes(kind: str, keys: dict) -> None:
    same(shape(kind, **keys))


@pytest.mark.parametrize(
    "name", ["hgx-h100", "gb200-nvl72", "ub-mesh-rack", "hgx-h100-rail", "cloudmatrix384"]
)
def test_machines(name: str) -> None:
    assert name in shipped()
    fabric = load_topology(name)
    assert len(symmetry_of(fabric).targets) == 1
    same(fabric)


def test_a_graph_without_symmetry_is_taken_member_by_member() -> None:
    graph = {"edges": [[0, 1], [1, 2], [2, 0], [2, 3, 2]]}
    levels = [
        {"name": "odd", "members": 4, "rule": "graph", "graph": graph, "link": LINK},
        {"name": "all", "members": 3, "rule": "ring", "link": LINK},
    ]
    spec = {
        "name": "lopsided",
        "device": {"forwards": True},
        "levels": levels,
        "routing": {"policy": "spray"},
    }
    fabric = resolve(spec)
    assert len(symmetry_of(fabric).targets) == 4
    same(fabric)


@pytest.mark.parametrize(("kind", "keys"), [entry for entry in SMALL if entry[0] != "mesh"])
def test_cuts_by_level_are_those_of_maximum_flow(kind: str, keys: dict) -> None:
    fabric = shape(kind, **keys)
    if fabric.ranks % 2 == 0:
        assert level_cut(fabric) == bisection(fabric, all_pairs(fabric))[0]


@pytest.mark.parametrize("k", [14, 16])
def test_a9_at_a_size_that_is_never_paired_off(k: int) -> None:
    """8b/k · (N−1)/N, the mean distance k/4 a dimension over all N − 1 others, and 2·k² links across the middle."""
    figures = inspect(shape("torus", size=[k, k, k]))
    ranks = k**3
    assert figures["all_to_all_bound_Bps"] == pytest.approx(8 * B / k * (ranks - 1) / ranks, rel=1e-9)
    assert figures["mean_hops"] == pytest.approx(3 * k / 4 * ranks / (ranks - 1), rel=1e-12)
    assert (figures["bisection_Bps"], figures["bisection_exact"]) == (2 * k * k * B, True)
    assert figures["hops_sampled"] is figures["all_to_all_sampled"] is None


def test_a_large_tree_is_proven_and_a_sample_says_so() -> None:
    fabric = shape("fat-tree", k=22)
    figures = inspect(fabric)
    assert figures["bisection_Bps"] == fabric.ranks // 2 * B
    assert figures["bisection_exact"] is True
    assert figures["all_to_all_bound_Bps"] == pytest.approx(B, rel=1e-9)
    chance = inspect(replace(fabric, policy="minimal"))
    assert chance["all_to_all_sampled"]
    assert chance["hops_sampled"] is None
    loose = inspect(replace(fabric, about=replace(fabric.about, levels=())))
    assert loose["hops_sampled"]
    assert loose["bisection_Bps"] is None
    assert sampled(fabric).mean == pytest.approx(figures["mean_hops"], rel=0.01)


@pytest.mark.parametrize("rule", ["ring", "full-mesh"])
def test_two_networks_over_the_same_members(rule: str) -> None:
    levels = [
        {"name": "board", "members": 4, "rule": rule, "link": LINK},
        {"name": "again", "members": 4, "rule": "rails", "beside": "board", "link": LINK, "tag": "leaf"},
        {"name": "box", "members": 2, "rule": "full-mesh", "link": LINK},
    ]
    levels[1].pop("members")
    spec = {"name": "double", "device": {"forwards": True}, "levels": levels, "routing": {"policy": "spray"}}
    fabric = resolve(spec)
    assert len(symmetry_of(fabric).targets) == 1
    same(fabric)
    assert level_cut(fabric) >= bisection(fabric, all_pairs(fabric))[0]
