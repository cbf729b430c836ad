"""Latency figures: of packets and of messages, from generation on, after a warm-up, and whether traffic piles up."""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.schedule import Operation, Round, Schedule
from tests.engines.lab import messages, operation
from tests.validation.lab import ALPHA, BANDWIDTH, shape, within

TX, LATENCY = 81_920, 500_000


def figures(latency_ps: np.ndarray, of: str = "") -> dict[str, float]:
    """Return what the figures of some latencies must be, by sorting them."""
    ordered = np.sort(latency_ps)
    rank = [ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 99)]
    values = (latency_ps.mean(), *rank, ordered[-1])
    return {
        f"{of}latency_{name}_s": v * 1e-12
        for name, v in zip(("mean", "p50", "p99", "max"), values, strict=True)
    }


@pytest.mark.parametrize("kernel", ["simpy", "numpy"])
def test_packets_wait_at_their_source_from_the_messages_release_on(kernel: str) -> None:
    """Packet k of a message on one channel: k packets before it, its own transmission, and the latency."""
    work = Schedule((messages((0, 1, 500 * 4096)),))
    result = fs.simulate(shape("line", size=2), work, kernel=kernel)
    expected = figures(np.arange(1, 501) * TX + LATENCY, "packet_")
    assert expected == pytest.approx({name: result.metrics[name] for name in expected}, rel=1e-12)
    assert result.metrics["latency_p50_s"] == result.metrics["packet_latency_max_s"], (
        "the message ends with its last"
    )


def test_overheads_are_part_of_a_packets_latency_but_receiving_is_not() -> None:
    model = fs.Model(endpoint=fs.Endpoint(send_overhead=1e-6, recv_overhead=2e-6))
    result = fs.simulate(shape("line", size=2), Schedule((messages((0, 1, 4096)),)), model=model)
    assert result.metrics["packet_latency_max_s"] == within(1e-6 + (TX + LATENCY) * 1e-12, 1e-9)
    assert result.metrics["latency_max_s"] == within(3e-6 + (TX + LATENCY) * 1e-12, 1e-9)


@pytest.mark.parametrize("kernel", ["simpy", "numpy"])
def test_the_warm_up_is_left_out_at_the_top_and_for_each_entry(kernel: str) -> None:
    """Messages of one packet each: figures of messages and packets are those of what is released after the warm-up."""
    rng = np.random.default_rng(5)
    delay = np.sort(np.round(rng.random(400) * 40e-6, 12))
    src = rng.integers(0, 4, 400)
    work = operation(Round(src, (src + 1) % 4, np.full(400, 4096), delay=delay), name="a", warmup=20e-6)
    plain = operation(Round([0], [2], [4096]), name="b")
    result = fs.simulate(shape("star", size=4), Schedule((work, plain)), kernel=kernel)
    flows = result.flows
    first = flows["release_s"][flows["operation"] == "a"].min()
    counts = (flows["operation"] == "b") | (flows["release_s"] >= first + 20e-6)
    for metrics, which in (
        (result.metrics, counts),
        (result.operation("a").metrics, counts & (flows["operation"] == "a")),
    ):
        latency = np.rint(flows["latency_s"][which].to_numpy() * 1e12)
        for of in ("", "packet_"):
            expected = figures(latency, of)
            assert expected == pytest.approx({name: metrics[name] for name in expected}, rel=1e-12)


def test_both_kernels_give_the_same_figures_and_digest() -> None:
    work = fs.uniform("10 kB", load=0.6, duration="20 us")
    fabric = shape("leaf-spine", leaves=3, hosts=3, spines=3)
    one, other = (fs.simulate(fabric, work, routing="spray", kernel=kernel) for kernel in ("simpy", "numpy"))
    assert (one.metrics, one.digest) == (other.metrics, other.digest)
    assert one.metrics["packet_latency_mean_s"] < one.metrics["latency_mean_s"]


@pytest.mark.parametrize(("load", "piles_up"), [(0.3, False), (0.6, False), (0.97, True)])
def test_open_loop_traffic_says_whether_it_piles_up(load: float, piles_up: bool) -> None:
    """A header of a tenth leaves 91 % for payload. The network is filled in the first half: without warm-up too."""
    model = fs.Model(mtu=1000, header=100)
    work = fs.uniform("1 kB", load=load, duration="40 us")
    found = fs.simulate(shape("star", size=8), work, model=model).operations[0].metrics
    assert found["saturated"] is piles_up
    if not piles_up:
        assert found["data_rate_Bps"] == within(8 * load * BANDWIDTH, 0.1), (
            "5 k messages, and 1 us to fill the network"
        )


def test_a_warm_up_longer_than_the_run_leaves_no_figures_and_says_so() -> None:
    late = operation(Round([0], [1], [4096]), name="early", warmup=1.0)
    result = fs.simulate(shape("line", size=2), Schedule((late,)))
    assert not [name for name in result.metrics if "latency" in name]
    assert result.metrics["completion_time_s"] == within(4096 / BANDWIDTH + ALPHA, 1e-6)
    assert any("'early' releases nothing after its warm-up of 1 s" in note for note in result.notes)


def test_packets_of_operations_are_told_apart() -> None:
    """Two operations over channels of their own: each has the figures that it has alone."""
    fabric = shape("star", size=4)
    a, b = operation(Round([0], [1], [40_960]), name="a"), operation(Round([2], [3], [9 * 4096]), name="b")
    both = fs.simulate(fabric, Schedule((a, b)))
    alone: list[Operation] = [a, b]
    for op in alone:
        assert (
            both.operation(op.name).metrics == fs.simulate(fabric, Schedule((op,))).operation(op.name).metrics
        )
