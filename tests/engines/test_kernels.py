"""The array kernels are the SimPy kernel, to the picosecond and in every table, wherever they apply."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.engines.kernels import choice, compiled, stream_loops
from fabricsim.engines.kernels.calendar import NEVER, Calendar
from fabricsim.engines.kernels.choice import choose, misfit, packet_hops, simulate_arrays, waiting
from fabricsim.engines.kernels.levels import channel_levels, in_levels
from fabricsim.engines.kernels.service import served
from fabricsim.engines.kernels.streams import in_streams
from fabricsim.engines.kernels.ticks import Ticks
from fabricsim.engines.kernels.windows import in_windows
from fabricsim.engines.packet import simulate_packets
from fabricsim.engines.record import Record
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import LinkDown, compile_failures
from fabricsim.model import SWITCHING, Ecn, Endpoint, Model
from fabricsim.routing import Routes, Routing, routes
from fabricsim.run import schedule_of
from fabricsim.schedule import Round, Schedule, as_graph
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
from tests.engines.lab import LINK, fabric_of, messages, operation

COLLECTIVES = [
    fs.all_reduce("64 KiB", algorithm="ring"),
    fs.all_to_all("48 KiB"),
    fs.all_gather("24 KiB", algorithm="ring"),
]


Kernel = Callable[[Fabric, Schedule, Routes, Model], Record | None]


def by_levels(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> Record | None:
    return in_levels(fabric, schedule, paths, model, channel_levels(fabric, paths))


def by_streams(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> Record | None:
    return in_streams(fabric, schedule, paths, model, channel_levels(fabric, paths))


def by_ticks(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> Record | None:
    return Ticks(fabric, schedule, paths, model, 0).run()


def check(kernel: Kernel, switching: str, seed: int, policy: str) -> None:
    """Compare a random job with SimPy's record.

    In levels and streams one round on a tree; else several, after others, with barriers and gaps, and circles.
    """
    rng = np.random.default_rng(seed)
    acyclic = kernel in (by_levels, by_streams)
    fabric = random_fabric_of(rng, TREES if acyclic else TREES + CIRCLES)
    schedule = Schedule(random_operations(rng, fabric.ranks, single=acyclic or rng.random() < 0.2))
    model = random_model(rng, switching, gap=not acyclic and rng.random() < 0.4)
    paths = routes(fabric, schedule.messages, Routing(policy), model, seed)
    expected = simulate_packets(fabric, schedule, paths, compile_failures(fabric, ()), model)
    record = kernel(fabric, schedule, paths, model)
    assert record is not None
    assert_same(expected, record)


JOBS = {"seed": st.integers(0, 2**32), "policy": st.sampled_from(["minimal", "ecmp", "spray"])}


@pytest.mark.parametrize("kernel", [by_levels, in_windows])
@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=90, deadline=None, derandomize=True)
@given(**JOBS)
def test_numpy_writes_the_record_of_simpy(kernel: Kernel, switching: str, seed: int, policy: str) -> None:
    check(kernel, switching, seed, policy)


@pytest.mark.parametrize("kernel", [by_streams, by_ticks])
@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=12, deadline=None, derandomize=True)
@given(**JOBS)
def test_loops_write_the_record_of_simpy(kernel: Kernel, switching: str, seed: int, policy: str) -> None:
    """As plain Python, which shows mistakes that compiled loops would not: Numba checks no bounds."""
    with plain_loops():
        check(kernel, switching, seed, policy)


@pytest.mark.parametrize("kernel", [by_streams, by_ticks])
@pytest.mark.parametrize("switching", ["store-and-forward", "cut-through"])
@settings(max_examples=80, deadline=None, derandomize=True)
@given(**JOBS)
def test_numba_writes_the_record_of_simpy(kernel: Kernel, switching: str, seed: int, policy: str) -> None:
    """The loops as machine code, where Numba is installed."""
    pytest.importorskip("numba")
    check(kernel, switching, seed, policy)


@pytest.mark.parametrize("seed", range(3))
def test_rows_of_a_stretch_are_put_in_order_of_time_and_tie(seed: int) -> None:
    """Against NumPy's sort: times spread out, times that are few, and one time for all; two stretches, one in order."""
    rng = np.random.default_rng(seed)
    for spread in (1, 3, 10**12):
        rows = np.stack([rng.integers(0, spread, 500), np.arange(500), rng.permutation(500)], axis=1)
        rows[400:] = rows[400:][np.lexsort((rows[400:, 2], rows[400:, 0]))]
        arranged, base = np.empty_like(rows), np.array([0, 400, 500])
        stream_loops.arrange(0, 2, base, rows, arranged, np.empty(502, np.int64))
        for begin, end in pairwise(base):
            order = begin + np.lexsort((rows[begin:end, 2], rows[begin:end, 0]))
            assert np.array_equal(arranged[begin:end], rows[order])


