"""A5: one packet on an idle path of equal links.

Formula: cut-through L/B + Σ hops, store-and-forward h·L/B + Σ hops, where a hop is its latency and delay
(Kermani and Kleinrock, Computer Networks 1979). Conditions: header 0. Tolerance: exact, in whole picoseconds.
"""

import itertools

import pytest

import fabricsim as fs
from fabricsim.schedule import Operation, Round, Schedule
from tests.validation.lab import CUT_THROUGH, shape

TX, ALPHA_PS = 81_920, 500_000


def send(fabric: fs.Fabric, dst: int, model: fs.Model) -> int:
    one = Operation("one", "shift", "", [0, dst], (Round([0], [dst], [4096]),), 4096, 4096)  # type: ignore[arg-type]
    return round(fs.simulate(fabric, Schedule((one,)), model=model).metrics["completion_time_s"] * 1e12)


@pytest.mark.parametrize(
    ("fabric", "dst", "hops"),
    [
        (("ring", {"size": 8}), 4, 4),
        (("torus", {"size": [4, 4, 4]}), 63, 3),
        (("mesh", {"size": [4, 4]}), 15, 6),
        (("full-mesh", {"size": [4, 4]}), 15, 2),
        (("star", {"size": 5}), 4, 2),
        (("fat-tree", {"k": 4}), 1, 2),
        (("fat-tree", {"k": 4}), 3, 4),
        (("fat-tree", {"k": 4}), 15, 6),
    ],
)
def test_both_switching_modes(fabric, dst: int, hops: int) -> None:
    kind, keys = fabric
    assert send(shape(kind, **keys), dst, fs.Model()) == hops * (TX + ALPHA_PS)
    assert send(shape(kind, **keys), dst, CUT_THROUGH) == TX + hops * ALPHA_PS


def test_every_pair_of_a_torus_is_as_far_as_its_coordinates() -> None:
    fabric = shape("torus", size=[3, 5])
    for x, y in itertools.product(range(3), range(5)):
        if x or y:
            hops = min(x, 3 - x) + min(y, 5 - y)
            assert send(fabric, x + 3 * y, CUT_THROUGH) == TX + hops * ALPHA_PS
