"""Networks with feedback: against the naive simulator, against the plain kernel, and what is said when they jam."""

from dataclasses import fields, replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.engines.chance import share_of, splitmix64_of
from fabricsim.engines.feedback import FeedbackKernel
from fabricsim.engines.kernel import Kernel
from fabricsim.engines.packet import simulate_packets
from fabricsim.engines.waiting import circle_in
from fabricsim.errors import StallError
from fabricsim.fabric import Fabric
from fabricsim.failures import LinkDown, Recovery, compile_failures
from fabricsim.model import Ecn, Model, Sender
from fabricsim.routing import Routes, Routing, routes, splitmix64
from fabricsim.schedule import Operation, Schedule
from tests.engines.lab import fabric_of, messages, simulate, star
from tests.engines.naive import random_fabric
from tests.engines.naive_feedback import Naive
from tests.validation.lab import within

TX = 81_920
LATENCY = 500_000


def random_traffic(rng: np.random.Generator, ranks: int) -> Operation:
    """Return a dozen messages at most, of sizes that make ties likely."""
    count = int(rng.integers(1, 12))
    src = rng.integers(0, ranks, count)
    dst = (src + rng.integers(1, ranks, count)) % ranks
    size = rng.choice([1, 512, 4096, 5000, 20_000], count)
    return messages(*zip(src.tolist(), dst.tolist(), size.tolist(), strict=True))


def random_model(rng: np.random.Generator, switching: str) -> Model:
    """Return a model with some of everything that the naive simulator knows."""
    mtu = int(rng.choice([512, 4096]))
    header, cell = int(rng.choice([0, 64])), int(rng.choice([1, 160]))
    full = -(-(mtu + header) // cell) * cell
    flow = str(rng.choice(["infinite", "credits", "pfc"]))
    room = {}
    if flow != "infinite":
        room = {"buffer": int(full * rng.integers(1, 6)), "flow_control": flow}
        room |= {"cell": cell, "credit_delay": float(rng.choice([0, 1e-7]))} if flow == "credits" else {}
    window = int(mtu * rng.integers(1, 5))
    return Model(
        switching, mtu, header,
        queueing=str(rng.choice(["output", "input", "voq"])),
        arbiter=str(rng.choice(["oldest", "round-robin", "random"])),
        ecn=Ecn(int(rng.choice([0, 4096])), 8192, 0.5) if rng.random() < 0.5 else None,
        sender=Sender("window", window) if rng.random() < 0.5 else Sender(),
        **room,
    )  # fmt: skip


@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(["minimal", "ecmp", "spray"]))
def test_random_networks_with_feedback(switching: str, seed: int, policy: str) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(rng, switching)
    # a head that needs no time for a hop makes an instant of many hops, which the naive one plays in rounds
    fabric = random_fabric(rng, zero_latency=switching == "store-and-forward" or model.header > 0)
    schedule = Schedule((random_traffic(rng, fabric.ranks),))
    paths = routes(fabric, schedule.messages, Routing(policy), model, seed)
    naive = Naive(fabric, schedule.messages, paths, model, seed)
    expected = naive.run()
    healthy = compile_failures(fabric, ())
    kernel = FeedbackKernel(fabric, schedule, paths, healthy, model, seed)
    if min(expected.delivered) < 0:  # buffers in a circle: both get stuck
        with pytest.raises(StallError, match="in a circle"):
            kernel.run()
        return
    record = kernel.run()
    assert record.delivered_ps.tolist() == expected.delivered
    assert record.extras is not None
    assert record.extras.channel_marks.sum() == expected.marked
    assert record.arrival_bytes.sum() == schedule.messages.size.sum()
    assert record.dropped == expected.dropped == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), flow=st.sampled_from(["credits", "pfc", "none"]))
