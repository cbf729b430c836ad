from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fabricsim.random_streams as random_streams
from fabricsim.errors import InputError
from fabricsim.fabric import About, Fabric
from fabricsim.schedule import Operation
from fabricsim.traffic import (
    PATTERNS,
    Pattern,
    bit_reversal,
    hotspot,
    incast,
    injection,
    moe_combine,
    moe_dispatch,
    pattern,
    permutation,
    ring_exchange,
    shift,
    tornado,
    traffic_matrix,
    uniform,
)
from fabricsim.traffic.patterns import _arrivals

ROOT = Path(__file__).parent.parent.parent
LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def only_round(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    (only,) = operation.rounds
    assert only.repeat == 1
    assert set(only.size.tolist()) == {operation.size}
    return only.src, only.dst


def keys(error: InputError) -> set[str]:
    return {str(fault.key[0]) for fault in error.faults}


# -- random streams ---------------------------------------------------------------------------------------


def test_streams_of_other_seeds_and_purposes_differ() -> None:
    first = {
        random_streams.generator(seed, purpose).integers(1 << 62)
        for seed in range(20)
        for purpose in ("a", "b", "ab")
    }
    assert len(first) == 20 * 3


def test_seed_and_purpose_are_kept_apart() -> None:
    a, b = random_streams.generator(1, "2x"), random_streams.generator(12, "x")
    assert a.random() != b.random()


def test_a_stream_does_not_depend_on_the_hash_seed() -> None:
    code = (
        "from fabricsim.traffic import pattern; o = pattern('u', 'uniform', range(9), 4096, seed=3, load=0.5,"
        " duration=1e-5, injection=1e10); r = o.rounds[0]; print(r.src.tolist(), r.dst.tolist(), r.delay.tolist())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    assert outputs != {""}


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="negative"):
        random_streams.generator(-1, "x")


# -- permutation ------------------------------------------------------------------------------------------


@given(n=st.integers(2, 200), seed=st.integers(0, 1 << 64))
def test_a_permutation_is_a_derangement(n: int, seed: int) -> None:
    src, dst = only_round(pattern("p", "permutation", range(n), 1000, seed=seed))
    assert sorted(src.tolist()) == sorted(dst.tolist()) == list(range(n))
    assert np.all(src != dst)


def test_all_derangements_are_equally_likely() -> None:
    draws = 3000
    seen = Counter(
        tuple(pattern("p", "permutation", range(4), 1, seed=seed).rounds[0].dst.tolist())
        for seed in range(draws)
    )
    subfactorial = round(math.factorial(4) / math.e)
    assert len(seen) == subfactorial
    mean = draws / subfactorial
    assert all(abs(count - mean) < 5 * math.sqrt(mean) for count in seen.values())


def test_seed_and_name_change_a_permutation() -> None:
    ranks = range(64)
    drawn = {
        tuple(pattern(name, "permutation", ranks, 1, seed=seed).rounds[0].dst.tolist())
        for name in ("a", "b")
        for seed in (0, 1)
    }
    assert len(drawn) == 4


# -- fixed patterns ---------------------------------------------------------------------------------------


def test_an_incast_takes_all_others_by_default() -> None:
    src, dst = only_round(pattern("i", "incast", range(10), 1, seed=0))
    assert sorted(src.tolist()) == list(range(1, 10))
    assert set(dst.tolist()) == {0}


@given(n=st.integers(2, 50), data=st.data())
def test_an_incast_takes_the_next_ranks(n: int, data: st.DataObject) -> None:
    target = data.draw(st.integers(0, n - 1))
    fan_in = data.draw(st.integers(1, n - 1))
    src, dst = only_round(pattern("i", "incast", range(n), 1, seed=0, fan_in=fan_in, target=target))
    assert src.tolist() == [(target + k) % n for k in range(1, fan_in + 1)]
    assert set(dst.tolist()) == {target}


@pytest.mark.parametrize("offset", [1, 3, -1, 11])
def test_a_shift_sends_to_the_rank_so_much_further(offset: int) -> None:
    src, dst = only_round(pattern("s", "shift", range(8), 1, seed=0, offset=offset))
    assert set(((dst - src) % 8).tolist()) == {offset % 8}


@pytest.mark.parametrize("n", [3, 4, 5, 8, 9])
def test_a_tornado_goes_just_less_than_half_way(n: int) -> None:
    src, dst = only_round(pattern("t", "tornado", range(n), 1, seed=0))
    (step,) = set(((dst - src) % n).tolist())
    assert step == math.ceil(n / 2) - 1
    assert 2 * step < n <= 2 * (step + 1)


def test_positions_become_the_ranks_given() -> None:
    ranks = [7, 3, 11]
    src, dst = only_round(pattern("s", "shift", ranks, 1, seed=0))
    assert list(zip(src.tolist(), dst.tolist(), strict=True)) == [(7, 3), (3, 11), (11, 7)]


@given(bits=st.integers(2, 10))
def test_bits_are_reversed(bits: int) -> None:
    src, dst = only_round(bit_reversal("1 B").on(1 << bits))
    assert [f"{s:0{bits}b}" for s in src.tolist()] == [f"{d:0{bits}b}"[::-1] for d in dst.tolist()]
    palindromes = 1 << (bits + 1) // 2
    assert len(src) == (1 << bits) - palindromes


def test_a_ring_exchange_names_both_neighbours() -> None:
    src, dst = only_round(ring_exchange("1 B").on(5))
    pairs = sorted(zip(src.tolist(), dst.tolist(), strict=True))
    assert pairs == sorted([(k, (k + 1) % 5) for k in range(5)] + [(k, (k - 1) % 5) for k in range(5)])


@given(n=st.integers(3, 60), target=st.integers(0, 59), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_a_hotspot_is_not_its_own_sender_nor_anyone_else(n: int, target: int, share: float) -> None:
    target %= n
    src, dst = only_round(hotspot("1 B", share=share, target=target).on(n))
    assert src.tolist() == [rank for rank in range(n) if rank != target]
    assert np.all(src != dst)
    if share in (0, 1):
        assert np.all((dst == target) == bool(share))


def test_a_share_of_a_hotspot_is_a_probability() -> None:
    hits = [only_round(hotspot("1 B", share=0.2).on(401, seed=seed))[1] == 0 for seed in range(50)]
    assert abs(np.mean(hits) - 0.2) < 5 * math.sqrt(0.2 * 0.8 / (50 * 400))


@pytest.mark.parametrize(
    ("make", "words"),
    [(bit_reversal, "name 4, 8, 16"), (ring_exchange, "three ranks"), (hotspot, "three ranks")],
)
def test_patterns_that_two_ranks_cannot_make(make: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make("1 B").on(2)  # type: ignore[operator]


# -- uniform ----------------------------------------------------------------------------------------------

N, SIZE, LOAD, INJECTION, DURATION = 50, 4096, 0.4, 50e9, 200e-6


def poisson(seed: int) -> Operation:
    return pattern(
        "u", "uniform", range(N), SIZE, seed=seed, load=LOAD, duration=DURATION, injection=INJECTION
    )


def test_uniform_offers_the_load_asked_for() -> None:
    mean = N * LOAD * INJECTION * DURATION / SIZE
    counts = [poisson(seed).messages for seed in range(5)]
    assert all(abs(count - mean) < 5 * math.sqrt(mean) for count in counts)
    assert len(set(counts)) > 1


def test_arrivals_are_poisson() -> None:
    (only,) = poisson(1).rounds
    delay = only.delay
    assert delay is not None
    assert delay.min() >= 0
    assert delay.max() < DURATION
    assert np.all(np.diff(delay) >= 0)
    gaps = np.concatenate([np.diff(delay[only.src == rank]) for rank in range(N)])
    mean = SIZE / (LOAD * INJECTION)
    # an exponential gap has its mean as standard deviation, and is above its mean with probability 1/e
    error = 5 * mean / math.sqrt(len(gaps))
    assert abs(gaps.mean() - mean) < error
    assert abs(gaps.std() - mean) < 2 * error
    assert abs(np.mean(gaps > mean) - 1 / math.e) < 5 / math.sqrt(len(gaps)) / 2


def test_counts_per_rank_vary_as_much_as_their_mean() -> None:
    counts = np.bincount(poisson(2).rounds[0].src, minlength=N)
    # the index of dispersion of a Poisson count is 1, with standard deviation sqrt(2 / (n - 1))
    assert abs(counts.var(ddof=1) / counts.mean() - 1) < 4 * math.sqrt(2 / (N - 1))


def test_receivers_are_uniform_over_the_others() -> None:
    (only,) = poisson(3).rounds
    steps = np.bincount((only.dst - only.src) % N, minlength=N)
    assert steps[0] == 0
    mean = only.messages / (N - 1)
    assert np.all(np.abs(steps[1:] - mean) < 5 * math.sqrt(mean))


def test_exponential_sizes_have_their_mean_and_arrive_as_fixed_ones_do() -> None:
    stated = {"seed": 1, "load": LOAD, "duration": DURATION, "injection": INJECTION}
    (only,) = pattern("u", "uniform", range(N), SIZE, sizes="exponential", **stated).rounds
    (fixed,) = poisson(1).rounds
    assert np.array_equal(only.delay, fixed.delay)
    assert np.array_equal(only.dst, fixed.dst)
    error = 5 * SIZE / math.sqrt(only.messages)
    assert abs(only.size.mean() - SIZE) < error
    assert abs(only.size.std() - SIZE) < 2 * error
    assert abs(np.mean(only.size > SIZE) - 1 / math.e) < 5 / math.sqrt(only.messages) / 2
    assert only.size.min() >= 1


class Hurried:
    """A stream whose gaps are all an eighth of their mean, so that no first batch reaches the end."""

    def random(self, shape: tuple[int, int]) -> np.ndarray:
        return np.full(shape, 1 - math.exp(-1 / 8))


def test_arrivals_go_on_until_every_rank_is_past_the_end() -> None:
    rate, duration = 1e6, 50e-6
    times = _arrivals(Hurried(), 3, rate, duration)
    assert times[:, -1].min() >= duration
    assert times == pytest.approx(np.tile(np.arange(1, times.shape[1] + 1) / rate / 8, (3, 1)))
    assert np.sum(times[0] < duration) == pytest.approx(8 * rate * duration, abs=1)


# -- errors -----------------------------------------------------------------------------------------------

WRONG = [
    ("permutatoin", {}, {"pattern"}, "did you mean 'permutation'?"),
    ("permutation", {"fan_in": 3}, {"fan_in"}, "does not take fan_in"),
    ("incast", {"fan_in": 8}, {"fan_in"}, "write 1 to 7"),
    ("incast", {"fan_in": 0, "target": 8}, {"fan_in", "target"}, "0 to 7"),
    ("shift", {"offset": 16}, {"offset"}, "sends each to itself"),
    ("shift", {"load": 0.5, "target": 1}, {"load", "target"}, "it takes offset"),
    ("uniform", {}, {"load", "duration"}, "needs load"),
    ("uniform", {"load": 0.5, "duration": 1.0}, {"injection"}, "needs injection"),
    (
        "uniform",
        {"load": 0.5, "duration": 1e-6, "injection": 1e9, "sizes": "exponental"},
        {"sizes"},
        "'exponential'",
    ),
    ("incast", {"sizes": "exponential"}, {"sizes"}, "incast does not take sizes"),
    ("uniform", {"load": 1.5, "duration": -1.0, "injection": 1e9}, {"load", "duration"}, "at most 1"),
    ("uniform", {"load": 0.5, "duration": 1e-15, "injection": 1e9}, {"duration"}, "make it longer"),
    ("uniform", {"load": 0.5, "duration": 1e9, "injection": 1e9}, {"duration"}, "shorten it"),
    ("uniform", {"load": 0.5, "duration": 1e-3, "injection": 0.0}, {"injection"}, "no injection"),
    ("tornado", {"start": -1.0}, {"start"}, "before the beginning"),
]


@pytest.mark.parametrize(("kind", "options", "wrong", "words"), WRONG)
def test_what_does_not_fit_is_said(kind: str, options: dict, wrong: set[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        pattern("x", kind, range(8), 1000, seed=0, **options)
    assert keys(caught.value) == wrong
    assert words in str(caught.value)


def test_all_faults_are_said_at_once() -> None:
    with pytest.raises(InputError) as caught:
        pattern("x", "shifted", [0], 0, seed=0, start=-1.0)
    assert keys(caught.value) == {"pattern", "ranks", "size", "start"}


def test_a_tornado_needs_three_ranks() -> None:
    with pytest.raises(InputError, match="three ranks"):
        pattern("t", "tornado", range(2), 1, seed=0)


# -- values -----------------------------------------------------------------------------------------------


def star(n: int) -> Fabric:
    graph = nx.star_graph(n)
    graph.nodes[0]["kind"] = "switch"
    return Fabric.from_networkx(graph, link=LINK)


@pytest.mark.parametrize("value", [permutation("1 MB"), incast("1 MB"), shift("1 MB"), tornado("1 MB")])
def test_values_bind_to_all_ranks_of_a_machine(value: Pattern) -> None:
    operation = value.on(star(6), seed=5)
    assert operation.ranks.tolist() == list(range(6))
    assert operation.size == operation.asked == 1_000_000
    assert operation.bus_factor is None
    assert operation.name == operation.kind == value.kind


def test_every_pattern_has_a_value() -> None:
    values = [
        permutation("1 B"),
        incast("1 B"),
        shift("1 B"),
        tornado("1 B"),
        uniform("1 B", load=0.1, duration="1 s"),
        bit_reversal("1 B"),
        ring_exchange("1 B"),
        hotspot("1 B"),
        traffic_matrix("1 B", matrix=[[0, 1], [1, 0]]),
        moe_dispatch("1 B", tokens=1, top_k=1),
        moe_combine("1 B", tokens=1, top_k=1),
    ]
    assert {value.kind for value in values} == set(PATTERNS)


def test_uniform_loads_what_the_machine_can_send() -> None:
    on_machine = uniform("4096 B", load="40 %", duration="10 us").on(star(6), seed=5)
    stated = uniform("4096 B", load=0.4, duration="10 us", injection="50 GB/s").on(6, seed=5)
    assert on_machine.rounds[0].delay is not None
    assert np.array_equal(on_machine.rounds[0].delay, stated.rounds[0].delay)
    assert np.array_equal(on_machine.rounds[0].dst, stated.rounds[0].dst)


def test_values_keep_their_own_ranks_and_name() -> None:
    operation = shift("1 kB", ranks=[4, 2], name="mine", start="2 us", after=["a"], barrier=True).on(star(6))
    assert operation.ranks.tolist() == [4, 2]
    assert (operation.name, operation.start, operation.after, operation.barrier) == (
        "mine",
        2e-6,
        ("a",),
        True,
    )


def test_ranks_beyond_the_machine_are_refused() -> None:
    with pytest.raises(InputError, match=r"no rank 9; .* 0 to 5"):
        shift("1 kB", ranks=[0, 9]).on(star(6))


def test_ranks_named_twice_are_refused() -> None:
    with pytest.raises(InputError, match="named twice"):
        shift("1 kB", ranks=[0, 1]).on([2, 3])


def test_injection_counts_scale_up_channels_only() -> None:
    whole = star(4)
    assert injection(whole, np.arange(4)) == 50_000_000_000
    outside = Fabric(
        whole.name, whole.groups, whole.links, whole.src, whole.dst, whole.link_class, whole.level, whole.plane,
        whole.levels, about=About(networks={whole.levels[0]: "scale-out"}),
    )  # fmt: skip
    assert injection(outside, np.arange(4)) == 0
