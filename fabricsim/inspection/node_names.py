"""The names of all nodes at once: one by one is too slow for millions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from fabricsim.fabric import Fabric, NodeGroup


def node_names(fabric: Fabric) -> list[str]:
    """Return (nodes,) the name of every node."""
    return [name for group in fabric.groups for name in _names(group)]


def _names(group: NodeGroup) -> Iterator[str]:
    if group.names is not None or group.numbered_from is not None:
        return (group.name(index) for index in range(group.count))
    missing = set(group.missing)
    places = enumerate(itertools.product(*map(range, group.shape)))
    return (group.pattern.format(*place) for index, place in places if index not in missing)
