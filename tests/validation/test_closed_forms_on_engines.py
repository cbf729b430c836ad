"""Closed forms against both engines, for every number of ranks from 2 to 22: on a full mesh no messages meet."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

import fabricsim as fs
from fabricsim.collectives import collective
from fabricsim.theory import closed_forms as forms
from tests.validation.lab import ALPHA, BANDWIDTH, completion, shape

CHUNKS = 4
Form = Callable[[int, float, float, float], float]


def chain(n: int, size: float, bandwidth: float, alpha: float) -> float:
    return forms.streamed_chain_s(n, size, bandwidth, alpha, CHUNKS)


FORMS: dict[tuple[str, str], Form] = {
    ("all-reduce", "ring"): forms.ring_all_reduce_s,
    ("all-reduce", "direct"): forms.two_shot_all_reduce_s,
    ("all-reduce", "halving-doubling"): forms.folded_all_reduce_s,
    ("all-reduce", "k-nomial"): forms.binomial_all_reduce_s,
    ("all-gather", "ring"): forms.ring_half_s,
    ("all-gather", "direct"): forms.direct_half_s,
    ("all-gather", "bruck"): forms.bruck_half_s,
    ("reduce-scatter", "ring"): forms.ring_half_s,
    ("reduce-scatter", "direct"): forms.direct_half_s,
    ("reduce-scatter", "bruck"): forms.bruck_half_s,
    ("all-to-all", "direct"): forms.direct_half_s,
    ("all-to-all", "pairwise"): forms.pairwise_all_to_all_s,
    ("all-to-all", "bruck"): forms.bruck_all_to_all_s,
    ("broadcast", "ring"): chain,
    ("broadcast", "k-nomial"): forms.streamed_broadcast_s,
    ("reduce", "ring"): chain,
    ("reduce", "k-nomial"): forms.binomial_reduce_s,
    ("scatter", "direct"): forms.direct_half_s,
    ("gather", "direct"): forms.direct_half_s,
    ("send-recv", "direct"): forms.one_message_s,
    ("barrier", "bruck"): forms.dissemination_barrier_s,
    ("barrier", "k-nomial"): forms.binomial_all_reduce_s,
}


def compare(kind: str, algorithm: str, ranks: Iterable[int], engine: str) -> None:
    options = {"chunks": CHUNKS} if FORMS[kind, algorithm] is chain else {}
    for n in ranks:
        fabric, size = shape("full-mesh", size=n), n * 16 * 256
        operation = collective("x", kind, algorithm, range(n), size, fabric=fabric, **options)
        result = fs.simulate(fabric, operation, engine=engine, model=fs.Model(mtu=size))
        told = FORMS[kind, algorithm](n, size, BANDWIDTH, ALPHA)
        # data that does not divide into 2, 4, 8, 16 parts is cut to whole grains; picoseconds round up, per round
        near = 1e-5 if algorithm != "halving-doubling" else 16 * 16 / size
        assert completion(result) == pytest.approx(told, rel=near), n


@pytest.mark.parametrize(("kind", "algorithm"), FORMS)
def test_flow_meets_the_form_at_21_sizes(kind: str, algorithm: str) -> None:
    compare(kind, algorithm, range(2, 23), "flow")


@pytest.mark.parametrize("engine", ["packet", "flow"])
def test_recursive_doubling_meets_its_form_where_no_position_folds(engine: str) -> None:
    # elsewhere who has no guest is ahead of its partner, and the form is what it takes at most
    for n in range(2, 18):
        fabric, size = shape("full-mesh", size=n), n * 16 * 256
        operation = collective("x", "all-reduce", "recursive-doubling", range(n), size)
        took = completion(fs.simulate(fabric, operation, engine=engine, model=fs.Model(mtu=size)))
        told = forms.folded_doubling_all_reduce_s(n, size, BANDWIDTH, ALPHA)
        assert took <= told * (1 + 1e-5)
        if n & (n - 1) == 0:
            assert took == pytest.approx(told, rel=1e-5)


@pytest.mark.parametrize(("kind", "algorithm"), FORMS)
def test_packet_meets_the_form(kind: str, algorithm: str) -> None:
    compare(kind, algorithm, (3, 8, 13), "packet")
