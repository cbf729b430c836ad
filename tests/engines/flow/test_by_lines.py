"""Rounds along lines by classes against every message listed: whole machines, dead links, dead switches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

import fabricsim as fs
import fabricsim.collectives.direct as direct
import fabricsim.collectives.grid as grid
import fabricsim.traffic.moe as moe
from fabricsim.engines.flow import classes, engine
from fabricsim.engines.flow.by_lines import by_lines, misfit
from fabricsim.engines.flow.outcome import Outcome
from fabricsim.engines.flow.pool import Settings
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import compile_failures
from fabricsim.planning import plan
from fabricsim.routing import Routing
from fabricsim.run import job_of, run
from fabricsim.scenario import parse_scenario
from fabricsim.schedule import Operation, Schedule
from fabricsim.topology import load_topology, resolve

SPRAY = Routing("spray")


@pytest.fixture(autouse=True)
def lines_from_two_ranks_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "MANY", 2)
    monkeypatch.setattr(direct, "MANY", 2)
    monkeypatch.setattr(moe, "MANY", 2)


def operation(kind: str, fabric: Fabric) -> Operation:
    if kind == "experts":
        inside = 8 if fabric.ranks % 8 == 0 else 4
        return fs.moe_dispatch("7 KiB", tokens=16, top_k=4, experts=fabric.ranks, inside=inside).on(fabric)
    found = fs.all_reduce if kind == "all-reduce" else fs.all_to_all
    return found("16 MiB", algorithm="hierarchical").on(fabric)


def step_by_step(op: Operation) -> Schedule:
    """Return up to two passes of each round, each after a barrier: what classes take a repeated round to be."""
    steps: list[Operation] = []
    for r in op.rounds:
        for _ in range(min(r.repeat, 2)):
            after = (steps[-1].name,) if steps else ()
            steps.append(
                replace(op, name=f"step {len(steps)}", rounds=(r.repeated(1),), after=after, barrier=True)
            )
    return Schedule(tuple(steps))


def both(fabric: Fabric, schedule: Schedule, links: Any = ()) -> tuple[Outcome, Outcome]:
    gone = np.array(links, np.int64)
    assert misfit(fabric, schedule, SPRAY, fabric.model) == ""
    alike = by_lines(fabric, schedule, fabric.model, Settings(), np.concatenate([2 * gone, 2 * gone + 1]))
    left = fabric.without(gone)
    listed = engine._run(left, schedule, SPRAY, compile_failures(left, ()), left.model, 0, Settings())
    return alike, listed


def assert_equal(alike: Outcome, listed: Outcome) -> None:
    assert alike.span == pytest.approx(listed.span, rel=1e-9)
    assert alike.ideal_s == pytest.approx(listed.ideal_s, rel=1e-9)
    assert alike.bytes_delivered == listed.bytes_delivered
    order = np.argsort(listed.latency)
    latency = np.sort(np.repeat(alike.latency, alike.count))
    assert latency == pytest.approx(np.repeat(listed.latency[order], listed.count[order]), rel=1e-9)
    wire = np.sort(np.repeat(alike.channel_wire, alike.alike))
    assert wire == pytest.approx(np.sort(listed.channel_wire), rel=1e-9)


@pytest.mark.parametrize("kind", ["all-reduce", "all-to-all", "experts"])
def test_every_message_has_its_class(kind: str) -> None:
    fabric = load_topology("atlas950-superpod", cabinets=4)
    op = operation(kind, fabric)
    alike, listed = both(fabric, Schedule((op,)))
    assert_equal(alike, listed)
    assert len(alike.count) < op.messages / 100


@pytest.mark.parametrize("kind", ["all-reduce", "all-to-all", "experts"])
@pytest.mark.parametrize("level", ["cabinet", "pod"])
def test_a_link_and_a_switch_down(kind: str, level: str) -> None:
    fabric = load_topology("atlas950-superpod", cabinets=4)
    link = int(np.flatnonzero(fabric.level == fabric.levels.index(level))[37])
    switch = fabric.groups[-1].first + 5
    down = np.flatnonzero((fabric.src == switch) | (fabric.dst == switch))
    schedule = step_by_step(operation(kind, fabric))
    assert_equal(*both(fabric, schedule, np.union1d(down, [link])))


@st.composite
def broken(draw: st.DrawFn) -> tuple[Fabric, list[int]]:
    """Draw a small machine of tiers, and up to three links of its upper levels that are down."""
    gpus, boards, racks = (draw(st.integers(2, 4)) for _ in range(3))
    planes, ports = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2]))
    up = draw(st.sampled_from([1, 2, 4]))
    link = {"bandwidth": "10 GB/s", "latency": "300 ns"}
    board = draw(st.sampled_from([{"rule": "full-mesh", "link": link}, {"rule": "none"}]))
    rack = {"rule": "switched", "planes": planes, "ports": planes * ports, "link": link}
    hall = {"rule": "switched", "uplinks_of": "rack", "switches": up, "link": link}
    levels = [
        {"name": "board", "members": gpus, **board},
        {"name": "rack", "members": boards, **rack},
        {"name": "hall", "members": racks, **hall},
    ]
    spec = {"name": "m", "schema": "fabricsim.topology/1", "device": {"ports": 99}, "levels": levels}
    try:
        fabric = resolve(spec)
    except InputError:  # ports that do not divide evenly
        reject()
    high = np.flatnonzero(fabric.level == fabric.levels.index("hall"))
    return fabric, draw(st.lists(st.sampled_from(high.tolist()), max_size=3, unique=True))


@settings(max_examples=15, deadline=None)
@given(broken(), st.sampled_from(["all-reduce", "all-to-all"]))
def test_small_machines_with_links_down(machine: tuple[Fabric, list[int]], kind: str) -> None:
    fabric, links = machine
    schedule = step_by_step(operation(kind, fabric))
    if misfit(fabric, schedule, SPRAY, fabric.model):
        return
    assume(not _cut_off(fabric, links))
    assert_equal(*both(fabric, schedule, links))


def _cut_off(fabric: Fabric, links: list[int]) -> bool:
    """Return whether some switch has lost all its links to the hall, so that no shortest path may be left."""
    high = np.flatnonzero(fabric.level == fabric.levels.index("hall"))
    left = np.setdiff1d(high, links)
    return any(np.setdiff1d(end[high], end[left]).size > 0 for end in (fabric.src, fabric.dst))


def test_the_barrier_between_passes_is_said_and_costs_little() -> None:
    fabric = load_topology("atlas950-superpod", cabinets=4)
    link = int(np.flatnonzero(fabric.level == fabric.levels.index("pod"))[37])
    alike, listed = both(fabric, Schedule((operation("all-reduce", fabric),)), [link])
    assert any("a barrier that they do not have" in note for note in alike.notes)
    assert listed.span <= alike.span <= listed.span * 1.01


def test_what_does_not_commute_is_refused() -> None:
    fabric = load_topology("atlas950-superpod", cabinets=4)
    one = operation("all-reduce", fabric)
    for policy in ("ecmp", "minimal"):
        assert "does not commute" in misfit(fabric, Schedule((one,)), Routing(policy), fabric.model)
    beside = Schedule((one, replace(one, name="b")))
    assert "runs beside" in misfit(fabric, beside, SPRAY, fabric.model)
    some = fs.all_reduce("1 MiB", algorithm="hierarchical", ranks=range(128)).on(fabric)
    assert "all ranks" in misfit(fabric, Schedule((some,)), SPRAY, fabric.model)


def test_longer_ways_are_refused() -> None:
    fabric = load_topology("atlas950-superpod", cabinets=4)
    schedule = Schedule((operation("all-reduce", fabric),))
    with pytest.raises(InputError, match=r"all shortest paths from pod/cabinet0/board0/npu0 to .* are down"):
        by_lines(fabric, schedule, fabric.model, Settings(), np.array([0, 1]))


# -- from a scenario ----------------------------------------------------------------------------------------

SCENARIO = """schema: fabricsim/1
topology: {{name: atlas950-superpod, set: {{cabinets: 2}}}}
engine: {engine}
workload: [{{name: a, collective: {what}, size: 1 MiB}}]
failures:
  - {{at: {at}, link: all cabinet1 to pod plane 3}}
  - {{at: 0 s, node: pod/sw5}}
