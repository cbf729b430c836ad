"""Textbook shapes by name: `{shape: torus, size: [4, 4], link: {…}}`.

Nodes are npu0 … in rank order and sw0 … level by level. The first entry of a size is the coordinate that varies
fastest: rank = x + a·y. The NPUs of direct shapes forward, without delay; those that hang on switches do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.topology.shapes.direct import FULL_MESH, HYPERCUBE, LINE, MESH, RING, TORUS
from fabricsim.topology.shapes.dragonfly import DRAGONFLY
from fabricsim.topology.shapes.hamming_mesh import HAMMING_MESH
from fabricsim.topology.shapes.hyperx import HYPERX
from fabricsim.topology.shapes.jellyfish import JELLYFISH
from fabricsim.topology.shapes.shape import Shape
from fabricsim.topology.shapes.slim_fly import SLIM_FLY
from fabricsim.topology.shapes.tree import (
    CLOS,
    FAT_TREE,
    LEAF_SPINE,
    MULTI_PLANE,
    RAIL_ONLY,
    RAIL_OPTIMISED,
    STAR,
)
from fabricsim.validation import shown, validate

SHAPES: Final[Mapping[str, Shape[Any]]] = {
    "ring": RING,
    "line": LINE,
    "full-mesh": FULL_MESH,
    "torus": TORUS,
    "mesh": MESH,
    "hypercube": HYPERCUBE,
    "star": STAR,
    "fat-tree": FAT_TREE,
    "leaf-spine": LEAF_SPINE,
    "clos": CLOS,
    "multi-plane": MULTI_PLANE,
    "rail-optimised": RAIL_OPTIMISED,
    "rail-only": RAIL_ONLY,
    "hyperx": HYPERX,
    "dragonfly": DRAGONFLY,
    "slim-fly": SLIM_FLY,
    "hamming-mesh": HAMMING_MESH,
    "jellyfish": JELLYFISH,
}
"""What `{shape: …}` may name."""


def build_shape(spec: Mapping[str, Any]) -> Fabric:
    """Return the fabric that `{shape: …}` states. Raises InputError keyed by path in `spec`."""
    return _shape_of(spec).build(spec)


def check_shape(spec: Mapping[str, Any]) -> None:
    """Raise InputError, keyed by path in `spec`, for what shows without building: the shape's name and its keys."""
    validate(_shape_of(spec).keys, spec)


def _shape_of(spec: Mapping[str, Any]) -> Shape[Any]:
    name = spec["shape"]
    if not isinstance(name, str) or name not in SHAPES:
        right = close_match(str(name), SHAPES)
        raise InputError([Fault(f"{shown(name)} is not a shape", right, ("shape",))])
    return SHAPES[name]
