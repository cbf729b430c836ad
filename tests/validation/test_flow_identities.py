"""A1–A4, A9–A11, A13, A16 in the fluid limit, and A12 statistically, on the flow engine.

Formulas: as in the files of each identity. Conditions: cut-through without a header, so that packets add nothing to
the fluid; A9–A11 and A16 without latency. Tolerance: 1e-9; A12: 1 % over at least 1e5 uplinks.
"""

from typing import Any

import numpy as np
import pytest

import fabricsim as fs
from tests.validation.lab import ALPHA, BANDWIDTH, CUT_THROUGH, completion, shape, within

EXACT = 1e-9
NEAR = {"bandwidth": "50 GB/s", "latency": "0 ns"}


def run(fabric: fs.Fabric, work: Any, **settings: Any) -> fs.Result:
    return fs.simulate(fabric, work, engine="flow", model=CUT_THROUGH, verified=True, **settings)


@pytest.mark.parametrize("n", [4, 16])
def test_a1_ring(n: int) -> None:
    result = run(shape("ring", size=n), fs.all_reduce("16 MiB", algorithm="ring"))
    size = result.metrics["size_B"]
    assert completion(result) == within(2 * (n - 1) * ALPHA + 2 * (n - 1) / n * size / BANDWIDTH, EXACT)


@pytest.mark.parametrize("n", [4, 16])
def test_a2_direct(n: int) -> None:
    step = 2**24 / n / BANDWIDTH + ALPHA
    mesh = shape("full-mesh", size=n)
    assert completion(run(mesh, fs.all_gather("16 MiB", algorithm="direct"))) == within(step, EXACT)
    assert completion(run(mesh, fs.all_reduce("16 MiB", algorithm="direct"))) == within(2 * step, EXACT)


@pytest.mark.parametrize("n", [4, 16])
def test_a3_doubling(n: int) -> None:
    star, alpha, steps = shape("star", size=n), 2 * ALPHA, np.log2(n)
    whole = steps * (alpha + 2**24 / BANDWIDTH)
    assert completion(run(star, fs.all_reduce("16 MiB", algorithm="recursive-doubling"))) == within(
        whole, EXACT
    )
    halves = 2 * steps * alpha + 2 * (n - 1) / n * 2**24 / BANDWIDTH
    assert completion(run(star, fs.all_reduce("16 MiB", algorithm="halving-doubling"))) == within(
        halves, EXACT
    )


@pytest.mark.parametrize("n", [4, 16])
def test_a4_push(n: int) -> None:
    work = fs.all_reduce("16 MiB", algorithm="in-network", mode="push")
    assert completion(run(shape("star", size=n), work)) == within(2**24 / BANDWIDTH + 2 * ALPHA, EXACT)


def fluid(result: fs.Result, hops: int) -> float:
    """Return the time of the fluid alone, after a look that packets add no more than one a hop to it.

    Where a flow is split, the packets of a channel are a whole number, so that even cut-through adds some.
    """
    alone = result.metrics["ideal_time_s"]
    assert alone * (1 - EXACT) <= completion(result) <= alone + hops * 4096 / BANDWIDTH
    return alone


@pytest.mark.parametrize(("sides", "k"), [([8], 8), ([4, 4], 4), ([6, 6], 6)])
def test_a9_torus(sides: list[int], k: int) -> None:
    n, size = int(np.prod(sides)), 4096 * 16
    fabric = shape("torus", size=sides, link=NEAR)
    result = run(fabric, fs.all_to_all(f"{n * size} B", algorithm="direct"), routing="spray")
    took = fluid(result, len(sides) * k // 2)
    assert (n - 1) * size / took == within(8 * BANDWIDTH / k * (n - 1) / n, EXACT)


@pytest.mark.parametrize("n", [3, 8])
def test_a10_full_mesh(n: int) -> None:
    ranks, size = n * n, 4096 * 16
    fabric = shape("full-mesh", size=[n, n], link=NEAR)
    result = run(fabric, fs.all_to_all(f"{ranks * size} B", algorithm="direct"), routing="spray")
    assert (ranks - 1) * size / completion(result) == within((n * n - 1) / n * BANDWIDTH, EXACT)


def test_a11_mixed_widths() -> None:
    sides, widths = [4, 3], [20e9, 50e9]
    links = [{"bandwidth": f"{b / 1e9:g} GB/s", "latency": "0 ns"} for b in widths]
    ranks, size = 12, 4096 * 16
    fabric = shape("full-mesh", size=sides, link=links)
    result = run(fabric, fs.all_to_all(f"{ranks * size} B", algorithm="direct"), routing="spray")
    least = min(n * b for n, b in zip(sides, widths, strict=True)) * (ranks - 1) / ranks
    assert (ranks - 1) * size / completion(result) == within(least, EXACT)


@pytest.mark.parametrize("n", [2, 31])
def test_a13_incast(n: int) -> None:
    result = run(shape("star", size=n + 1), fs.incast("1 MiB", fan_in=n, target=n))
    assert completion(result) == within(n * 2**20 / BANDWIDTH + 2 * ALPHA, EXACT)


@pytest.mark.parametrize("taper", [1, 2, 4])
def test_a16_taper(taper: int) -> None:
    leaves, hosts, size = 4, 8, 4096 * 16
    fabric = shape("leaf-spine", leaves=leaves, hosts=hosts, spines=8, taper=taper, link=NEAR)
    n = leaves * hosts
    result = run(fabric, fs.all_to_all(f"{n * size} B", algorithm="direct"), routing="spray")
    leaving = (n - hosts) / (n - 1)
    rate = (n - 1) * size / fluid(result, 4 * taper)  # packets take as many times longer on an uplink
    assert rate == within(BANDWIDTH * min(1, 1 / taper / leaving), EXACT)


def test_a12_ecmp_leaves_uplinks_idle() -> None:
    leaves, n, seeds = 1024, 16, range(7)
    fabric = shape("leaf-spine", leaves=leaves, hosts=n, spines=n)
    starts, channels = fabric.out
    leaf_names = {
        fabric.node_name(leaf) for leaf in fabric.channel_dst[channels[starts[: fabric.ranks]]].tolist()
    }
    assert len(leaf_names) == leaves
    used = 0
    for seed in seeds:
        result = run(fabric, fs.shift("1 MiB", offset=n), routing="ecmp", seed=seed)
        ends = (name.split(" -> ") for name in result.tables["links"]["channel"].tolist())
        used += sum(a in leaf_names and not b.startswith("npu") for a, b in ends)
    assert 1 - used / (len(seeds) * leaves * n) == within((1 - 1 / n) ** n, 1e-2)