def test_ways_too_long_for_one_number_are_no_streams() -> None:
    """A line of 16 routers with 32 ranks each: ways of 17 channels with 34 ports at each node."""
    graph = nx.path_graph(16)
    for router, rank in product(range(16), range(32)):
        graph.add_edge(router, f"r{router}-{rank}")
    nx.set_node_attributes(graph, {n: "switch" if isinstance(n, int) else "npu" for n in graph}, "kind")
    fabric = fabric_of(graph)
    schedule = Schedule((messages((0, 511, 9000), (3, 400, 5000), (7, 35, 4096)),))
    paths = routes(fabric, schedule.messages, Routing(), Model(), 1)
    level = channel_levels(fabric, paths)
    assert level is not None
    assert paths.hops.max() == 17
    with plain_loops():
        assert in_streams(fabric, schedule, paths, Model(), level) is None


@pytest.mark.parametrize("shape", [*TREES, *CIRCLES], ids=str)
@pytest.mark.parametrize("collective", COLLECTIVES, ids=lambda c: c.kind)
def test_collectives_take_the_same_time_on_both(shape, collective) -> None:
    fabric = resolve({**shape, "link": LINK})
    one, other = (fs.simulate(fabric, collective, routing="spray", kernel=k) for k in ("simpy", "numpy"))
    assert one.digest == other.digest
    assert one.metrics == other.metrics


def test_graphs_of_tasks_go_in_windows() -> None:
    fabric = resolve({"shape": "torus", "size": [3, 3], "link": LINK})
    (rounds,) = schedule_of(fabric, fs.all_reduce("64 KiB", algorithm="ring"), 1).operations
    graph = Schedule((as_graph(rounds),))
    one, other = (fs.simulate(fabric, graph, kernel=k) for k in ("simpy", "numpy"))
    assert one.digest == other.digest


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32), ecn=st.sampled_from([None, Ecn(1000, 20_000, 0.5)]))
def test_what_ends_at_a_node_overtakes_what_its_delay_holds_up(seed: int, ecn: Ecn | None) -> None:
    """Ranks that forward with a delay longer than a packet: later packets on a channel arrive before earlier ones."""
    rng = np.random.default_rng(seed)
    graph = nx.cycle_graph(5)
    for node in graph.nodes:
        graph.nodes[node]["delay"] = str(rng.choice(["0 ns", "81.92 ns", "1 us"]))
    fabric = fabric_of(graph)
    schedule = Schedule(random_operations(rng, fabric.ranks, single=False))
    model = replace(random_model(rng, str(rng.choice(SWITCHING)), gap=False), ecn=ecn)
    paths = routes(fabric, schedule.messages, Routing(), model, seed)
    healthy = compile_failures(fabric, ())
    expected = simulate_packets(fabric, schedule, paths, healthy, model)
    assert_same(expected, simulate_arrays(fabric, schedule, paths, healthy, model))


@pytest.mark.parametrize("shape", [TREES[0], {"shape": "torus", "size": [3, 3]}], ids=str)
@pytest.mark.parametrize("model", [Model(), Model(buffer=65_536)], ids=["plain", "credits"])
@pytest.mark.parametrize("simulate", [simulate_packets, simulate_arrays], ids=["simpy", "numpy"])
def test_a_watch_sees_time_and_packets_go_on(shape, model: Model, simulate) -> None:
    fabric = resolve({**shape, "link": LINK})
    schedule = schedule_of(fabric, fs.permutation(f"{400 * 4096} B"), 1)
    paths = routes(fabric, schedule.messages, Routing(), model, 1)
    seen: list[tuple[int, int, int]] = []
    simulate(fabric, schedule, paths, compile_failures(fabric, ()), model, 1, lambda *row: seen.append(row))
    now, total, arrived = np.array(seen).T
    assert np.all(np.diff(now) >= 0)
    assert np.all(np.diff(arrived) >= 0)
    assert set(total) == {400 * fabric.ranks}
    assert arrived[-1] > 400 * fabric.ranks - 1024


def test_numba_is_used_for_large_runs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    schedule = schedule_of(fabric, fs.permutation("64 KiB"), 1)
    paths = routes(fabric, schedule.messages, Routing("spray"), Model(), 1)
    used = []
    monkeypatch.setattr(choice, "in_streams", lambda *job: used.append(job) or in_streams(*job))
    monkeypatch.setattr(compiled, "installed", lambda: True)
    healthy = compile_failures(fabric, ())
    small = simulate_arrays(fabric, schedule, paths, healthy, Model())
    assert not used
    hops = int(small.channel_packets.sum())
    assert packet_hops(schedule, paths, Model()) == hops
    monkeypatch.setattr(compiled, "WORTHWHILE", hops)
    with plain_loops():
        assert_same(small, simulate_arrays(fabric, schedule, paths, healthy, Model()))
    assert used


