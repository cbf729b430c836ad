"""Reduction and multicast in switches: which switches take part, and how much each rank sends and gets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fabricsim as fs
from fabricsim.collectives.switches import shared_switches
from fabricsim.errors import InputError
from fabricsim.schedule import Operation
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


def shape(kind: str, **keys: Any) -> fs.Fabric:
    return resolve({"shape": kind, "link": LINK, **keys})


TREE = shape("leaf-spine", leaves=4, hosts=4, spines=2)


def names(fabric: fs.Fabric, ranks: Any) -> list[str]:
    return [fabric.node_name(int(node)) for node in shared_switches(fabric, np.asarray(ranks))]


def test_the_roots_are_the_nearest_switches_that_all_share() -> None:
    assert names(shape("star", size=5), range(5)) == ["sw0"]
    assert names(TREE, range(16)) == ["sw4", "sw5"]  # both spines
    assert names(TREE, [4, 6]) == ["sw1"]  # their leaf
    cloud = fs.load_topology("cloudmatrix384")
    assert len(shared_switches(cloud, np.arange(cloud.ranks))) == 7 * 16  # all of the second tier
    assert len(shared_switches(cloud, np.arange(16))) == 7  # the planes of one node


def test_parallel_links_count() -> None:
    hgx = fs.load_topology("hgx-h100")
    assert names(hgx, range(8)) == [
        f"server/sw{k}" for k, links in enumerate([5, 4, 4, 5]) for _ in range(links)
    ]


def test_without_a_shared_switch_there_is_no_reduction_in_it() -> None:
    with pytest.raises(InputError, match=r"no switch of .* reaches all 4 ranks") as caught:
        fs.all_reduce("1 MiB", algorithm="in-network").on(shape("ring", size=4))
    assert caught.value.faults[0].key == ("algorithm",)


def moved(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes that each rank sends up, and gets down."""
    n = int(operation.ranks.max()) + 1
    up, down = np.zeros(n, np.int64), np.zeros(n, np.int64)
    for r in operation.rounds:
        assert r.meetings is not None
        legs = r.meetings.legs
        np.add.at(up, legs.src[~legs.down], legs.size[~legs.down] * r.repeat)
        np.add.at(down, legs.dst[legs.down], legs.size[legs.down] * r.repeat)
    return up, down


@given(hosts=st.integers(2, 12), grains=st.integers(1, 40), chunks=st.integers(1, 5))
def test_each_rank_sends_and_gets_what_the_closed_forms_count(hosts: int, grains: int, chunks: int) -> None:
    """Push S up and S down; pull S(1 + 1/N) each way: all addends, and the own block once more."""
    fabric, size = shape("star", size=hosts), hosts * grains * 16
    push = fs.all_reduce(f"{size} B", algorithm="in-network").on(fabric)
    assert [set(side.tolist()) for side in moved(push)] == [{size}, {size}]
    pull = fs.all_reduce(f"{size} B", algorithm="in-network", mode="pull", chunks=min(chunks, grains)).on(
        fabric
    )
    up, down = moved(pull)
    assert set(up.tolist()) == {size + size // hosts}
    assert set(down.tolist()) == {size}  # its own block it has when it has pulled it
    assert pull.round_count == min(chunks, grains) + 1


def test_halves_of_an_all_reduce() -> None:
    size, n = 16 * 48, 16
    scatter = fs.reduce_scatter(f"{size} B", algorithm="in-network").on(TREE)
    assert [set(side.tolist()) for side in moved(scatter)] == [{size}, {size // n}]
    gather = fs.all_gather(f"{size} B", algorithm="multicast").on(TREE)
    assert [set(side.tolist()) for side in moved(gather)] == [{size // n}, {size - size // n}]
    cast = fs.broadcast(f"{size} B", algorithm="multicast", root=3).on(TREE)
    up, down = moved(cast)
    assert (up[3], up.sum(), down[3], set(np.delete(down, 3).tolist())) == (size, size, 0, {size})


def test_data_is_split_evenly_over_the_roots() -> None:
    push = fs.all_reduce("1 MiB", algorithm="in-network").on(TREE)
    (only,) = push.rounds
    assert only.meetings is not None
    assert [TREE.node_name(int(at)) for at in only.meetings.at] == ["sw4", "sw5"]
    assert only.meetings.size.tolist() == [1 << 19, 1 << 19]


def test_pulling_many_chunks_is_a_handful_of_rounds() -> None:
    pull = fs.all_reduce("64 MiB", algorithm="in-network", mode="pull").on(shape("star", size=8))
    assert [r.repeat for r in pull.rounds] == [1, 63, 1]  # 8 MiB each in pieces of 128 KiB
