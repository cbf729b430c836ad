"""Rounds taken at a time against events followed one by one, and rings foreseen against rings walked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.collectives import Collective
from fabricsim.engines.flow import engine, progress
from fabricsim.engines.flow.phases import by_rounds
from fabricsim.engines.flow.progress import Pass, walk
from fabricsim.fabric import Fabric
from fabricsim.schedule import Round
from fabricsim.topology import resolve
from fabricsim.units import parse_size
from tests.engines.lab import fabric_of, operation

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def both(
    fabric: Fabric, work: Any, monkeypatch: pytest.MonkeyPatch, **keys: Any
) -> tuple[fs.Result, fs.Result]:
    """Return the results of taking rounds at a time, which has to apply, and of following events."""
    taken: list[bool] = []

    def noted(*args: Any) -> Any:
        outcome = by_rounds(*args)
        taken.append(outcome is not None)
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(engine, "by_rounds", noted)
        fast = fs.simulate(fabric, work, engine="flow", **keys)
        patch.setattr(engine, "by_rounds", lambda *_: None)
        slow = fs.simulate(fabric, work, engine="flow", verified=True, **keys)
    assert taken == [True]
    return fast, slow


def assert_same(fast: fs.Result, slow: fs.Result) -> None:
    assert fast.metrics.keys() == slow.metrics.keys()
    for name, value in slow.metrics.items():
        assert fast.metrics[name] == pytest.approx(value, rel=1e-9), name
    for table in ("flows", "links", "rounds"):
        one, other = fast.tables[table].columns, slow.tables[table].columns
        assert list(one) == list(other)
        for name, column in other.items():
            if column.dtype.kind == "f":
                assert one[name] == pytest.approx(column, rel=1e-9), (table, name)
            else:
                assert np.array_equal(one[name], column), (table, name)


WORK = [
    ("star", {"size": 8}, "all-reduce", "ring"),
    ("star", {"size": 8}, "all-reduce", "halving-doubling"),
    ("star", {"size": 8}, "all-to-all", "pairwise"),
    ("star", {"size": 6}, "all-to-all", "direct"),
    ("full-mesh", {"size": [3, 3]}, "all-gather", "ring"),
    ("fat-tree", {"k": 4}, "all-to-all", "direct"),
    ("torus", {"size": [3, 3]}, "all-reduce", "direct"),
]


@pytest.mark.parametrize(("kind", "keys", "collective", "algorithm"), WORK)
def test_rounds_at_a_time_equal_events(
    kind: str, keys: dict[str, Any], collective: str, algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabric = resolve({"shape": kind, "link": LINK, **keys})
    assert_same(*both(fabric, Collective(collective, parse_size("1 MiB"), algorithm), monkeypatch))


def test_a_slow_link_delays_its_neighbours_first(monkeypatch: pytest.MonkeyPatch) -> None:
    # a ring with one slow and one distant edge: ranks drift apart, and both ways say the same of every message
    import networkx as nx

    graph = nx.cycle_graph(9)
    graph.edges[3, 4].update(bandwidth="20 GB/s")
    graph.edges[6, 7].update(latency="9 us")
    fast, slow = both(fabric_of(graph), Collective("all-reduce", parse_size("2 MiB"), "ring"), monkeypatch)
    assert_same(fast, slow)
    assert fast.flows.groupby("round")["release_s"].nunique().max() > 1


def test_operations_that_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = resolve({"shape": "ring", "size": 6, "link": LINK})
    around = Round(np.arange(6), (np.arange(6) + 1) % 6, 50_000, repeat=3)
    some = Round(np.array([0, 3]), np.array([1, 4]), 90_000)
    work = [
        operation(some, name="a"),
        operation(around, name="b", after=("a",), start=2e-6),
        operation(some, name="c", after=("a", "b"), barrier=True),
    ]
    assert_same(*both(fabric, work, monkeypatch))


def test_rounds_that_meet_on_a_channel_are_followed_by_events() -> None:
    # both operations want the link from 0 to 1 at once: taken alone each would have all of it
    fabric = resolve({"shape": "ring", "size": 6, "link": LINK})
    size = 500_000
    one = Round(np.array([0]), np.array([1]), size)
    result = fs.simulate(fabric, [operation(one, name="a"), operation(one, name="b")], engine="flow")
    assert result.metrics["completion_time_s"] > 2 * size / 50e9


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_rings_are_foreseen_as_they_are_walked(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 12))
    passes = data.draw(st.integers(1, 4 * n))
    times = st.integers(1, 12)
    sent = np.array(data.draw(st.lists(times, min_size=n, max_size=n)), np.float64)
    tail = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)), np.float64)
    order = np.array(data.draw(st.permutations(range(n))))
    one = Pass(order, np.roll(order, -1), sent, sent + tail)
    entry = np.full(n, 3.0)
    walked = walk(one, entry, passes)
    foreseen = progress._ring(one, entry, entry, passes)
    assert walked is not None
    if foreseen is not None:
        assert foreseen.end[0] == pytest.approx(walked.end[-1], rel=1e-12)


def test_most_rings_can_be_foreseen() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(100):
        sent = rng.uniform(1, 2, 50)
        one = Pass(np.arange(50), (np.arange(50) + 1) % 50, sent, sent + rng.uniform(0.5, 3, 50))
        found += progress._ring(one, np.zeros(50), np.zeros(50), 98) is not None
    assert found > 90


def test_two_rings_are_not_foreseen_as_one() -> None:
    one = Pass(np.array([0, 1, 2, 3]), np.array([1, 0, 3, 2]), np.ones(4), np.ones(4))
    assert progress._ring(one, np.zeros(4), np.zeros(4), 9) is None


def test_rows_that_are_alike_become_one() -> None:
    from fabricsim.engines.flow.outcome import _classes

    rng = np.random.default_rng(2)
    level, wire = rng.integers(0, 3, 5000), rng.integers(0, 900, 5000) * 1.5
    wire[4999] = 7.25  # one that a sample of the column misses
    first, count = _classes([level, wire], np.full(5000, 2))
    kinds, sizes = np.unique(np.stack([level, wire]), axis=1, return_counts=True)
    order = np.lexsort((wire[first], level[first]))
    assert np.array_equal(np.stack([level, wire])[:, first[order]], kinds)
    assert np.array_equal(count[order], 2 * sizes)