def test_levels_rise_along_every_path() -> None:
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    rows = [(a, b, 4096 * 4) for a in range(16) for b in range(16) if a != b]
    paths = routes(fabric, Schedule((messages(*rows),)).messages, Routing("spray"), Model(), 0)
    level = channel_levels(fabric, paths)
    assert level is not None
    for start, end in zip(paths.starts, paths.starts[1:], strict=False):
        assert np.all(np.diff(level[paths.channels[start:end]]) > 0)
    assert len(np.unique(level)) == 6, "three tiers up and three down"


def test_a_ring_of_paths_goes_in_windows() -> None:
    fabric = fabric_of(nx.cycle_graph(6))
    around = Schedule((messages(*[(r, (r + 2) % 6, 4096) for r in range(6)]),))
    paths = routes(fabric, around.messages, Routing(), Model(), 0)
    assert channel_levels(fabric, paths) is None
    chosen = choose(fabric, around, paths, compile_failures(fabric, ()), Model())
    assert (chosen.name, chosen.why) == ("windows", "the paths form a circle of channels")


def test_a_circle_without_latency_is_refused_under_cut_through() -> None:
    fabric = fabric_of(nx.cycle_graph(6), latency="0 ns")
    around = Schedule((messages(*[(r, (r + 2) % 6, 4096) for r in range(6)]),))
    for model, applies in (
        (Model("cut-through"), False),
        (Model("cut-through", header=1), True),
        (Model(), True),
    ):
        paths = routes(fabric, around.messages, Routing(), model, 0)
        chosen = choose(fabric, around, paths, compile_failures(fabric, ()), model)
        assert bool(chosen.name) is applies
        if not applies:
            assert "passes a head on in no time" in chosen.why


def test_what_does_not_fit_is_said() -> None:
    fabric = resolve({"shape": "star", "size": 4, "link": LINK})
    healthy = compile_failures(fabric, ())
    once, twice = messages((0, 1, 5)), operation(Round([0], [1], [5], repeat=2), name="twice")
    assert waiting(Schedule((once,)), Model()) == misfit(healthy, Model()) == ""
    assert "several rounds" in waiting(Schedule((twice,)), Model())
    after = operation(Round([0], [1], [5]), name="late", after=("op",))
    assert "waits for another" in waiting(Schedule((once, after)), Model())
    assert "gap" in waiting(Schedule((once,)), Model(endpoint=Endpoint(gap=1e-9)))
    broken = compile_failures(fabric, [LinkDown("1 us", ("npu0", "sw0"))])
    assert "fail" in misfit(broken, Model())
    assert "pfc" in misfit(healthy, Model(buffer=65_536, flow_control="pfc"))
    paths = routes(fabric, Schedule((once,)).messages, Routing(), Model(), 0)
    with pytest.raises(InputError, match="the numpy kernel does not apply: links fail or degrade"):
        simulate_arrays(fabric, Schedule((once,)), paths, broken, Model())


def test_a_channel_serves_in_order_whether_or_not_the_numbers_are_large() -> None:
    """Two channels; the second way of keeping them apart is for times that leave no room for the first."""
    ready, tx, first = np.array([5, 6, 0, 100]), np.array([10, 10, 7, 7]), np.array([0, 2])
    expected = [15, 25, 7, 107]
    assert served(ready, tx, first).tolist() == expected
    far = 2**61
    assert served(ready + far * np.array([0, 0, 1, 1]), tx, first).tolist() == [15, 25, far + 7, far + 107]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_a_calendar_gives_every_row_once_and_in_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    calendar, now, number, out = Calendar(10), 0, 0, {}
    due: dict[int, int] = {}
    while number < 200 or calendar.first != NEVER:
        if number < 200:
            time = now + rng.integers(0, int(rng.choice([10, 100, 10_000])), int(rng.integers(0, 9)))
            item = np.arange(number, number + len(time))
            due |= dict(zip(item.tolist(), time.tolist(), strict=True))
            calendar.add(time, item)
            number += len(time)
        assert calendar.first == min((t for i, t in due.items() if i not in out), default=NEVER)
        now = min(calendar.first, now + 1000) + int(rng.integers(1, 40))
        times, items = calendar.take(now)
        assert np.all(times < now)
        out |= dict(zip(items.tolist(), times.tolist(), strict=True))
        assert all(i in out for i, t in due.items() if t < now)
    assert out == due


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
    assert (ring.kernel, ring.plan["kernel"]) == ("numpy", "numpy")
    assert ring.plan["why"] == "windows: an operation has several rounds, which wait for each other"
    broken = [LinkDown("1 us", ("npu0", "sw0"), repair_after="1 us")]
    broke = fs.simulate(fabric, fs.permutation("64 KiB"), failures=broken)
    assert (broke.kernel, broke.plan["why"]) == ("simpy", "numpy does not apply: links fail or degrade")
    with pytest.raises(InputError, match="did you mean 'numpy'"):
        fs.simulate(fabric, fs.permutation("64 KiB"), kernel="nunpy")
