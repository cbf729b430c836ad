"""Links that slow down, break and come back, on the packet kernel."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.errors import StallError
from fabricsim.failures import LinkDegraded, LinkDown, Recovery, compile_failures
from fabricsim.model import Endpoint, Model
from tests.engines.lab import fabric_of, messages, path, simulate, star

TX = 81_920
LATENCY = 500_000
US = 10**6


def test_a_degraded_link_is_slow_for_what_starts_after_the_fault() -> None:
    """Ten packets on one channel; the rate halves at 3.5 packets: packets 0 to 3 started before."""
    fabric = path([("50 GB/s", "500 ns")])
    failures = compile_failures(fabric, [LinkDegraded(3.5 * TX * 1e-12, ("a", "b"), 0.5)])
    record = simulate(fabric, messages((0, 1, 10 * 4096)), failures=failures)
    assert record.delivered_ps[0] == 4 * TX + 6 * 2 * TX + LATENCY
    assert record.sent_ps[0] == 4 * TX + 6 * 2 * TX
    assert record.channel_busy_ps.tolist() == [16 * TX]


def test_a_repair_restores_the_rate() -> None:
    """Half rate while packets 4, 5 and 6 start; the repair falls into packet 6."""
    fabric = path([("50 GB/s", "500 ns")])
    fault = LinkDegraded(3.5 * TX * 1e-12, ("a", "b"), 0.5, repair_after=5 * TX * 1e-12)
    record = simulate(fabric, messages((0, 1, 10 * 4096)), failures=compile_failures(fabric, [fault]))
    assert record.delivered_ps[0] == (4 + 6 + 3) * TX + LATENCY


def test_a_fault_at_time_zero_and_one_after_the_end() -> None:
    fabric = path([("50 GB/s", "500 ns")])
    healthy = simulate(fabric, messages((0, 1, 4096)))
    slow = simulate(
        fabric,
        messages((0, 1, 4096)),
        failures=compile_failures(fabric, [LinkDegraded(0.0, ("a", "b"), 0.25)]),
    )
    assert slow.delivered_ps[0] == 4 * TX + LATENCY
    late = simulate(
        fabric, messages((0, 1, 4096)), failures=compile_failures(fabric, [LinkDown(1.0, ("a", "b"))])
    )
    assert late.delivered_ps.tolist() == healthy.delivered_ps.tolist()


def test_what_is_in_flight_is_lost_and_sent_again_after_the_repair() -> None:
    """The link breaks at 2.5 packets: 0, 1 and 2 are in flight (latency is six packets long) and all lost."""
    fabric = path([("50 GB/s", "500 ns")])
    fault = LinkDown(2.5 * TX * 1e-12, ("a", "b"), repair_after="10 us")
    record = simulate(fabric, messages((0, 1, 5 * 4096)), failures=compile_failures(fabric, [fault]))
    back = round(2.5 * TX) + 10 * US
    assert record.dropped == record.retransmitted == 3 * 4096
    assert record.delivered_ps[0] == back + 5 * TX + LATENCY, "two that waited, then three again"
    assert record.sent_ps[0] == back + 2 * TX, "repeats do not count as sending"
    assert record.arrival_bytes.sum() == 5 * 4096
    assert record.channel_busy_ps.tolist() == [round(2.5 * TX) + 5 * TX]


def test_a_cut_through_packet_is_lost_while_it_spans_two_channels() -> None:
    """Its head is already beyond the switch when the first channel breaks; what arrives is discarded."""
    fabric = path([("50 GB/s", "500 ns"), ("50 GB/s", "500 ns")])
    at = LATENCY + TX // 2
    fault = LinkDown(at * 1e-12, ("a", "s0"), repair_after="1 us")
    record = simulate(
        fabric, messages((0, 1, 4096)), model=Model("cut-through"), failures=compile_failures(fabric, [fault])
    )
    assert record.dropped == 4096
    assert record.delivered_ps[0] == at + US + TX + 2 * LATENCY


def test_a_loss_is_noticed_after_the_detection_time() -> None:
    """A flap shorter than the detection time: what was lost is sent again only once it was noticed."""
    fabric = path([("50 GB/s", "500 ns")])
    fault = LinkDown("300 ns", ("a", "b"), repair_after="1 ns")
    record = simulate(
        fabric, messages((0, 1, 4096)), failures=compile_failures(fabric, [fault], recovery=Recovery(20e-6))
    )
    assert record.delivered_ps[0] == 300_000 + 20 * US + TX + LATENCY


def test_a_link_that_stays_down_ends_with_what_waits_for_what() -> None:
    fabric = star(4)
    failures = compile_failures(fabric, [LinkDown("100 ns", ("s0", "3"))])
    with pytest.raises(StallError) as caught:
        simulate(fabric, messages((0, 3, 8192), (0, 1, 4096)), failures=failures)
    text = str(caught.value)
    assert "1 messages are undelivered" in text
    assert "2 packets wait at s0 -> 3, which is down since 100 ns and not repaired" in text
    assert "3 waits for 2 of 2 packets of 'op' from 0" in text
    assert caught.value.exit_code == 4


@settings(max_examples=300, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), switching=st.sampled_from(["store-and-forward", "cut-through"]))
def test_every_byte_arrives_exactly_once_whatever_breaks_and_is_repaired(seed: int, switching: str) -> None:
    rng = np.random.default_rng(seed)
    graph = nx.cycle_graph(6)
    graph.add_edges_from([(0, "s0"), (2, "s0"), (4, "s0")])
    fabric = fabric_of(graph)
    ends = [("0", "1"), ("2", "3"), ("4", "s0"), ("5", "0")]
    faults = [
        LinkDegraded(
            float(rng.uniform(0, 4e-6)),
            ends[int(rng.integers(4))],
            float(rng.choice([0.0, 0.3])),
            float(rng.uniform(1e-7, 2e-6)),
        )
        for _ in range(6)
    ]
    rows = [
        (int(a), int((a + d) % 6), int(rng.integers(1, 50_000)))
        for a, d in zip(rng.integers(0, 6, 12), rng.integers(1, 6, 12), strict=True)
    ]
    model = Model(switching, endpoint=Endpoint(recv_overhead=1e-8))
    record = simulate(
        fabric,
        messages(*rows),
        model=model,
        policy="ecmp",
        failures=compile_failures(fabric, faults, recovery=Recovery(1e-7)),
    )
    assert record.arrival_bytes.sum() == sum(size for _, _, size in rows)
    assert len(record.arrival_bytes) == sum(model.packets(size) for _, _, size in rows)
    assert record.dropped == record.retransmitted
    assert np.all(record.sent_ps >= record.release_ps)
    assert np.all(record.delivered_ps > record.sent_ps)
