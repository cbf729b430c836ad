"""Rounds along lines: their columns are those of the plain rounds that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

import fabricsim.collectives.grid as grid
import fabricsim.traffic.moe as moe
from fabricsim.collectives import Collective
from fabricsim.errors import InputError
from fabricsim.schedule import Lines, Round
from fabricsim.traffic import moe_combine, moe_dispatch


def rows(r: Round) -> list[tuple[int, int, int]]:
    return sorted(zip(r.src.tolist(), r.dst.tolist(), r.size.tolist(), strict=True))


@pytest.mark.parametrize(
    ("kind", "stages"),
    [("all-reduce", "ring"), ("all-reduce", "direct"), ("all-to-all", "direct"), ("all-to-all", "pairwise")],
)
@pytest.mark.parametrize("chunks", [None, 2])
def test_stages_send_what_plain_rounds_send(
    kind: str, stages: str, chunks: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"grid": [4, 3, 2], "stages": stages, "chunks": chunks}
    ranks = np.random.default_rng(1).permutation(24)
    collective = Collective(kind, 24 * 1024, "hierarchical", options=options)  # type: ignore[arg-type]
    plain = collective.on(ranks)
    monkeypatch.setattr(grid, "MANY", 2)
    lined = collective.on(ranks)
    assert chunks or all(isinstance(r, Lines) for r in lined.rounds)
    assert [r.repeat for r in lined.rounds] == [r.repeat for r in plain.rounds]
    for a, b in zip(lined.rounds, plain.rounds, strict=True):
        assert np.array_equal(a.src, b.src)
        assert np.array_equal(a.dst, b.dst)
        assert np.array_equal(a.size, b.size)
        assert np.array_equal(a.reduces, b.reduces)
        assert (a.messages, a.payload, a.packets(100)) == (b.messages, b.payload, b.packets(100))


@pytest.mark.parametrize("pattern", [moe_dispatch, moe_combine])
def test_experts_send_what_plain_rounds_send(pattern, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    there = pattern("7 KiB", tokens=16, top_k=4, experts=24, group=12, inside=4)
    plain = there.on(24)
    monkeypatch.setattr(moe, "MANY", 2)
    lined = there.on(24)
    assert len(lined.rounds) == len(plain.rounds) == 2
    for a, b in zip(lined.rounds, plain.rounds, strict=True):
        assert isinstance(a, Lines)
        assert rows(a) == rows(b)


def test_lines_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="10 ranks make no lines of 4, 1 apart"):
        Lines(np.arange(10), 16, 4)
    with pytest.raises(InputError, match="from a rank to itself"):
        Lines(np.arange(4), 16, 4, 1, (np.array([1]), np.array([1])))
