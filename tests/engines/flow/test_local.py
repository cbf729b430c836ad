"""Rates found from a few flows against rates found from all, change after change."""

from __future__ import annotations

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.engines.flow import pool
from fabricsim.engines.flow.pool import Pool, Settings
from fabricsim.engines.flow.solver import Flows, max_min_rates
from fabricsim.engines.kernels.compiled import installed
from fabricsim.routing import Routing, shares
from fabricsim.topology import resolve

SOLVERS = ["numpy", *(["numba"] if installed() else [])]
LINK = {"bandwidth": "1 GB/s", "latency": "1 us"}
FLOWS = 400


def crowd(policy: str, solver: str) -> Pool:
    """Return a pool of random flows on a fat tree of 16 hosts, none of them under way."""
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    draw = np.random.default_rng(7)
    src = draw.integers(16, size=FLOWS)
    dst = (src + draw.integers(1, 16, size=FLOWS)) % 16
    found = shares(fabric, src, dst, Routing(policy), 7)
    flows = Flows(found.starts, found.channels, found.weights)
    size = draw.exponential(1e6, FLOWS)
    return Pool(flows, size, fabric.bandwidth.astype(float), Settings(solver, verified=True))


def assert_fair(some: Pool) -> None:
    active = some.active
    assert some.rate[active] == pytest.approx(max_min_rates(some.capacity, some.flows.some(active)), rel=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("policy", ["ecmp", "spray"])
def test_every_change_leaves_rates_max_min_fair(policy: str, solver: str) -> None:
    some, draw, now = crowd(policy, solver), np.random.default_rng(8), 0.0
    some.solve(now, np.arange(60))
    for started in range(60, FLOWS, 2):
        some.solve(now, np.arange(started, started + 2))
        if started % 7 == 0:
            link = int(draw.integers(len(some.capacity)))
            some.alter(link, float(draw.choice([0.0, 0.3e9, 1e9])))
            some.solve(now, pool.NOBODY)
        assert_fair(some)
        while some.count > 60 and some.next_end() < np.inf:
            now = some.next_end()
            some.take(now)
            some.solve(now, pool.NOBODY)
            assert_fair(some)


def test_a_change_that_concerns_too_many_is_solved_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MOST_CONCERNED", 8)
    some = crowd("ecmp", "numpy")
    some.solve(0.0, np.arange(200))
    left = some.left.copy()
    for flow in range(200, 240):
        some.solve(1e-6 * (flow - 199), np.array([flow]))
        assert_fair(some)
    # nobody has lost or gained bytes on the way from one kind of solution to the other
    moved = left[:240] - some.left[:240]
    assert np.all(moved >= 0)
    assert np.all(some.since[:240] <= 41e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_events_take_what_they_take_when_all_is_solved_anew(
    solver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}})
    work = fs.uniform("1 MB", load=0.8, duration="200 us")
    down = [fs.LinkDown("40 us", tuple(fabric.channel_name(0).split(" -> ")), repair_after="30 us")]  # type: ignore[arg-type]
    ends = []
    for few in (pool.FEW, 1 << 40):
        monkeypatch.setattr(pool, "FEW", few)
        result = fs.simulate(
            fabric, work, engine="flow", kernel=solver, routing="ecmp", failures=down, verified=True
        )
        ends.append(result.flows["delivered_s"].to_numpy())
    assert ends[0] == pytest.approx(ends[1], rel=1e-9)
