from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabricsim.collectives.tree import Tree, double_tree

SIZES = st.integers(2, 300)


def graph(tree: Tree) -> nx.DiGraph:
    """Return the tree with edges from parent to child."""
    whole = nx.DiGraph()
    whole.add_node(tree.root)
    whole.add_edges_from(zip(tree.parent.tolist(), tree.child.tolist(), strict=True))
    return whole


def inner(tree: Tree) -> set[int]:
    return set(tree.parent.tolist())


@given(n=SIZES)
def test_both_are_binary_trees_over_all_positions(n: int) -> None:
    for tree in double_tree(n):
        whole = graph(tree)
        assert set(whole) == set(range(n))
        assert nx.is_arborescence(whole)
        assert max(degree for _, degree in whole.out_degree) <= 2
        assert whole.in_degree[tree.root] == 0


@given(n=SIZES)
def test_depths_and_heights_are_those_of_the_tree(n: int) -> None:
    for tree in double_tree(n):
        whole = graph(tree)
        depth = nx.single_source_shortest_path_length(whole, tree.root)
        for child, d, h in zip(tree.child.tolist(), tree.depth.tolist(), tree.height.tolist(), strict=True):
            below = nx.single_source_shortest_path_length(whole, child)
            assert d == depth[child]
            assert h == max(below.values())
        assert tree.levels == max(depth.values())


@given(n=SIZES)
def test_levels_grow_with_the_logarithm(n: int) -> None:
    # with 2^k positions or fewer no way down is longer than k
    assert double_tree(n)[0].levels <= (n - 1).bit_length()


@given(n=SIZES)
def test_positions_are_inner_in_one_tree_only(n: int) -> None:
    first, second = double_tree(n)
    both = inner(first) & inner(second)
    assert both == (set() if n % 2 == 0 else {0})


@given(n=SIZES)
def test_no_position_has_more_than_four_edges_in_all(n: int) -> None:
    ends = np.concatenate([end for tree in double_tree(n) for end in (tree.child, tree.parent)])
    assert np.bincount(ends).max() <= 4


@given(n=st.integers(3, 300).filter(lambda n: n % 2 == 1))
def test_the_position_that_is_inner_in_both_has_one_child_in_each(n: int) -> None:
    for tree in double_tree(n):
        assert np.sum(tree.parent == 0) == 1


def test_the_trees_of_eight() -> None:
    """Drawn by hand: 0-4, 4-2, 4-6, 2-1, 2-3, 6-5, 6-7, and the same with 7 − r for r."""
    edges = {(0, 4), (4, 2), (4, 6), (2, 1), (2, 3), (6, 5), (6, 7)}
    first, second = (set(graph(tree).edges) for tree in double_tree(8))
    assert first == edges
    assert second == {(7 - a, 7 - b) for a, b in edges}


@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_trees(n: int) -> None:
    for tree in double_tree(n):
        assert tree.levels == n - 1
