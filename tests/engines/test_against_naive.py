"""The kernel plans ahead; a naive simulator with explicit queues must see the same picoseconds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.engines.packet import simulate_packets
from fabricsim.failures import compile_failures
from fabricsim.model import Model
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Schedule
from tests.engines.lab import messages
from tests.engines.naive import naive_delivery, random_fabric


@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    policy=st.sampled_from(["minimal", "ecmp", "spray"]),
    header=st.sampled_from([0, 64]),
)
def test_random_traffic_on_random_fabrics(switching, seed, policy, header) -> None:
    rng = np.random.default_rng(seed)
    # a head that needs no time for a hop makes an instant of many hops, which the naive one plays in rounds
    fabric = random_fabric(rng, zero_latency=switching == "store-and-forward" or header > 0)
    model = Model(
        switching=switching, mtu=int(rng.choice([512, 4096])), header=header, flit=int(rng.choice([1, 20]))
    )
    count = int(rng.integers(1, 12))
    src = rng.integers(0, fabric.ranks, count)
    dst = (src + rng.integers(1, fabric.ranks, count)) % fabric.ranks
    size = rng.choice([1, 512, 4096, 5000, 20_000], count)
    schedule = Schedule((messages(*zip(src.tolist(), dst.tolist(), size.tolist(), strict=True)),))
    paths = routes(fabric, schedule.messages, Routing(policy), model, seed)
    record = simulate_packets(fabric, schedule, paths, compile_failures(fabric, ()), model)
    assert record.delivered_ps.tolist() == naive_delivery(fabric, schedule.messages, paths, model)
    assert record.arrival_bytes.sum() == size.sum()
