"""Credits, marks and windows: the array kernel writes the SimPy kernel's record, to the picosecond."""

from collections.abc import Callable
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fabricsim.engines.kernels.choice import choose, misfit, simulate_arrays
from fabricsim.engines.kernels.feedback import with_feedback
from fabricsim.engines.kernels.ticks import Ticks
from fabricsim.engines.packet import simulate_packets
from fabricsim.engines.record import Record
from fabricsim.errors import InputError, StallError
from fabricsim.fabric import Fabric
from fabricsim.failures import compile_failures
from fabricsim.model import Ecn, Model, Sender
from fabricsim.routing import Routes, Routing, routes
from fabricsim.schedule import Schedule
from fabricsim.topology import resolve
from tests.engines.jobs import (
    CIRCLES,
    TREES,
    assert_same,
    plain_loops,
    random_fabric_of,
    random_model,
    random_operations,
)
from tests.engines.lab import LINK, fabric_of, messages

TX = 81_920


def random_feedback(rng: np.random.Generator, switching: str) -> Model:
    """Return a model with finite buffers, marks, windows, or several of them."""
    model = random_model(rng, switching, gap=rng.random() < 0.2)
    kind = rng.integers(1, 8)
    if kind & 1:
        buffer, cell = int(rng.choice([5000, 9000, 20_000])), int(rng.choice([1, 64, 5000]))
        model = replace(model, buffer=buffer, cell=cell, credit_delay=float(rng.choice([0, 1e-7])))
    if kind & 2:
        kmin, kmax = int(rng.choice([0, 2000])), int(rng.choice([2000, 20_000]))
        model = replace(model, ecn=Ecn(kmin, kmax, float(rng.choice([0.1, 1]))))
    if kind & 4:
        sender = "dctcp" if model.ecn is not None and rng.random() < 0.7 else "window"
        model = replace(model, sender=Sender(sender, window=int(rng.choice([4096, 10_000, 20_480]))))
    return model


Kernel = Callable[[Fabric, Schedule, Routes, Model, int], Record | None]


def by_ticks(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model, seed: int) -> Record | None:
    return Ticks(fabric, schedule, paths, model, seed).run()


def check(kernel: Kernel, switching: str, seed: int, policy: str) -> None:
    """Compare a random job with SimPy's record, or with its stall."""
    rng = np.random.default_rng(seed)
    fabric = random_fabric_of(rng, TREES + CIRCLES)
    schedule = Schedule(random_operations(rng, fabric.ranks, single=rng.random() < 0.4))
    model = random_feedback(rng, switching)
    paths = routes(fabric, schedule.messages, Routing(policy), model, seed)
    healthy = compile_failures(fabric, ())
    assume(choose(fabric, schedule, paths, healthy, model).name == "windows")
    record = kernel(fabric, schedule, paths, model, seed)
    if record is None:
        with pytest.raises(StallError):
            simulate_packets(fabric, schedule, paths, healthy, model, seed)
    else:
        assert_same(simulate_packets(fabric, schedule, paths, healthy, model, seed), record)


JOBS = {"seed": st.integers(0, 2**32), "policy": st.sampled_from(["minimal", "ecmp", "spray"])}


@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(**JOBS)
def test_the_record_is_that_of_simpy(switching: str, seed: int, policy: str) -> None:
    check(with_feedback, switching, seed, policy)


@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=15, deadline=None, derandomize=True)
@given(**JOBS)
def test_the_record_of_loops_is_that_of_simpy(switching: str, seed: int, policy: str) -> None:
    """As plain Python, which shows mistakes that compiled loops would not: Numba checks no bounds."""
    with plain_loops():
        check(by_ticks, switching, seed, policy)


@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=100, deadline=None, derandomize=True)
@given(**JOBS)
def test_the_record_with_numba_is_that_of_simpy(switching: str, seed: int, policy: str) -> None:
    pytest.importorskip("numba")
    check(by_ticks, switching, seed, policy)


def test_credits_limit_a_channel_to_its_round_trip() -> None:
    """Two packets' credits on a link whose loop is 1 µs and two transmissions: two packets a loop, and no more."""
    fabric = resolve({"shape": "star", "size": 2, "link": LINK})
    schedule, model = Schedule((messages((0, 1, 20 * 4096)),)), Model(buffer=8192, cell=4096)
    paths = routes(fabric, schedule.messages, Routing(), model, 0)
    record = simulate_arrays(fabric, schedule, paths, compile_failures(fabric, ()), model)
    loop = 2 * 500_000 + 2 * TX  # to the switch, on to the next link, and the credit back
    assert record.sent_ps[0] == 9 * loop + 2 * TX
    assert record.extras is not None
    assert record.extras.channel_buffer_peak.tolist() == [8192, 8192]


def test_a_window_sends_a_window_a_round_trip() -> None:
    """The answer of 64 B takes each link's latency and its own 1,280 ps."""
    fabric = resolve({"shape": "star", "size": 2, "link": LINK})
    schedule, model = Schedule((messages((0, 1, 20 * 4096)),)), Model(sender=Sender("window", window=8192))
    paths = routes(fabric, schedule.messages, Routing(), model, 0)
    record = simulate_arrays(fabric, schedule, paths, compile_failures(fabric, ()), model)
    round_trip = 2 * (500_000 + TX) + 2 * (500_000 + 1_280)
    assert record.sent_ps[0] == 9 * round_trip + 2 * TX


def test_a_circle_of_full_buffers_is_a_stall_that_names_it() -> None:
    fabric = fabric_of(nx.cycle_graph(6))
    rows = [(r, (r + 2) % 6, 40 * 4096) for r in range(6)]
    schedule, model = Schedule((messages(*rows),)), Model(buffer=4096)
    paths = routes(fabric, schedule.messages, Routing(), model, 0)
    with pytest.raises(StallError, match="credits"):
        simulate_arrays(fabric, schedule, paths, compile_failures(fabric, ()), model)


def test_what_windows_do_not_know_is_said() -> None:
    fabric = fabric_of(nx.cycle_graph(6))
    healthy = compile_failures(fabric, ())
    assert "pfc" in misfit(healthy, Model(buffer=65_536, flow_control="pfc"))
    assert "pull" in misfit(healthy, Model(sender=Sender("pull", window=65_536)))
    assert "one queue" in misfit(healthy, Model(queueing="voq"))
    assert "lanes" in misfit(healthy, Model(lanes=2))
    assert "bit errors" in misfit(healthy, Model(bit_error_rate=1e-9))
    schedule, model = Schedule((messages((0, 2, 5000), (1, 3, 4096)),)), Model(buffer=8192)
    paths = routes(fabric, schedule.messages, Routing(), model, 0)
    assert "of several sizes" in choose(fabric, schedule, paths, healthy, model).why
    with pytest.raises(InputError, match="several sizes"):
        simulate_arrays(fabric, schedule, paths, healthy, model)
