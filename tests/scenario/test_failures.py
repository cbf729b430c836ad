from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures, LinkDegraded, LinkDown, Recovery, compile_failures

US = 10**6  # ps


def cycle(n: int = 4) -> Fabric:
    graph = nx.relabel_nodes(nx.cycle_graph(n), {i: f"npu{i}" for i in range(n)})
    return Fabric.from_networkx(graph, link={"bandwidth": "50 GB/s", "latency": "500 ns"})


def parallel() -> Fabric:
    graph: nx.MultiGraph[str] = nx.MultiGraph()
    for _ in range(3):
        graph.add_edge("a", "b", bandwidth="1 GB/s", latency="0 ns")
    return Fabric.from_networkx(graph)


def message(fabric: Fabric, *entries: LinkDown | LinkDegraded) -> str:
    with pytest.raises(InputError) as info:
        compile_failures(fabric, entries)
    return str(info.value)


def test_a_link_goes_down_both_ways_and_comes_back() -> None:
    fabric = cycle()
    (link,) = fabric.links_between(0, 1)
    found = compile_failures(fabric, [LinkDown("100 us", ("npu0", "npu1"), "1 ms")], recovery=Recovery(2e-6))
    both = [2 * link, 2 * link + 1]
    expected = [(100 * US, c, 0.0) for c in both] + [(1100 * US, c, 1.0) for c in both]
    assert list(found.rows()) == expected
    assert found.is_fault.tolist() == [True, True, False, False]
    assert found.channels.tolist() == both
    assert found.recovery.detect == 2e-6


def test_the_order_of_the_ends_does_not_matter() -> None:
    there = compile_failures(cycle(), [LinkDown("1 us", ("npu0", "npu1"))])
    back = compile_failures(cycle(), [LinkDown("1 us", ("npu1", "npu0"))])
    assert there.digest == back.digest


def test_all_parallel_links_fail_unless_one_is_numbered() -> None:
    fabric = parallel()
    assert len(compile_failures(fabric, [LinkDown("1 us", ("a", "b"))])) == 2 * 3
    one = compile_failures(fabric, [LinkDown("1 us", ("a", "b", 1))])
    link = fabric.links_between(0, 1)[1]
    assert one.channels.tolist() == [2 * link, 2 * link + 1]


def test_overlapping_faults_leave_the_worst_until_its_own_repair() -> None:
    ends = ("npu0", "npu1")
    found = compile_failures(
        cycle(), [LinkDegraded("1 us", ends, 0.5, "10 us"), LinkDown("2 us", ends, "3 us")]
    )
    first = [(time, factor) for time, channel, factor in found.rows() if channel == found.channels[0]]
    assert first == [(1 * US, 0.5), (2 * US, 0.0), (5 * US, 0.5), (11 * US, 1.0)]


spans = st.tuples(
    st.integers(0, 50), st.one_of(st.none(), st.integers(1, 50)), st.sampled_from([0, 0.25, 0.5, 1.0])
)


@given(st.lists(spans, max_size=8))
def test_at_every_instant_the_factor_is_the_least_of_the_faults_that_hold(
    cases: list[tuple[int, int | None, float]],
) -> None:
    entries = [
        LinkDegraded(f"{at} us", ("npu0", "npu1"), factor, None if span is None else f"{span} us")
        for at, span, factor in cases
    ]
    found = compile_failures(cycle(3), entries)
    channel = 2 * cycle(3).links_between(0, 1)[0]
    for time in range(102):
        holding = [f for at, span, f in cases if at <= time and (span is None or time < at + span)]
        stated = [factor for t, c, factor in found.rows() if c == channel and t <= time * US]
        assert (stated[-1] if stated else 1.0) == min(holding, default=1.0)


def test_rows_are_in_order_and_frozen() -> None:
    found = compile_failures(
        cycle(), [LinkDown("9 us", ("npu2", "npu3")), LinkDown("1 us", ("npu0", "npu1"), "8 us")]
    )
    rows = [(time, channel) for time, channel, _ in found.rows()]
    assert rows == sorted(rows)
    with pytest.raises(ValueError, match="read-only"):
        found.time_ps[0] = 0


def test_numbers_are_seconds() -> None:
    text = compile_failures(cycle(), [LinkDown("2 us", ("npu0", "npu1"), "3 us")])
    number = compile_failures(cycle(), [LinkDown(2e-6, ("npu0", "npu1"), 3e-6)])
    assert text.digest == number.digest


def test_every_fault_is_reported_with_its_place() -> None:
    text = message(
        cycle(8),
        LinkDown("1 us", ("npu0", "npu11")),
        LinkDown("-1 us", ("npu0", "npu1")),
        LinkDegraded("1 us", ("npu0", "npu1"), 2),
        LinkDown("1 us", ("npu0", "npu4")),
        LinkDown("1 us", ("npu0", "npu1"), "0 s"),
        LinkDown("1", ("npu0", "npu1")),
    )
    assert "0.link.1: 'npu11' is not a node" in text
    assert "did you mean 'npu1'?" in text
    assert "1.at: '-1 us' is negative" in text
    assert "2.factor: 2 is not between 0 and 1; 0 is down, 1 is healthy" in text
    assert "3.link: no link joins npu0 and npu4; npu0 is joined to npu1, npu7" in text
    assert "4.repair_after: '0 s' is less than a picosecond" in text
    assert "5.at: '1' has no unit" in text


@pytest.mark.parametrize("k", [-1, 3])
def test_a_parallel_link_that_is_not_there(k: int) -> None:
    text = message(parallel(), LinkDown("1 us", ("a", "b", k)))
    assert f"0.link: there is no link {k} between a and b; they are joined by 3, numbered from 0" in text


@pytest.mark.parametrize("link", ["npu0", ("npu0",), ("npu0", "npu1", 0, 0)])
def test_what_does_not_name_a_link(link: Any) -> None:
    assert "0.link: " in message(cycle(), LinkDown("1 us", link))


@pytest.mark.parametrize("time", [float("nan"), float("inf"), 1e12])
def test_times_that_no_clock_holds(time: float) -> None:
    assert "0.at: " in message(cycle(), LinkDown(time, ("npu0", "npu1")))


def test_no_failures_are_no_rows() -> None:
    none = compile_failures(cycle(), [])
    assert len(none) == 0
    assert none.channels.dtype == np.int64
    assert none.digest == Failures(np.zeros(0), np.zeros(0), np.zeros(0)).digest
    assert none.digest != compile_failures(cycle(), [], recovery=Recovery(1e-6)).digest
