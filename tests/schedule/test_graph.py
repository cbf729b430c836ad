from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.errors import InputError
from fabricsim.schedule import Graph, Meetings, Operation, Round, Schedule, as_graph
from fabricsim.schedule.columns import grouped
from fabricsim.schedule.cycles import shortest_cycle


def graph(tasks: int, needs: list[tuple[int, int]]) -> Graph:
    """Return computations on rank 0; needs are (task, what it needs)."""
    owner = np.array([task for task, _ in needs], np.int64)
    starts, needed = grouped(owner, tasks, np.array([need for _, need in needs], np.int64))
    none = np.zeros(tasks, np.int64)
    return Graph(none, none, none, none, starts, needed, np.zeros(len(needs), np.bool_))


def test_a_circle_is_named_by_its_tasks() -> None:
    with pytest.raises(InputError) as caught:
        Graph([0, 1, 0], [1, 0, 0], [8, 8, 0], [0, 0, 1], [0, 1, 2, 3], [1, 0, 2], [False] * 3)
    # task 2 waits for itself: the shortest circle of all
    assert "task 2 (computation on rank 0) → task 2" in str(caught.value)
    with pytest.raises(InputError, match=r"task 0 \(rank 0 to 1\) → task 1 \(rank 1 to 0\) → task 0"):
        Graph([0, 1], [1, 0], [8, 8], [0, 0], [0, 1, 2], [1, 0], [False] * 2)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25))
def test_the_circle_is_a_shortest_one(needs: list[tuple[int, int]]) -> None:
    owner = np.array([task for task, _ in needs], np.int64)
    starts, needed = grouped(owner, 10, np.array([need for _, need in needs], np.int64))
    found = shortest_cycle(starts, needed)
    whole = nx.DiGraph((need, task) for task, need in needs)
    lengths = [len(circle) for circle in nx.simple_cycles(whole)]
    assert len(found) == min(lengths, default=0)
    assert all(whole.has_edge(a, b) for a, b in zip(found, [*found[1:], *found[:1]], strict=True))


def test_a_long_circle_is_found_quickly() -> None:
    n = 20_000
    chain = [(task, (task + 1) % n) for task in range(n)]
    assert len(shortest_cycle(*grouped(np.arange(n), n, np.array([need for _, need in chain])))) == n


GOOD = {
    "src": [0, 1], "dst": [1, 1], "size": [8, 0], "delay": [0.0, 1.0],
    "need_starts": [0, 0, 1], "needs": [0], "after_sent": [False],
}  # fmt: skip
WRONG = [
    ({"size": [8, 4]}, "from a rank to itself"),
    ({"size": [0, 0]}, "without bytes"),
    ({"delay": [0.0, -1.0]}, "delay of -1.0 s"),
    ({"delay": [0.0, float("nan")]}, "delay of nan s"),
    ({"needs": [2]}, "needs task 2; tasks count from 0 to 1"),
    ({"need_starts": [0, 1]}, "3 ascending starts"),
    ({"need_starts": [0, 2, 1]}, "3 ascending starts"),
    ({"after_sent": []}, "needs and after_sent"),
    ({"dst": [1]}, "differ in length"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_what_is_no_graph_is_refused(change: dict, words: str) -> None:
    Graph(**GOOD)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        Graph(**(GOOD | change))


def test_a_task_on_a_rank_that_does_not_take_part_is_refused() -> None:
    with pytest.raises(InputError, match="a task on rank 1"):
        Operation("g", "trace", "graph", [0, 2], (), 8, 8, graph=Graph(**GOOD))  # type: ignore[arg-type]


def test_an_operation_has_rounds_or_a_graph() -> None:
    with pytest.raises(InputError, match="both rounds and a graph"):
        Operation("g", "t", "t", [0, 1], (Round([0], [1], 8),), 8, 8, graph=Graph(**GOOD))  # type: ignore[arg-type]


def test_needs_are_part_of_a_schedules_identity() -> None:
    def digest(**change: object) -> str:
        whole = Graph(**(GOOD | change))  # type: ignore[arg-type]
        return Schedule((Operation("g", "t", "t", [0, 1], (), 8, 8, graph=whole),)).digest

    changes = [
        {},
        {"after_sent": [True]},
        {"delay": [0.0, 2.0]},
        {"need_starts": [0, 0, 0], "needs": [], "after_sent": []},
    ]
    assert len({digest(**change) for change in changes}) == len(changes)


# -- meetings -----------------------------------------------------------------------------------------------

MEETING = {
    "at": [9],
    "size": 16,
    "source_starts": [0, 2],
    "sources": [0, 1],
    "sink_starts": [0, 1],
    "sinks": [1],
}
NO_MEETING = [
    ({"size": 0}, "no bytes"),
    ({"sources": [1, 1]}, "names a source twice"),
    ({"sink_starts": [0, 0], "sinks": []}, "no sink"),
    ({"source_starts": [0, 1]}, "2 starts, from 0"),
    ({"sink_starts": [0]}, "2 starts, from 0"),
]


@pytest.mark.parametrize(("change", "words"), NO_MEETING)
def test_what_is_no_meeting_is_refused(change: dict, words: str) -> None:
    Meetings(**MEETING)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        Meetings(**(MEETING | change))


def test_meetings_are_part_of_a_schedules_identity_and_no_graph_holds_them() -> None:
    def operation(meetings: Meetings | None) -> Operation:
        return Operation("m", "t", "t", [0, 1], (Round([0], [1], 8, meetings=meetings),), 8, 8)  # type: ignore[arg-type]

    met = operation(Meetings(**MEETING))  # type: ignore[arg-type]
    other = operation(Meetings(**(MEETING | {"sinks": [0]})))  # type: ignore[arg-type]
    digests = {Schedule((op,)).digest for op in (met, other, operation(None))}
    assert len(digests) == 3
    assert met.pairs.T.tolist() == [[0, 1], [0, 9], [1, 9]]
    with pytest.raises(InputError, match="a graph does not hold"):
        as_graph(met)
