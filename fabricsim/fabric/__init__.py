"""The compiled machine: what an engine runs on, and what everything else asks."""

from fabricsim.fabric.fabric import Fabric
from fabricsim.fabric.graphs import MAX_GRAPH_NODES
from fabricsim.fabric.parts import (
    KINDS,
    MEDIA,
    About,
    Device,
    Evidence,
    IntArray,
    LevelInfo,
    Link,
    NodeGroup,
    Overlay,
)
from fabricsim.fabric.rescaled import rescaled

__all__ = [
    "KINDS",
    "MAX_GRAPH_NODES",
    "MEDIA",
    "About",
    "Device",
    "Evidence",
    "Fabric",
    "IntArray",
    "LevelInfo",
    "Link",
    "NodeGroup",
    "Overlay",
    "rescaled",
]
