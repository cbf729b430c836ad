"""A6: one server with Poisson arrivals.

Formula: M/M/1 W = s/(1 − ρ), M/D/1 W = s·(1 + ρ/(2(1 − ρ))), with mean service time s and load ρ
(Kleinrock, Queueing Systems I, sections 3.2 and 5.6).
Conditions: one channel between two NPUs, one packet a message, sizes exponential or fixed, 1e6 packets, three seeds;
W is the time to the last bit's arrival, less the link's latency. Tolerance: 2 %.
"""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.random_streams import generator
from fabricsim.schedule import Operation, Round, Schedule
from tests.validation.lab import ALPHA, BANDWIDTH, shape, within

PACKETS = 1_000_000
MEAN_BYTES = 100_000  # whole bytes are then fine enough for an exponential size
SERVICE = MEAN_BYTES / BANDWIDTH


def mean_wait(sizes: np.ndarray, load: float, seed: int) -> float:
    """Return the mean time from release to delivery, less the latency, of messages that arrive as a Poisson process."""
    gaps = generator(seed, "arrivals").exponential(SERVICE / load, PACKETS)
    zero, one = np.zeros(PACKETS, np.int64), np.ones(PACKETS, np.int64)
    work = Round(zero, one, sizes, delay=np.round(np.cumsum(gaps), 12))
    queue = Operation("queue", "uniform", "", [0, 1], (work,), MEAN_BYTES, MEAN_BYTES)  # type: ignore[arg-type]
    result = fs.simulate(shape("line", size=2), Schedule((queue,)), model=fs.Model(mtu=10**8))
    assert result.kernel == "numpy"
    return result.metrics["latency_mean_s"] - ALPHA


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_mm1(load: float, seed: int) -> None:
    sizes = np.maximum(1, generator(seed, "sizes").exponential(MEAN_BYTES, PACKETS).astype(np.int64))
    assert mean_wait(sizes, load, seed) == within(SERVICE / (1 - load), 2e-2)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_md1(load: float, seed: int) -> None:
    sizes = np.full(PACKETS, MEAN_BYTES)
    assert mean_wait(sizes, load, seed) == within(SERVICE * (1 + load / (2 * (1 - load))), 2e-2)
