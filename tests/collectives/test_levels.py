"""The levels of machines as grids: which ranks go together, and what is said where they do not."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import fabricsim as fs
from fabricsim.collectives import Collective
from fabricsim.collectives.levels import levels_of
from fabricsim.errors import InputError
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
TREE = resolve({"shape": "leaf-spine", "leaves": 4, "hosts": 8, "spines": 2, "link": LINK})
MESH = resolve({"shape": "full-mesh", "size": [4, 8], "link": LINK})


def test_levels_are_sides_innermost_first() -> None:
    superpod = fs.load_topology("atlas950-superpod")
    whole = levels_of(superpod, np.arange(superpod.ranks), None)
    assert (whole.names, whole.sides) == (("board", "cabinet", "pod"), (8, 8, 128))
    assert whole.meshed == (True, False, False)
    merged = levels_of(superpod, np.arange(superpod.ranks), ["cabinet", "pod"])
    assert (merged.names, merged.sides, merged.meshed) == (("cabinet", "pod"), (64, 128), (False, False))


def test_members_alone_in_a_level_leave_it_out() -> None:
    one_each = levels_of(TREE, np.array([25, 1, 9, 17]), None)
    assert (one_each.names, one_each.sides, one_each.order.tolist()) == (("spine",), (4,), [1, 9, 17, 25])
    in_one = levels_of(TREE, np.array([9, 8, 11]), None)
    assert (in_one.names, in_one.sides) == (("leaf",), (3,))


def test_ranks_may_lie_in_different_places_of_their_groups() -> None:
    found = levels_of(TREE, np.array([0, 3, 12, 15]), None)
    assert (found.sides, found.order.tolist()) == ((2, 2), [0, 3, 12, 15])


WRONG = [
    ([0, 1, 8], None, "ranks", "form no grid: the leaf of npu0 holds 2 members with ranks, that of npu8 1"),
    ([0, 1], ["laef"], "levels", "did you mean 'leaf'?"),
    ([0, 1], ["spine", "leaf"], "levels", "write some of leaf, spine in that order"),
    ([0, 8], ["leaf"], "levels", "name the level that holds them all, too"),
]


@pytest.mark.parametrize(("ranks", "names", "key", "words"), WRONG)
def test_what_is_no_grid_is_said(ranks: list[int], names: list[str] | None, key: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        levels_of(TREE, np.array(ranks), names)
    assert caught.value.faults[0].key == (key,)
    assert words in str(caught.value)


def test_a_graph_has_no_levels_but_a_grid_may_be_stated() -> None:
    fabric = fs.Fabric.from_networkx(nx.complete_graph(6), link=LINK)
    with pytest.raises(InputError, match=r"no levels .* state the sides of a grid"):
        fs.all_reduce("1 MiB", algorithm="hierarchical").on(fabric)
    stated = fs.all_reduce("1 MiB", algorithm="hierarchical", grid=[2, 3]).on(fabric)
    assert [r.repeat for r in stated.rounds] == [1, 2, 2, 1]


def test_a_stage_in_a_full_mesh_is_direct() -> None:
    operation = fs.all_reduce("1 MiB", algorithm="hierarchical").on(MESH)
    assert [(r.repeat, r.messages) for r in operation.rounds] == [(1, 96), (1, 224), (1, 224), (1, 96)]
    ring = fs.all_reduce("1 MiB", algorithm="hierarchical", stages=["direct", "ring"]).on(MESH)
    assert [r.repeat for r in ring.rounds] == [1, 7, 7, 1]


@pytest.mark.parametrize("kind", ["all-reduce", "all-gather", "reduce-scatter", "all-to-all"])
def test_hierarchies_stay_on_the_levels_named(kind: str) -> None:
    """Two stages on a full mesh of 4 × 8: every message differs from its sender in one coordinate."""
    for r in Collective(kind, 1 << 20, "hierarchical").on(MESH).rounds:
        apart = (r.src % 4 != r.dst % 4).astype(int) + (r.src // 4 != r.dst // 4)
        assert np.all(apart == 1)
