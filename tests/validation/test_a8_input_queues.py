"""A8: a switch with one FIFO per input saturates below its capacity, because first packets block those behind them.

Formula: 0.75 for N = 2, 2 − √2 for N → ∞ (Karol, Hluchyj, Morgan, IEEE Trans. Communications 1987); between, the Markov
chain of the N first cells, played here cell time by cell time. Output queues carry all that is offered.
Conditions: N senders, N receivers, one switch, fixed cells, uniform destinations, saturated inputs, random arbiter.
Tolerance: 1 %.
"""

import math

import numpy as np
import pytest

from fabricsim.model import Model
from fabricsim.random_streams import generator
from fabricsim.schedule import Round
from tests.engines.lab import operation, simulate, star
from tests.validation.lab import within

CELL = 5_000  # 100 ns at 50 GB/s: whole picoseconds, so that all cells stay in step
SLOT = 100_000


def throughput(n: int, slots: int, queueing: str, seed: int) -> float:
    """Return the share of the outputs' capacity that is used, in the second half of the run."""
    random = generator(seed, f"cells/{n}")
    src = np.tile(np.arange(n), slots)
    dst = n + (random.random(n * slots) * n).astype(np.int64)
    delay = np.repeat(np.arange(slots), n) * SLOT * 1e-12
    work = operation(Round(src, dst, np.full(n * slots, CELL), delay=delay))
    model = Model(mtu=CELL, queueing=queueing, arbiter="random")
    record = simulate(star(2 * n, latency="0 ns"), work, model=model, seed=seed)
    begin, end = slots // 2 * SLOT, slots * SLOT
    served = np.count_nonzero((record.arrival_ps > begin) & (record.arrival_ps <= end))
    return served * SLOT / (n * (end - begin))


def first_cells(n: int, slots: int, seed: int) -> float:
    """Return the throughput of N inputs that always have a first cell: of all that want one output, one is served."""
    random = np.random.default_rng(seed)
    wants = random.integers(0, n, n)
    served = 0
    for _ in range(slots):
        for output in np.unique(wants):
            rivals = np.flatnonzero(wants == output)
            wants[rivals[random.integers(len(rivals))]] = random.integers(n)
            served += 1
    return served / (n * slots)


def test_the_chain_of_first_cells_has_the_known_ends() -> None:
    assert first_cells(2, 20_000, 1) == within(0.75, 1e-2)
    assert 2 - math.sqrt(2) < first_cells(16, 4_000, 1) < first_cells(8, 4_000, 1)


@pytest.mark.parametrize(("n", "slots"), [(2, 12_000), (4, 8_000), (8, 4_000), (16, 2_000)])
def test_input_queues(n: int, slots: int) -> None:
    expected = 0.75 if n == 2 else first_cells(n, 2 * slots, 2)
    assert throughput(n, slots, "input", 1) == within(expected, 1e-2)


@pytest.mark.campaign
@pytest.mark.parametrize("n", [3, 5, 6, 7, 12])
def test_input_queues_of_sizes_between(n: int) -> None:
    slots = 36_000 // n
    assert throughput(n, slots, "input", 1) == within(first_cells(n, 3 * slots, 2), 1e-2)


def test_output_queues() -> None:
    assert throughput(4, 8_000, "output", 1) == within(1.0, 1e-2)
