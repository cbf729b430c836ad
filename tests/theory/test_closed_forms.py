"""Closed forms against the rounds of the algorithms they describe, against each other, and against ASTRA-sim's."""

from __future__ import annotations

import math
from collections.abc import Callable
from math import floor, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.collectives import bus_factor, collective
from fabricsim.theory import closed_forms as forms

B, ALPHA = 50e9, 500e-9
Form = Callable[[int, float, float, float], float]

FORMS: dict[tuple[str, str], Form] = {
    ("all-reduce", "ring"): forms.ring_all_reduce_s,
    ("all-gather", "ring"): forms.ring_half_s,
    ("reduce-scatter", "ring"): forms.ring_half_s,
    ("all-reduce", "direct"): forms.two_shot_all_reduce_s,
    ("all-gather", "direct"): forms.direct_half_s,
    ("reduce-scatter", "direct"): forms.direct_half_s,
    ("all-to-all", "direct"): forms.direct_half_s,
    ("all-reduce", "recursive-doubling"): forms.recursive_doubling_all_reduce_s,
    ("all-reduce", "halving-doubling"): forms.halving_doubling_all_reduce_s,
    ("all-gather", "recursive-doubling"): forms.recursive_half_s,
    ("reduce-scatter", "recursive-halving"): forms.recursive_half_s,
}


def on_channels_of_their_own(kind: str, algorithm: str, n: int, size: int, **options: Any) -> float:
    """Walk the rounds, every message taking ALPHA plus its bytes: ranks wait for what they send and receive."""
    clock = np.zeros(n)
    for r in collective("x", kind, algorithm, range(n), size, **options).rounds:
        for _ in range(r.repeat):
            done = clock[r.src] + ALPHA + r.size / B
            np.maximum.at(clock, r.src, done)
            np.maximum.at(clock, r.dst, done)
    return float(clock.max())


@pytest.mark.parametrize(("kind", "algorithm"), FORMS)
@pytest.mark.parametrize("n", [2, 4, 8, 32])
def test_forms_are_what_the_rounds_take(kind: str, algorithm: str, n: int) -> None:
    size = n * 16 * 1000
    assert on_channels_of_their_own(kind, algorithm, n, size) == pytest.approx(
        FORMS[kind, algorithm](n, size, B, ALPHA), rel=1e-12
    )


@given(n=st.integers(2, 24), chunks=st.integers(1, 9))
def test_a_chain_takes_one_step_per_piece_and_hop(n: int, chunks: int) -> None:
    size = n * 16 * chunks
    walked = on_channels_of_their_own("broadcast", "ring", n, size, chunks=chunks)
    assert walked == pytest.approx(forms.chain_broadcast_s(n, size, B, ALPHA, chunks), rel=1e-12)


ANY_N: dict[tuple[str, str], Form] = {
    ("all-reduce", "halving-doubling"): forms.folded_all_reduce_s,
    ("all-reduce", "recursive-doubling"): forms.folded_doubling_all_reduce_s,
    ("all-gather", "bruck"): forms.bruck_half_s,
    ("reduce-scatter", "bruck"): forms.bruck_half_s,
    ("all-to-all", "bruck"): forms.bruck_all_to_all_s,
    ("all-reduce", "ring"): forms.ring_all_reduce_s,
    ("all-gather", "ring"): forms.ring_half_s,
    ("all-to-all", "direct"): forms.direct_half_s,
    ("broadcast", "k-nomial"): forms.k_nomial_broadcast_s,
    ("scatter", "direct"): forms.direct_half_s,
    ("gather", "direct"): forms.direct_half_s,
}


@pytest.mark.parametrize(("kind", "algorithm"), ANY_N)
def test_forms_of_any_number_of_ranks(kind: str, algorithm: str) -> None:
    for n in range(2, 27):
        size = n * 16 * 64
        walked = on_channels_of_their_own(kind, algorithm, n, size)
        # data that does not divide into 2, 4, 8, 16 parts is cut to whole grains
        near = 1e-12 if algorithm != "halving-doubling" else 16 * 16 / size
        assert walked == pytest.approx(ANY_N[kind, algorithm](n, size, B, ALPHA), rel=near), n