def test_buffers_that_never_fill_change_nothing(seed: int, flow: str) -> None:
    """Then a packet waits for the channel alone, and every number is the plain kernel's."""
    rng = np.random.default_rng(seed)
    fabric = random_fabric(rng, zero_latency=True)
    schedule = Schedule((random_traffic(rng, fabric.ranks),))
    plain = Model(header=int(rng.choice([0, 64])))
    wide = replace(plain, buffer=2**40, flow_control=flow, sender=Sender(timeout=1.0))
    paths = routes(fabric, schedule.messages, Routing("ecmp"), plain, seed)
    healthy = compile_failures(fabric, ())
    one = Kernel(fabric, schedule, paths, healthy, plain, seed).run()
    other = FeedbackKernel(fabric, schedule, paths, healthy, wide, seed).run()
    for name in {f.name for f in fields(one)} - {"extras", "channel_peak"}:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    # the plain kernel knows the backlog as time, rounded up per packet
    assert np.all(np.abs(one.channel_peak - other.channel_peak) <= one.channel_packets)


LOSSY = [
    Model(buffer=8192, flow_control="none", sender=Sender(timeout=5e-6)),
    Model(buffer=8192, flow_control="none", sender=Sender(loss="go-back-n", timeout=5e-6)),
    Model(buffer=8192, flow_control="none", sender=Sender("window", 16384, timeout=5e-6)),
    Model(buffer=8192, flow_control="none", sender=Sender("pull", 8192, timeout=5e-6)),
    Model(buffer=16384, flow_control="pfc", headroom=0, pause=8192, sender=Sender(timeout=5e-6)),
    Model(
        buffer=8192,
        flow_control="none",
        ecn=Ecn(4096, 8192, 0.5),
        sender=Sender("dctcp", 8192, loss="go-back-n"),
    ),
    Model(buffer=8192, flow_control="none", ecn=Ecn(4096, 8192), sender=Sender("dcqcn", timeout=5e-6)),
]


@pytest.mark.parametrize("model", LOSSY, ids=lambda m: f"{m.flow_control}-{m.sender.kind}-{m.sender.loss}")
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(["ecmp", "spray"]))
def test_every_byte_arrives_once_whatever_is_dropped(model: Model, seed: int, policy: str) -> None:
    rng = np.random.default_rng(seed)
    fabric = random_fabric(rng, zero_latency=False)
    rows = [(int(a), int((a + d) % fabric.ranks), int(s)) for a, d, s in zip(
        rng.integers(0, fabric.ranks, 10), rng.integers(1, fabric.ranks, 10), rng.integers(1, 60_000, 10), strict=True
    )]  # fmt: skip
    record = simulate(fabric, messages(*rows), model=model, policy=policy, seed=seed)
    assert record.extras is not None
    assert record.arrival_bytes.sum() == sum(size for _, _, size in rows)
    assert len(record.arrival_bytes) == record.packets == sum(model.packets(size) for _, _, size in rows)
    assert record.dropped <= 4096 * record.extras.channel_drops.sum()
    assert record.retransmitted >= record.dropped, "what was dropped was sent again, and some in vain"
    assert np.all(record.sent_ps <= record.delivered_ps)


def test_a_drop_is_sent_again_after_the_timeout() -> None:
    """Two packets from each of two ranks, into a switch that holds one of each channel: one channel has to wait."""
    fabric = star(3)
    model = Model(buffer=4096, flow_control="none", sender=Sender(timeout=20e-6))
    record = simulate(fabric, messages((0, 2, 8192), (1, 2, 8192)), model=model)
    # rank 0's first packet leaves when its second one comes; rank 1's first one still waits for the channel
    assert record.extras is not None
    assert record.extras.channel_drops.tolist() == [0, 1, 0]
    lost_left = 2 * TX
    assert record.delivered_ps[1] == lost_left + 20 * 10**6 + 2 * (TX + LATENCY)
    assert record.delivered_ps[0] == 4 * TX + 2 * LATENCY
    assert record.retransmitted == record.dropped == 4096
    assert record.extras.duplicates == record.extras.discarded == 0


