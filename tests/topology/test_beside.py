"""A second network beside the first: it joins the same members, and makes no copies and no names of its own."""

from typing import Any

import pytest

from fabricsim.errors import InputError
from fabricsim.topology import resolve
from tests.topology.lab import LINK, degrees

BOARD = {"name": "board", "members": 4, "rule": "full-mesh", "link": LINK}
CABINET = {"name": "cabinet", "members": 2, "rule": "switched", "planes": 2, "link": LINK}
LEAF = {"name": "leaf", "beside": "cabinet", "rule": "switched", "planes": 3, "link": LINK, "tag": "leaf",
        "network": "scale-out"}  # fmt: skip
POD = {"name": "pod", "members": 3, "rule": "switched", "uplinks_of": "cabinet", "uplinks": 1, "link": LINK,
       "switches": 1}  # fmt: skip


def machine(*levels: dict[str, Any]) -> Any:
    return resolve({"levels": list(levels)})


def test_it_reaches_the_npus_of_the_same_copy() -> None:
    fabric = machine(BOARD, CABINET, LEAF, POD)
    assert fabric.ranks == 4 * 2 * 3
    assert degrees(fabric) == {
        ("npu", 3 + 2 + 3): 24,  # mesh, planes, leaves
        ("switch", 8 + 1): 3 * 2,
        ("switch", 8): 3 * 3,
        ("switch", 3): 2,
    }
    assert fabric.node_name(23) == "pod/cabinet2/board1/npu3"
    assert fabric.node_name(fabric.node("pod/cabinet2/leaf2")) == "pod/cabinet2/leaf2"
    names = [fabric.node_name(node) for node in range(fabric.nodes)]
    assert [fabric.node(name) for name in names] == list(range(fabric.nodes))


def test_rails_beside_a_level_join_equal_positions_of_its_members() -> None:
    fabric = machine(
        BOARD, CABINET, {"name": "rail", "beside": "cabinet", "rule": "rails", "link": LINK, "tag": "rail"}
    )
    for rail in range(4):
        switch = fabric.node(f"cabinet/rail{rail}")
        joined = [rank for rank in range(fabric.ranks) if fabric.links_between(rank, switch)]
        assert joined == [rail, 4 + rail]


def test_a_product_beside_a_level_is_a_second_product_of_its_members() -> None:
    board = {"name": "board", "members": 4, "rule": "full-mesh", "link": LINK}
    ring = {"name": "ring", "beside": "board", "rule": "ring", "link": LINK}
    assert degrees(machine(board, ring)) == {("npu", 3 + 2): 4}


def test_a_second_tier_in_the_same_copy() -> None:
    spine = {"name": "spine", "beside": "cabinet", "rule": "switched", "uplinks_of": "leaf", "uplinks": 2,
             "switches": 2, "link": LINK, "tag": "spine"}  # fmt: skip
    core = {"name": "core", "beside": "pod", "rule": "switched", "uplinks_of": "spine", "uplinks": 1,
            "switches": 1, "link": LINK, "tag": "core"}  # fmt: skip
    fabric = machine(BOARD, CABINET, LEAF, spine, POD, core)
    found = degrees(fabric)
    assert found["switch", 1 + 1] == 3 * 3 * 2  # each spine: one leaf below, one core above
    assert found["switch", 3] == 2 + 3 * 2  # pod switches, and cores that meet three cabinets
    assert fabric.about.tapers["leaf"] == 8 / 2
    assert {info.name: (info.members, info.copies) for info in fabric.about.levels}["spine"] == (1, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"members": 2}, r"levels\.2\.members: is stated, and beside too"),
        ({"beside": None}, r"levels\.2\.members: is missing"),
        ({"beside": "cabinett"}, r"levels\.2\.beside: .*did you mean 'cabinet'"),
        ({"beside": "board"}, r"levels\.2\.beside: 'board' is not the nearest .*'cabinet'"),
    ],
)
def test_what_cannot_stand_beside_is_refused(change: dict[str, Any], said: str) -> None:
    leaf = {key: value for key, value in {**LEAF, **change}.items() if value is not None}
    with pytest.raises(InputError, match=said):
        machine(BOARD, CABINET, leaf, POD)
