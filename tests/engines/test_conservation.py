"""Every byte is accounted for: flow controls × senders × bit errors × losses, by sums over nodes and channels.

What a run counts must add up: a node takes in what its channels brought, and lets out, drops or still holds just that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.engines.record import Record
from fabricsim.errors import StallError
from fabricsim.fabric import Fabric
from fabricsim.model import LOSSES, SENDERS, Ecn, Model, Sender
from fabricsim.topology import resolve
from tests.engines.jobs import LINKS
from tests.engines.lab import messages, simulate

MTU = 1024
FABRICS = [
    {"shape": "star", "size": 5},
    {"shape": "leaf-spine", "leaves": 3, "hosts": 2, "spines": 2},
    {"shape": "fat-tree", "k": 4},
]
ROOMS: dict[str, dict[str, Any]] = {
    "infinite": {"lanes": 2},
    "credits": {"buffer": 8 * MTU, "flow_control": "credits", "cell": 64},
    "pfc": {"buffer": 8 * MTU, "flow_control": "pfc"},
    "pfc too small": {"buffer": 8 * MTU, "flow_control": "pfc", "headroom": 0},
    "none": {"buffer": 8 * MTU, "flow_control": "none"},
}
LOSSY = ("pfc too small", "none")


@dataclass(frozen=True)
class Case:
    """A drawn network, and how many packets each message has."""

    fabric: Fabric
    model: Model
    rows: list[tuple[int, int, int]]
    seed: int

    def run(self) -> Record:
        return simulate(self.fabric, messages(*self.rows), model=self.model, policy="spray", seed=self.seed)


def case_of(flow: str, kind: str, seed: int) -> Case:
    """Return a random case of a flow control and a sender."""
    rng = np.random.default_rng(seed)
    fabric = resolve({**FABRICS[int(rng.integers(3))], "link": LINKS[int(rng.integers(len(LINKS)))]})
    window = {"window": int(MTU * rng.integers(1, 16))} if "window" in SENDERS[kind] else {}  # type: ignore[index]
    times = {"cnp_interval": 2e-6, "timer": 3e-6, "byte_counter": 5 * MTU} if kind == "dcqcn" else {}
    loss = {"loss": LOSSES[int(rng.integers(2))], "timeout": 8e-6, "retries": 1000} if flow in LOSSY else {}
    marks = Ecn(MTU, 6 * MTU, 0.5) if kind in ("dctcp", "dcqcn") or rng.random() < 0.3 else None
    model = Model(
        str(rng.choice(["store-and-forward", "cut-through"])), MTU,
        queueing=str(rng.choice(["output", "input", "voq"])),
        arbiter=str(rng.choice(["oldest", "round-robin", "random"])), ecn=marks,
        bit_error_rate=float(rng.choice([0, 3e-6, 3e-5])), sender=Sender(kind, **window, **times, **loss),
        **ROOMS[flow],
    )  # fmt: skip
    count = int(rng.integers(2, 10))
    dst = rng.integers(0, 3, count)
    src = (dst + rng.integers(1, fabric.ranks, count)) % fabric.ranks
    rows = list(zip(src.tolist(), dst.tolist(), rng.integers(1, 30_000, count).tolist(), strict=True))
    return Case(fabric, model, rows, seed)


def balance(case: Case, record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Return (nodes,) packets that were sent here whole and found room, and that left; link repeats count once."""
    assert record.extras is not None
    whole = record.channel_packets - record.extras.channel_repeats
    came, left = np.zeros(case.fabric.nodes, np.int64), np.zeros(case.fabric.nodes, np.int64)
    np.add.at(came, case.fabric.channel_dst[record.channels], whole - record.extras.channel_drops)
    np.add.at(left, case.fabric.channel_src[record.channels], whole)
    return came, left


@pytest.mark.parametrize("kind", SENDERS)
@pytest.mark.parametrize("flow", ROOMS)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_bytes_and_packets_add_up(flow: str, kind: str, seed: int) -> None:
    case = case_of(flow, kind, seed)
    record = case.run()
    sizes = [size for _, _, size in case.rows]
    # generated = delivered, message by message, each packet once
    assert np.bincount(record.arrival_message, record.arrival_bytes).tolist() == sizes
    assert len(record.arrival_ps) == record.packets == sum(map(case.model.packets, sizes))
    extras = record.extras
    assert extras is not None
    ranks = case.fabric.ranks
    came, left = balance(case, record)
    drops, taken = int(extras.channel_drops.sum()), record.packets + extras.duplicates + extras.discarded
    # what left the ranks was taken, came in vain, was dropped, or is a repeat on its way when all is there
    under_way = int(left[:ranks].sum()) - drops - taken
    assert under_way >= came[:ranks].sum() - taken >= 0
    assert np.all(came[ranks:] >= left[ranks:])
    if flow not in LOSSY:
        assert (record.dropped, record.retransmitted, drops, under_way) == (0, 0, 0, 0)
        assert taken == record.packets
    else:
        assert record.retransmitted >= record.dropped
        assert drops * MTU >= record.dropped >= drops
    if not case.model.bit_error_rate:
        first = case.fabric.channel_src[record.channels] < ranks
        assert record.channel_wire[first].sum() == sum(sizes) + record.retransmitted
        assert extras.channel_repeats.sum() == 0


def test_what_is_never_delivered_is_an_error_that_says_so() -> None:
    """One repeat is not enough where four ranks fill one port all the time: which message it was is told."""
    model = Model(mtu=MTU, buffer=MTU, flow_control="none", sender=Sender(timeout=5e-6, retries=1))
    rows = [(rank, 0, 100 * MTU) for rank in range(1, 5)]
    fabric = resolve({"shape": "star", "size": 5, "link": LINKS[0]})
    with pytest.raises(StallError, match=r"'op' from npu\d to npu0: packet \d+ was sent 2 times in vain"):
        simulate(fabric, messages(*rows), model=model)
