"""Two binary trees at once: the leaves of one are the inner positions of the other.

A single tree leaves its leaves' outgoing links idle. With half of the data on each of two complementary
trees every position sends and receives at most as much as an inner one of either: Sanders, Speck, Träff,
Two-tree algorithms for full bandwidth broadcast, reduction and scan, Parallel Computing 35 (2009). The
trees are those of NCCL since 2.4 (src/graph/trees.cc): the first joins each number to the one with its
lowest set bit moved up, so that odd numbers are leaves; the second is the first mirrored (n even) or
shifted by one (n odd). With n odd the last number is inner although it is even, so one position is inner in
both; it has one child in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fabricsim.collectives.move import GRAIN, Move
from fabricsim.collectives.pipeline import Pieces, cut, pipelined
from fabricsim.schedule import IntArray


@dataclass(frozen=True, eq=False)
class Tree:
    """A tree as its edges, from child to parent, and its root.

    child, parent: (n − 1,) positions. depth: (n − 1,) how far the child is below the root. height: (n − 1,)
    how far the child is above its farthest leaf. levels: the depth of the deepest leaf.
    """

    root: int
    child: IntArray
    parent: IntArray
    depth: IntArray
    height: IntArray

    @property
    def levels(self) -> int:
        """How many edges the longest way from root to leaf has."""
        return int(self.depth.max(initial=0))


def parents(n: int) -> IntArray:
    """Return (n − 1,) the parents of 1 … n − 1 in a binary tree rooted at 0; odd numbers are leaves."""
    number = np.arange(1, n)
    bit = number & -number
    above = (number ^ bit) | (bit << 1)
    return np.where(above < n, above, number ^ bit)


def _depths(parent: IntArray) -> IntArray:
    """Return (n,) depths; parent is as `parents` returns it."""
    above = np.concatenate([[0], parent])
    depth = np.zeros(len(above), np.int64)
    at = np.arange(len(above))
    while at.any():
        depth += at > 0
        at = above[at]
    return depth


def _heights(parent: IntArray, depth: IntArray) -> IntArray:
    """Return (n,) heights, deepest positions first, so that each parent sees all of its children."""
    height = np.zeros(len(depth), np.int64)
    for level in range(int(depth.max()), 0, -1):
        child = np.nonzero(depth == level)[0]
        np.maximum.at(height, parent[child - 1], height[child] + 1)
    return height


def double_tree(n: int) -> tuple[Tree, Tree]:
    """Return the two trees over positions 0 … n − 1."""
    parent = parents(n)
    depth = _depths(parent)
    height = _heights(parent, depth)
    number = np.arange(n)
    names = (number, number[::-1] if n % 2 == 0 else (number + 1) % n)
    first, second = (Tree(int(name[0]), name[1:], name[parent], depth[1:], height[1:]) for name in names)
    return first, second


def _halves(size: int, chunks: int | None) -> tuple[Pieces, Pieces]:
    """Return the pieces of each tree's half, equal in number; an odd grain goes to the first."""
    second = size // GRAIN // 2 * GRAIN
    tail = cut(size - second, second, chunks)
    return cut(0, size - second, len(tail.size)), tail


def all_reduce(n: int, size: int, *, chunks: int | None) -> tuple[Move, ...]:
    """Return 2·levels + chunks − 1 rounds: pieces are added up to each root, then copied down.

    chunks: into how many pieces each tree's half of the data is cut.
    """
    trees = double_tree(n)
    src = [end for tree in trees for end in (tree.child, tree.parent)]
    dst = [end for tree in trees for end in (tree.parent, tree.child)]
    lag = [lag for tree in trees for lag in (tree.height, tree.levels + tree.depth - 1)]
    edges = np.repeat([0, 0, 1, 1], n - 1)
    up = np.repeat([True, False, True, False], n - 1)
    return pipelined(
        np.concatenate(src), np.concatenate(dst), np.concatenate(lag), edges, _halves(size, chunks), up
    )


def broadcast(n: int, size: int, *, root: int, chunks: int | None) -> tuple[Move, ...]:
    """Return levels + chunks rounds: the root feeds the roots of two trees over all other positions.

    chunks: into how many pieces each tree's half of the data is cut.
    """
    trees = double_tree(n - 1)
    src = [np.concatenate([[root], _after(root, tree.parent, n)]) for tree in trees]
    dst = [_after(root, np.concatenate([[tree.root], tree.child]), n) for tree in trees]
    lag = [np.concatenate([[0], tree.depth]) for tree in trees]
    edges = np.repeat([0, 1], n - 1)
    down = np.zeros(len(edges), np.bool_)
    return pipelined(
        np.concatenate(src), np.concatenate(dst), np.concatenate(lag), edges, _halves(size, chunks), down
    )


def reduce(n: int, size: int, *, root: int, chunks: int | None) -> tuple[Move, ...]:
    """Return levels + chunks rounds: two trees over all other positions add up, and their roots send to the root.

    chunks: into how many pieces each tree's half of the data is cut.
    """
    trees = double_tree(n - 1)
    src = [_after(root, np.concatenate([[tree.root], tree.child]), n) for tree in trees]
    dst = [np.concatenate([[root], _after(root, tree.parent, n)]) for tree in trees]
    lag = [np.concatenate([[tree.levels], tree.height]) for tree in trees]
    edges = np.repeat([0, 1], n - 1)
    up = np.ones(len(edges), np.bool_)
    return pipelined(
        np.concatenate(src), np.concatenate(dst), np.concatenate(lag), edges, _halves(size, chunks), up
    )


def _after(root: int, position: IntArray, n: int) -> IntArray:
    """Return the positions of a tree over all but the root, which is counted first."""
    return (root + 1 + position) % n