@pytest.mark.parametrize("radix", [2, 3, 5])
def test_k_nomial_trees_of_any_radix(radix: int) -> None:
    for n in range(2, 40):
        size = n * 16 * 10
        walked = on_channels_of_their_own("broadcast", "k-nomial", n, size, radix=radix)
        told = forms.k_nomial_broadcast_s(n, size, B, ALPHA, radix)
        assert walked == pytest.approx(told, rel=1e-12)
        summed = on_channels_of_their_own("reduce", "k-nomial", n, size, radix=radix)
        assert (
            summed == pytest.approx(told, rel=1e-12)
            if n in (radix, radix**2, radix**3)
            else summed <= told * 1.001
        )


@pytest.mark.parametrize("n", [2, 4, 8, 64])
def test_a_binomial_scatter_halves_what_it_sends(n: int) -> None:
    size = n * 16 * 10
    for kind in ("scatter", "gather"):
        walked = on_channels_of_their_own(kind, "k-nomial", n, size)
        assert walked == pytest.approx(forms.binomial_scatter_s(n, size, B, ALPHA), rel=1e-12)


@pytest.mark.parametrize(("rings", "directions"), [(1, 2), (2, 1), (2, 2)])
def test_rings_side_by_side_divide_the_time(rings: int, directions: int) -> None:
    n, count = 8, rings * directions
    size = n * 16 * 12
    walked = on_channels_of_their_own("all-reduce", "ring", n, size, rings=rings, directions=directions)
    assert walked == pytest.approx(forms.ring_all_reduce_s(n, size / count, B, ALPHA), rel=1e-12)


GRIDS = [[2, 3], [4, 4], [3, 5, 2], [8, 8, 4], [7], [2, 2, 2, 2]]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_hierarchies_take_their_levels_in_turn(grid: list[int]) -> None:
    n, levels = math.prod(grid), ([B] * len(grid), [ALPHA] * len(grid))
    size = n * 16 * 1000
    for kind, form in (
        ("all-gather", forms.hierarchical_half_s),
        ("all-reduce", forms.hierarchical_all_reduce_s),
    ):
        walked = on_channels_of_their_own(kind, "hierarchical", n, size, grid=grid, stages="ring")
        assert walked == pytest.approx(form(grid, size, *levels), rel=1e-12)
    walked = on_channels_of_their_own("all-to-all", "hierarchical", n, size, grid=grid)
    assert walked == pytest.approx(forms.two_stage_all_to_all_s(grid, size, *levels), rel=1e-12)


@pytest.mark.parametrize(("dims", "side"), [(1, 5), (2, 4), (3, 3), (3, 4)])
def test_dimensions_at_once_divide_the_time(dims: int, side: int) -> None:
    n = side**dims
    size = n * 16 * 60
    walked = on_channels_of_their_own("all-gather", "multi-dimensional", n, size, grid=[side] * dims)
    assert walked == pytest.approx(forms.multi_dimensional_half_s(dims, side, size, B, ALPHA), rel=1e-12)


@given(n=st.integers(2, 4096), size=st.floats(1, 1e12))
def test_a_long_ring_reaches_its_bus_bandwidth(n: int, size: float) -> None:
    for kind, algorithm in (("all-reduce", "ring"), ("all-gather", "ring"), ("reduce-scatter", "ring")):
        algbw = size / FORMS[kind, algorithm](n, size, B, 0.0)
        assert algbw * bus_factor(kind, n) == pytest.approx(B, rel=1e-12)


@given(n=st.integers(2, 4096))
def test_gains_of_reduction_in_the_switch(n: int) -> None:
    ring = forms.ring_all_reduce_s(n, 1e9, B, 0.0)
    assert ring / forms.pull_and_multicast_all_reduce_s(n, 1e9, B) == pytest.approx(2 * (n - 1) / (n + 1))
    assert ring / forms.push_tree_all_reduce_s(1e9, B) == pytest.approx(2 * (n - 1) / n)


@given(n=st.integers(2, 4096), size=st.floats(1, 1e12), alpha=st.floats(0, 1e-3))
def test_no_reduction_in_the_switch_beats_sending_everything_once(n: int, size: float, alpha: float) -> None:
    assert forms.push_tree_all_reduce_s(size, B, alpha) >= size / B
    assert forms.pull_and_multicast_all_reduce_s(n, size, B, alpha) > size / B


@given(senders=st.integers(1, 1000), size=st.integers(1, 10**9))
def test_an_incast_is_its_receivers_channel(senders: int, size: int) -> None:
    alone = forms.incast_s(1, size, B, ALPHA)
    assert forms.incast_s(senders, size, B, ALPHA) - alone == pytest.approx((senders - 1) * size / B)


