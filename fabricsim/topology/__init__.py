"""Topologies: machines composed level by level from small graphs, textbook shapes, and graph files."""

from fabricsim.topology.loader import (
    as_written,
    check_spec,
    json_schema,
    load_topology,
    machine_of,
    named_in,
    resolve,
    shipped,
    shipped_machines,
    stated_parameters,
)
from fabricsim.topology.overlay import overlay_schema
from fabricsim.topology.parameters import parse_settings
from fabricsim.topology.shapes import SHAPES

__all__ = [
    "SHAPES",
    "as_written",
    "check_spec",
    "json_schema",
    "load_topology",
    "machine_of",
    "named_in",
    "overlay_schema",
    "parse_settings",
    "resolve",
    "shipped",
    "shipped_machines",
    "stated_parameters",
]
