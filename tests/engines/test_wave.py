"""The NumPy kernel is the SimPy kernel, to the picosecond and in every table, wherever it applies."""

from dataclasses import fields

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.engines.packet import simulate_packets
from fabricsim.engines.wave import channel_levels, misfit, served, simulate_wave
from fabricsim.errors import InputError
from fabricsim.failures import LinkDown, compile_failures
from fabricsim.model import Endpoint, Model
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Round, Schedule
from fabricsim.topology import resolve
from tests.engines.lab import LINK, fabric_of, messages, operation

SHAPES = [
    {"shape": "star", "size": 6, "switch": {"delay": "81.92 ns"}},
    {"shape": "full-mesh", "size": 5},
    {"shape": "fat-tree", "k": 4},
    {"shape": "leaf-spine", "leaves": 3, "hosts": 2, "spines": 3, "taper": 2},
    {"shape": "line", "size": 4},
]
LINKS = [
    LINK,
    {"bandwidth": "25 GB/s", "latency": "81.92 ns"},
    {"bandwidth": "400 Gbit/s", "latency": "163.84 ns"},
]


def random_job(rng: np.random.Generator, switching: str):
    """Return a fabric, a schedule of operations that start at various times, and a model, from a few round numbers."""
    spec = SHAPES[int(rng.integers(len(SHAPES)))]
    fabric = resolve({**spec, "link": LINKS[int(rng.integers(len(LINKS)))]})
    operations = []
    for number in range(int(rng.integers(1, 4))):
        count = int(rng.integers(1, 15))
        src = rng.integers(0, fabric.ranks, count)
        dst = (src + rng.integers(1, fabric.ranks, count)) % fabric.ranks
        size = rng.choice([1, 512, 4096, 5000, 20_000], count)
        delay = rng.choice([0.0, 81.92e-9, 1e-6], count) if rng.random() < 0.5 else None
        start = float(rng.choice([0.0, 81.92e-9]))
        operations.append(operation(Round(src, dst, size, delay=delay), name=f"op{number}", start=start))
    endpoint = Endpoint(float(rng.choice([0, 1e-8])), float(rng.choice([0, 1e-8])))
    header = int(rng.choice([0, 64]))
    model = Model(switching, int(rng.choice([512, 4096])), header, int(rng.choice([1, 20])), endpoint)
    return fabric, Schedule(tuple(operations)), model


@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), policy=st.sampled_from(["minimal", "ecmp", "spray"]))
def test_both_kernels_write_the_same_record(switching: str, seed: int, policy: str) -> None:
    fabric, schedule, model = random_job(np.random.default_rng(seed), switching)
    paths = routes(fabric, schedule.messages, Routing(policy), model, seed)
    healthy = compile_failures(fabric, ())
    one, other = (
        kernel(fabric, schedule, paths, healthy, model) for kernel in (simulate_packets, simulate_wave)
    )
    for field in fields(one):
        assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name


def test_levels_rise_along_every_path() -> None:
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    rows = [(a, b, 4096 * 4) for a in range(16) for b in range(16) if a != b]
    paths = routes(fabric, Schedule((messages(*rows),)).messages, Routing("spray"), Model(), 0)
    level = channel_levels(paths, fabric.channels)
    assert level is not None
    for start, end in zip(paths.starts, paths.starts[1:], strict=False):
        assert np.all(np.diff(level[paths.channels[start:end]]) > 0)
    assert level.max() == 5, "three tiers up and three down"


def test_a_ring_of_paths_is_found_out() -> None:
    fabric = fabric_of(nx.cycle_graph(6))
    around = Schedule((messages(*[(r, (r + 2) % 6, 4096) for r in range(6)]),))
    paths = routes(fabric, around.messages, Routing(), Model(), 0)
    assert channel_levels(paths, fabric.channels) is None
    with pytest.raises(InputError, match="form a circle of channels"):
        simulate_wave(fabric, around, paths, compile_failures(fabric, ()), Model())


def test_what_does_not_fit_is_said() -> None:
    fabric = resolve({"shape": "star", "size": 4, "link": LINK})
    healthy = compile_failures(fabric, ())
    once, twice = messages((0, 1, 5)), operation(Round([0], [1], [5], repeat=2), name="twice")
    assert misfit(Schedule((once,)), healthy, Model()) == ""
    assert "several rounds" in misfit(Schedule((twice,)), healthy, Model())
    after = operation(Round([0], [1], [5]), name="late", after=("op",))
    assert "waits for another" in misfit(Schedule((once, after)), healthy, Model())
    assert "gap" in misfit(Schedule((once,)), healthy, Model(endpoint=Endpoint(gap=1e-9)))
    broken = compile_failures(fabric, [LinkDown("1 us", ("npu0", "sw0"))])
    assert "fail" in misfit(Schedule((once,)), broken, Model())


def test_a_channel_serves_in_order_whether_or_not_the_numbers_are_large() -> None:
    """Two channels; the second way of keeping them apart is for times that leave no room for the first."""
    ready, tx, first = np.array([5, 6, 0, 100]), np.array([10, 10, 7, 7]), np.array([0, 2])
    expected = [15, 25, 7, 107]
    assert served(ready, tx, first).tolist() == expected
    far = 2**61
    assert served(ready + far * np.array([0, 0, 1, 1]), tx, first).tolist() == [15, 25, far + 7, far + 107]


def test_auto_takes_numpy_where_it_applies_and_says_why() -> None:
    """The digest does not name the kernel: both give the same one."""
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    results = [
        fs.simulate(fabric, fs.permutation("64 KiB"), routing="spray", kernel=k)
        for k in ("simpy", "numpy", "auto")
    ]
    assert [result.kernel for result in results] == ["simpy", "numpy", "numpy"]
    assert len({result.digest for result in results}) == 1
    assert results[0].metrics == results[1].metrics
    for table in ("flows", "links", "rounds", "timeline"):
        one, other = (result.tables[table].columns for result in results[:2])
        assert all(np.array_equal(one[name], other[name]) for name in one), table
    ring = fs.simulate(fabric, fs.all_reduce("64 KiB", algorithm="ring"))
    assert (ring.kernel, ring.plan["kernel"]) == ("simpy", "simpy")
    assert "several rounds" in ring.plan["why"]
    with pytest.raises(InputError, match="the numpy kernel does not apply: an operation has several rounds"):
        fs.simulate(fabric, fs.all_reduce("64 KiB", algorithm="ring"), kernel="numpy")
    with pytest.raises(InputError, match="did you mean 'numpy'"):
        fs.simulate(fabric, fs.permutation("64 KiB"), kernel="nunpy")
