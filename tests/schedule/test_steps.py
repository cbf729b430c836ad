"""Steps say what rounds and graphs say: walked with random times, they give what the words give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.collectives import all_reduce
from fabricsim.schedule import Graph, Meetings, Operation, Round, Schedule, as_graph, expanded
from fabricsim.schedule.steps import EVERYONE
from tests.schedule.lab import by_steps, by_the_book

RANKS = 5


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    src = draw(st.lists(st.integers(0, RANKS - 1), min_size=1, max_size=6))
    step = draw(st.lists(st.integers(1, RANKS - 1), min_size=len(src), max_size=len(src)))
    delay = draw(st.none() | st.lists(st.integers(0, 9), min_size=len(src), max_size=len(src)))
    dst = (np.array(src) + step) % RANKS
    return Round(src, dst, 8, draw(st.integers(1, 3)), delay=delay)  # type: ignore[arg-type]


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    operations: list[Operation] = []
    for index in range(draw(st.integers(1, 4))):
        names = [op.name for op in operations]
        after = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
        ranks, body = draw(st.permutations(range(RANKS))), tuple(draw(st.lists(rounds(), max_size=4)))
        operations.append(
            Operation(
                f"op{index}", "test", "test", ranks, body,
                8, 8, start=draw(st.integers(0, 5)), after=tuple(after), barrier=draw(st.booleans()),
            )
        )  # fmt: skip
    return Schedule(tuple(operations))


def durations(schedule: Schedule, seed: int) -> tuple[list[int], list[int]]:
    stream = np.random.default_rng(seed)
    count = len(schedule.messages)
    return stream.integers(1, 50, count).tolist(), stream.integers(1, 50, count).tolist()


@given(schedule=schedules(), seed=st.integers(0, 1000))
def test_steps_of_rounds_are_what_the_words_say(schedule: Schedule, seed: int) -> None:
    times = durations(schedule, seed)
    assert by_steps(schedule, *times) == by_the_book(schedule, *times)


@given(schedule=schedules(), seed=st.integers(0, 1000), which=st.integers(0, 15))
def test_rounds_and_the_graph_made_of_them_run_alike(schedule: Schedule, seed: int, which: int) -> None:
    mixed = Schedule(
        tuple(as_graph(op) if which >> index & 1 else op for index, op in enumerate(schedule.operations))
    )
    for name in ("operation", "src", "dst", "size", "delay"):
        assert np.array_equal(getattr(mixed.messages, name), getattr(schedule.messages, name))
    times = durations(schedule, seed)
    assert by_steps(mixed, *times) == by_steps(schedule, *times)


def test_a_computation_delays_what_needs_it() -> None:
    """Rank 0 computes 5, sends; rank 1 computes 7 once it has the message, and sends on once rank 0 has sent."""
    graph = Graph(
        src=[0, 0, 1, 1], dst=[0, 1, 1, 2], size=[0, 8, 0, 8], delay=[5, 1, 7, 0],
        need_starts=[0, 0, 1, 2, 4], needs=[0, 1, 2, 1], after_sent=[False, False, False, True],
    )  # fmt: skip
    operation = Operation("g", "trace", "graph", range(3), (), 8, 8, start=100, graph=graph)
    times = by_steps(Schedule((operation,)), [10, 10], [20, 20])
    assert times.released == [100 + 5 + 1, 100 + 6 + 30 + 7]
    quick = replace(graph, need_starts=[0, 0, 1, 1, 2], needs=[0, 1], after_sent=[False, True])
    times = by_steps(Schedule((replace(operation, graph=quick),)), [10, 10], [20, 20])
    assert times.released == [106, 116]


def test_an_end_is_a_step_only_where_something_comes_after() -> None:
    first = all_reduce("1 KiB", name="a").on(4)
    alone, followed = Schedule((first,)), Schedule((first, all_reduce("1 KiB", name="b", after=["a"]).on(4)))
    assert len(expanded(alone)) == 4 * 6
    assert len(expanded(followed)) == 2 * 4 * 6 + 4


def test_a_barrier_is_one_step_for_everyone() -> None:
    n = 64
    first = all_reduce("64 KiB", name="a").on(n)
    second = all_reduce("64 KiB", name="b", after=["a"], barrier=True).on(n)
    steps = expanded(Schedule((first, second)))
    (gate,) = np.flatnonzero(steps.rank == EVERYONE).tolist()
    assert steps.waits[gate] == n
    assert steps.next_starts[gate + 1] - steps.next_starts[gate] == n


def test_meetings_hold_up_their_sources_and_sinks_only() -> None:
    """Ranks 0 and 1 add up for rank 2 in switch 9, twice; rank 3 has no part in it."""
    pull = Meetings([9], 16, [0, 2], [0, 1], [0, 1], [2])
    none: list[int] = []
    operation = Operation("m", "test", "test", range(4), (Round(none, none, none, 2, meetings=pull),), 16, 16)  # type: ignore[arg-type]
    schedule = Schedule((operation,))
    m, steps = schedule.messages, expanded(schedule)
    assert list(zip(m.src.tolist(), m.dst.tolist(), m.meeting.tolist(), m.down.tolist(), strict=True)) == [
        (0, 9, 0, False), (1, 9, 0, False), (9, 2, 0, True),
        (0, 9, 1, False), (1, 9, 1, False), (9, 2, 1, True),
    ]  # fmt: skip
    assert steps.rank.tolist() == [0, 0, 1, 1, 2, 2]
    assert steps.released_by.tolist() == [0, 2, -1, 1, 3, -1]
    assert steps.sent_steps.tolist() == [1, 3]  # sources enter the next round once they have sent
    assert steps.delivered_steps.tolist() == [5]  # the sink once it has received
    assert (operation.messages, operation.payload) == (6, 2 * 2 * 16)


def test_steps_of_nothing_are_none() -> None:
    assert len(expanded(Schedule(()))) == 0
    assert len(Schedule(()).messages) == 0