recovery: {{reroute: recompute}}
"""


def run_text(engine: str, what: str, at: str = "0 s") -> fs.Result:
    (result,) = run(parse_scenario(SCENARIO.format(engine=engine, what=what, at=at)))
    return result


@pytest.mark.parametrize("what", ["all-reduce, algorithm: hierarchical", "all-to-all"])
def test_what_is_down_from_the_beginning_is_the_same_by_symmetry_and_listed(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = run_text("flow", what)
    monkeypatch.setattr(classes, "LEAST_FLOWS", 1)
    alike = run_text("flow", what)
    assert any("by the symmetry of the machine" in note for note in alike.notes)
    waits = any("a barrier" in note for note in alike.notes)
    close = pytest.approx(listed.metrics["completion_time_s"], rel=0.02 if waits else 1e-9)
    assert alike.metrics["completion_time_s"] == close
    assert alike.metrics["ideal_time_s"] == pytest.approx(listed.metrics["ideal_time_s"], rel=1e-9)
    assert set(listed.links["channel"]) >= set(alike.links["channel"])
    dead = [name for name in alike.links["channel"] if "pod/sw5" in name.split(" ")]
    assert not dead


def test_packets_too_go_around_what_is_down_from_the_beginning() -> None:
    what = "all-reduce, algorithm: hierarchical"
    packet, fluid = run_text("packet", what), run_text("flow", what)
    assert packet.metrics["completion_time_s"] == pytest.approx(fluid.metrics["completion_time_s"], rel=0.1)
    assert packet.metrics["bytes_delivered"] == fluid.metrics["bytes_delivered"]


def test_what_fails_later_is_followed_flow_by_flow() -> None:
    early, late = (run_text("flow", "all-reduce, algorithm: hierarchical", at) for at in ("0 s", "1 us"))
    assert late.metrics["bytes_delivered"] == early.metrics["bytes_delivered"]
    assert late.metrics["detection_time_s"] == late.metrics["reroute_time_s"] == 0


def test_the_plan_says_what_symmetry_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SCENARIO.format(engine="flow", what="all-reduce, algorithm: hierarchical", at="0 s")
    few = plan(job_of(parse_scenario(text)))
    monkeypatch.setattr(classes, "LEAST_FLOWS", 1)
    job = job_of(parse_scenario(text))
    assert "symmetry" not in few["why"]
    assert "by the symmetry of the machine" in plan(job)["why"]
    assert plan(job)["estimated_memory_B"] == pytest.approx(80e6 + 140 * job.fabric.link_count, abs=1)
