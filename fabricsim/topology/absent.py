"""A fabric without some of its nodes and links: ragged levels, parts left out, dead ports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import FaultList, InputError, close_match
from fabricsim.fabric import Fabric, NodeGroup
from fabricsim.topology.level import Level, base, size

Mask = NDArray[np.bool_]
_PARALLEL: Final = re.compile(r"[1-9][0-9]*")


def kept(fabric: Fabric, nodes: Mask, links: Mask | None = None) -> Fabric:
    """Return the fabric of the `nodes` and `links` that are true: ids close up, names stay.

    A link stays with both its ends. Raises InputError where no NPU is left.
    """
    if not nodes[: fabric.ranks].any():
        raise InputError("no NPU is left", "leave some")
    stays = nodes[fabric.src] & nodes[fabric.dst]
    if links is not None:
        stays &= links
    ids = np.cumsum(nodes) - 1
    groups, first = [], 0
    for group in fabric.groups:
        shrunk = _without(group, ~nodes[group.first : group.first + group.count], first)
        if shrunk.count:
            groups.append(shrunk)
            first += shrunk.count
    return replace(
        fabric, groups=tuple(groups), src=ids[fabric.src[stays]], dst=ids[fabric.dst[stays]],
        link_class=fabric.link_class[stays], level=fabric.level[stays], plane=fabric.plane[stays],
    )  # fmt: skip


def _without(group: NodeGroup, gone: Mask, first: int) -> NodeGroup:
    """Return a group from node `first` on, less the nodes that are `gone`."""
    if not gone.any():
        return replace(group, first=first)
    if group.names is not None:
        names = tuple(name for name, lost in zip(group.names, gone.tolist(), strict=True) if not lost)
        return replace(group, first=first, shape=(len(names),), names=names)
    taken = np.ones(group.count + len(group.missing), np.bool_)
    taken[list(group.missing)] = False
    places = np.flatnonzero(taken)
    missing = np.union1d(np.array(group.missing, np.int64), places[gone])
    return replace(group, first=first, missing=tuple(missing.tolist()))


# -- ragged levels ------------------------------------------------------------------------------------------


def present(levels: Sequence[Level], fabric: Fabric) -> Mask:
    """Return (nodes,) which nodes there are where copies of a level differ in their number of members.

    fabric: the machine in which every copy has as many members as the largest.
    """
    found = np.ones(fabric.nodes, np.bool_)
    for group in fabric.groups:
        index = next((i for i, level in enumerate(levels) if level.name == group.level.split(".")[0]), -1)
        of_copies = copies_shape(levels, index)
        places = found[group.first : group.first + group.count].reshape(*of_copies, -1)
        places &= _kept_copies(levels, index).reshape(*of_copies, 1)
    return found


def copies_shape(levels: Sequence[Level], index: int) -> tuple[int, ...]:
    """Return the coordinates of the copies of a level, the outermost first; of the NPUs for index −1."""
    return tuple(level.members for level in reversed(levels[index + 1 :]) if level.beside is None)


def _kept_copies(levels: Sequence[Level], index: int) -> Mask:
    """Return, over the coordinates outside level `index`, which copies of it there are."""
    shape = copies_shape(levels, index)
    found = np.ones(shape, np.bool_)
    for at in range(index + 1, len(levels)):
        if levels[at].ragged and levels[at].beside is None:
            outer = size(levels[at + 1 :])
            exist = np.arange(levels[at].members) < np.resize(levels[at].ragged, outer)[:, None]
            inner = size(levels[index + 1 : at])
            found &= np.repeat(exist.reshape(-1), inner).reshape(shape)
    return found


def check_ragged(levels: Sequence[Level], index: int) -> None:
    """Raise InputError where a level's list of members does not give one number for each copy in the level above."""
    level = levels[index]
    above = [outer for outer in levels[index + 1 :] if outer.beside is None]
    wanted = above[0].members if above else 1
    if base(levels, index) != index or len(level.ragged) != wanted:
        what = f"{len(level.ragged)} numbers of members are given for {wanted} copies"
        raise InputError(what, "write one number for each copy in the level above, such as [4, 6]")


# -- what a file leaves out ---------------------------------------------------------------------------------


def without(fabric: Fabric, paths: Sequence[str], links: Sequence[Sequence[str]]) -> Fabric:
    """Return the fabric without what is at or below `paths`, and without `links`, each [a, b] or [a, b, how many].

    A link without a number stands for all parallels, with one for so many of them, the last ones. Raises InputError
    keyed `nodes.<index>` and `links.<index>`.
    """
    faults = FaultList()
    nodes, stay = np.ones(fabric.nodes, np.bool_), np.ones(fabric.link_count, np.bool_)
    for index, path in enumerate(paths):
        with faults.at("nodes", index):
            nodes[_at(fabric, path)] = False
    for index, link in enumerate(links):
        with faults.at("links", index):
            stay[_parallels(fabric, link)] = False
    faults.raise_if_any()
    return kept(fabric, nodes, stay)


def _at(fabric: Fabric, path: str) -> NDArray[np.int64]:
    found = np.concatenate([group.below(path) for group in fabric.groups])
    if not len(found):
        parts = {group.name(index) for group in fabric.groups for index in range(min(group.count, 512))}
        parts |= {name.rpartition("/")[0] for name in parts}
        raise InputError(f"{path!r} is not a part of {fabric.name}", close_match(path, sorted(parts - {""})))
    return found


def _parallels(fabric: Fabric, link: Sequence[str]) -> list[int]:
    if len(link) not in (2, 3):
        raise InputError(f"{len(link)} entries are no link", "write [a, b], or [a, b, how many]")
    found = fabric.links_between(fabric.node(link[0]), fabric.node(link[1]))
    if not found:
        raise InputError(f"{link[0]} and {link[1]} are not adjacent", "name two nodes that are joined")
    if len(link) == 2:
        return found
    if not _PARALLEL.fullmatch(link[2]) or int(link[2]) > len(found):
        raise InputError(f"{link[2]} links are not among {len(found)}", f"write 1 to {len(found)}")
    return found[-int(link[2]) :]
