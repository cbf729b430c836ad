"""Flows over links that go down: the timeline of packets, for fluids."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.engines.flow.pool import Settings
from fabricsim.engines.flow.rerouting import ReroutedRun
from fabricsim.engines.flow.transfers import Traffic, transfers_of
from fabricsim.engines.flow.ways import Way, beyond, cut, layered
from fabricsim.errors import InputError, StallError
from fabricsim.fabric import Fabric
from fabricsim.failures import LinkDown, Recovery, compile_failures
from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.schedule import Schedule, expanded
from fabricsim.topology import resolve
from tests.engines.lab import fabric_of, messages, star
from tests.engines.naive import random_fabric, random_losses

B = 50e9
L = 500e-9
SIZE = 4_000_000
ANSWERS = ("local", "source", "recompute")


def two_ways() -> Fabric:
    """Return ranks 0 and 1 with a way over s0 and one over s1; the first of the shortest is that over s0."""
    graph = nx.Graph()
    graph.add_nodes_from((0, 1))
    graph.add_edges_from([(0, "s0"), ("s0", 1), (0, "s1"), ("s1", 1)])
    return fabric_of(graph)


def run(fabric: Fabric, faults: list, recovery: Recovery, *rows: tuple[int, int, int], policy: str = "minimal",
        mtu: int = 1) -> ReroutedRun:  # fmt: skip
    """Run messages as fluids, in packets of a byte unless stated, and return the run."""
    schedule, model, routing = Schedule((messages(*rows),)), Model(mtu=mtu), Routing(policy)
    m = schedule.messages
    traffic = Traffic(m.src, m.dst, m.size, np.arange(len(m)), m.meeting, m.down)
    transfers = transfers_of(fabric, traffic, routing, model, 0)
    failures = compile_failures(fabric, faults, recovery=recovery)
    one = ReroutedRun(
        fabric, m, expanded(schedule), transfers, failures, model, Settings(verified=True), routing, 0
    )
    one.delivered = one.times().delivered
    return one


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_source_that_loses_its_link_takes_the_other_way_once_that_is_known(answer: str) -> None:
    """Down at 20 us: what was on the wire is lost, and all that is left goes the other way from 25 us on."""
    done = run(two_ways(), [LinkDown("20 us", ("0", "s0"))], Recovery("5 us", answer), (0, 1, SIZE))
    assert done.lost == done.again == pytest.approx(B * L)
    assert done.delivered[0] == pytest.approx(5e-6 + SIZE / B + L + 2 * L, rel=1e-6)


def test_recomputed_ways_are_in_force_once_they_have_converged() -> None:
    recovery = Recovery("5 us", "recompute", "7 us")
    done = run(two_ways(), [LinkDown("20 us", ("0", "s0"))], recovery, (0, 1, SIZE))
    assert done.delivered[0] == pytest.approx(12e-6 + SIZE / B + L + 2 * L, rel=1e-6)


def test_without_rerouting_flows_wait_for_the_repair() -> None:
    fault = LinkDown("20 us", ("0", "s0"), repair_after="30 us")
    done = run(two_ways(), [fault], Recovery("5 us"), (0, 1, SIZE))
    # the repeat of what was lost is at the source long before the link is up again
    assert done.delivered[0] == pytest.approx(30e-6 + SIZE / B + L + 2 * L, rel=1e-6)


def test_a_split_flow_goes_on_with_what_is_left_of_it() -> None:
    """Half of each byte goes over s0: the other half never stops, and the message ends with what waited."""
    fault = LinkDown("20 us", ("s0", "1"), repair_after="20 us")
    done = run(two_ways(), [fault], Recovery(), (0, 1, SIZE), policy="spray")
    arrived = done.arrived()
    begin, end, size = arrived.begin_s, arrived.end_s, arrived.size
    late = done.transfers.arrived[0]
    there = np.clip((38e-6 + late - begin) / (end - begin), 0, 1) - np.clip(
        (22e-6 + late - begin) / (end - begin), 0, 1
    )
    assert float((there * size).sum()) == pytest.approx(16e-6 * B, rel=1e-6)
    # of both halves at 50 GB/s each, all but the one over s0 is through at 40 us; 20 us of 50 GB/s wait there
    assert done.delivered[0] == pytest.approx(20e-6 + SIZE / 2 / B + 2 * L, rel=2e-2)


def test_local_leads_what_waits_around_and_source_sends_it_again() -> None:
    """The far link is down from the start. At 5 us, 5 us of 50 GB/s stand before it."""
    fault = LinkDown(0.0, ("s0", "1"))
    local = run(two_ways(), [fault], Recovery("5 us", "local"), (0, 1, SIZE))
    assert local.lost == local.again == 0
    source = run(two_ways(), [fault], Recovery("5 us", "source"), (0, 1, SIZE))
    assert source.lost == source.again == pytest.approx(5e-6 * B)
    assert source.delivered[0] == pytest.approx(5e-6 + SIZE / B + 2 * L, rel=1e-6)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_repair_before_detection_goes_unnoticed(answer: str) -> None:
    fault = LinkDown("20 us", ("0", "s0"), repair_after="1 us")
    kept = run(two_ways(), [fault], Recovery("5 us"), (0, 1, SIZE))
    done = run(two_ways(), [fault], Recovery("5 us", answer), (0, 1, SIZE))
    assert done.delivered[0] == pytest.approx(kept.delivered[0], rel=1e-12)
    first, second = (one.rows.carried(one.transfers.channel_wire)[0].tolist() for one in (done, kept))
    assert first == second


def test_a_failed_part_that_fails_again_stays_down_until_its_last_repair() -> None:
    faults = [
        LinkDown("20 us", ("0", "s0"), repair_after="10 us"),
        LinkDown("25 us", ("0", "s0"), repair_after="15 us"),
    ]
    done = run(star(2), faults, Recovery(), (0, 1, SIZE))
    assert done.delivered[0] == pytest.approx(20e-6 + SIZE / B + L + 2 * L, rel=1e-6)
    assert done.lost == pytest.approx(B * L), "the second fault breaks what is broken"


def test_overlapping_flaps_are_down_while_any_of_them_is() -> None:
    flaps = [
        LinkDown("10 us", ("0", "s0"), flap=fs.Flap("20 us", "6 us", 2)),
        LinkDown("14 us", ("0", "s0"), flap=fs.Flap("20 us", "6 us", 2)),
    ]
    done = run(star(2), flaps, Recovery(), (0, 1, SIZE))
    assert done.lost == pytest.approx(2 * B * L)
    assert done.delivered[0] == pytest.approx(2 * 10e-6 + SIZE / B + 2 * L + 2 * L, rel=1e-6)


def test_a_fault_after_the_end_changes_nothing_and_is_said() -> None:
    work = Schedule((messages((0, 1, SIZE)),))
    healthy = fs.simulate(two_ways(), work, engine="flow")
    late = fs.simulate(two_ways(), work, engine="flow", failures=[fs.LinkDown("1 s", ("0", "s0"))])
    assert late.metrics["completion_time_s"] == pytest.approx(healthy.metrics["completion_time_s"], rel=1e-12)
    assert any("lies after completion" in note for note in late.notes)


def test_a_fabric_that_is_cut_apart_says_who_is_on_each_side() -> None:
    faults = [LinkDown("1 us", ("s0", "1")), LinkDown("2 us", ("s1", "1"))]
    with pytest.raises(StallError, match="cut apart: no way is left from 0 to 1") as caught:
        run(two_ways(), faults, Recovery("1 us", "local"), (0, 1, SIZE))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_fabric_that_is_cut_apart_waits_for_a_repair(answer: str) -> None:
    faults = [LinkDown(0.0, ("s0", "1")), LinkDown(0.0, ("s1", "1"), repair_after="50 us")]
    done = run(two_ways(), faults, Recovery("1 us", answer), (0, 1, SIZE))
    assert done.delivered[0] > 50e-6
    assert done.arrived().size.sum() == pytest.approx(SIZE, rel=1e-6)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    answer=st.sampled_from(("none", *ANSWERS)),
    policy=st.sampled_from(["minimal", "ecmp", "spray"]),
)
def test_every_byte_arrives_once_or_is_reported_undelivered(seed: int, answer: str, policy: str) -> None:
    rng = np.random.default_rng(seed)
    fabric = random_fabric(rng, zero_latency=False)
    faults, recovery, rows = random_losses(rng, fabric, answer, 6, 200_000)
    if not rows:
        return
    try:
        done = run(fabric, faults, recovery, *rows, policy=policy, mtu=4096)
    except StallError as error:
        if "cut apart" not in str(error) and not (answer == "none" and "not repaired" in str(error)):
            raise
        return
    arrived = done.arrived()
    each = np.bincount(arrived.message, arrived.size, len(rows))
    assert each == pytest.approx([size for _, _, size in rows], rel=1e-6)
    assert done.lost == pytest.approx(done.again, abs=1e-6)
    assert not done.stocks
    assert np.all(done.parts == 0)


# -- ways -------------------------------------------------------------------------------------------------


def test_ways_are_cut_before_what_is_dead_and_go_on_beyond_it() -> None:
    fabric = two_ways()
    over = {fabric.channel_name(c): c for c in range(fabric.channels)}
    first, second = over["0 -> s0"], over["s0 -> 1"]
    way = layered(fabric, 0, dict.fromkeys((first, second, over["0 -> s1"], over["s1 -> 1"]), 0.5))
    done = cut(fabric, way, {second})
    assert done.stopped == {second: (0.5, 1)}
    assert Way(0, done.left).shares == {first: 0.5, over["0 -> s1"]: 0.5, over["s1 -> 1"]: 0.5}
    assert beyond(fabric, way, first).steps == ((0, first, 1.0), (1, second, 1.0))


# -- against packets --------------------------------------------------------------------------------------


LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
BULK = {
    "full mesh": ({"shape": "full-mesh", "size": 8, "link": LINK}, fs.all_to_all("8 MiB"), ("npu0", "npu1")),
    "ring": ({"shape": "ring", "size": 8, "link": LINK}, fs.all_reduce("4 MiB", algorithm="ring"), ("npu0", "npu1")),
    "torus": ({"shape": "torus", "size": [4, 4], "link": LINK}, fs.shift("2 MiB", offset=1), ("npu0", "npu1")),
    "leaf-spine": (
        {"shape": "leaf-spine", "leaves": 4, "hosts": 4, "spines": 4, "link": LINK},
        fs.shift("2 MiB", offset=4), "any leaf to spine",
    ),
}  # fmt: skip


@pytest.mark.parametrize("answer", ["none", *ANSWERS])
@pytest.mark.parametrize("name", BULK)
def test_bulk_traffic_ends_when_that_of_packets_does(name: str, answer: str) -> None:
    """In each of these a channel carries one flow of each step; what is left is the fill of packets that interleave."""
    shape, work, link = BULK[name]
    fault = fs.LinkDown("15 us", link, repair_after="12 us" if answer == "none" else None)
    recovery = fs.Recovery("5 us", answer, "3 us" if answer == "recompute" else 0.0)
    times = [
        fs.simulate(
            resolve(shape), work, routing="spray" if name == "leaf-spine" else "minimal",
            failures=[fault], recovery=recovery, engine=engine,
        ).metrics["completion_time_s"]
        for engine in ("packet", "flow")
    ]  # fmt: skip
    assert times[1] == pytest.approx(times[0], rel=0.015)


def test_links_that_go_down_are_refused_with_what_is_not_built() -> None:
    down = [fs.LinkDown("20 us", ("0", "s0"))]
    with pytest.raises(InputError, match="a quantum is not built with links that go down"):
        fs.simulate(
            star(2), Schedule((messages((0, 1, SIZE)),)), engine="flow", failures=down, quantum="1 us"
        )


# -- the recovery -----------------------------------------------------------------------------------------

ONE_FLOW_A_CHANNEL = {
    "ring, all-reduce": (
        {"shape": "ring", "size": 8, "link": LINK}, fs.all_reduce("8 MiB", algorithm="ring"), ("npu0", "npu1"), "60 us",
    ),
    "full mesh, all-to-all": (
        {"shape": "full-mesh", "size": 8, "link": LINK}, fs.all_to_all("16 MiB"), ("npu0", "npu1"), "30 us",
    ),
    "leaf-spine, shift": (
        {"shape": "leaf-spine", "leaves": 4, "hosts": 1, "spines": 2, "link": LINK}, fs.shift("4 MiB", offset=1),
        "any leaf to spine", "30 us",
    ),
}  # fmt: skip


@pytest.mark.parametrize("answer", ["none", "recompute"])
@pytest.mark.parametrize("name", ONE_FLOW_A_CHANNEL)
def test_packet_and_flow_agree_on_the_recovery_curve(name: str, answer: str) -> None:
    """Depth of the dip within 5 %, recovery time within 10 %, for bulk traffic with one flow a channel."""
    shape, work, link, at = ONE_FLOW_A_CHANNEL[name]
    fault = fs.LinkDown(at, link, repair_after="20 us" if answer == "none" else None)
    recovery = fs.Recovery("10 us", answer, "10 us" if answer == "recompute" else 0.0)
    packet, flow = (
        fs.simulate(
            resolve(shape), work, routing="minimal", failures=[fault], recovery=recovery, engine=engine
        ).metrics
        for engine in ("packet", "flow")
    )
    assert packet["recovered"] == flow["recovered"] == 1
    depth = [1 - m["throughput_dip_Bps"] / m["throughput_before_Bps"] for m in (packet, flow)]
    assert depth[1] == pytest.approx(depth[0], rel=0.05)
    assert flow["recovery_time_s"] == pytest.approx(packet["recovery_time_s"], rel=0.1)
    assert flow["delay_s"] == pytest.approx(packet["delay_s"], rel=0.1)
    assert flow["stalled_ranks"] == packet["stalled_ranks"]
    assert flow["fault_time_s"] == packet["fault_time_s"] == pytest.approx(float(at.split()[0]) * 1e-6)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32), engine=st.sampled_from(["packet", "flow"]), answer=st.sampled_from(ANSWERS)
)
def test_the_stages_of_any_recovery_follow_each_other(seed: int, engine: str, answer: str) -> None:
    """Links that slow down beside links that break, from time zero on or during the run."""
    rng = np.random.default_rng(seed)
    fabric = random_fabric(rng, zero_latency=False)
    faults = []
    for link in rng.integers(0, fabric.link_count, 3).tolist():
        ends = tuple(fabric.node_name(int(end[link])) for end in (fabric.src, fabric.dst))
        at, repair = float(rng.choice([0.0, rng.uniform(0, 4e-6)])), float(rng.uniform(1e-8, 3e-6))
        faults.append(fs.LinkDegraded(at, ends, float(rng.choice([0.0, 0.3])), repair))
    pairs = rng.integers(0, fabric.ranks, (6, 2))
    rows = [(int(a), int(b), int(rng.integers(1, 100_000))) for a, b in pairs if a != b]
    if not rows:
        return
    found = fs.simulate(
        fabric, Schedule((messages(*rows),)), failures=faults, recovery=Recovery(1e-7, answer),
        routing="minimal", engine=engine,
    ).metrics  # fmt: skip
    assert all(np.isfinite(value) for value in found.values())
    end = found["completion_time_s"]
    if "fault_time_s" not in found:
        return  # it came after the end
    assert found["fault_time_s"] < end
    assert ("recovery_time_s" in found) == bool(found["recovered"])
    assert found["throughput_dip_Bps"] >= 0
    assert found["fault_time_s"] + found.get("recovery_time_s", 0.0) <= end * (1 + 1e-9)
    assert found.get("capacity_after_over_before", 1.0) <= 2
