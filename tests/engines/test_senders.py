"""Senders, each by an identity of its own: what a window, marks, a rate and pulls let through."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.failures import LinkDegraded, Recovery, compile_failures
from fabricsim.model import Ecn, Model, Sender
from tests.engines.lab import fabric_of, messages, path, simulate, star
from tests.validation.lab import within

TX = 81_920
LATENCY = 500_000
RATE = 50e9
SIZE = 2**21


@pytest.mark.parametrize("packets", [1, 3, 8, 20])
def test_a_window_lets_through_a_window_a_round_trip(packets: int) -> None:
    """Throughput min(b, window / RTT), RTT from a packet's first bit to its acknowledgement's arrival."""
    fabric = path([("50 GB/s", "500 ns"), ("50 GB/s", "500 ns")])
    record = simulate(fabric, messages((0, 1, SIZE)), model=Model(sender=Sender("window", packets * 4096)))
    trip = (
        2 * TX + 4 * LATENCY + 2 * 1_280
    ) * 1e-12  # 64 B of acknowledgement take 1.28 ns on each of two channels
    arrivals = record.arrival_ps
    steady = packets * ((len(arrivals) - 1) // packets)
    rate = steady * 4096 / (float(arrivals[steady] - arrivals[0]) * 1e-12)
    assert rate == within(min(RATE, packets * 4096 / trip), 1e-2)


def test_dctcp_keeps_a_short_queue_and_a_full_link() -> None:
    """Two long flows into one channel: marks shrink the windows, and the channel stays full."""
    ecn = Ecn(10 * 4096, 10 * 4096)
    work = messages((0, 2, 4 * SIZE), (1, 2, 4 * SIZE))
    held = simulate(star(3), work, model=Model(ecn=ecn, sender=Sender("dctcp", 100 * 4096)))
    fixed = simulate(star(3), work, model=Model(ecn=ecn, sender=Sender("window", 100 * 4096)))
    last = held.channels.tolist().index(max(held.channels.tolist()))
    assert held.extras is not None
    assert held.extras.channel_marks.sum() > 0
    assert held.delivered_ps.max() * 1e-12 == within(8 * SIZE / RATE, 5e-2), "the link stays full"
    # the first windows come whole, before any mark can tell; only a fixed window keeps the queue at their size
    assert held.channel_peak[last] <= fixed.channel_peak[last]
    assert fixed.extras is not None
    assert held.extras.channel_marks.sum() < fixed.extras.channel_marks.sum() / 2


def test_dcqcn_cuts_its_rate_by_half_at_the_first_notification() -> None:
    """α starts at 1: R_C becomes half the line rate, until the next notification 50 us later, after the end."""
    fabric = star(3)
    model = Model(ecn=Ecn(0, 0), sender=Sender("dcqcn"))
    record = simulate(fabric, messages((0, 2, 250 * 4096), (1, 2, 250 * 4096)), model=model)
    plain = simulate(fabric, messages((0, 2, 250 * 4096), (1, 2, 250 * 4096)))
    # two flows at half the rate fill the channel they share: as good as at full rate, but for the first queue
    assert record.delivered_ps.max() == within(int(plain.delivered_ps.max()), 2e-2)
    assert record.channel_peak.max() < plain.channel_peak.max() / 2
    alone = simulate(fabric, messages((0, 2, 250 * 4096)), model=model)
    assert alone.extras is not None
    assert alone.extras.channel_marks.sum() == 0
    assert alone.delivered_ps[0] == 251 * TX + 2 * LATENCY, (
        "at line rate nothing queues, so nothing is marked"
    )


@pytest.mark.parametrize("fan_in", [2, 7])
def test_pulls_share_the_receivers_channel_and_bound_its_queue(fan_in: int) -> None:
    """After the first windows packets come at the pace of the channel: the queue never holds more than the windows."""
    window = 30 // fan_in * 4096  # all together a round trip of 27 packets
    rows = [(1 + rank, 0, 2**19) for rank in range(fan_in)]
    record = simulate(star(8), messages(*rows), model=Model(sender=Sender("pull", window)))
    assert record.delivered_ps.max() * 1e-12 == within(fan_in * 2**19 / RATE + 1.08e-6, 2e-2)
    into = record.channels.tolist().index(1)  # the channel from the switch to rank 0
    assert record.channel_peak[into] <= fan_in * window
    spread = record.delivered_ps.max() - record.delivered_ps.min()
    assert spread <= 2 * fan_in * TX, "pulls go round, so all senders end together"


@pytest.mark.parametrize(
    "model",
    [Model(buffer=65_536), Model(buffer=65_536, flow_control="pfc"), Model(sender=Sender("window", 65_536))],
    ids=["credits", "pfc", "window"],
)
def test_a13_incast_is_the_last_links_whatever_holds_senders_back(model: Model) -> None:
    """A13: n·S/B + latency, within 1 %."""
    record = simulate(star(8), messages(*[(rank, 0, 2**19) for rank in range(1, 8)]), model=model)
    assert record.delivered_ps.max() * 1e-12 == within(7 * 2**19 / RATE + 1.08e-6, 1e-2)


@pytest.mark.parametrize(
    "model",
    [
        (Model(buffer=8192, cell=64), Model(buffer=8192, cell=64)),
        (Model(queueing="input", arbiter="round-robin"),) * 2,
        (Model(sender=Sender("window", 8192)),) * 2,
    ],
    ids=["credits", "input", "window"],
)
def test_a18_twice_the_rates_and_half_the_times_take_half(model: tuple[Model, Model]) -> None:
    """A18: to one picosecond per packet and hop; all quantities here are whole picoseconds, so exactly."""
    rng = np.random.default_rng(4)
    rows = [
        (int(a), int((a + d) % 6), 40_960)
        for a, d in zip(rng.integers(0, 6, 12), rng.integers(1, 6, 12), strict=True)
    ]
    slow = simulate(star(6, bandwidth="50 GB/s", latency="500 ns"), messages(*rows), model=model[0])
    fast = simulate(star(6, bandwidth="100 GB/s", latency="250 ns"), messages(*rows), model=model[1])
    assert slow.delivered_ps.tolist() == (2 * fast.delivered_ps).tolist()


FAULTY = [
    Model(buffer=8192),
    Model(buffer=16_384, flow_control="pfc"),
    Model(buffer=8192, flow_control="none", sender=Sender(timeout=5e-6)),
    Model("cut-through", buffer=8192, queueing="voq"),
    Model(sender=Sender("window", 16_384)),
]


@pytest.mark.parametrize("model", FAULTY, ids=["credits", "pfc", "drops", "voq", "window"])
@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_every_byte_arrives_whatever_breaks_and_is_repaired(model: Model, seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = nx.Graph(
        [(rank, "s0") for rank in range(3)] + [(rank, "s1") for rank in range(3, 6)] + [("s0", "s1")]
    )
    fabric = fabric_of(graph)
    ends = [("0", "s0"), ("s0", "s1"), ("s1", "4")]
    faults = [
        LinkDegraded(
            float(rng.uniform(0, 4e-6)), ends[int(rng.integers(3))], float(rng.choice([0.0, 0.3])), 1e-6
        )
        for _ in range(4)
    ]
    rows = [
        (int(a), int((a + d) % 6), int(rng.integers(1, 50_000)))
        for a, d in zip(rng.integers(0, 6, 10), rng.integers(1, 6, 10), strict=True)
    ]
    record = simulate(
        fabric,
        messages(*rows),
        model=model,
        failures=compile_failures(fabric, faults, recovery=Recovery(1e-7)),
    )
    assert record.arrival_bytes.sum() == sum(size for _, _, size in rows)
    assert len(record.arrival_bytes) == record.packets
