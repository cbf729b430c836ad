"""Binding: sizes, bus factors, ranks, what does not fit, and values as users write them."""

from __future__ import annotations

import inspect
import pickle
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.collectives import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    Collective,
    all_gather,
    all_reduce,
    all_to_all,
    all_to_all_v,
    broadcast,
    bus_factor,
    collective,
    gather,
    reduce,
    reduce_scatter,
    ring_all_reduce,
    scatter,
    send_recv,
    wait_for_all,
)
from fabricsim.collectives.binding import MAX_PAIRED
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.schedule import Schedule

EVERY = [(kind, name) for kind, names in ALGORITHMS.items() for name in names]


def star(n: int) -> Fabric:
    graph = nx.star_graph(n)
    graph.nodes[0]["kind"] = "switch"
    return Fabric.from_networkx(graph, link={"bandwidth": "50 GB/s"})


def needed(kind: str, name: str, n: int) -> dict[str, object]:
    """Return the options without which an algorithm does not run on n ranks, an even number."""
    takes = ALGORITHMS[kind][name].takes
    if "matrix" in takes:
        return {"matrix": np.arange(n * n).reshape(n, n)}
    return ({"grid": [2, n // 2]} if "grid" in takes else {}) | (
        {"fabric": star(41)} if "switches" in takes else {}
    )


def keys(error: InputError) -> set[str]:
    return {str(fault.key[0]) for fault in error.faults}


# -- sizes and factors --------------------------------------------------------------------------------------


@given(n=st.integers(2, 1000), size=st.integers(1, 1 << 40))
def test_sizes_round_down_to_16_bytes_per_rank(n: int, size: int) -> None:
    if size < 16 * n:
        with pytest.raises(InputError, match=f"write {16 * n} B or more") as caught:
            collective("x", "all-gather", "ring", range(n), size)
        assert keys(caught.value) == {"size"}
        return
    operation = collective("x", "all-gather", "ring", range(n), size)
    assert operation.asked == size
    assert operation.size % (16 * n) == 0
    assert 0 <= size - operation.size < 16 * n


@pytest.mark.parametrize("n", [2, 3, 8, 384])
def test_bus_factors_are_those_of_nccl_tests(n: int) -> None:
    factors = {kind: bus_factor(kind, n) for kind in ALGORITHMS}
    share = (n - 1) / n
    assert factors == {
        "all-reduce": 2 * share, "all-gather": share, "reduce-scatter": share, "all-to-all": share, "broadcast": 1.0,
        "all-to-all-v": share, "reduce": 1.0, "scatter": share, "gather": share, "send-recv": 1.0, "barrier": None,
    }  # fmt: skip


def test_the_default_fits_any_number_of_ranks() -> None:
    assert DEFAULT_ALGORITHM.keys() == ALGORITHMS.keys()
    for kind, name in DEFAULT_ALGORITHM.items():
        assert collective("x", kind, None, range(7), 1 << 20, **needed(kind, name, 7)).algorithm == name


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_positions_become_the_ranks_given(kind: str, name: str) -> None:
    ranks = np.array([40, 7, 23, 11])
    plain = collective("x", kind, name, range(4), 1 << 12, **needed(kind, name, 4))
    mapped = collective("x", kind, name, ranks, 1 << 12, **needed(kind, name, 4))
    assert mapped.ranks.tolist() == ranks.tolist()
    for before, after in zip(plain.rounds, mapped.rounds, strict=True):
        assert np.array_equal(ranks[before.src], after.src)
        assert np.array_equal(ranks[before.dst], after.dst)
        assert np.array_equal(before.size, after.size)
        assert np.array_equal(before.reduce, after.reduce)
        assert before.repeat == after.repeat
        if before.meetings and after.meetings:
            assert np.array_equal(ranks[before.meetings.sources], after.meetings.sources)
            assert np.array_equal(ranks[before.meetings.sinks], after.meetings.sinks)


def test_the_rest_is_kept_as_given() -> None:
    operation = collective("mine", "all-reduce", "ring", [3, 1], 999, start=1e-6, after=["a"], barrier=True)
    assert (operation.name, operation.kind, operation.algorithm) == ("mine", "all-reduce", "ring")
    assert (operation.start, operation.after, operation.barrier) == (1e-6, ("a",), True)


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_operations_travel_between_processes(kind: str, name: str) -> None:
    operation = collective("x", kind, name, range(8), 1 << 16, **needed(kind, name, 8))
    again = pickle.loads(pickle.dumps(operation))
    assert Schedule((again,)).digest == Schedule((operation,)).digest


def test_trees_add_and_copy_in_the_same_round() -> None:
    operation = collective("x", "all-reduce", "tree", range(8), 1 << 16, chunks=20)
    mixed = [r for r in operation.rounds if not isinstance(r.reduce, bool)]
    assert mixed
    # every edge of both trees carries sums up and results down
    assert all(r.reduce.sum() == r.messages / 2 for r in mixed if r.messages == 4 * 7)


def test_which_messages_add_is_part_of_a_schedules_identity() -> None:
    operation = collective("x", "all-reduce", "tree", range(1024), 1 << 20, chunks=40)
    longest = max(operation.rounds, key=lambda r: r.messages)
    flipped = np.array(longest.reduce)
    flipped[len(flipped) // 2] ^= True
    rounds = tuple(replace(r, reduce=flipped) if r is longest else r for r in operation.rounds)
    other = replace(operation, rounds=rounds)
    assert Schedule((other,)).digest != Schedule((operation,)).digest


# -- what does not fit --------------------------------------------------------------------------------------

WRONG = [
    ("all-reduc", "ring", range(4), {}, {"collective"}, "did you mean 'all-reduce'?"),
    ("all-reduce", "rign", range(4), {}, {"algorithm"}, "did you mean 'ring'?"),
    ("all-to-all", "tree", range(4), {}, {"algorithm"}, "known: bruck, direct, hierarchical,"),
    ("all-reduce", "ring", [5], {}, {"ranks"}, "nobody to talk to"),
    ("all-reduce", "ring", [], {}, {"ranks"}, "no ranks"),
    ("all-reduce", "ring", [1, 2, 1], {}, {"ranks"}, "rank 1 is named twice"),
    ("all-reduce", "ring", [1, -2], {}, {"ranks"}, "no rank -2"),
    ("all-reduce", "ring", [1, 2.5], {}, {"ranks"}, "whole numbers"),
    ("all-reduce", "ring", ["a", "b"], {}, {"ranks"}, "whole numbers"),
    ("all-to-all", "pairwise", range(MAX_PAIRED + 1), {}, {"ranks"}, "each pair"),
    ("broadcast", "tree", range(4), {"root": 4}, {"root"}, "0 to 3"),
    ("broadcast", "ring", range(4), {"root": -1}, {"root"}, "0 to 3"),
    ("all-reduce", "ring", range(4), {"root": 1}, {"root"}, "ring all-reduce has no root"),
    ("all-reduce", "ring", range(4), {"chunks": 1}, {"chunks"}, "does not cut"),
    ("all-reduce", "tree", range(4), {"chunks": 0}, {"chunks"}, "write 1 or more"),
    ("all-reduce", "tree", range(4), {"chunks": 1 << 20}, {"chunks"}, "between 1 and"),
    ("all-reduce", "ring", range(4), {"start": -1e-6}, {"start"}, "0 s or more"),
    ("all-reduce", "hierarchical", range(4), {}, {"grid"}, "bind it to a fabric, or state the sides"),
    ("all-reduce", "hierarchical", range(4), {"grid": [3, 2]}, {"grid"}, "a grid of 3 × 2 has 6 places; there are 4"),
    ("all-reduce", "hierarchical", range(4), {"grid": [2, 2], "levels": ["a"]}, {"levels"}, "leave one out"),
    ("all-reduce", "hierarchical", range(4), {"grid": [2, 2], "stages": "rign"}, {"stages"}, "did you mean 'ring'?"),
    ("all-reduce", "hierarchical", range(4), {"grid": [2, 2], "stages": ["ring"]}, {"stages"}, "1 stages are stated"),
    ("all-reduce", "hierarchical", range(6), {"grid": [2, 3], "stages": "halving-doubling"}, {"stages"}, "the 3 along"),
    ("all-reduce", "in-network", range(4), {}, {"algorithm"}, "bind it to a fabric"),
    ("all-reduce", "in-network", range(4), {"mode": "plul"}, {"mode"}, "write push or pull"),
    ("all-reduce", "ring", range(4), {"grid": [2, 2]}, {"grid"}, "does not go along a grid"),
    ("all-reduce", "ring", range(4), {"levels": ["a"]}, {"levels"}, "does not go along levels"),
    ("broadcast", "k-nomial", range(4), {"radix": 1}, {"radix"}, "write 2 or more"),
    ("all-reduce", "ring", range(4), {"directions": 3}, {"directions"}, "write 1 or 2"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "algorithm", "ranks", "options", "wrong", "words"), WRONG)
def test_what_does_not_fit_is_said(
    kind: str, algorithm: str, ranks: list, options: dict, wrong: set[str], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        collective("x", kind, algorithm, ranks, 1 << 20, **options)
    assert keys(caught.value) == wrong
    assert words in str(caught.value)


def test_all_faults_are_said_at_once() -> None:
    with pytest.raises(InputError) as caught:
        collective("x", "all-reduce", "recursive-doubling", range(6), 5, root=1, chunks=2, start=-1.0)
    assert keys(caught.value) == {"size", "root", "chunks", "start"}
    with pytest.raises(InputError) as caught:
        collective("x", "all-reduced", None, [1], 5)
    assert keys(caught.value) == {"collective", "ranks"}


# -- values -------------------------------------------------------------------------------------------------

VALUES = [
    all_reduce, all_gather, reduce_scatter, all_to_all, all_to_all_v, broadcast, reduce, scatter, gather, send_recv,
    wait_for_all,
]  # fmt: skip


def test_every_collective_has_a_value() -> None:
    assert {make("1 MiB").kind for make in VALUES} == set(ALGORITHMS)


@pytest.mark.parametrize("make", VALUES)
def test_values_bind_to_a_machine_a_list_or_a_number(make: object) -> None:
    value = make("1 MiB", ranks=None)  # type: ignore[operator]
    if make is all_to_all_v:
        return  # its matrix is of one size
    assert isinstance(value, Collective)
    assert value.on(star(5)).ranks.tolist() == [0, 1, 2, 3, 4]
    assert value.on([6, 2]).ranks.tolist() == [6, 2]
    assert value.on(3).ranks.tolist() == [0, 1, 2]
    assert value.on(3).asked == 1 << 20
    assert (value.on(3).name, value.on(3, name="y").name) == (value.kind, "y")


def test_values_carry_their_options() -> None:
    value = broadcast(
        "1 MiB",
        algorithm="tree",
        ranks=[4, 0, 2],
        root=2,
        chunks=3,
        name="b",
        start="2 us",
        after=["a"],
        barrier=True,
    )
    operation = value.on(star(5))
    assert operation.rounds[0].src.tolist() == [2, 2]
    assert (operation.name, operation.algorithm, operation.ranks.tolist()) == ("b", "tree", [4, 0, 2])
    assert (operation.start, operation.after, operation.barrier) == (2e-6, ("a",), True)
    assert all_reduce("1 MiB", algorithm="tree", chunks=4).on(8).messages == 4 * 7 * 4


def test_a_value_that_does_not_fit_the_machine_is_refused() -> None:
    with pytest.raises(InputError, match=r"no rank 7; .* 0 to 4"):
        all_reduce("1 MiB", ranks=[0, 7]).on(star(5))
    with pytest.raises(InputError, match="named twice"):
        all_reduce("1 MiB", ranks=[0, 1]).on([2, 3])
    with pytest.raises(InputError, match="no unit"):
        all_reduce(1024)  # type: ignore[arg-type]


@pytest.mark.parametrize("ranks", [4, range(4), [0, 1, 2, 3]])
def test_ring_all_reduce_is_a_schedule(ranks: object) -> None:
    schedule = ring_all_reduce(ranks, "1 GiB")  # type: ignore[arg-type]
    (operation,) = schedule.operations
    assert operation.round_count == 2 * (4 - 1)
    assert schedule.digest == Schedule((all_reduce("1 GiB", algorithm="ring").on(4),)).digest


def test_a_misspelt_argument_is_said_at_once() -> None:
    with pytest.raises(InputError, match=r"'rank' is not an argument of all-reduce.*'ranks'"):
        fs.all_reduce("1 MiB", rank=range(4))  # type: ignore[call-arg]
    with pytest.raises(InputError, match="'skew' is not an argument of permutation"):
        fs.permutation("1 MiB", skew=1.0)  # type: ignore[call-arg]
    with pytest.raises(InputError, match=r"'skw' is not an argument of moe-dispatch.*'skew'"):
        fs.moe_dispatch("7 KiB", tokens=128, top_k=8, skw=1.0)  # type: ignore[call-arg]


def test_signatures_name_every_argument() -> None:
    assert list(inspect.signature(fs.reduce).parameters)[:4] == ["size", "root", "chunks", "levels"]
    assert {"algorithm", "ranks", "start", "after"} <= set(inspect.signature(fs.wait_for_all).parameters)
    assert list(inspect.signature(fs.incast).parameters)[:3] == ["size", "fan_in", "target"]
    for function in (fs.reduce, fs.incast, fs.moe_combine):
        assert "stated" not in inspect.signature(function).parameters
