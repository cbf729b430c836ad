"""Which virtual lane each hop uses."""

import numpy as np
import pytest

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routing, heights, lanes_of, routes
from fabricsim.schedule import Schedule
from tests.engines.lab import messages
from tests.topology.lab import shape


def lanes(fabric: Fabric, a: int, b: int, routing: Routing) -> tuple[list[int], list[int]]:
    """Return the nodes that one message enters, and the lanes that it enters them on."""
    paths = routes(fabric, Schedule((messages((a, b, 1)),)).messages, routing, Model(), 0)
    found = lanes_of(fabric, paths, routing)
    assert found.dtype == np.int8
    return fabric.channel_dst[paths.channels].tolist(), found.tolist()


def test_dateline_changes_lane_after_the_wrap_in_each_dimension() -> None:
    routing = Routing("dimension-order", lanes="dateline")
    ring = shape("ring", size=7)
    assert lanes(ring, 5, 1, routing) == ([6, 0, 1], [0, 0, 1])
    assert lanes(ring, 1, 5, routing) == ([0, 6, 5], [0, 0, 1])
    assert lanes(ring, 1, 4, routing) == ([2, 3, 4], [0, 0, 0])
    torus = shape("torus", size=[5, 5])
    assert lanes(torus, 4, 11, routing) == ([0, 1, 6, 11], [0, 1, 0, 0])
    assert lanes(torus, 21, 7, routing) == ([22, 2, 7], [0, 0, 1])


def test_dateline_is_for_rings() -> None:
    for fabric in (
        shape("fat-tree", k=4),
        shape("mesh", size=[3, 3]),
        shape("torus", size=[4, 2], twist=True),
    ):
        with pytest.raises(InputError, match="has no rings with coordinates"):
            lanes(fabric, 0, 1, Routing(lanes="dateline"))


def test_up_down_counts_valleys() -> None:
    fabric = shape("fat-tree", k=4)
    assert heights(fabric)[fabric.ranks :].tolist() == [1] * 8 + [2] * 8 + [3] * 4
    assert lanes(fabric, 0, 15, Routing(lanes="up-down"))[1] == [0] * 6
    for message in range(4):
        routing = Routing("valiant", lanes="up-down")
        nodes, found = lanes(fabric, message, 15 - message, routing)
        climb = heights(fabric)[[message, *nodes]]
        valley = np.flatnonzero((np.diff(climb)[:-1] < 0) & (np.diff(climb)[1:] > 0)) + 1
        assert found == [int(np.sum(valley <= hop)) for hop in range(len(nodes))]


def test_tfc_starts_a_second_lane_where_dimensions_do_not_rise() -> None:
    fabric = shape("full-mesh", size=[4, 4])
    for seed in range(8):
        paths = routes(fabric, Schedule((messages((0, 5, 1)),)).messages, Routing("ecmp"), Model(), seed)
        level = fabric.level[paths.channels // 2].tolist()
        assert lanes_of(fabric, paths, Routing("ecmp", lanes="tfc")).tolist() == [0, int(level == [1, 0])]
    cube = shape("full-mesh", size=[3, 3, 3])
    traffic = Schedule((messages(*[(0, 26, 1)] * 30),)).messages
    downward = routes(cube, traffic, Routing("ecmp"), Model(), 1)  # some of the thirty go through 2, 1, 0
    with pytest.raises(InputError, match="needs more than the 2 lanes of tfc"):
        lanes_of(cube, downward, Routing("ecmp", lanes="tfc"))
    assert lanes(shape("leaf-spine", leaves=2, hosts=1, spines=2), 0, 1, Routing(lanes="tfc"))[1] == [
        0,
        0,
        0,
        1,
    ]


def test_a_list_gives_the_lane_of_each_hop() -> None:
    assert lanes(shape("line", size=6), 0, 5, Routing(lanes=(0, 2, 1)))[1] == [0, 2, 1, 1, 1]
    assert Routing(lanes=(0, 2, 1)).lane_count == 3
