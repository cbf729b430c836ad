"""Rounds, messages and bytes of every algorithm, as the textbooks count them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.collectives import ALGORITHMS, collective
from fabricsim.schedule import Operation, Schedule
from tests.collectives.test_data_movement import sides

ANY = st.integers(2, 40)
POWER = st.integers(1, 6).map(lambda k: 1 << k)


def log2(n: int) -> int:
    return n.bit_length() - 1


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
    ("all-reduce", "hierarchical"): (lambda n: 2 * steps(n), lambda n: 2 * (n - 1)),
    ("all-gather", "hierarchical"): (lambda n: steps(n), lambda n: n - 1),
    ("reduce-scatter", "hierarchical"): (lambda n: steps(n), lambda n: n - 1),
    ("all-to-all", "hierarchical"): (
        lambda n: len(sides(n)),
        lambda n: sum(n - n // side for side in sides(n)),
    ),
}
PIPELINED = {("all-reduce", "tree"), ("broadcast", "ring"), ("broadcast", "tree")}
IN_SWITCHES = {
    ("all-reduce", "in-network"), ("reduce-scatter", "in-network"),
    ("all-gather", "multicast"), ("broadcast", "multicast"),
}  # fmt: skip
SIDE_BY_SIDE = {
    (kind, "multi-dimensional") for kind in ("all-reduce", "all-gather", "reduce-scatter", "all-to-all")
}


def test_every_algorithm_is_counted() -> None:
    assert COUNTS.keys() | PIPELINED | SIDE_BY_SIDE | IN_SWITCHES == {
        (kind, name) for kind, names in ALGORITHMS.items() for name in names
    }


@pytest.mark.parametrize(("kind", "algorithm"), COUNTS)
@given(data=st.data())
def test_rounds_and_bytes_per_rank(kind: str, algorithm: str, data: st.DataObject) -> None:
    n = data.draw(POWER if ALGORITHMS[kind][algorithm].power_of_two else ANY)
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
