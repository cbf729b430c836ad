"""A12: a random permutation on a non-blocking Clos.

Formula: spray runs at full rate; ECMP leaves (1 − 1/n)^n of the first-tier uplinks idle, where n flows of a leaf choose
among n uplinks independently (balls into bins).
Conditions: one flow per host, every flow leaves its leaf; mean over at least 1e5 uplinks. Tolerance: 1 %.
"""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Operation, Round, Schedule
from tests.validation.lab import BANDWIDTH, completion, shape, within


@pytest.mark.parametrize("n", [4, 8, 16])
def test_ecmp_leaves_uplinks_idle(n: int) -> None:
    leaves = 16
    fabric = shape("leaf-spine", leaves=leaves, hosts=n, spines=n)
    ranks, trials = leaves * n, -(-100_000 // (leaves * n))
    src = np.arange(ranks)
    many = Operation("many", "shift", "", src, (Round(src, (src + n) % ranks, 1, repeat=trials),), 1, 1)
    paths = routes(fabric, Schedule((many,)).messages, Routing("ecmp"), fs.Model(), seed=3)
    uplink = paths.channels[paths.starts[:-1] + 1]
    trial = np.repeat(np.arange(trials), ranks)
    used = len(np.unique(trial * fabric.channels + uplink))
    assert 1 - used / (trials * leaves * n) == within((1 - 1 / n) ** n, 1e-2)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("model", [fs.Model(), fs.Model("cut-through")], ids=lambda m: m.switching)
def test_spray_runs_at_full_rate(model: fs.Model, seed: int) -> None:
    fabric = shape("leaf-spine", leaves=8, hosts=4, spines=4)
    result = fs.simulate(fabric, fs.permutation("16 MB"), routing="spray", model=model, seed=seed)
    assert completion(result) == within(16e6 / BANDWIDTH, 1e-2)