def test_uniform_injection_of_the_8_by_8_mesh_is_7_875_links() -> None:
    assert forms.full_mesh_injection([8, 8], [B, B]) == pytest.approx(7.875 * B)


@pytest.mark.parametrize("sides", [(2,), (5,), (3, 4), (2, 3, 4)])
def test_uniform_injection_counts_every_pair(sides: tuple[int, ...]) -> None:
    # dimension order, counted route by route: the busiest channel binds
    nodes = list(np.ndindex(*sides))
    load: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    for src in nodes:
        for dst in nodes:
            at = src
            for d in range(len(sides)):
                to = (*at[:d], dst[d], *at[d + 1 :])
                if to != at:
                    load[at, to] = load.get((at, to), 0) + 1
                at = to
    per_dimension = [max(count for (a, b), count in load.items() if a[d] != b[d]) for d in range(len(sides))]
    rates = [B * (d + 1) for d in range(len(sides))]
    counted = min(rate / count for rate, count in zip(rates, per_dimension, strict=True)) * (len(nodes) - 1)
    assert forms.full_mesh_injection(sides, rates) == pytest.approx(counted)


# -- ASTRA-sim 2, analytical networks: its own closed forms, in ns ----------------------------------------
# Rounded down to whole ns at each message, and a delay of E at each endpoint of a step. Its all-gather counts each
# rank's contribution as its size. Links of 50 B/ns and 500 ns.

E = 1


def astra_message(size: float, hops: int = 1) -> int:
    return floor(hops * 500 + size / 50)


ASTRA: dict[tuple[str, str], tuple[Callable[[int, float], int], Callable[[int], int]]] = {
    # (time of n ranks and S bytes, steps)
    ("all-reduce", "ring"): (
        lambda n, s: 2 * (n - 1) * (astra_message(s / n) + E) + E,
        lambda n: 2 * (n - 1),
    ),
    ("reduce-scatter", "ring"): (lambda n, s: (n - 1) * (astra_message(s / n) + E) + E, lambda n: n - 1),
    ("all-gather", "ring"): (lambda n, s: (n - 1) * (astra_message(s / n) + E) + E, lambda n: n - 1),
    ("all-reduce", "direct"): (lambda n, s: 2 * (astra_message(s / n) + E) + E, lambda n: 2),
    ("all-to-all", "direct"): (lambda n, s: astra_message(s / n) + 2 * E, lambda n: 1),
    ("all-reduce", "halving-doubling"): (
        lambda n, s: 2 * sum(astra_message(s / 2**k) + E for k in range(1, round(log2(n)) + 1)) + E,
        lambda n: 2 * round(log2(n)),
    ),
}


@pytest.mark.parametrize(("kind", "algorithm"), ASTRA)
@pytest.mark.parametrize("n", [2, 8, 64, 1024])
@pytest.mark.parametrize("size", [2**14, 2**20, 2**30])
def test_astra_sim_differs_by_its_endpoint_delays_and_rounding_only(
    kind: str, algorithm: str, n: int, size: int
) -> None:
    theirs, steps = ASTRA[kind, algorithm]
    ours = FORMS[kind, algorithm](n, size, B, ALPHA) * 1e9
    # each step loses less than 1 ns to rounding and gains E, and E comes once more at the end
    low, high = ours + E, ours + (steps(n) + 1) * E
    assert low - 1e-6 * ours <= theirs(n, size) <= high + 1e-6 * ours


def test_astra_sim_measured() -> None:
    """8 NPUs and 1 MiB, as its analytical networks answer; halving-doubling goes through a switch, 2 hops."""
    assert ASTRA["all-reduce", "ring"][0](8, 2**20) == 43_709
    assert ASTRA["all-reduce", "direct"][0](8, 2**20) == 6_245
    assert ASTRA["all-to-all", "direct"][0](8, 2**20) == 3_123
    through_switch = 2 * sum(astra_message(2**20 / 2**k, hops=2) + E for k in (1, 2, 3)) + E
    assert through_switch == 42_703
    ours = forms.halving_doubling_all_reduce_s(8, 2**20, B, 2 * ALPHA)
    assert math.isclose(ours * 1e9, through_switch, rel_tol=1e-3)
