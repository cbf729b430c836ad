"""A15: what go-back-N leaves of a channel with independent losses.

Formula: efficiency (1 − p)/(1 + p(W − 1)), with p the probability that a packet is hit and W the packets from the one
that is hit to its repeat (Bertsekas, Gallager, Data Networks, 2nd ed., chapter 2). A hit is known 2·latency +
2·retry_delay after the packet's last bit left; a saturated channel has sent ⌈that / transmit time⌉ more by then.
Conditions: one saturated channel, iid bit errors. Tolerance: 3 %.
"""

import networkx as nx
import numpy as np
import pytest

from fabricsim.engines.record import Record
from fabricsim.model import Model
from tests.engines.lab import fabric_of, messages, simulate
from tests.validation.lab import within

CELL = 5_000  # 100 ns at 50 GB/s
TX = 100_000
PACKETS = 20_000


def run(p: float, latency: str, retry_delay: float, seed: int, packets: int = PACKETS) -> Record:
    """Return the run of one long message over a link on which a packet is hit with probability `p`."""
    rate = 1 - (1 - p) ** (1 / (8 * CELL))
    model = Model(mtu=CELL, bit_error_rate=rate, retry_delay=retry_delay)
    fabric = fabric_of(nx.Graph([(0, 1)]), latency=latency)
    return simulate(fabric, messages((0, 1, packets * CELL)), model=model, seed=seed)


@pytest.mark.parametrize(
    ("latency", "retry_delay", "window"), [("0 ns", 0.0, 1), ("150 ns", 0.0, 4), ("500 ns", 5e-7, 21)]
)
@pytest.mark.parametrize("p", [0.01, 0.1])
def test_efficiency(p: float, latency: str, retry_delay: float, window: int) -> None:
    record = run(p, latency, retry_delay, seed=1)
    efficiency = PACKETS * TX / int(record.arrival_ps[-1] - record.arrival_ps[0] + TX)
    assert efficiency == within((1 - p) / (1 + p * (window - 1)), 3e-2)
    assert record.extras is not None
    assert record.channel_packets.sum() == PACKETS + record.extras.channel_repeats.sum()


def test_order_and_bytes_are_kept() -> None:
    """The far end takes packets in order, each once, whatever is hit."""
    record = run(0.3, "300 ns", 1e-7, seed=2, packets=500)
    assert record.extras is not None
    assert (record.extras.reordered, record.extras.duplicates) == (0, 0)
    assert record.arrival_bytes.sum() == 500 * CELL
    assert np.all(np.diff(record.arrival_ps) >= TX)


def test_one_hit_costs_its_window() -> None:
    """Find a seed whose only hit is the fourth packet of six, and count: three more are sent before its repeat."""
    healthy = run(1e-12, "150 ns", 0.0, seed=0, packets=6).arrival_ps
    for seed in range(1000):
        record = run(0.1, "150 ns", 0.0, seed, packets=6)
        late = record.arrival_ps - healthy
        if late.tolist() == [0, 0, 0, *[late[-1]] * 3] and late[-1] > 0 and record.channel_packets[0] == 9:
            # what follows the hit is sent for nothing until it is known: 300 ns later, when 5 and 6 are through
            assert late[-1] == 4 * TX
            return
    pytest.fail("no seed hits the fourth packet alone")
