"""A6: one server with Poisson arrivals.

Formula: M/M/1 W = s/(1 − ρ), M/D/1 W = s·(1 + ρ/(2(1 − ρ))), with mean service time s and load ρ
(Kleinrock, Queueing Systems I, sections 3.2 and 5.6).
Conditions: the shipped scenarios queue-mm1 and queue-md1, one packet a message, two channels as servers: 1e6 packets
at ρ ≤ 0.8, 1e7 at 0.9, three seeds; W is packet latency less the link's. Tolerance: 2 %.
"""

import pytest

import fabricsim as fs
from fabricsim.engines import packet_routes
from fabricsim.engines.kernels.choice import simulate_arrays
from fabricsim.run import job_of
from tests.validation.lab import ALPHA, BANDWIDTH, within

SERVICE = 100_000 / BANDWIDTH
QUEUES = {
    "queue-mm1": lambda load: SERVICE / (1 - load),
    "queue-md1": lambda load: SERVICE * (1 + load / (2 * (1 - load))),
}


def scenario(queue: str, load: float, packets: float, seed: int, kernel: str) -> fs.Scenario:
    """Return the scenario of a queue with about so many packets over both servers."""
    changes = {
        "workload.q.load": f"{load:.0%}",
        "workload.q.duration": f"{packets / 2 * SERVICE / load * 1e3:.3f} ms",
    }
    return fs.load_scenario(queue).replace(seed=seed, kernel=kernel, **changes)


def run(queue: str, load: float, packets: float, seed: int, kernel: str) -> fs.Result:
    """Return the run of such a scenario."""
    result = scenario(queue, load, packets, seed, kernel).run()
    assert result.metrics["packets"] == within(packets, 1e-2)
    assert result.metrics["packet_latency_mean_s"] == result.metrics["latency_mean_s"]
    return result


@pytest.mark.parametrize("queue", QUEUES)
def test_a_queue_of_moderate_load(queue: str) -> None:
    found = run(queue, 0.5, 1e5, 1, "numpy").metrics["packet_latency_mean_s"] - ALPHA
    assert found == within(QUEUES[queue](0.5), 2e-2)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("queue", QUEUES)
def test_a_million_packets(queue: str, load: float, seed: int) -> None:
    found = run(queue, load, 1e6, seed, "numpy").metrics["packet_latency_mean_s"] - ALPHA
    assert found == within(QUEUES[queue](load), 2e-2)


@pytest.mark.campaign
@pytest.mark.parametrize(("queue", "packets"), [("queue-mm1", 1e6), ("queue-md1", 2e5)])
def test_the_event_loop_gives_the_same_million(queue: str, packets: float) -> None:
    """One case on both kernels: the digests cover every packet's arrival."""
    one, other = (run(queue, 0.8, packets, 1, kernel) for kernel in ("simpy", "numpy"))
    assert (one.digest, one.metrics) == (other.digest, other.metrics)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("queue", QUEUES)
def test_ten_million_packets_at_nine_tenths(queue: str, seed: int) -> None:
    """The kernel alone: tables and digest of so many messages would take longer than the queue does."""
    job = job_of(scenario(queue, 0.9, 1e7, seed, "numpy"))
    paths = packet_routes(job.fabric, job.schedule, job.routing, job.model, job.seed)
    record = simulate_arrays(job.fabric, job.schedule, paths, job.failures, job.model, job.seed)
    assert record.packets == within(1e7, 1e-2)
    warm = record.release_ps >= 10**9
    mean = (record.delivered_ps - record.release_ps)[warm].mean() * 1e-12
    assert mean - ALPHA == within(QUEUES[queue](0.9), 2e-2)
