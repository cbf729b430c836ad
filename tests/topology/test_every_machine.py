"""Every machine that ships loads, is clean, has a picture, and runs a small all-reduce and a small all-to-all."""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.fabric import Fabric
from fabricsim.inspection import inspect
from fabricsim.report.machines import draw_machine
from fabricsim.topology import load_topology, shipped_machines

HUGE = "supercluster"
RANKS = 8
PAIR = 512  # bytes that each rank has for each other


def chosen(fabric: Fabric) -> list[int]:
    """Return ranks near one another and far apart: neighbours of the first, and the last of ever larger halves."""
    far = [fabric.ranks - 1, fabric.ranks // 2, fabric.ranks // 4, fabric.ranks // 8]
    return sorted({*range(RANKS - len(far)), *far})[:RANKS]


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.campaign] * (HUGE in name)) for name in shipped_machines()],
)
def fabric(request: pytest.FixtureRequest) -> Fabric:
    return load_topology(request.param)


def test_it_lints_clean_and_has_a_picture(fabric: Fabric) -> None:
    figures = inspect(fabric)
    assert figures["lint"] == []
    assert sum(figures["evidence"].values()) > 0
    figure = draw_machine(fabric)
    assert figure.axes
    assert any(text.get_text() == fabric.about.title for text in figure.texts)


def test_it_runs_an_all_to_all(fabric: Fabric) -> None:
    ranks = chosen(fabric)
    n = len(ranks)
    metrics = fs.simulate(fabric, fs.all_to_all(f"{n * PAIR} B", ranks=ranks)).metrics
    assert metrics["bytes_injected"] == metrics["bytes_delivered"] == n * (n - 1) * PAIR
    assert metrics["completion_time_s"] >= metrics["ideal_time_s"] > 0


def test_it_runs_an_all_reduce(fabric: Fabric) -> None:
    ranks = chosen(fabric)
    n = len(ranks)
    metrics = fs.simulate(fabric, fs.all_reduce(f"{n * PAIR} B", algorithm="ring", ranks=ranks)).metrics
    assert metrics["bytes_injected"] == metrics["bytes_delivered"] == 2 * (n - 1) * n * PAIR
    assert metrics["busbw_Bps"] == pytest.approx(metrics["algbw_Bps"] * 2 * (n - 1) / n)
    assert np.isfinite(metrics["completion_time_s"])
