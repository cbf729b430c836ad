"""Max-min rates against their certificate, a linear program that fills step by step, and cuts."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fabricsim.engines.flow.solver import Flows, certified, max_min_rates, verify
from fabricsim.engines.kernels.compiled import installed
from fabricsim.errors import SimulationError
from fabricsim.fabric import Fabric
from fabricsim.routing import Routing, shares
from fabricsim.topology import resolve

SOLVERS = ["numpy", *(["numba"] if installed() else [])]
LINK = {"bandwidth": "1 GB/s", "latency": "1 us"}
SHAPES: list[dict[str, Any]] = [
    {"shape": "star", "size": 12},
    {"shape": "torus", "size": [4, 3]},
    {"shape": "fat-tree", "k": 4},
]


def flows_of(*rows: dict[int, float]) -> Flows:
    """Return flows that put the share weight on each link, one mapping a flow."""
    starts = np.cumsum([0, *(len(row) for row in rows)])
    links = np.array([link for row in rows for link in row], np.int64)
    weights = np.array([weight for row in rows for weight in row.values()], np.float64)
    return Flows(starts, links, weights)


def water_filling(capacity: np.ndarray, flows: Flows) -> np.ndarray:
    """Return the max-min rates by linear programs: raise all that still can rise, together, again and again."""
    n = len(flows)
    use = np.zeros((len(capacity), n))
    use[flows.links, flows.flow] = flows.weights
    scale = capacity.max()
    fixed = np.full(n, np.nan)
    while np.isnan(fixed).any():
        growing = np.isnan(fixed)
        bounds = [(0, None) if g else (f, f) for g, f in zip(growing, fixed, strict=True)]
        # one more variable, the common level t: growing rates are t, the capacities hold
        matrix = np.column_stack([use * ~growing, (use * growing).sum(axis=1)])
        level = linprog([*np.zeros(n), -1.0], matrix, capacity / scale, bounds=[*bounds, (0, None)]).x[-1]
        spare = capacity / scale - use @ np.where(growing, level, fixed)
        stuck = growing & (use[spare < 1e-10].sum(axis=0) > 0)
        fixed[stuck] = level
    return fixed * scale


def random_flows(fabric: Fabric, policy: str, seed: int, count: int = 25) -> tuple[np.ndarray, Flows]:
    generator = np.random.default_rng(seed)
    src = generator.integers(fabric.ranks, size=count)
    dst = (src + generator.integers(1, fabric.ranks, size=count)) % fabric.ranks
    found = shares(fabric, src, dst, Routing(policy), seed)
    return fabric.bandwidth.astype(float), Flows(found.starts, found.channels, found.weights)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("policy", ["minimal", "ecmp", "spray"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s["shape"])
def test_linear_programs_agree(shape: dict[str, Any], policy: str, solver: str) -> None:
    fabric = resolve({**shape, "link": LINK})
    for seed in range(3):
        capacity, flows = random_flows(fabric, policy, seed)
        rates = max_min_rates(capacity, flows, solver)
        assert rates == pytest.approx(water_filling(capacity, flows), rel=1e-9)
        assert certified(capacity, flows, rates).all()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s["shape"])
def test_flows_to_one_rank_fill_its_cut(shape: dict[str, Any]) -> None:
    # all others send to rank 0: spread over all shortest paths they get at most the cut around it, and no
    # cut is smaller than what they get together
    fabric = resolve({**shape, "link": LINK})
    src = np.arange(1, fabric.ranks)
    found = shares(fabric, src, np.zeros_like(src), Routing("spray"))
    flows = Flows(found.starts, found.channels, found.weights)
    rates = max_min_rates(fabric.bandwidth.astype(float), flows)
    graph = nx.DiGraph()
    for a, b, rate in zip(
        fabric.channel_src.tolist(), fabric.channel_dst.tolist(), fabric.bandwidth.tolist(), strict=True
    ):
        graph.add_edge(a, b, capacity=rate)
    graph.add_edges_from(("all", int(rank)) for rank in src)
    cut, _ = nx.minimum_cut(graph, "all", 0)
    if shape["shape"] == "torus":
        assert rates.sum() <= cut * (1 + 1e-9)
    else:
        assert rates.sum() == pytest.approx(cut, rel=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_flows_have_their_bottleneck(solver: str, data: st.DataObject) -> None:
    links = data.draw(st.integers(1, 8))
    capacity = np.array(
        data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.5, 1e9]), min_size=links, max_size=links))
    )
    row = st.dictionaries(st.integers(0, links - 1), st.sampled_from([1.0, 0.5, 1 / 3]), max_size=5)
    flows = flows_of(*data.draw(st.lists(row, min_size=1, max_size=30)))
    rates = max_min_rates(capacity, flows, solver)
    empty = np.diff(flows.starts) == 0
    assert np.all(np.isinf(rates) == empty)
    assert certified(capacity, flows.some(np.flatnonzero(~empty)), rates[~empty]).all()


def test_rounds_and_heap_and_compiled_agree() -> None:
    fabric = resolve({"shape": "fat-tree", "k": 8, "link": LINK})
    capacity, flows = random_flows(fabric, "ecmp", 1, 3000)
    rates = [max_min_rates(capacity, flows, solver) for solver in SOLVERS]
    verify(capacity, flows, rates[0])
    for other in rates[1:]:
        assert other == pytest.approx(rates[0], rel=1e-9)


def test_the_classic_chain() -> None:
    # Bertsekas and Gallager: a long flow over links shared with one, and with two others
    flows = flows_of({0: 1, 1: 1}, {0: 1}, {1: 1}, {1: 1})
    for solver in SOLVERS:
        rates = max_min_rates(np.array([1.0, 1.0]), flows, solver)
        assert rates == pytest.approx([1 / 3, 2 / 3, 1 / 3, 1 / 3], rel=1e-12)


def test_a_rate_without_a_bottleneck_is_found_out() -> None:
    flows = flows_of({0: 1}, {0: 1})
    with pytest.raises(SimulationError, match="1 of 2 rates have no bottleneck, the first that of flow 1"):
        verify(np.array([1.0]), flows, np.array([0.6, 0.4]))
    assert not certified(np.array([1.0]), flows, np.array([0.6, 0.6])).any()
