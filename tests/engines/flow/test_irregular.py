"""Flows that split over paths of different rates: the slowest of them binds, whichever path shows the hops."""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.schedule import Schedule
from fabricsim.topology import resolve
from tests.engines.lab import fabric_of, messages
from tests.engines.naive import random_fabric


@pytest.mark.parametrize("seed", [1113, 1366, 1388, *range(2000, 2060)])
def test_a_sprayed_message_is_there_after_it_was_sent_and_no_sooner_than_it_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fabric = random_fabric(rng, zero_latency=False)
    rows = [
        (*(int(rank) for rank in rng.choice(fabric.ranks, 2, replace=False)), int(rng.integers(1, 90_000)))
        for _ in range(5)
    ]
    # the run itself refuses to beat its bound
    result = fs.simulate(fabric, Schedule((messages(*rows),)), routing="spray", engine="flow")
    assert (result.flows["delivered_s"] >= result.flows["sent_s"]).all()


def test_the_slow_half_of_a_split_flow_holds_it_back() -> None:
    """Two paths of two links, one half as fast: at equal shares the flow runs at twice the slow one's rate."""
    import networkx as nx

    graph = nx.Graph()
    for node in ("a", "b"):
        graph.add_node(node, kind="npu")
    for name, rate in (("fast", "50 GB/s"), ("slow", "25 GB/s")):
        graph.add_node(name, kind="switch")
        for node in ("a", "b"):
            graph.add_edge(node, name, bandwidth=rate, latency="100 ns")
    size = 64 * 4096 * 1000
    work = Schedule((messages((0, 1, size)),))
    flow, packet = (
        fs.simulate(fabric_of(graph), work, routing="spray", engine=engine).metrics["completion_time_s"]
        for engine in ("flow", "packet")
    )
    assert flow == pytest.approx(size / 50e9 + 200e-9, rel=1e-4)
    assert flow == pytest.approx(packet, rel=1e-4)


def test_equal_paths_take_what_packets_take_within_one() -> None:
    link = {"bandwidth": "50 GB/s", "latency": "500 ns"}
    fabric = resolve({"shape": "leaf-spine", "leaves": 2, "hosts": 1, "spines": 2, "link": link})
    work = Schedule((messages((0, 1, 4096 * 1000)),))
    flow, packet = (
        fs.simulate(fabric, work, routing="spray", engine=engine).metrics["completion_time_s"]
        for engine in ("flow", "packet")
    )
    assert flow == pytest.approx(packet, abs=1.01 * 4096 / 50e9)
