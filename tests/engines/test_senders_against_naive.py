"""DCTCP, DCQCN and pulls: the kernel sees the picoseconds of a naive simulator that was written from the page alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.engines.feedback import FeedbackKernel
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.failures import compile_failures
from fabricsim.model import Ecn, Model, Sender
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Schedule
from fabricsim.topology import resolve
from tests.engines.jobs import LINKS
from tests.engines.lab import messages, star
from tests.engines.naive_senders import NaiveSenders

FABRICS = [
    {"shape": "star", "size": 5, "switch": {"delay": "81.92 ns"}},
    {"shape": "leaf-spine", "leaves": 3, "hosts": 2, "spines": 2, "taper": 2},
]


def both(
    fabric: Fabric, schedule: Schedule, model: Model, policy: str, seed: int
) -> tuple[NaiveSenders, Record]:
    """Return the naive simulator after its run, and the kernel's record."""
    paths = routes(fabric, schedule.messages, Routing(policy), model, seed)
    naive = NaiveSenders(fabric, schedule.messages, paths, model, seed)
    naive.run()
    record = FeedbackKernel(fabric, schedule, paths, compile_failures(fabric, ()), model, seed).run()
    return naive, record


def random_sender(rng: np.random.Generator, kind: str, mtu: int) -> Sender:
    """Return a sender whose timers and counts run out several times in a few dozen packets."""
    if kind != "dcqcn":
        gain = {"gain": float(rng.choice([1 / 16, 0.5]))} if kind == "dctcp" else {}
        return Sender(
            kind, window=int(mtu * rng.integers(1, 12)), ack_size=int(rng.choice([64, 100])), **gain
        )
    return Sender(
        kind, gain=float(rng.choice([1 / 256, 0.25])), cnp_interval=float(rng.choice([1e-9, 2e-6])),
        increase=int(rng.choice([10**8, 10**9])), hyper_increase=int(rng.choice([10**8, 3 * 10**9])),
        timer=float(rng.choice([163.84e-9, 1.5e-6])), byte_counter=int(rng.choice([mtu, 5 * mtu])),
        fast_recovery=int(rng.integers(1, 3)), min_rate=int(rng.choice([10**7, 5 * 10**9])),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["dctcp", "dcqcn", "pull"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(["ecmp", "spray"]))
def test_the_same_picoseconds(kind: str, seed: int, policy: str) -> None:
    rng = np.random.default_rng(seed)
    fabric = resolve({**FABRICS[int(rng.integers(2))], "link": LINKS[int(rng.integers(len(LINKS)))]})
    mtu, flow = int(rng.choice([1024, 4096])), str(rng.choice(["infinite", "credits", "pfc"]))
    room = {} if flow == "infinite" else {"buffer": int(mtu * rng.integers(4, 20)), "flow_control": flow}
    model = Model(
        str(rng.choice(["store-and-forward", "cut-through"])), mtu,
        ecn=Ecn(int(rng.choice([0, 4096])), 4 * mtu, 0.5), sender=random_sender(rng, kind, mtu), **room,
    )  # fmt: skip
    count = int(rng.integers(2, 8))
    dst = rng.integers(0, 2, count)  # so that some meet
    src = (dst + rng.integers(1, fabric.ranks, count)) % fabric.ranks
    size = rng.choice([1, 5000, 40_000, 120_000], count)
    schedule = Schedule((messages(*zip(src.tolist(), dst.tolist(), size.tolist(), strict=True)),))
    naive, record = both(fabric, schedule, model, policy, seed)
    assert record.delivered_ps.tolist() == naive.outcome.delivered
    assert record.extras is not None
    assert record.extras.channel_marks.sum() == naive.outcome.marked
    assert record.dropped == naive.outcome.dropped == 0


def test_dcqcn_goes_through_all_three_stages() -> None:
    """Cut several times, then left alone: a hyper increase brings the rate back sooner than additive steps."""
    work = Schedule((messages((0, 2, 1000 * 4096), (1, 2, 16 * 4096)),))
    ends = []
    for hyper in (10**8, 10**10):
        sender = Sender(
            "dcqcn", cnp_interval=5e-7, increase=10**8, hyper_increase=hyper, timer=1e-6,
            byte_counter=4096, fast_recovery=2,
        )  # fmt: skip
        naive, record = both(star(3), work, Model(ecn=Ecn(0, 0), sender=sender), "minimal", 0)
        assert record.delivered_ps.tolist() == naive.outcome.delivered
        assert min(naive.rates[0].by_time, naive.rates[0].by_bytes) > 2
        ends.append(int(record.delivered_ps[0]))
    assert ends[1] < ends[0]
