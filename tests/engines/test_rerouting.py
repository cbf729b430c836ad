"""Packets that leave a link which is known to be down, on two ways between two ranks and on random fabrics."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.engines.detours import Detours
from fabricsim.engines.packet import simulate_packets
from fabricsim.engines.record import Record
from fabricsim.errors import InputError, StallError
from fabricsim.fabric import Fabric
from fabricsim.failures import LinkDown, Recovery, compile_failures
from fabricsim.model import Model
from fabricsim.routing import Router, Routing, routes
from fabricsim.schedule import Schedule
from tests.engines.lab import fabric_of, messages
from tests.engines.naive import random_fabric, random_losses

TX = 81_920
LATENCY = 500_000
US = 10**6
ANSWERS = ("local", "source", "recompute")


def two_ways() -> Fabric:
    """Return ranks 0 and 1 with a way over s0 and one over s1; the first of the shortest is that over s0."""
    graph = nx.Graph()
    graph.add_nodes_from((0, 1))
    graph.add_edges_from([(0, "s0"), ("s0", 1), (0, "s1"), ("s1", 1)])
    return fabric_of(graph)


def run(fabric: Fabric, faults: list, recovery: Recovery, *rows: tuple[int, int, int], policy: str = "minimal",
        switching: str = "store-and-forward") -> Record:  # fmt: skip
    schedule, model, routing = Schedule((messages(*rows),)), Model(switching), Routing(policy)
    paths = routes(fabric, schedule.messages, routing, model, 0)
    failures = compile_failures(fabric, faults, recovery=recovery)
    return simulate_packets(fabric, schedule, paths, failures, model, 0, None, routing)


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_waits_at_a_source_takes_the_other_way_once_the_fault_is_known(answer: str) -> None:
    """Broken after 2.5 packets: three in flight are lost, all twenty go the other way from detection on."""
    at = 2.5 * TX
    record = run(two_ways(), [LinkDown(at * 1e-12, ("0", "s0"))], Recovery("1 us", answer), (0, 1, 20 * 4096))
    assert record.delivered_ps[0] == at + US + 20 * TX + TX + 2 * LATENCY
    assert record.sent_ps[0] == at + US + 17 * TX, "the three that were lost had left"
    assert record.dropped == record.retransmitted == 3 * 4096


def test_recomputed_tables_are_in_force_once_they_have_converged() -> None:
    at = 2.5 * TX
    recovery = Recovery("1 us", "recompute", "3 us")
    record = run(two_ways(), [LinkDown(at * 1e-12, ("0", "s0"))], recovery, (0, 1, 20 * 4096))
    assert record.delivered_ps[0] == at + 4 * US + 20 * TX + TX + 2 * LATENCY


def test_a_source_moves_its_queue_and_sends_again_what_stands_before_the_dead_link() -> None:
    """The far link is down from the start. What had left by 1 us is sent again; the source's channel never runs dry."""
    record = run(two_ways(), [LinkDown(0.0, ("s0", "1"))], Recovery("1 us", "source"), (0, 1, 20 * 4096))
    started = -(-US // TX)
    assert record.dropped == record.retransmitted == started * 4096
    assert record.arrival_bytes.sum() == 20 * 4096
    assert record.delivered_ps[0] == US + 20 * TX + TX + 2 * LATENCY


def test_a_node_leads_packets_around_the_link_that_follows_it() -> None:
    """Local: s0 sends them back over rank 0 and s1; nothing is lost, and nothing changes at the source."""
    record = run(two_ways(), [LinkDown(0.0, ("s0", "1"))], Recovery("1 us", "local"), (0, 1, 4 * 4096))
    assert record.dropped == record.retransmitted == 0
    assert record.delivered_ps[0] == US + 4 * TX + 2 * TX + 3 * LATENCY


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_repair_before_detection_goes_unnoticed(answer: str) -> None:
    fault = LinkDown("2 us", ("0", "s0"), repair_after="1 us")
    rows = (0, 1, 60 * 4096)
    kept = run(two_ways(), [fault], Recovery("1 us"), rows)
    record = run(two_ways(), [fault], Recovery("1 us", answer), rows)
    assert record.delivered_ps.tolist() == kept.delivered_ps.tolist()
    assert record.channels.tolist() == kept.channels.tolist()


def test_after_a_repair_is_known_packets_take_their_first_path_again() -> None:
    """Known down from 1 us, known up from 4 us: what has not started by then goes over s0."""
    fault = LinkDown(0.0, ("0", "s0"), repair_after="3 us")
    record = run(two_ways(), [fault], Recovery("1 us", "source"), (0, 1, 100 * 4096))
    fabric = two_ways()
    over = {
        fabric.channel_name(c): n
        for c, n in zip(record.channels.tolist(), record.channel_packets.tolist(), strict=True)
    }
    # packets started while the detour was in force: from 1 us, one each TX, the last before 4 us
    detoured = -(-3 * US // TX)
    assert over["0 -> s1"] == detoured
    assert over["0 -> s0"] == 100 - detoured


def test_a_fabric_that_is_cut_apart_says_who_is_on_each_side() -> None:
    faults = [LinkDown("1 us", ("s0", "1")), LinkDown("2 us", ("s1", "1"))]
    with pytest.raises(StallError, match="cut apart: no way is left from 0 to 1") as caught:
        run(two_ways(), faults, Recovery("1 us", "source"), (0, 1, 60 * 4096))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_fabric_that_is_cut_apart_waits_for_a_repair(answer: str) -> None:
    faults = [LinkDown(0.0, ("s0", "1")), LinkDown(0.0, ("s1", "1"), repair_after="50 us")]
    record = run(two_ways(), faults, Recovery("1 us", answer), (0, 1, 8 * 4096))
    assert record.arrival_bytes.sum() == 8 * 4096
    assert record.delivered_ps[0] >= 50 * US


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    answer=st.sampled_from(ANSWERS),
    policy=st.sampled_from(["minimal", "ecmp", "spray"]),
    switching=st.sampled_from(["store-and-forward", "cut-through"]),
)
def test_every_byte_is_delivered_once_or_the_fabric_is_cut_apart(
    seed: int, answer: str, policy: str, switching: str
) -> None:
    rng = np.random.default_rng(seed)
    fabric = random_fabric(rng, zero_latency=False)
    faults, recovery, rows = random_losses(rng, fabric, answer, 8, 60_000)
    if not rows:
        return
    try:
        record = run(fabric, faults, recovery, *rows, policy=policy, switching=switching)
    except StallError as error:
        if "cut apart" not in str(error):
            raise
        return
    arrived = np.bincount(record.arrival_message, record.arrival_bytes, len(rows))
    assert arrived.tolist() == [size for _, _, size in rows]
    assert len(record.arrival_bytes) == sum(-(-size // 4096) for _, _, size in rows)
    assert record.dropped == record.retransmitted
    assert np.all(record.sent_ps >= record.release_ps)
    assert np.all(record.delivered_ps > record.sent_ps)


@pytest.mark.parametrize("policy", ["minimal", "ecmp", "spray"])
def test_detours_are_the_paths_that_routing_finds_without_the_dead_channels(policy: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        fabric = random_fabric(rng, zero_latency=False)
        alive = np.ones(fabric.channels, np.bool_)
        alive[2 * int(rng.integers(fabric.link_count)) + np.arange(2)] = False
        detours = Detours(fabric, Routing(policy), 5, np.flatnonzero(~alive).tolist())
        for message in range(6):
            a, b = (int(rank) for rank in rng.integers(0, fabric.ranks, 2))
            way = detours.way(a, (a, b), message, message)
            columns = [np.array([value]) for value in (a, b, message, message)]
            router = Router(fabric, Routing(policy), 5, alive)
            if way is None:
                with pytest.raises(InputError):
                    router.paths(*columns)
            else:
                assert list(way) == router.paths(*columns)[1].tolist()


def test_results_say_the_stages_and_what_was_lost() -> None:
    result = fs.simulate(
        two_ways(),
        Schedule((messages((0, 1, 100 * 4096)),)),
        failures=[fs.LinkDown("2 us", ("0", "s0"))],
        recovery=fs.Recovery("1 us", "recompute", "2 us"),
    )
    assert result.metrics["detection_time_s"] == pytest.approx(1e-6)
    assert result.metrics["reroute_time_s"] == pytest.approx(3e-6)
    assert result.metrics["bytes_lost_in_flight"] == result.metrics["bytes_retransmitted"] > 0


def test_rerouting_is_refused_where_it_is_not_built() -> None:
    schedule = Schedule((messages((0, 1, 4096)),))
    failures, recovery = [fs.LinkDown("1 us", ("0", "s0"))], fs.Recovery(reroute="local")
    model = Model(buffer=65_536, flow_control="credits")
    with pytest.raises(InputError, match="reroute"):
        fs.simulate(two_ways(), schedule, failures=failures, recovery=recovery, model=model)
    with pytest.raises(InputError, match="has no effect where rerouting is local"):
        fs.Recovery(reroute="local", converge="1 ms")
