"""A14: credits limit a channel's throughput.

Formula: throughput = min(B, credits · cell / RTT), RTT from taking a credit to its return, serialisation included;
a link x4 at 112G per lane (56 GB/s) with a loop of 1 us needs 350 credits of 160 B.
Conditions: one packet = one cell, one lane. Tolerance: 1 %.
"""

import networkx as nx
import pytest

from fabricsim.engines.record import Record
from fabricsim.model import Model
from tests.engines.lab import fabric_of, messages, simulate
from tests.validation.lab import within

CELL = 160
RATE = 56 * 10**9
LOOP = 1e-6


def across(count: int) -> Record:
    """Return the run of 3000 cells over one link whose `count` credits come back 1 us after they were taken."""
    serialisation = -(-CELL * 10**12 // RATE)
    latency = (10**6 - serialisation) // 2
    fabric = fabric_of(nx.Graph([(0, 1)]), bandwidth="56 GB/s", latency=f"{latency} ps")
    rest = (10**6 - serialisation - 2 * latency) * 1e-12
    model = Model(mtu=CELL, buffer=count * CELL, cell=CELL, credit_delay=rest)
    return simulate(fabric, messages((0, 1, 3000 * CELL)), model=model)


def throughput(count: int) -> float:
    """Return the throughput [B/s] over whole loops of `count` credits."""
    arrivals = across(count).arrival_ps
    cells = count * ((len(arrivals) - 1) // count)
    return cells * CELL / (float(arrivals[cells] - arrivals[0]) * 1e-12)


@pytest.mark.parametrize("count", [1, 7, 100, 200, 349])
def test_few_credits_limit_the_throughput(count: int) -> None:
    assert throughput(count) == within(count * CELL / LOOP, 1e-2)


@pytest.mark.parametrize("count", [350, 351, 1000])
def test_enough_credits_fill_the_link(count: int) -> None:
    assert throughput(count) == within(RATE, 1e-2)


def test_350_cells_are_just_enough() -> None:
    """350 · 160 B are what 56 GB/s carries in 1 us: with fewer the link idles, with more nothing changes."""
    fewer, enough, more = (across(count).delivered_ps[0] for count in (340, 350, 360))
    assert fewer > enough == more
