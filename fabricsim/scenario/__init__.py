"""Scenario files: read, checked with every fault at its line, and turned into what an engine takes."""

from __future__ import annotations

from fabricsim.scenario.files import json_schema, load_scenario, parse_scenario, shipped_scenarios
from fabricsim.scenario.paths import find
from fabricsim.scenario.scenario import Scenario
from fabricsim.scenario.workload import entry_names

__all__ = [
    "Scenario",
    "entry_names",
    "find",
    "json_schema",
    "load_scenario",
    "parse_scenario",
    "shipped_scenarios",
]
