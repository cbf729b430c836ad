"""Lanes of one channel: who goes first, and that a full one does not hold up the others."""

from dataclasses import replace

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.model import Model
from fabricsim.schedule import Graph, Operation
from tests.engines.lab import messages, path, simulate, star

TX = 81_920
LATENCY = 500_000


def bulk(packets: int, name: str = "bulk", lane: int = 0, src: int = 0, dst: int = 1) -> Operation:
    return replace(messages((src, dst, packets * 4096)), name=name, lane=lane)


def test_the_lane_with_the_larger_priority_goes_first_but_never_breaks_in() -> None:
    """One packet of lane 1 becomes ready while the second of ten of lane 0 is on the wire: it is the third to go."""
    fabric = path([("50 GB/s", "500 ns")])
    late = replace(bulk(1, "late", lane=1), start=1.5 * TX * 1e-12)
    first = simulate(fabric, bulk(10), late, model=Model(lanes=2, priorities=(0, 7)))
    assert first.sent_ps.tolist() == [11 * TX, 3 * TX]
    by_age = simulate(fabric, bulk(10), late, model=Model(lanes=2))
    assert by_age.sent_ps.tolist() == [10 * TX, 11 * TX], "equal lanes go by age"
    last = simulate(fabric, bulk(10), late, model=Model(lanes=2, priorities=(7, 0)))
    assert last.sent_ps.tolist() == [10 * TX, 11 * TX]


def test_round_robin_shares_a_channel_evenly_between_lanes() -> None:
    fabric = path([("50 GB/s", "500 ns")])
    record = simulate(
        fabric, bulk(10), bulk(10, "other", lane=1), model=Model(lanes=2, arbiter="round-robin")
    )
    assert record.sent_ps.tolist() == [19 * TX, 20 * TX]


def test_a_lane_without_credits_does_not_hold_up_another() -> None:
    """An incast fills the buffer of lane 0 on the way from rank 0; a packet of lane 1 passes it."""
    model = Model(buffer=8192, lanes=2)
    jam = [bulk(40, "jam", src=0, dst=3), bulk(40, "other", src=1, dst=3)]
    late = replace(bulk(1, "late", lane=1, src=0, dst=2), start=20 * TX * 1e-12)
    record = simulate(star(4), *jam, late, model=model)
    # at worst a packet is on the wire when it comes
    assert record.delivered_ps[2] <= 20 * TX + 3 * TX + 2 * LATENCY
    shared = simulate(star(4), *jam, replace(late, lane=0), model=model)
    assert shared.delivered_ps[2] > shared.delivered_ps[:2].min() - 10 * TX, (
        "in the same lane it waits for all"
    )


def test_tasks_of_a_graph_have_lanes_of_their_own() -> None:
    graph = Graph(
        src=[0, 0], dst=[1, 1], size=[10 * 4096, 4096], delay=[0.0, 1.5 * TX * 1e-12], need_starts=[0, 0, 0], needs=[],
        after_sent=[], lane=[0, 1],
    )  # fmt: skip
    work = Operation("g", "graph", "", np.array([0, 1]), (), 1, 1, graph=graph)
    record = simulate(path([("50 GB/s", "500 ns")]), work, model=Model(lanes=2, priorities=(0, 1)))
    assert record.sent_ps.tolist() == [11 * TX, 3 * TX]


def test_a_lane_that_is_missing_is_refused() -> None:
    with pytest.raises(InputError, match="there is no lane 1"):
        fs.simulate(star(2), bulk(1, lane=1))
