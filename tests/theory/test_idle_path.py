"""A5: one message over an idle path, against the formula of the model, a plain recursion, and the packet engine."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.fabric import Fabric
from fabricsim.model import SWITCHING, Endpoint, Model, transmit_ps
from fabricsim.theory.idle_path import Path, message_ps, path_of
from fabricsim.units import to_ps
from tests.engines import lab

RATES = st.integers(10**9, 10**12)
TIMES = st.integers(0, 10**6)
HOPS = st.lists(st.tuples(RATES, TIMES, TIMES), min_size=1, max_size=6)
MODELS = st.builds(
    Model,
    switching=st.sampled_from(SWITCHING),
    mtu=st.integers(1, 512),
    header=st.integers(0, 64),
    flit=st.sampled_from([1, 8, 32]),
)
SIZES = st.integers(1, 5000)


def path_over(hops: list[tuple[int, int, int]]) -> Path:
    bandwidth, latency, delay = zip(*hops, strict=True)
    return Path(bandwidth, latency, delay)


def packets(size: int, path: Path, model: Model) -> list[list[int]]:
    """Return the transmit time of each packet on each channel."""
    whole, rest = divmod(size, model.mtu)
    payloads = [model.mtu] * whole + [rest] * (rest > 0)
    return [[transmit_ps(model.wire(payload), rate) for rate in path.bandwidth] for payload in payloads]


def by_formula(size: int, path: Path, model: Model) -> int:
    """The store-and-forward formula, term by term."""
    times = packets(size, path, model)
    m, s, count = times[0], times[-1], len(times)
    if count == 1:
        return path.fixed_ps + sum(s)
    ways = (sum(m[: i + 1]) + (count - 2) * max(m[: i + 1]) + sum(s[i:]) for i in range(len(m)))
    return path.fixed_ps + max(ways)


def by_recursion(size: int, path: Path, model: Model) -> int:
    """Every packet on every channel, one after the other."""
    free = [0] * len(path.bandwidth)
    arrival = 0
    for times in packets(size, path, model):
        head_in, tail_in = 0, None
        for hop, time in enumerate(times):
            ready = head_in
            if tail_in is not None:
                cut = model.switching == "cut-through"
                ready = max(head_in, tail_in - time) if cut else tail_in
            start = max(ready, free[hop])
            free[hop] = start + time
            far = path.latency_ps[hop] + path.delay_ps[hop]
            head_in = start + transmit_ps(model.wire(0), path.bandwidth[hop]) + far
            tail_in = start + time + far
        arrival = tail_in or 0
    return arrival


@given(hops=HOPS, model=MODELS, size=SIZES)
def test_store_and_forward_is_the_formula(hops: list[tuple[int, int, int]], model: Model, size: int) -> None:
    path = path_over(hops)
    plain = Model("store-and-forward", model.mtu, model.header, model.flit)
    assert message_ps(size, path, plain) == by_formula(size, path, plain)


@given(hops=HOPS, model=MODELS, size=SIZES)
def test_following_two_packets_is_following_all(
    hops: list[tuple[int, int, int]], model: Model, size: int
) -> None:
    path = path_over(hops)
    assert message_ps(size, path, model) == by_recursion(size, path, model)


@given(hops=st.integers(1, 9), latency=TIMES, delay=TIMES, size=SIZES)
def test_one_packet_over_equal_links(hops: int, latency: int, delay: int, size: int) -> None:
    rate = 10**10
    path = Path((rate,) * hops, (latency,) * hops, (delay,) * (hops - 1) + (0,))
    fixed = hops * latency + (hops - 1) * delay
    time = transmit_ps(size, rate)
    assert path.fixed_ps == fixed
    assert message_ps(size, path, Model("cut-through", mtu=5000)) == time + fixed
    assert message_ps(size, path, Model("store-and-forward", mtu=5000)) == hops * time + fixed


@given(hops=HOPS, model=MODELS, size=SIZES)
def test_cut_through_is_never_later(hops: list[tuple[int, int, int]], model: Model, size: int) -> None:
    path = path_over(hops)
    store, cut = (message_ps(size, path, Model(s, model.mtu, model.header, model.flit)) for s in SWITCHING)
    assert cut <= store


def test_overheads_come_on_top() -> None:
    path = Path((10**9,), (1000,), (0,))
    endpoint = Endpoint(send_overhead=3e-6, recv_overhead=2e-6)
    assert message_ps(100, path, Model(endpoint=endpoint)) == message_ps(100, path, Model()) + to_ps(5e-6)


def fabric_and_path(hops: list[tuple[int, int]], delay: int) -> tuple[Fabric, Path]:
    fabric = lab.path([(f"{rate} B/s", f"{latency} ps") for rate, latency in hops], f"{delay} ps")
    node, channels = 0, []
    while node != 1:
        (channel,) = (
            c
            for c in np.nonzero(fabric.channel_src == node)[0].tolist()
            if not channels or c // 2 != channels[-1] // 2
        )
        channels.append(channel)
        node = int(fabric.channel_dst[channel])
    return fabric, path_of(fabric, channels)


@settings(max_examples=60, deadline=None)
@given(
    hops=st.lists(st.tuples(RATES, st.integers(1, 10**6)), min_size=1, max_size=4),
    delay=TIMES,
    model=MODELS,
    size=st.integers(1, 3000),
)
def test_the_packet_engine_agrees(hops: list[tuple[int, int]], delay: int, model: Model, size: int) -> None:
    fabric, path = fabric_and_path(hops, delay)
    record = lab.simulate(fabric, lab.messages((0, 1, size)), model=model)
    assert int(record.delivered_ps[0]) == message_ps(size, path, model)


def test_the_receivers_delay_does_not_count() -> None:
    _, path = fabric_and_path([(10**9, 10), (10**9, 20), (10**9, 30)], 7)
    assert path.latency_ps == (10, 20, 30)
    assert path.delay_ps == (7, 7, 0)


@pytest.mark.parametrize("size", [4096, 4097, 8192, 10**6])
def test_a_long_message_costs_one_bottleneck_and_one_packet_per_other_hop(size: int) -> None:
    # on equal links every packet but the first adds one transmission, whatever the number of hops
    rate, hops, model = 10**12, 5, Model(mtu=4096)
    path = Path((rate,) * hops, (0,) * hops, (0,) * hops)
    full, last = transmit_ps(4096, rate), transmit_ps(model.last_payload(size), rate)
    count = model.packets(size)
    if count == 1:
        assert message_ps(size, path, model) == hops * last
    else:
        # the last, shorter packet catches up with the one before it, and ends one short transmission later
        assert message_ps(size, path, model) == (count - 2 + hops) * full + last
