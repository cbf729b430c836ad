"""Rounds, messages and bytes of every algorithm, as the textbooks count them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.collectives import ALGORITHMS, collective
from fabricsim.errors import InputError
from fabricsim.schedule import Operation, Schedule
from tests.collectives.test_data_movement import sides

ANY = st.integers(2, 40)
POWER = st.integers(1, 6).map(lambda k: 1 << k)


def log2(n: int) -> int:
    return n.bit_length() - 1


def rounds_up(n: int) -> int:
    return (n - 1).bit_length()


DOUBLING = ("recursive-doubling", "halving-doubling", "recursive-halving")


def steps(n: int) -> int:
    return sum(side - 1 for side in sides(n))


def made(kind: str, algorithm: str, n: int, grains: int = 3, **options: Any) -> Operation:
    if "grid" in ALGORITHMS[kind][algorithm].takes:
        options = {"grid": sides(n), **options}
    return collective("x", kind, algorithm, range(n), n * 16 * grains, **options)


def sent_by_rank(operation: Operation) -> np.ndarray:
    return _by_rank(operation, "src")


def _by_rank(operation: Operation, end: str) -> np.ndarray:
    total = np.zeros(len(operation.ranks), np.int64)
    for r in operation.rounds:
        np.add.at(total, getattr(r, end), r.size * r.repeat)
    return total


COUNTS: dict[tuple[str, str], tuple[Callable[[int], int], Callable[[int], int]]] = {
    # (rounds, blocks of S/n that each rank sends) for n ranks
    ("all-reduce", "ring"): (lambda n: 2 * (n - 1), lambda n: 2 * (n - 1)),
    ("all-gather", "ring"): (lambda n: n - 1, lambda n: n - 1),
    ("reduce-scatter", "ring"): (lambda n: n - 1, lambda n: n - 1),
    ("all-reduce", "direct"): (lambda n: 2, lambda n: 2 * (n - 1)),
    ("all-gather", "direct"): (lambda n: 1, lambda n: n - 1),
    ("reduce-scatter", "direct"): (lambda n: 1, lambda n: n - 1),
    ("all-to-all", "direct"): (lambda n: 1, lambda n: n - 1),
    ("all-to-all", "pairwise"): (lambda n: n - 1, lambda n: n - 1),
    ("all-reduce", "recursive-doubling"): (log2, lambda n: n * log2(n)),
    ("all-reduce", "halving-doubling"): (lambda n: 2 * log2(n), lambda n: 2 * (n - 1)),
    ("all-gather", "recursive-doubling"): (log2, lambda n: n - 1),
    ("all-gather", "halving-doubling"): (log2, lambda n: n - 1),
    ("reduce-scatter", "halving-doubling"): (log2, lambda n: n - 1),
    ("reduce-scatter", "recursive-halving"): (log2, lambda n: n - 1),
    ("all-gather", "bruck"): (rounds_up, lambda n: n - 1),
    ("reduce-scatter", "bruck"): (rounds_up, lambda n: n - 1),
    ("all-to-all", "bruck"): (rounds_up, lambda n: sum(far.bit_count() for far in range(1, n))),
    ("send-recv", "direct"): (lambda n: 1, lambda n: n),
    ("all-reduce", "hierarchical"): (lambda n: 2 * steps(n), lambda n: 2 * (n - 1)),
    ("all-gather", "hierarchical"): (lambda n: steps(n), lambda n: n - 1),
    ("reduce-scatter", "hierarchical"): (lambda n: steps(n), lambda n: n - 1),
    ("all-to-all", "hierarchical"): (
        lambda n: len(sides(n)),
        lambda n: sum(n - n // side for side in sides(n)),
    ),
}
ROOTED = {(kind, name) for kind in ("broadcast", "reduce", "scatter", "gather") for name in ALGORITHMS[kind]}
TREES = {
    ("all-reduce", "tree"),
    ("all-reduce", "k-nomial"),
    *((("barrier", name)) for name in ALGORITHMS["barrier"]),
}
BY_MATRIX = {("all-to-all-v", name) for name in ALGORITHMS["all-to-all-v"]}
IN_SWITCHES = {
    ("all-reduce", "in-network"), ("reduce-scatter", "in-network"), ("all-gather", "multicast"),
}  # fmt: skip
SIDE_BY_SIDE = {
    (kind, "multi-dimensional") for kind in ("all-reduce", "all-gather", "reduce-scatter", "all-to-all")
}


def test_every_algorithm_is_counted() -> None:
    assert COUNTS.keys() | ROOTED | TREES | BY_MATRIX | SIDE_BY_SIDE | IN_SWITCHES == {
        (kind, name) for kind, names in ALGORITHMS.items() for name in names
    }


@pytest.mark.parametrize(("kind", "algorithm"), COUNTS)
@given(data=st.data())
def test_rounds_and_bytes_per_rank(kind: str, algorithm: str, data: st.DataObject) -> None:
    n = data.draw(POWER if algorithm in DOUBLING else ANY)
    operation = made(kind, algorithm, n)
    rounds, blocks = COUNTS[kind, algorithm]
    assert operation.round_count == rounds(n)
    assert set(sent_by_rank(operation).tolist()) == {blocks(n) * operation.size // n}
    assert np.array_equal(sent_by_rank(operation), _by_rank(operation, "dst"))


@pytest.mark.parametrize(("kind", "halves"), [("all-gather", 1), ("reduce-scatter", 1), ("all-reduce", 2)])
def test_a_ring_over_a_million_ranks_is_a_handful_of_arrays(kind: str, halves: int) -> None:
    n = 1 << 20
    operation = collective("x", kind, "ring", range(n), n * 16)
    assert len(operation.rounds) == halves
    assert operation.round_count == halves * (n - 1)
    assert operation.messages == halves * (n - 1) * n


def test_a_hierarchy_over_a_million_ranks_is_a_handful_of_arrays() -> None:
    sides = [16, 64, 968]
    n = 16 * 64 * 968
    operation = collective("x", "all-reduce", "hierarchical", range(n), n * 16, grid=sides)
    assert [(r.repeat, r.messages) for r in operation.rounds] == [
        (side - 1, n) for side in (*sides, *reversed(sides))
    ]
    assert operation.payload == n * 2 * (n - 1) * 16


@pytest.mark.parametrize("kind", ["all-reduce", "all-gather", "reduce-scatter", "all-to-all"])
def test_all_dimensions_are_busy_at_once(kind: str) -> None:
    """On a grid with equal sides every rank sends along each dimension in every round, and as much in each."""
    grid, n = [4, 4, 4], 64
    operation = made(kind, "multi-dimensional", n, grains=6, grid=grid)
    whole = made(kind, "hierarchical", n, grains=6, grid=grid)
    assert np.array_equal(sent_by_rank(operation), sent_by_rank(whole))
    assert operation.round_count == whole.round_count
    for r in operation.rounds:
        apart = np.stack([r.src // stride % 4 != r.dst // stride % 4 for stride in (1, 4, 16)])
        assert np.all(apart.sum(axis=0) == 1)
        assert len({int(r.size[along].sum()) for along in apart}) == 1


def test_chunks_follow_each_other_a_stage_apart() -> None:
    grid = [4, 3, 2]  # rings of 3, 2, 1, 1, 2, 3 rounds: a chunk starts 3 rounds after the one before
    whole, cut = (
        made("all-reduce", "hierarchical", 24, 12, grid=grid, stages="ring", chunks=chunks)
        for chunks in (1, 3)
    )
    assert np.array_equal(sent_by_rank(cut), sent_by_rank(whole))
    assert (whole.round_count, cut.round_count) == (12, 12 + 2 * 3)
    assert cut.messages == 3 * whole.messages


def test_only_the_first_half_of_an_all_reduce_adds() -> None:
    for algorithm in ("ring", "direct", "halving-doubling"):
        flags = [flag for r in made("all-reduce", algorithm, 8).rounds for flag in [r.reduce] * r.repeat]
        half = len(flags) // 2
        assert flags == [True] * half + [False] * half


@given(n=ANY)
def test_direct_names_peers_from_the_next_one_on(n: int) -> None:
    (only,) = made("all-to-all", "direct", n).rounds
    expected = [(src, (src + k) % n) for k in range(1, n) for src in range(n)]
    assert list(zip(only.src.tolist(), only.dst.tolist(), strict=True)) == expected


@given(n=ANY)
def test_pairwise_rounds_are_permutations_and_meet_every_pair_once(n: int) -> None:
    pairs = set()
    for r in made("all-to-all", "pairwise", n).rounds:
        assert sorted(r.src.tolist()) == sorted(r.dst.tolist()) == list(range(n))
        pairs |= set(zip(r.src.tolist(), r.dst.tolist(), strict=True))
        if n & (n - 1) == 0:
            assert np.array_equal(r.dst[r.dst], r.src)  # partners swap
    assert len(pairs) == n * (n - 1)


# -- positions that are no power of two ----------------------------------------------------------------------


@given(n=ANY)
def test_positions_beyond_a_power_of_two_take_two_rounds_more(n: int) -> None:
    p = 1 << log2(n)
    fold = 2 * (p < n)
    for kind, algorithm, rounds in (
        ("all-reduce", "recursive-doubling", log2(n)),
        ("all-reduce", "halving-doubling", 2 * log2(n)),
        ("all-gather", "recursive-doubling", log2(n)),
        ("reduce-scatter", "recursive-halving", log2(n)),
    ):
        operation = made(kind, algorithm, n)
        assert operation.round_count == rounds + fold
    for algorithm, each in (("recursive-doubling", log2(n)), ("halving-doubling", 2 * (p - 1) / p)):
        operation = made("all-reduce", algorithm, n, grains=p)
        assert operation.payload == round((p * each + 2 * (n - p)) * operation.size)


# -- trees of any radix, and what has a root ------------------------------------------------------------------


@given(n=ANY, radix=st.integers(2, 6), data=st.data())
def test_a_k_nomial_tree_takes_the_logarithm_of_rounds(n: int, radix: int, data: st.DataObject) -> None:
    root = data.draw(st.integers(0, n - 1))
    rounds = next(k for k in range(1, 8) if radix**k >= n)
    for kind in ("broadcast", "reduce"):
        operation = made(kind, "k-nomial", n, root=root, radix=radix)
        assert (operation.round_count, operation.messages) == (rounds, n - 1)
        assert operation.payload == (n - 1) * operation.size
        assert (
            max(np.bincount(r.src if kind == "broadcast" else r.dst).max() for r in operation.rounds) < radix
        )
    assert made("all-reduce", "k-nomial", n, radix=radix).round_count == 2 * rounds
    scatter, gather = (made(kind, "k-nomial", n, root=root, radix=radix) for kind in ("scatter", "gather"))
    for there, back in zip(scatter.rounds, reversed(gather.rounds), strict=True):
        assert np.array_equal(there.src, back.dst)
        assert np.array_equal(there.size, back.size)
    out = sent_by_rank(scatter)
    assert out[root] == scatter.size - scatter.size // n  # all blocks but its own


@given(n=ANY, data=st.data())
def test_a_direct_scatter_is_one_round(n: int, data: st.DataObject) -> None:
    root = data.draw(st.integers(0, n - 1))
    (only,) = made("scatter", "direct", n, root=root).rounds
    assert sorted(only.dst.tolist()) == [rank for rank in range(n) if rank != root]
    assert set(only.src.tolist()) == {root}
    (back,) = made("gather", "direct", n, root=root).rounds
    assert np.array_equal(back.src, only.dst)


@given(n=ANY, chunks=st.integers(1, 9), data=st.data())
def test_reducing_is_broadcasting_backwards(n: int, chunks: int, data: st.DataObject) -> None:
    root = data.draw(st.integers(0, n - 1))
    for algorithm in ("ring", "tree"):
        there, back = (
            made(kind, algorithm, n, 24, root=root, chunks=chunks) for kind in ("broadcast", "reduce")
        )
        assert back.round_count == there.round_count
        assert back.payload == there.payload
        assert np.array_equal(sent_by_rank(back), _by_rank(there, "dst"))


# -- several rings ----------------------------------------------------------------------------------------------


def strides(operation: Operation, n: int) -> list[int]:
    (first,) = {tuple(np.unique((r.dst - r.src) % n).tolist()) for r in operation.rounds}
    return list(first)


def test_rings_have_no_channel_in_common() -> None:
    assert strides(made("all-reduce", "ring", 8, directions=2), 8) == [1, 7]
    assert strides(made("all-reduce", "ring", 8, 4, rings=2, directions=2), 8) == [1, 3, 5, 7]
    assert strides(made("all-gather", "ring", 9, rings=3), 9) == [1, 2, 4]
    for r in made("all-reduce", "ring", 8, grains=4, rings=2, directions=2).rounds:
        pairs = set(zip(r.src.tolist(), r.dst.tolist(), strict=True))
        assert len(pairs) == 4 * 8  # each channel once
        assert set(r.size.tolist()) == {16}
        assert r.repeat == 7


def test_more_rings_than_there_are_is_an_error() -> None:
    with pytest.raises(InputError, match=r"8 ranks have 2 rings .* write up to 2"):
        made("all-reduce", "ring", 8, rings=3)
    with pytest.raises(InputError, match="no second way around"):
        made("all-reduce", "ring", 2, directions=2)


# -- what each rank sends differs -----------------------------------------------------------------------------


def test_an_all_to_all_v_sends_its_matrix() -> None:
    rows = [[5, 1, 0], [2, 0, 3], [0, 0, 0]]
    for algorithm in ("direct", "pairwise"):
        operation = collective("x", "all-to-all-v", algorithm, range(3), 10, matrix=rows)
        sent = {
            (s, d): b
            for r in operation.rounds
            for s, d, b in zip(r.src.tolist(), r.dst.tolist(), r.size.tolist(), strict=True)
        }
        assert sent == {(0, 1): 10, (1, 0): 20, (1, 2): 30}
        assert (operation.size, operation.asked) == (
            60,
            60,
        )  # what the largest rank has, its own block included
    with pytest.raises(InputError, match="needs a matrix"):
        collective("x", "all-to-all-v", None, range(3), 10)
    with pytest.raises(InputError, match="the matrix is 3 × 3; write 4 rows"):
        collective("x", "all-to-all-v", None, range(4), 10, matrix=rows)


def test_a_barrier_counts_no_bandwidth() -> None:
    operation = collective("x", "barrier", None, range(9), 16)
    assert operation.bus_factor is None
    assert (operation.round_count, operation.messages, operation.size) == (4, 4 * 9, 16)


# -- pipelines ----------------------------------------------------------------------------------------------


@given(n=ANY, chunks=st.integers(1, 12), data=st.data())
def test_a_chain_passes_everything_on(n: int, chunks: int, data: st.DataObject) -> None:
    root = data.draw(st.integers(0, n - 1))
    operation = made("broadcast", "ring", n, grains=12, root=root, chunks=chunks)
    assert operation.round_count == n - 2 + chunks
    assert operation.messages == (n - 1) * chunks
    expected = np.full(n, operation.size)
    expected[(root - 1) % n] = 0
    assert np.array_equal(sent_by_rank(operation), expected)


@given(n=ANY, chunks=st.integers(1, 12))
def test_a_tree_all_reduce_sends_twice_the_data_at_most(n: int, chunks: int) -> None:
    operation = made("all-reduce", "tree", n, grains=24, chunks=chunks)
    assert operation.payload == 2 * (n - 1) * operation.size
    assert operation.messages == 4 * (n - 1) * chunks
    assert sent_by_rank(operation).max() <= 2 * operation.size + 2 * 16  # an odd grain makes a half larger
    assert np.array_equal(sent_by_rank(operation), _by_rank(operation, "dst"))


@given(n=ANY, chunks=st.integers(1, 12), data=st.data())
def test_a_tree_broadcast_sends_the_data_once_at_most(n: int, chunks: int, data: st.DataObject) -> None:
    root = data.draw(st.integers(0, n - 1))
    operation = made("broadcast", "tree", n, grains=24, root=root, chunks=chunks)
    received = _by_rank(operation, "dst")
    assert received[root] == 0
    assert set(np.delete(received, root).tolist()) == {operation.size}
    assert sent_by_rank(operation).max() <= operation.size + 16
    assert sent_by_rank(operation)[root] == operation.size


@pytest.mark.parametrize("algorithm", ["ring", "tree"])
def test_pieces_are_equal_to_a_grain(algorithm: str) -> None:
    operation = made("broadcast", algorithm, 5, grains=7, chunks=4)
    sizes = Schedule((operation,)).messages.size
    assert sizes.max() - sizes.min() <= 16
    assert np.all(sizes % 16 == 0)


def test_pieces_are_128_kib_at_most_by_default() -> None:
    size = 3 * 2**20
    chain = collective("x", "broadcast", "ring", range(4), size)
    assert chain.round_count == 4 - 2 + size // 2**17
    assert max(int(r.size.max()) for r in chain.rounds) == 2**17


def test_a_long_pipeline_is_a_handful_of_arrays() -> None:
    operation = collective("x", "all-reduce", "tree", range(64), 2**36)
    assert operation.round_count > 2**18
    assert len(operation.rounds) < 50
