"""A4: reduction and multicast in switches.

Formula: pull and multicast of blocks (NVLS) T = S(1 + 1/N)/B; push tree (SHARP) T = S/B; lower bound S/B. Against a
ring, 2(N−1)/(N + 1) and 2(N−1)/N times as fast.
Conditions: ideal switch, pipelined: messages of many packets, latency far below their time. Tolerance: 1 %.
"""

import pytest

import fabricsim as fs
from fabricsim.model import Model
from fabricsim.units import parse_size
from tests.validation.lab import BANDWIDTH, completion, run, shape, within

SIZE = 16 * 2**20
NEAR = {"bandwidth": "50 GB/s", "latency": "5 ns"}


def all_reduce(fabric: fs.Fabric, mode: str, **settings: object) -> float:
    work = fs.all_reduce("16 MiB", algorithm="in-network", mode=mode)
    return completion(fs.simulate(fabric, work, **settings))  # type: ignore[arg-type]


def pulled(n: int, chunks: int, packets: int, mtu: int = 512) -> tuple[fs.Fabric, str, float]:
    """Return a star, the size of an all-reduce of so many chunks of so many packets a rank, and how long it takes.

    Beside the formula, the last round only goes down, (N − 2)/(N + 1) of a chunk, and at the end of each round N
    packets that came at once go down one after another: 1/chunks and 1/packets of the time.
    """
    fabric = shape("star", size=n, link=NEAR)
    size = f"{n * chunks * packets * mtu} B"
    work = fs.all_reduce(size, algorithm="in-network", mode="pull", chunks=chunks)
    return fabric, size, completion(fs.simulate(fabric, work, model=Model(mtu=mtu)))


@pytest.mark.parametrize("n", [4, 8])
def test_push(n: int) -> None:
    took = all_reduce(shape("star", size=n), "push")
    assert took == within(SIZE / BANDWIDTH, 1e-2)
    assert took >= SIZE / BANDWIDTH


PULLS = [(4, 120, 192), pytest.param(8, 192, 192, marks=pytest.mark.campaign)]


@pytest.mark.parametrize(("n", "chunks", "packets"), PULLS)
def test_pull(n: int, chunks: int, packets: int) -> None:
    fabric, size, took = pulled(n, chunks, packets)
    assert took == within(parse_size(size) * (1 + 1 / n) / BANDWIDTH, 1e-2)
    ring = completion(run(fabric, "all-reduce", "ring", size))
    assert ring / took == within(2 * (n - 1) / (n + 1), 1.1e-2)


def test_push_gains_nearly_two_over_a_ring() -> None:
    fabric = shape("star", size=8, link=NEAR)
    ring = completion(run(fabric, "all-reduce", "ring", "16 MiB"))
    assert ring / all_reduce(fabric, "push") == within(2 * 7 / 8, 1e-2)


def test_push_over_two_tiers() -> None:
    """Leaves add up for the spine: every channel carries the data once, so the time is that of one switch."""
    fabric = shape("leaf-spine", leaves=4, hosts=4, spines=1, taper=4)
    result = fs.simulate(fabric, fs.all_reduce("16 MiB", algorithm="in-network", mode="push"))
    assert completion(result) == within(SIZE / BANDWIDTH, 1e-2)
    carried = result.tables["links"]["bytes"]
    assert set(carried.tolist()) == {SIZE}
    assert result.metrics["bytes_injected"] == result.metrics["bytes_delivered"] == 16 * SIZE


@pytest.mark.parametrize("packets", [1, 4, 16, 64])
def test_room_for_few_sums_limits_the_rate(packets: int) -> None:
    """A switch with room for w sums waits for news to go up and packets to come down: w packets a round trip."""
    fabric = shape("star", size=4)
    took = all_reduce(fabric, "push", model=Model(meeting_buffer=packets * 4096))
    # from the first bit of a packet to that of the one let in by its sum: its transmission, the way up, the news back
    trip = 4096 / BANDWIDTH + 2 * 500e-9 + 64 / BANDWIDTH
    assert took == within(max(SIZE / BANDWIDTH, SIZE / (packets * 4096) * trip), 1e-2)


def test_one_meeting_at_a_time_is_slower_and_right() -> None:
    """Eight owners pull through one switch: one after another their packets do not overlap on the way."""
    fabric = shape("star", size=8)
    free = fs.simulate(fabric, fs.reduce_scatter("1 MiB", algorithm="in-network"))
    single = fs.simulate(
        fabric, fs.reduce_scatter("1 MiB", algorithm="in-network"), model=Model(open_meetings=1)
    )
    assert completion(single) > completion(free)
    assert single.metrics["bytes_delivered"] == free.metrics["bytes_delivered"] == 2**20
    # each of the others waits for news of the end of the one before: half a microsecond up, half down, eight times
    assert completion(single) - completion(free) == within(
        7 * (2 * 500e-9 + 64 / BANDWIDTH + 4096 / BANDWIDTH), 0.2
    )


def test_credits_and_input_queues_carry_meetings_too() -> None:
    fabric = shape("leaf-spine", leaves=2, hosts=4, spines=2)
    plain = fs.simulate(fabric, fs.all_reduce("1 MiB", algorithm="in-network", mode="pull"))
    for model in (Model(buffer=2**20), Model(queueing="input"), Model(buffer=16384, cell=64)):
        held = fs.simulate(fabric, fs.all_reduce("1 MiB", algorithm="in-network", mode="pull"), model=model)
        assert held.metrics["bytes_delivered"] == plain.metrics["bytes_delivered"]
        assert completion(held) >= 2**20 / BANDWIDTH


@pytest.mark.parametrize("engine", ["packet", "flow"])
def test_parallel_links_to_one_switch_carry_their_share(engine: str) -> None:
    """An HGX H100 has 5, 4, 4 and 5 links of 25 GB/s to its four switches: pushed, all 450 GB/s are used."""
    fabric = fs.load_topology("hgx-h100")
    result = fs.simulate(fabric, fs.all_reduce("9 MiB", algorithm="in-network", mode="push"), engine=engine)
    rate = result.metrics["algbw_Bps"]
    assert 0.9 * 450e9 < rate <= 450e9
