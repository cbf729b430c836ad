"""The flow engine against packets where both are exact, against fluid formulas, and at its edges."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.collectives import Collective
from fabricsim.engines.flow.pool import Pool
from fabricsim.errors import InputError, StallError
from fabricsim.fabric import Fabric
from fabricsim.schedule import Graph, Meetings, Operation, Round
from fabricsim.topology import resolve
from fabricsim.units import parse_size
from tests.engines.lab import messages, operation, path, star

B = 50e9  # of every link here, B/s
SMALL = fs.Model(mtu=1024, header=40, flit=16)


def shape(kind: str, **keys: Any) -> Fabric:
    return resolve({"shape": kind, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}, **keys})


def run(fabric: Fabric, *work: Any, **settings: Any) -> fs.Result:
    return fs.simulate(fabric, list(work), engine="flow", verified=True, **settings)


def time_of(result: fs.Result) -> float:
    return result.metrics["completion_time_s"]


# -- equal to packets on idle paths -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model", [fs.Model(), fs.Model("cut-through", header=20), SMALL], ids=["sf", "ct", "flits"]
)
@pytest.mark.parametrize("size", [1, 5_000, 1_000_003])
@pytest.mark.parametrize(
    "rates", [("50 GB/s",) * 3, ("50 GB/s", "7 GB/s", "30 GB/s"), ("3 GB/s", "50 GB/s", "9 GB/s")]
)
def test_an_idle_path_takes_what_packets_take(model: fs.Model, size: int, rates: tuple[str, ...]) -> None:
    fabric = path([(rate, f"{100 * (i + 1)} ns") for i, rate in enumerate(rates)], delay="30 ns")
    work = messages((0, 1, size))
    fluid, packets = (fs.simulate(fabric, work, model=model, engine=e) for e in ("flow", "packet"))
    count = packets.metrics["packets"] * len(rates)
    assert abs(time_of(fluid) - time_of(packets)) <= 1e-12 * count


COLLECTIVES = [
    ("ring", {"size": 8}, "all-reduce", "ring"),
    ("full-mesh", {"size": 8}, "all-to-all", "direct"),
    ("full-mesh", {"size": 8}, "all-reduce", "direct"),
    ("star", {"size": 8}, "all-reduce", "halving-doubling"),
    ("star", {"size": 8}, "all-to-all", "pairwise"),
]


@pytest.mark.parametrize(("kind", "keys", "collective", "algorithm"), COLLECTIVES)
def test_one_flow_a_channel_takes_what_packets_take(
    kind: str, keys: dict[str, Any], collective: str, algorithm: str
) -> None:
    fabric, work = shape(kind, **keys), Collective(collective, parse_size("4 MiB"), algorithm)
    fluid, packets = (fs.simulate(fabric, work, engine=e) for e in ("flow", "packet"))
    assert time_of(fluid) == pytest.approx(time_of(packets), rel=1e-9)
    assert fluid.flows["delivered_s"].to_numpy() == pytest.approx(
        packets.flows["delivered_s"].to_numpy(), rel=1e-9
    )
    assert fluid.links["bytes"].to_numpy() == pytest.approx(packets.links["bytes"].to_numpy())
    assert list(fluid.links["channel"]) == list(packets.links["channel"])


def test_endpoints_space_their_messages_as_packets_do() -> None:
    fabric = shape("full-mesh", size=4)
    model = fs.Model(endpoint=fs.Endpoint(send_overhead=1e-6, recv_overhead=2e-6, gap=3e-6))
    work = Collective("all-to-all", parse_size("64 KiB"), "direct")
    fluid, packets = (fs.simulate(fabric, work, model=model, engine=e) for e in ("flow", "packet"))
    assert fluid.flows["delivered_s"].to_numpy() == pytest.approx(
        packets.flows["delivered_s"].to_numpy(), rel=1e-9
    )


def test_operations_wait_for_each_other_as_with_packets() -> None:
    fabric = shape("ring", size=6)
    first = operation(Round(np.array([0, 2]), np.array([1, 3]), 40_000), name="a")
    for barrier in (False, True):
        later = operation(
            Round(np.array([1, 5]), np.array([2, 4]), 90_000),
            name="b",
            after=("a",),
            barrier=barrier,
            start=1e-6,
        )
        fluid, packets = (fs.simulate(fabric, [first, later], engine=e) for e in ("flow", "packet"))
        assert fluid.flows["release_s"].to_numpy() == pytest.approx(
            packets.flows["release_s"].to_numpy(), rel=1e-9
        )


# -- shares of a channel ----------------------------------------------------------------------------------


def test_unequal_flows_share_and_speed_up() -> None:
    # two messages into one rank: half the rate each, until the short one is done
    fabric, tail = star(3), 2 * 500e-9 + 4096 / B
    result = run(fabric, messages((0, 2, 409_600), (1, 2, 1_228_800)))
    ends = result.flows["delivered_s"].to_numpy()
    assert ends[0] == pytest.approx(2 * 409_600 / B + tail, rel=1e-9)
    assert ends[1] == pytest.approx((409_600 + 1_228_800) / B + tail, rel=1e-9)


def test_a_late_flow_takes_its_share_from_then_on() -> None:
    fabric, tail = star(3), 2 * 500e-9 + 4096 / B
    both = Round(
        np.array([0, 1]), np.array([2, 2]), np.array([8_192_000, 409_600]), delay=np.array([0.0, 40e-6])
    )
    ends = run(fabric, operation(both)).flows["delivered_s"].to_numpy()
    assert ends[1] == pytest.approx(40e-6 + 2 * 409_600 / B + tail, rel=1e-9)
    assert ends[0] == pytest.approx((8_192_000 + 409_600) / B + tail, rel=1e-9)


def test_equal_flows_that_start_together_are_solved_once() -> None:
    fabric = shape("fat-tree", k=4)
    notes: list[int] = []
    solve = Pool.solve
    try:
        Pool.solve = lambda pool, *a: (notes.append(1), solve(pool, *a))[1]  # type: ignore[method-assign, assignment]
        result = run(fabric, fs.all_to_all("1 MiB"), routing="ecmp")
    finally:
        Pool.solve = solve  # type: ignore[method-assign]
    assert len(notes) == 1
    assert result.flows["delivered_s"].nunique() > 10


def test_spray_loads_every_path() -> None:
    fabric = shape("leaf-spine", leaves=4, hosts=4, spines=4)
    size = 1_048_576
    result = run(fabric, fs.shift("1 MiB", offset=4), routing="spray")
    # four hosts of each leaf send through four spines: every uplink carries a quarter of four messages
    assert set(result.links["bytes"]) == {size}
    assert time_of(result) == pytest.approx(size / B + 4 * 500e-9 + 3 * 4096 / B, rel=1e-3)


def test_solvers_agree() -> None:
    pytest.importorskip("numba")
    fabric = shape("fat-tree", k=4)
    work = fs.uniform("1 MB", load=0.7, duration="200 us")
    ends = [
        run(fabric, work, routing="ecmp", kernel=kernel, seed=3).flows["delivered_s"].to_numpy()
        for kernel in ("numpy", "numba")
    ]
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)


def test_a_quantum_is_late_by_no_more_than_it_says() -> None:
    fabric, quantum = shape("fat-tree", k=4), 1e-6
    work = fs.uniform("1 MB", load=0.5, duration="100 us")
    exact, coarse = (run(fabric, work, routing="ecmp", seed=1, quantum=q) for q in ("0 s", "1 us"))
    assert any("changes waited" in note for note in coarse.notes)
    took = [(r.flows["delivered_s"] - r.flows["release_s"]).to_numpy() for r in (exact, coarse)]
    error = np.abs(took[1] / took[0] - 1)
    # so few messages that all of them are measured
    told = f"off by {error.mean():.2%} in the mean and {error.max():.2%} at most"
    assert any(told in note and f"{len(error)} of {len(error)} messages" in note for note in coarse.notes)
    late = coarse.flows["delivered_s"] - exact.flows["delivered_s"]
    assert float(late.max()) > 0
    assert float(late.mean()) < 50 * quantum
    assert coarse.digest != exact.digest


# -- meetings and graphs ----------------------------------------------------------------------------------


def test_a_meeting_is_one_flow_over_both_trees() -> None:
    # every rank pushes all its data to the switch, which sends the sum back: S/B, up and down at once
    fabric, size = star(4), 4_096_000
    ranks = np.arange(4)
    meeting = Meetings(np.array([4]), np.array([size]), np.array([0, 4]), ranks, np.array([0, 4]), ranks)
    none = np.zeros(0, np.int64)
    op = Operation(
        "ar", "all-reduce", "in-network", ranks, (Round(none, none, none, meetings=meeting),), size, size
    )
    result = run(fabric, op)
    assert time_of(result) == pytest.approx(size / B + 2 * 500e-9 + 4096 / B, rel=1e-9)
    assert set(result.links["bytes"]) == {size}
    assert len(result.links) == 8


def test_a_graph_waits_for_computations_and_deliveries() -> None:
    fabric = star(3)
    # rank 0 computes 5 us, then sends to 1; 1 sends on to 2 when that is delivered
    graph = Graph(
        np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([0, 40_960, 40_960]), np.array([5e-6, 0, 0]),
        np.array([0, 0, 1, 2]), np.array([0, 1]), np.array([False, False]),
    )  # fmt: skip
    op = Operation("g", "graph", "", np.arange(3), (), 0, 0, graph=graph)
    hop = 40_960 / B + 4096 / B + 2 * 500e-9
    assert run(fabric, op).flows["delivered_s"].to_numpy() == pytest.approx(
        [5e-6 + hop, 5e-6 + 2 * hop], rel=1e-9
    )


# -- failures -----------------------------------------------------------------------------------------------


def test_a_flow_stalls_until_repair_and_then_goes_on() -> None:
    fabric = star(2)
    size, tail = 4_096_000, 2 * 500e-9 + 4096 / B
    down = fs.LinkDown("20 us", ("0", "s0"), repair_after="100 us")
    result = run(fabric, messages((0, 1, size)), failures=[down])
    # what was on the wire, 500 ns of it, is sent again
    assert time_of(result) == pytest.approx(size / B + 100e-6 + 500e-9 + tail, rel=1e-9)


def test_a_degraded_link_slows_what_is_left() -> None:
    fabric = star(2)
    size, tail = 4_096_000, 2 * 500e-9 + 4096 / B
    slow = fs.LinkDegraded("20 us", ("0", "s0"), 0.25)
    result = run(fabric, messages((0, 1, size)), failures=[slow])
    assert time_of(result) == pytest.approx(20e-6 + (size / B - 20e-6) * 4 + tail, rel=1e-9)


def test_a_dead_link_without_repair_is_named() -> None:
    with pytest.raises(
        StallError,
        match=r"nothing moves after 20 us: 1 messages .*\n.*1 flows wait at 0 -> s0, which is down",
    ) as error:
        run(star(2), messages((0, 1, 4_096_000)), failures=[fs.LinkDown("20 us", ("0", "s0"))])
    assert error.value.exit_code == 4


# -- what does not fit --------------------------------------------------------------------------------------


def test_queues_are_refused() -> None:
    with pytest.raises(InputError, match="a fluid has no queues, and buffers are finite; use engine: packet"):
        run(star(2), messages((0, 1, 4096)), model=fs.Model(buffer=65536))


def test_a_kernel_of_the_other_engine_is_refused() -> None:
    with pytest.raises(InputError, match="the flow engine has no kernel 'simpy'"):
        run(star(2), messages((0, 1, 4096)), kernel="simpy")


def test_bytes_in_are_bytes_out_and_halving_halves() -> None:
    # A18, in the fluid limit: packets of a byte on links without latency
    fluid = fs.Model(mtu=1)
    times = []
    for bandwidth in ("1 GB/s", "2 GB/s"):
        fabric = resolve(
            {"shape": "torus", "size": [3, 3], "link": {"bandwidth": bandwidth, "latency": "0 ns"}}
        )
        result = run(fabric, fs.all_to_all("9 kB"), model=fluid)
        assert result.metrics["bytes_injected"] == result.metrics["bytes_delivered"]
        times.append(time_of(result))
    assert times[0] == pytest.approx(2 * times[1], rel=1e-9)


def test_flows_split_over_more_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a fat tree of k = 4, 240 pairs split over 6 to 14 channels: told from a sample before any split is made."""
    monkeypatch.setattr("fabricsim.engines.flow.transfers.SAMPLE", 24)
    monkeypatch.setattr("fabricsim.engines.flow.transfers.MAX_PARTS", 1000)
    fabric = fs.load_scenario("fat-tree-permutation").replace(topology={
        "shape": "fat-tree", "k": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"},
    }).fabric()  # fmt: skip
    pairs = fs.all_to_all("1 MiB").on(range(15))  # not all ranks, so no symmetry
    with pytest.raises(fs.InputError, match=r"spray splits 210 flows over \d+ channels each"):
        fs.simulate(fabric, pairs, routing="spray", engine="flow")


