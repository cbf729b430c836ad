"""Groups of ranks as lines of a grid: a round of one group becomes a round of all groups without its messages listed.

Groups that take every rank of a machine, with members equally far apart, are the lines along one coordinate of a grid
of ranks. So is every round in which one such group does the same on smaller lines within itself, such as a stage of
a hierarchical collective. An engine that knows machine and lines to be symmetric then needs a few messages of each.
"""

from __future__ import annotations

from math import gcd

import numpy as np

from fabricsim.schedule import IntArray, Lines, Round, every_pair


def stride_of(groups: IntArray, ranks: int) -> int:
    """Return how far apart members are where groups are the lines along a coordinate of all ranks; 0 if they are not.

    groups: (groups, members) ranks.
    """
    members = groups.shape[1]
    if groups.size != ranks or members < 2:
        return 0
    stride = int(groups[0, 1] - groups[0, 0])
    if stride < 1 or ranks % (stride * members):
        return 0
    lines = np.arange(ranks).reshape(-1, members, stride).swapaxes(1, 2).reshape(-1, members)
    return stride if np.array_equal(lines, groups) else 0


def as_lines(r: Round, group: IntArray, stride: int, ranks: int) -> Lines | None:
    """Return a round of the first group as one that all groups make; None where its messages differ in size or kind.

    group: (members,) its ranks, `stride` apart.
    """
    whole = np.arange(ranks)
    if isinstance(r, Lines):
        reduce = bool(np.all(r.reduce))
        return Lines(whole, r.block, r.side, r.stride * stride, r.between, r.repeat, reduce)
    alike = r.delay is None and r.meetings is None and len(np.unique(r.size)) == 1
    if not alike or not isinstance(r.reduce, bool):
        return None
    src, dst = ((ends - group[0]) // stride for ends in (r.src, r.dst))
    side, inner = _sides(src, dst, len(group))
    first = (src // (side * inner) == 0) & (src % inner == 0)
    between = src[first] // inner, dst[first] // inner
    each = every_pair(side)
    pairs = None if all(map(np.array_equal, _sorted(*between), _sorted(*each))) else between
    return Lines(whole, int(r.size[0]), side, inner * stride, pairs, r.repeat, r.reduce)


def _sides(src: IntArray, dst: IntArray, members: int) -> tuple[int, int]:
    """Return the side and stride of the smallest equal lines within a group that its messages stay on."""
    inner = gcd(*np.abs(dst - src).tolist())
    for side in range(2, members // inner + 1):
        if members % (side * inner) == 0 and _same_on_all(src, dst, side, inner, members):
            return side, inner
    return members, 1


def _same_on_all(src: IntArray, dst: IntArray, side: int, inner: int, members: int) -> bool:
    """Return whether messages stay on lines, and are the same on each of them."""
    if np.any(src // (side * inner) != dst // (side * inner)) or np.any(src % inner != dst % inner):
        return False
    line = src // (side * inner) * inner + src % inner
    lines = members // side
    if len(src) % lines:
        return False
    order = np.lexsort((dst // inner % side, src // inner % side, line))
    ends = [(end // inner % side)[order].reshape(lines, -1) for end in (src, dst)]
    return bool(
        np.all(np.bincount(line, minlength=lines) == len(src) // lines)
        and all((end == end[0]).all() for end in ends)
    )


def _sorted(src: IntArray, dst: IntArray) -> tuple[IntArray, IntArray]:
    order = np.lexsort((dst, src))
    return src[order], dst[order]
