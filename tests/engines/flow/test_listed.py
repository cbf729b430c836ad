"""All-to-alls kept as columns of channels against the same ones solved flow by flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.engines.flow import listed
from fabricsim.engines.flow.listed import _verify
from fabricsim.engines.kernels.compiled import installed
from fabricsim.errors import SimulationError
from fabricsim.fabric import Fabric
from fabricsim.schedule import EveryPair, Operation
from fabricsim.topology import load_topology, resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
MACHINES: list[tuple[Fabric, str]] = [
    (resolve({"shape": "fat-tree", "k": 4, "link": LINK}), "ecmp"),
    (resolve({"shape": "torus", "size": [4, 3], "link": LINK}), "minimal"),
    (load_topology("atlas950-superpod", cabinets=2), "ecmp"),
    (load_topology("gb200-nvl72"), "minimal"),
]


WAYS = [(0, "numpy"), (1 << 18, "numpy"), *([(0, "numba")] if installed() else [])]


@pytest.mark.parametrize(("tail", "kernel"), WAYS, ids=["rounds", "solver", "compiled"][: len(WAYS)])
@pytest.mark.parametrize(("fabric", "policy"), MACHINES, ids=lambda v: v if isinstance(v, str) else v.name)
def test_columns_equal_flow_by_flow(
    fabric: Fabric, policy: str, tail: int, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranks, block = np.arange(fabric.ranks), 65_536
    total = block * fabric.ranks
    work = Operation("a", "all-to-all", "direct", ranks, (EveryPair(ranks, block),), total, total)
    settings: dict[str, Any] = {"engine": "flow", "routing": policy, "seed": 2, "verified": True}
    one_by_one = fs.simulate(fabric, work, **settings)
    monkeypatch.setattr(listed, "LEAST_FLOWS", 0)
    monkeypatch.setattr(listed, "TAIL", tail)
    monkeypatch.setattr(listed, "BLOCK", 1000)
    together = fs.simulate(fabric, work, kernel=kernel, **settings)
    assert any("listed one by one" in note for note in together.notes)
    for name, value in one_by_one.metrics.items():
        assert together.metrics[name] == pytest.approx(value, rel=1e-9), name
    assert np.array_equal(together.links["channel"], one_by_one.links["channel"])
    assert np.array_equal(together.links["bytes"], one_by_one.links["bytes"])
    rows = together.flows
    repeated = np.sort(np.repeat(rows["delivered_s"].to_numpy(), rows["count"].to_numpy()))
    assert repeated == pytest.approx(np.sort(one_by_one.flows["delivered_s"].to_numpy()), rel=1e-9)
    # each row's first flow is one of those that it stands for
    ends = one_by_one.flows.set_index(["src", "dst"])["delivered_s"]
    first = ends.loc[list(zip(rows["src"], rows["dst"], strict=True))].to_numpy()
    assert rows["delivered_s"].to_numpy() == pytest.approx(first, rel=1e-9)


def test_levels_without_a_bottleneck_are_found_out() -> None:
    # two flows over link 0, one of them on over link 1; link 2 stands for none
    paths = [[np.array([0, 0], np.int32), np.array([1, 2], np.int32)]]
    capacity = np.array([2.0, 1.0, np.inf])
    _verify(paths, capacity, np.array([1.0, np.inf, np.inf]))
    for level in ([0.9, np.inf, np.inf], [1.2, np.inf, np.inf]):
        with pytest.raises(SimulationError, match="not max-min fair"):
            _verify(paths, capacity, np.array(level))
