"""A mixture of experts: who talks to whom, how much, and that drawn and expected traffic agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.schedule import Operation

CLUSTER = fs.load_topology(
    "server-stacking"
)  # 2 blocks of 2 groups of 8 servers of 8, scale-out above the server


def dispatch(n: int, size: int = 100, *, seed: int = 0, **choices: Any) -> Operation:
    given = {"tokens": 4, "top_k": 2} | choices
    return fs.moe_dispatch(f"{size} B", **given).on(n, seed=seed)


@given(
    domains=st.integers(2, 4),
    inside=st.integers(2, 5),
    groups=st.integers(1, 3),
    choice=st.sampled_from(["expected", "seeded"]),
)
def test_tokens_cross_to_their_own_position_and_then_spread(
    domains: int, inside: int, groups: int, choice: str
) -> None:
    group = domains * inside
    n = group * groups
    operation = dispatch(n, group=group, inside=inside, choice=choice, tokens=30, top_k=2)
    out, up = operation.rounds
    assert np.all(out.src % inside == out.dst % inside)
    assert np.all(out.src // inside != out.dst // inside)
    assert np.all(up.src // inside == up.dst // inside)
    for r in (out, up):
        assert np.all(r.src // group == r.dst // group)


@given(domains=st.integers(1, 4), inside=st.integers(1, 5), each=st.integers(1, 3), tokens=st.integers(1, 5))
def test_a_token_that_needs_all_experts_goes_everywhere(
    domains: int, inside: int, each: int, tokens: int
) -> None:
    """Every count is known, and drawing cannot differ from expecting."""
    n = domains * inside
    if n < 2:
        return
    for copies, per_rank in (("rank", 1), ("expert", each)):
        for choice in ("expected", "seeded"):
            operation = dispatch(
                n,
                7,
                inside=inside,
                experts=n * each,
                top_k=n * each,
                tokens=tokens,
                copies=copies,
                choice=choice,
            )
            rounds = list(operation.rounds)
            if domains > 1:
                out = rounds.pop(0)
                assert out.messages == n * (domains - 1)
                assert set(out.size.tolist()) == {
                    7 * tokens * (per_rank * inside if copies == "expert" else 1)
                }
            if inside > 1:
                up = rounds.pop(0)
                assert up.messages == n * (inside - 1)
                assert set(up.size.tolist()) == {7 * tokens * domains * per_rank}
            assert not rounds


@pytest.mark.parametrize("copies", ["rank", "expert"])
def test_drawn_traffic_is_on_average_what_is_expected(copies: str) -> None:
    keys = {"group": 16, "inside": 4, "experts": 64, "top_k": 6, "tokens": 2000, "copies": copies}
    drawn, even = dispatch(32, choice="seeded", **keys), dispatch(32, **keys)
    for a, b in zip(drawn.rounds, even.rounds, strict=True):
        assert a.messages == b.messages
        # counts of thousands of tokens: five standard deviations of the mean over all messages are below 1 %
        assert a.size.mean() == pytest.approx(b.size.mean(), rel=0.01)


def test_skew_makes_some_ranks_hot() -> None:
    keys = {"experts": 64, "top_k": 4, "tokens": 500, "choice": "seeded"}
    loads = []
    for skew in (0.0, 1.0):
        (only,) = dispatch(16, skew=skew, **keys).rounds
        got = np.bincount(only.dst, weights=only.size)
        loads.append(got.max() / got.mean())
    assert loads[1] > 1.3 > loads[0]


def test_combining_is_dispatching_backwards_whatever_the_entries_are_called() -> None:
    keys = {"tokens": 9, "top_k": 3, "choice": "seeded", "inside": 4}
    there = fs.moe_dispatch("10 B", name="a", **keys).on(16, seed=5)
    back = fs.moe_combine("20 B", name="b", **keys).on(16, seed=5)
    for r, s in zip(there.rounds, reversed(back.rounds), strict=True):
        assert np.array_equal(r.src, s.dst)
        assert np.array_equal(r.dst, s.src)
        assert np.array_equal(2 * r.size, s.size)
    others = [
        fs.moe_dispatch("10 B", layer=1, **keys).on(16, seed=5),
        fs.moe_dispatch("10 B", **keys).on(16, seed=6),
    ]
    assert len({tuple(op.rounds[0].size.tolist()) for op in (there, *others)}) == 3


def test_scale_up_ends_where_scale_out_begins() -> None:
    work = fs.moe_dispatch("7 KiB", tokens=16, top_k=8, group=64)
    out, up = work.on(CLUSTER).rounds
    assert (out.messages, up.messages) == (256 * 7, 256 * 7)  # 8 servers in a group, 8 GPUs in a server
    (only,) = fs.moe_dispatch("7 KiB", tokens=16, top_k=8, group=64, level="cluster").on(CLUSTER).rounds
    assert only.messages == 256 * 63
    superpod = fs.load_topology("atlas950-superpod")  # all of it is scale-up
    ranks = range(512)
    (only,) = fs.moe_dispatch("7 KiB", tokens=16, top_k=8, group=64, ranks=ranks).on(superpod).rounds
    out, up = (
        fs.moe_dispatch("7 KiB", tokens=16, top_k=8, group=64, level="board", ranks=ranks).on(superpod).rounds
    )
    assert (only.messages, out.messages, up.messages) == (512 * 63, 512 * 7, 512 * 7)


def test_volume_of_deepseek_dispatch() -> None:
    """128 tokens of 7 KiB, top-8 of 256 experts on 8 ranks: with a copy for each expert 7/8 of them leave a rank."""
    (only,) = dispatch(8, 7168, tokens=128, top_k=8, experts=256, copies="expert").rounds
    assert set(np.bincount(only.src, weights=only.size).tolist()) == {128 * 8 * 7168 * 7 / 8}
    (only,) = dispatch(8, 7168, tokens=128, top_k=8, experts=256).rounds
    missed = math.comb(224, 8) / math.comb(256, 8)
    assert only.size[0] == round(128 * (1 - missed) * 7168)


WRONG = [
    ({"tokens": None}, {"tokens"}, "needs tokens"),
    ({"top_k": 99}, {"top_k"}, "cannot choose 99 of 16 experts; write up to 16"),
    ({"group": 5}, {"group"}, "16 ranks make no groups of 5"),
    ({"group": 8, "inside": 3}, {"group"}, "no scale-up domains of 3"),
    ({"inside": 5}, {"inside"}, "no scale-up domains of 5"),
    ({"experts": 24}, {"experts"}, "write a multiple of 16"),
    ({"skew": 1.0}, {"skew"}, "write choice: seeded"),
    ({"choice": "even"}, {"choice"}, "write expected or seeded"),
    ({"copies": "node"}, {"copies"}, "write rank or expert"),
    ({"tokens": 1 << 29, "choice": "seeded"}, {"choice"}, "too many to draw"),
    ({"tokens": 1 << 31}, {"tokens"}, "more than there can be"),
    ({"level": "board"}, {"level"}, "bind it to a fabric"),
    ({"tokens": 0, "top_k": 0, "skew": -1.0}, {"tokens", "top_k", "skew"}, "below zero"),
]


@pytest.mark.parametrize(("change", "wrong", "words"), WRONG)
def test_what_does_not_fit_is_said(change: dict, wrong: set[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        dispatch(16, **change)
    assert {str(fault.key[0]) for fault in caught.value.faults} == wrong
    assert words in str(caught.value)


def test_a_level_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'server'") as caught:
        fs.moe_dispatch("1 KiB", tokens=1, top_k=1, level="sever").on(CLUSTER)
    assert caught.value.faults[0].key == ("level",)
