"""How evenly hashed flows use their candidates."""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.routing import Routing, hash_use
from tests.topology.lab import shape


def permutation(ranks: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(ranks), (np.arange(ranks) + ranks // 2) % ranks


def test_a_hash_with_the_node_in_it_uses_what_independent_choices_would() -> None:
    """Of n candidates that m flows choose among, (1 − 1/n)^m stay idle: 10,000 uplinks, 1 % off at most."""
    fabric = shape("fat-tree", k=32)
    tiers = hash_use(fabric, *permutation(fabric.ranks), Routing("ecmp"))
    assert [tier.height for tier in tiers] == [1, 2]
    for tier in tiers:
        assert tier.candidates == 16
        assert tier.used == pytest.approx(tier.expected, rel=0.02)
        assert not tier.polarised
    assert tiers[0].expected == pytest.approx(1 - (15 / 16) ** 16)
    assert tiers[0].choices == tiers[1].choices == fabric.ranks


def test_a_hash_without_the_node_polarises_the_second_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that reach an aggregation switch took the same index at the edge, and take it again: one of 8 is used."""
    monkeypatch.setattr("fabricsim.routing.policies.mixed", lambda state, node: state)
    fabric = shape("fat-tree", k=16)
    edge, aggregation = hash_use(fabric, *permutation(fabric.ranks), Routing("ecmp"))
    assert not edge.polarised
    assert aggregation.polarised
    assert aggregation.entropy == 0
    assert aggregation.used == pytest.approx(1 / 8)


def test_the_first_path_for_all_is_as_uneven_as_can_be() -> None:
    fabric = shape("leaf-spine", leaves=4, hosts=8, spines=4)
    (leaf,) = hash_use(fabric, *permutation(fabric.ranks), Routing("minimal"))
    assert (leaf.nodes, leaf.choices, leaf.used, leaf.entropy) == (4, 32, 1 / 4, 0)
    assert leaf.polarised


def test_without_a_choice_there_is_nothing_to_say() -> None:
    assert hash_use(shape("star", size=4), *permutation(4), Routing("ecmp")) == ()


@pytest.mark.parametrize("polarised", [False, True])
def test_the_plan_of_a_run_under_ecmp_tells_it(polarised: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if polarised:
        monkeypatch.setattr("fabricsim.routing.policies.mixed", lambda state, node: state)
    fabric = shape("fat-tree", k=8)
    result = fs.simulate(fabric, fs.shift("4 KiB", offset=64), routing="ecmp")
    edge, aggregation = result.plan["hash"]
    assert (edge["tier"], aggregation["tier"]) == (1, 2)
    assert (edge["polarised"], aggregation["polarised"]) == (False, polarised)
    assert edge["choices"] == fabric.ranks
    sprayed = fs.simulate(fabric, fs.permutation("4 KiB"), routing="spray")
    assert "hash" not in sprayed.plan
