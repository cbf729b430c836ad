"""Closed forms of every collective and algorithm against the engines, for 20 or more numbers of ranks from 2 on.

On a full mesh no two messages of a round share a channel; what switches do is run on a star. Tolerance: 1e-5, which
picoseconds that round up use; halving-doubling cuts data that does not divide into 2, 4, 8, 16 parts to whole grains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import fabricsim as fs
from fabricsim.collectives import ALGORITHMS, collective
from fabricsim.theory import closed_forms as forms
from fabricsim.theory import folded_forms
from tests.validation.lab import ALPHA, BANDWIDTH, completion, shape

CHUNKS = 4
Form = Callable[[int, float, float, float], float]
Options = Callable[[int], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A form, what the algorithm is asked for with n ranks, where it runs, and from how many ranks on."""

    form: Form
    options: Options = lambda n: {}
    star: bool = False
    least: int = 2
    near: float = 1e-5


def sides(n: int) -> list[int]:
    """Return the prime factors of n, largest first: as many dimensions as a grid of n can have."""
    found, rest = [], n
    for factor in range(2, n + 1):
        while rest % factor == 0:
            found.append(factor)
            rest //= factor
    return found[::-1]


def rings(n: int) -> dict[str, Any]:
    return {"grid": sides(n), "stages": "ring"}


def meshes(n: int) -> dict[str, Any]:
    return {"grid": sides(n), "stages": "direct"}


def by_levels(form: Callable[[Sequence[int], float, Sequence[float], Sequence[float]], float]) -> Form:
    """Return a form of levels on those of `sides`, all of one kind of channel."""

    def told(n: int, size: float, bandwidth: float, alpha: float) -> float:
        grid = sides(n)
        return form(grid, size, [bandwidth] * len(grid), [alpha] * len(grid))

    return told


def multi(n: int, size: float, bandwidth: float, alpha: float) -> float:
    return forms.multi_dimensional_s(sides(n), size, bandwidth, alpha)


def distances(n: int) -> list[int]:
    """Return how many times `size` goes to the rank 1, 2, … further on: few, many and in no order."""
    return [1 + 3 * d % 7 for d in range(1, n)]


def circulant(n: int) -> dict[str, Any]:
    each = [0, *distances(n)]
    return {"matrix": [[each[(j - i) % n] for j in range(n)] for i in range(n)]}


def uneven(form: Callable[[Sequence[float], float, float], float]) -> Form:
    return lambda n, size, bandwidth, alpha: form([size * d for d in distances(n)], bandwidth, alpha)


def once(size_form: Callable[[float, float, float], float]) -> Form:
    return lambda n, size, bandwidth, alpha: size_form(size, bandwidth, alpha)


def in_pieces(form: Callable[..., float]) -> Case:
    told: Form = lambda n, size, bandwidth, alpha: form(n, size, bandwidth, alpha, CHUNKS)  # noqa: E731
    return Case(told, lambda n: {"chunks": CHUNKS})


ONE_PIECE: Options = lambda n: {"chunks": 1}  # noqa: E731
GRAINS = 16 * 16 / (16 * 256)
"""Share of the data, for each rank, that a cut to whole grains may add."""

CASES: dict[tuple[str, str], Case] = {
    ("all-reduce", "ring"): Case(forms.ring_all_reduce_s),
    ("all-reduce", "tree"): Case(forms.double_tree_all_reduce_s, ONE_PIECE),
    ("all-reduce", "k-nomial"): Case(forms.binomial_all_reduce_s),
    ("all-reduce", "direct"): Case(forms.two_shot_all_reduce_s),
    ("all-reduce", "halving-doubling"): Case(forms.folded_all_reduce_s, near=GRAINS),
    ("all-reduce", "recursive-doubling"): Case(forms.doubling_all_reduce_s),
    ("all-reduce", "hierarchical"): Case(by_levels(forms.hierarchical_all_reduce_s), rings),
    ("all-reduce", "multi-dimensional"): Case(lambda n, s, b, a: 2 * multi(n, s, b, a), rings),
    ("all-reduce", "in-network"): Case(once(forms.push_tree_all_reduce_s), star=True),
    ("all-gather", "ring"): Case(forms.ring_half_s),
    ("all-gather", "direct"): Case(forms.direct_half_s),
    ("all-gather", "bruck"): Case(forms.bruck_half_s),
    ("all-gather", "recursive-doubling"): Case(folded_forms.folded_all_gather_s),
    ("all-gather", "halving-doubling"): Case(folded_forms.folded_all_gather_s),
    ("all-gather", "hierarchical"): Case(by_levels(forms.hierarchical_half_s), rings),
    ("all-gather", "multi-dimensional"): Case(multi, rings),
    ("all-gather", "multicast"): Case(forms.multicast_all_gather_s, star=True),
    ("reduce-scatter", "ring"): Case(forms.ring_half_s),
    ("reduce-scatter", "direct"): Case(forms.direct_half_s),
    ("reduce-scatter", "bruck"): Case(forms.bruck_half_s),
    ("reduce-scatter", "recursive-halving"): Case(folded_forms.folded_reduce_scatter_s),
    ("reduce-scatter", "halving-doubling"): Case(folded_forms.folded_reduce_scatter_s),
    ("reduce-scatter", "hierarchical"): Case(by_levels(forms.hierarchical_half_s), rings),
    ("reduce-scatter", "multi-dimensional"): Case(multi, rings),
    ("reduce-scatter", "in-network"): Case(once(forms.pulled_reduce_scatter_s), star=True),
    ("all-to-all", "direct"): Case(forms.direct_half_s),
    ("all-to-all", "pairwise"): Case(forms.pairwise_all_to_all_s),
    ("all-to-all", "bruck"): Case(forms.bruck_all_to_all_s),
    ("all-to-all", "hierarchical"): Case(by_levels(forms.two_stage_all_to_all_s), meshes),
    ("all-to-all", "multi-dimensional"): Case(
        lambda n, s, b, a: forms.multi_dimensional_s(sides(n), s, b, a, direct=True), meshes
    ),
    ("all-to-all-v", "direct"): Case(uneven(forms.direct_exchange_s), circulant),
    ("all-to-all-v", "pairwise"): Case(uneven(forms.pairwise_exchange_s), circulant),
    ("broadcast", "ring"): in_pieces(forms.streamed_chain_s),
    ("broadcast", "tree"): Case(forms.double_tree_broadcast_s, ONE_PIECE, least=3),
    ("broadcast", "k-nomial"): Case(forms.streamed_broadcast_s),
    ("broadcast", "multicast"): Case(forms.one_message_s, star=True),
    ("reduce", "ring"): in_pieces(forms.streamed_chain_s),
    ("reduce", "tree"): Case(forms.double_tree_broadcast_s, ONE_PIECE, least=3),
    ("reduce", "k-nomial"): Case(forms.binomial_reduce_s),
    ("scatter", "direct"): Case(forms.direct_half_s),
    ("scatter", "k-nomial"): Case(forms.binomial_scatter_s),
    ("gather", "direct"): Case(forms.direct_half_s),
    ("gather", "k-nomial"): Case(forms.binomial_gather_s),
    ("send-recv", "direct"): Case(forms.one_message_s),
    ("barrier", "bruck"): Case(forms.dissemination_barrier_s),
    ("barrier", "k-nomial"): Case(forms.binomial_all_reduce_s),
    ("barrier", "in-network"): Case(forms.one_message_s, star=True),
}


