"""What a study varies: a key of a scenario, by its path or by what a machine's designer calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabricsim.errors import InputError, close_match
from fabricsim.scenario import Scenario, find
from fabricsim.topology import as_written, machine_of, named_in


@dataclass(frozen=True)
class Varied:
    """A key path of a scenario, and the value it has there: None where neither file nor machine states it."""

    path: str
    stated: Any


def varied_key(scenario: Scenario, said: str) -> Varied:
    """Return the key called `said`: a path such as `workload.ar.size`, a parameter, or `LEVEL.KEY` of the machine.

    Raises InputError, with a close match, for what is none of these.
    """
    topology = machine_of(scenario.data["topology"])
    named = named_in(topology, scenario.base)
    machine = as_written(named) if named else {}
    parameters = machine.get("parameters", {})
    name = said if said in parameters else _parameter(machine.get("levels", ()), said, parameters)
    name = name or (said.removeprefix("topology.set.") if said.startswith("topology.set.") else "")
    if name in parameters:
        settings = topology.get("set", {}) if isinstance(topology, Mapping) else {}
        return Varied(f"topology.set.{name}", settings.get(name, parameters[name]))
    if isinstance(topology, Mapping) and said in topology and "." not in said:
        said = f"topology.{said}"
    try:
        key = find(scenario.data, said)
    except InputError:
        known = [*parameters, *(topology if isinstance(topology, Mapping) else ())]
        right = close_match(said, known) if known else "write a key path such as workload.ar.size"
        raise InputError(f"{said!r} is neither a key of the scenario nor a parameter", right) from None
    return Varied(said, _at(scenario.data, key))


def _parameter(levels: Sequence[Mapping[str, Any]], said: str, parameters: Mapping[str, Any]) -> str:
    """Return the parameter that a level's key is, where that is one and nothing more; else no text."""
    name, _, key = said.partition(".")
    values = [level.get(key) for level in levels if isinstance(level, Mapping) and level.get("name") == name]
    return next((value for value in values if isinstance(value, str) and value in parameters), "")


def _at(value: Any, key: Sequence[str | int]) -> Any:
    for step in key:
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step]
        else:
            return None
    return value
