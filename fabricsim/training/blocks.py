"""Copies of the levels of a machine as runs of ranks: how far a message goes, and which groups lie in equal copies."""

from __future__ import annotations

import numpy as np

from fabricsim.fabric import Fabric
from fabricsim.schedule import IntArray

Blocks = tuple[tuple[str, int], ...]
"""Each level's name, and how many ranks one copy of it holds, innermost first."""


def blocks_of(fabric: Fabric) -> Blocks:
    """Return the levels of a machine; none where its ranks are not numbered copy by copy."""
    own = [info for info in fabric.about.levels if not info.beside]
    sizes = np.cumprod([info.members for info in own]).tolist() if own else [0]
    if sizes[-1] != fabric.ranks:
        return ()
    return tuple((info.name, size) for info, size in zip(own, sizes, strict=True))


def crossed(blocks: Blocks, src: IntArray, dst: IntArray) -> dict[str, int]:
    """Return how many pairs have each level as the innermost one that holds both."""
    found: dict[str, int] = {}
    left = np.ones(len(src), np.bool_)
    for name, size in blocks:
        here = left & (src // size == dst // size)
        if here.any():
            found[name] = int(here.sum())
        left &= ~here
    return found


def alike(blocks: Blocks, groups: IntArray) -> bool:
    """Return whether all groups lie in the levels as the first one does, member by member."""
    return all(
        np.array_equal(
            groups // size == groups[:, :1] // size,
            np.broadcast_to(groups[0] // size == groups[0, 0] // size, groups.shape),
        )
        for _, size in blocks
    )


def one_copy(fabric: Fabric, blocks: Blocks, groups: IntArray) -> tuple[str, IntArray]:
    """Return the innermost level in whose copies all groups lie, equally in each, and the groups of its first copy.

    What happens in one copy then happens in all, and no group needs what is outside its own. The level is empty where
    the groups take the whole machine, or lie differently.
    """
    if any(group.missing for group in fabric.groups if group.device.kind == "npu"):
        return "", groups
    for name, size in blocks[:-1]:
        block = groups // size
        if not (block == block[:, :1]).all():
            continue
        order = np.argsort(block[:, 0], kind="stable")
        copies = fabric.ranks // size
        if len(groups) % copies or copies == 1:
            return "", groups
        placed = (groups[order] % size).reshape(copies, -1, groups.shape[1])
        full = np.array_equal(np.unique(block), np.arange(copies)) and bool((placed == placed[0]).all())
        return (name, groups[order][: len(groups) // copies]) if full else ("", groups)
    return "", groups