def test_every_algorithm_of_every_collective_has_a_form() -> None:
    assert set(CASES) == {(kind, name) for kind, algorithms in ALGORITHMS.items() for name in algorithms}


def compare(kind: str, algorithm: str, ranks: Iterable[int], engine: str) -> None:
    """Hold what an engine says against the form; through a switch, cut through, a message has two latencies."""
    case = CASES[kind, algorithm]
    for n in ranks:
        size = n * 16 * (256 * 12 if algorithm == "multi-dimensional" else 256)
        fabric = shape("star" if case.star else "full-mesh", size=n)
        operation = collective("x", kind, algorithm, range(n), size, fabric=fabric, **case.options(n))
        model = fs.Model("cut-through") if case.star else fs.Model(mtu=8 * size)
        took = completion(fs.simulate(fabric, operation, engine=engine, model=model))
        alpha = 2 * ALPHA if case.star else ALPHA
        assert took == pytest.approx(case.form(n, size, BANDWIDTH, alpha), rel=case.near), n


@pytest.mark.parametrize(("kind", "algorithm"), CASES)
def test_flow_meets_the_form_at_20_sizes_and_more(kind: str, algorithm: str) -> None:
    compare(kind, algorithm, range(CASES[kind, algorithm].least, 23), "flow")


ON_CHANNELS = [name for name, case in CASES.items() if not case.star]


@pytest.mark.parametrize(("kind", "algorithm"), ON_CHANNELS)
def test_packet_meets_the_form(kind: str, algorithm: str) -> None:
    compare(kind, algorithm, (3, 8, 13), "packet")


@pytest.mark.parametrize("chunks", [1, 2, 7])
def test_pull_and_multicast_in_chunks(chunks: int) -> None:
    for n in range(2, 23, 4):
        fabric, size = shape("star", size=n), n * 16 * 14
        options = {"mode": "pull", "chunks": chunks}
        operation = collective("x", "all-reduce", "in-network", range(n), size, fabric=fabric, **options)
        took = completion(fs.simulate(fabric, operation, engine="flow", model=fs.Model("cut-through")))
        told = forms.chunked_pull_all_reduce_s(n, size, BANDWIDTH, 2 * ALPHA, chunks)
        assert took == pytest.approx(told, rel=1e-5)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("all-reduce", forms.double_tree_all_reduce_s),
        ("broadcast", forms.double_tree_broadcast_s),
        ("reduce", forms.double_tree_broadcast_s),
    ],
)
def test_pipelined_trees_take_their_rounds_at_most_and_all_bytes(
    kind: str, form: Callable[..., float]
) -> None:
    """Without latency the form is exact; with it, it is the most. Up to four ranks both trees share channels."""
    for n in range(5, 26, 4):
        for latency in (0.0, ALPHA):
            link = {"bandwidth": "50 GB/s", "latency": f"{round(latency * 1e9)} ns"}
            fabric, size = shape("full-mesh", size=n, link=link), n * 16 * 256
            operation = collective("x", kind, "tree", range(n), size, fabric=fabric, chunks=CHUNKS)
            took = completion(fs.simulate(fabric, operation, engine="flow", model=fs.Model(mtu=size)))
            most, bytes_only = (form(n, size, BANDWIDTH, alpha, CHUNKS) for alpha in (latency, 0.0))
            # a half of 16 n · 128 B in four pieces of whole grains
            assert bytes_only * (1 - 0.01) <= took <= most * (1 + 0.01)
            if not latency:
                assert took == pytest.approx(most, rel=0.01)
