"""What auto picks, against what the simulation says of all that it picks from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.collectives import Collective
from fabricsim.collectives.choice import COSTS, ONLY, considered
from fabricsim.errors import InputError
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
MACHINES: dict[str, dict[str, Any]] = {
    "star": {"shape": "star", "size": 8, "link": LINK},
    "full mesh": {"shape": "full-mesh", "size": 8, "link": LINK},
    "tree": {"shape": "leaf-spine", "leaves": 4, "hosts": 4, "spines": 1, "taper": 4, "link": LINK},
    "torus": {"shape": "torus", "size": [4, 4], "link": LINK},
}


@pytest.mark.parametrize("size", ["4 KiB", "16 MiB"])
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("kind", ["all-reduce", "all-gather", "all-to-all"])
def test_auto_is_near_the_best(kind: str, machine: str, size: str) -> None:
    """The model ranks roughly: what it picks takes at most half as long again as the best of all it knows."""
    fabric = resolve(MACHINES[machine])

    def time(algorithm: str) -> float:
        work = Collective(kind, fs.units.parse_size(size), algorithm)
        return fs.simulate(fabric, work, engine="flow").metrics["completion_time_s"]

    known = considered(kind, fabric, np.arange(fabric.ranks), fs.units.parse_size(size))
    times = {name: time(name) for name in known}
    picked = Collective(kind, fs.units.parse_size(size), "auto").on(fabric).algorithm
    assert times[picked] <= 1.5 * min(times.values()), times


def test_size_and_machine_decide() -> None:
    star, tree = resolve(MACHINES["star"]), resolve(MACHINES["tree"])
    large = fs.load_topology("atlas950-superpod")
    # one rank of a leaf may use all of its uplinks: a ring round all ranks is as good there as one for each position
    assert fs.all_reduce("1 GiB", algorithm="auto").on(tree).algorithm == "ring"
    assert fs.broadcast("128 B", algorithm="auto").on(star).algorithm == "k-nomial"
    assert fs.broadcast("1 GiB", algorithm="auto").on(star).algorithm != "k-nomial"
    picked = {fs.all_reduce(size, algorithm="auto").on(large).algorithm for size in ("128 KiB", "1 GiB")}
    assert picked == {"halving-doubling", "hierarchical"}


@pytest.mark.parametrize("size", [[4, 4], [4, 4, 4]])
def test_a_torus_has_all_its_dimensions_busy(size: list[int]) -> None:
    """With D dimensions of one kind parts along all of them at once take 1/D of the time of one by one."""
    torus = resolve({"shape": "torus", "size": size, "link": LINK})
    picked = fs.all_reduce("64 MiB", algorithm="auto").on(torus)
    assert picked.algorithm == "multi-dimensional"
    took = {
        name: fs.simulate(torus, fs.all_reduce("64 MiB", algorithm=name), engine="flow").metrics[
            "completion_time_s"
        ]
        for name in ("multi-dimensional", "hierarchical")
    }
    assert took["hierarchical"] / took["multi-dimensional"] == pytest.approx(len(size), rel=0.1)


def test_parts_without_a_grain_for_each_dimension_are_not_considered() -> None:
    torus, ranks = resolve({"shape": "torus", "size": [4, 4, 4], "link": LINK}), np.arange(64)
    assert "multi-dimensional" not in considered("all-reduce", torus, ranks, 64 * 16 * 2)
    assert "multi-dimensional" in considered("all-reduce", torus, ranks, 64 * 16 * 3)
    star, tree = resolve(MACHINES["star"]), resolve(MACHINES["tree"])
    for machine in (star, tree):  # one level; and two that share the ports of the ranks
        assert "multi-dimensional" not in considered("all-reduce", machine, np.arange(8), 1 << 20)


def test_auto_knows_every_collective_and_needs_a_machine() -> None:
    assert COSTS.keys() | ONLY.keys() == fs.collectives.ALGORITHMS.keys()
    assert fs.wait_for_all(algorithm="auto").on(8).algorithm == "bruck"
    with pytest.raises(InputError, match="bind it to a fabric, or name an algorithm") as caught:
        fs.all_reduce("1 MiB", algorithm="auto").on(8)
    assert caught.value.faults[0].key == ("algorithm",)
