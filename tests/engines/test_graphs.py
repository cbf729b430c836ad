"""Graphs of tasks on the packet kernel: as fast as the rounds they are made of, and computations between."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.schedule import Graph, Operation, Round, as_graph
from tests.engines.lab import operation, simulate, star

TX = 81_920
LATENCY = 500_000


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_rounds_and_the_graph_made_of_them_take_the_same_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranks = int(rng.integers(2, 6))
    rounds = []
    for _ in range(int(rng.integers(1, 4))):
        src = rng.integers(0, ranks, int(rng.integers(1, 6)))
        dst = (src + rng.integers(1, ranks, len(src))) % ranks
        rounds.append(Round(src, dst, rng.choice([1, 4096, 9000], len(src)), repeat=int(rng.integers(1, 3))))
    walked = operation(*rounds)
    one, other = (simulate(star(ranks), work) for work in (walked, as_graph(walked)))
    assert one.delivered_ps.tolist() == other.delivered_ps.tolist()
    assert one.sent_ps.tolist() == other.sent_ps.tolist()
    assert one.release_ps.tolist() == other.release_ps.tolist()


def chain() -> Operation:
    """A message, a computation of 1 us where it arrives, and a message back."""
    graph = Graph(
        src=[0, 1, 1], dst=[1, 1, 0], size=[4096, 0, 4096], delay=[0.0, 1e-6, 0.0],
        need_starts=[0, 0, 1, 2], needs=[0, 1], after_sent=[False, False],
    )  # fmt: skip
    return Operation("chain", "graph", "", np.array([0, 1]), (), 4096, 4096, graph=graph)


def test_a_computation_between_two_messages() -> None:
    way = 2 * (TX + LATENCY)
    record = simulate(star(2), chain())
    assert record.release_ps.tolist() == [0, way + 10**6]
    assert record.delivered_ps.tolist() == [way, 2 * way + 10**6]


def test_what_comes_after_a_graph_waits_for_each_ranks_end() -> None:
    after = replace(operation(Round([1], [0], [1])), name="after", after=("chain",))
    record = simulate(star(2), chain(), after)
    assert record.release_ps[2] == 2 * (TX + LATENCY) + 10**6 + TX, "rank 1 ends when its answer is sent"