def test_the_warm_up_is_left_out_of_latency() -> None:
    """As with packets: at the top and for each entry, figures are those of what is released after the warm-up."""
    rng = np.random.default_rng(5)
    delay, src = np.sort(rng.random(400) * 40e-6), rng.integers(0, 4, 400)
    warm = Round(src, (src + 1) % 4, np.full(400, 4096), delay=delay)
    ranks = np.arange(4)
    work = Operation("a", "uniform", "", ranks, (warm,), 4096, 4096, warmup=20e-6)
    plain = Operation("b", "shift", "", ranks, (Round([0], [2], [4096]),), 4096, 4096)
    result = run(star(4), work, plain)
    flows = result.flows
    late = flows["release_s"] >= delay[0] + 20e-6 - 5e-13
    assert 0 < late.sum() < 400
    of_a = flows["latency_s"][late & (flows["operation"] == "a")]
    assert result.operation("a").metrics["latency_mean_s"] == pytest.approx(of_a.mean(), rel=1e-9)
    every = flows["latency_s"][late | (flows["operation"] == "b")]
    assert result.metrics["latency_mean_s"] == pytest.approx(every.mean(), rel=1e-9)
    assert result.metrics["latency_max_s"] == every.max()


def test_repeats_in_the_warm_up_are_told_apart_from_those_after_it() -> None:
    """Of ten equal steps five begin after 0.45 of the time, two messages each."""
    step = Round([0, 1], [1, 0], [4_096_000, 4_096_000], repeat=10)
    op = Operation("a", "steps", "", np.arange(2), (step,), 4_096_000, 4_096_000)
    whole = time_of(run(star(2), op))
    result = run(star(2), replace(op, warmup=0.45 * whole))
    late = result.flows[result.flows["release_s"] >= 0.45 * whole]
    assert len(late) == 5 * 2
    assert result.metrics["latency_mean_s"] == pytest.approx(late["latency_s"].mean(), rel=1e-9)
    assert time_of(result) == pytest.approx(whole, rel=1e-9)


def test_a_warm_up_longer_than_the_run_leaves_no_latency_and_says_so() -> None:
    op = Operation("early", "shift", "", np.arange(2), (Round([0], [1], [4096]),), 4096, 4096, warmup=1.0)
    result = run(star(2), op)
    assert not [name for name in result.metrics if "latency" in name]
    assert any("'early' releases nothing after its warm-up of 1 s" in note for note in result.notes)