def test_nothing_is_sent_again_where_nothing_can_be_lost() -> None:
    """PFC with the headroom that loses nothing: packets that pauses hold up for long are not given up."""
    model = Model(buffer=16_384, flow_control="pfc", sender=Sender(timeout=1e-6))
    record = simulate(star(5), messages(*[(rank, 4, 2**17) for rank in range(4)]), model=model)
    assert record.extras is not None
    assert record.extras.channel_pauses.sum() > 0
    assert (record.retransmitted, record.extras.duplicates) == (0, 0)
    assert record.delivered_ps.max() == within(128 * TX + 2 * LATENCY + TX, 2e-2)


def test_a_deadlock_ends_with_the_circle_of_buffers() -> None:
    """A ring without lanes: every buffer is full of packets that want the next one."""
    fabric = fabric_of(nx.cycle_graph(4))
    rows = [(rank, (rank + 2) % 4, 20 * 4096) for rank in range(4)]
    paths_go_round = [(rank, (rank + 1) % 4) for rank in range(4)]
    model = Model(buffer=4096)
    schedule = Schedule((messages(*rows),))
    paths = routes(fabric, schedule.messages, Routing(), model, 0)
    around = clockwise(fabric, paths, [row[:2] for row in rows])
    with pytest.raises(StallError) as caught:
        simulate_packets(fabric, schedule, around, compile_failures(fabric, ()), model)
    text = str(caught.value)
    assert caught.value.exit_code == 4
    assert "buffers wait for each other in a circle (deadlock)" in text
    for a, b in paths_go_round:
        assert f"{a} -> {b} (lane 0) waits for credits of {b} -> {(b + 1) % 4} (lane 0)" in text
    enough = replace(model, buffer=40 * 4096)
    done = simulate_packets(fabric, schedule, around, compile_failures(fabric, ()), enough)
    assert done.arrival_bytes.sum() == 4 * 20 * 4096


def clockwise(fabric: Fabric, paths: Routes, ends: list[tuple[int, int]]) -> Routes:
    """Return the same routes, each leading over the next rank."""
    channel = {
        (int(a), int(b)): c
        for c, (a, b) in enumerate(zip(fabric.channel_src, fabric.channel_dst, strict=True))
    }
    hops = [channel[step] for a, b in ends for step in ((a, (a + 1) % 4), ((a + 1) % 4, b))]
    return replace(paths, channels=np.array(hops))


def test_a_circle_is_found_among_chains() -> None:
    chain = [((0, 0), (1, 0)), ((1, 0), (2, 0))]
    assert circle_in(chain) == []
    assert circle_in([*chain, ((2, 0), (1, 0)), ((5, 0), (0, 0))]) == [(1, 0), (2, 0)]


@pytest.mark.parametrize("words", [(0,), (1, 2, 3), (2**63 - 1, 0, 10**12), (7,) * 5])
def test_hashes_of_single_words_are_those_of_arrays(words: tuple[int, ...]) -> None:
    assert splitmix64_of(*words) == int(splitmix64(*words))
    assert share_of(*words) == (int(splitmix64(*words)) >> 11) / 2**53


def test_what_is_in_flight_when_a_link_breaks_gives_its_credits_back() -> None:
    """The link of the far rank breaks and comes back; all that was lost is sent again within the same few credits."""
    fabric = star(3)
    fault = LinkDown("1 us", ("s0", "2"), repair_after="2 us")
    for model in (
        Model(buffer=8192),
        Model(buffer=16384, flow_control="pfc"),
        Model("cut-through", buffer=8192),
    ):
        record = simulate(
            fabric, messages((0, 2, 200_000), (1, 2, 200_000)), model=model,
            failures=compile_failures(fabric, [fault], recovery=Recovery(1e-7)),
        )  # fmt: skip
        assert record.arrival_bytes.sum() == 400_000
        assert record.dropped == record.retransmitted > 0
