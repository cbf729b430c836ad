"""A condition in one line, `completion_time <= 1.05 * nonblocking`, as an expectation of a scenario.

What stands on the right is a limit with its unit, or a factor of something: a metric of the same run, another
scenario, or one of REFERENCES, the same scenario in another state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from fabricsim.designs.key import Varied
from fabricsim.errors import InputError, close_match
from fabricsim.expectations import FIGURES, TOPOLOGY, short_name
from fabricsim.metrics import METRICS
from fabricsim.scenario import Scenario, shipped_scenarios
from fabricsim.topology import machine_of, named_in, stated_parameters

_FORM: Final = re.compile(r"\s*(\S+)\s*(<=|>=|==|<|>)\s*(?:([\d.]+\s*%?)\s*\*\s*)?(\S.*?)\s*")
_EXAMPLES: Final = "'busbw >= 180 GB/s' or 'completion_time <= 1.05 * nonblocking'"


def expectation_of(text: str, scenario: Scenario, varied: Varied) -> dict[str, Any]:
    """Return what a scenario's `expect:` says for a condition. Raises InputError for what is none."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is no condition", f"write one such as {_EXAMPLES}")
    metric, sign, factor, right = match.groups()
    of = _reference(right, scenario, varied)
    if of is None and factor:
        known = [*REFERENCES, *(short_name(name) for name in METRICS)]
        raise InputError(f"{right!r} is nothing to compare with", close_match(right, known))
    if of is None:
        return {metric: f"{sign} {right}"}
    return {metric: {"is": f"{sign} {factor or 1}", "of": of}}


def _reference(right: str, scenario: Scenario, varied: Varied) -> str | Mapping[str, Any] | None:
    """Return what an `of:` says for the right side of a condition, None where that is a limit of its own."""
    if right in REFERENCES:
        return {"set": REFERENCES[right](scenario, varied)}
    operation, _, name = right.rpartition(".")
    if name in {short_name(metric) for metric in METRICS} or (operation == TOPOLOGY and name in FIGURES):
        return right
    if Path(right).suffix in (".yaml", ".yml") or right in shipped_scenarios():
        return {"scenario": right}
    return None


def _healthy(scenario: Scenario, varied: Varied) -> Mapping[str, Any]:
    return {"failures": []}


def _nonblocking(scenario: Scenario, varied: Varied) -> Mapping[str, Any]:
    topology = machine_of(scenario.data["topology"])
    named = named_in(topology, scenario.base)
    if named:
        tapers = [name for name in stated_parameters(named) if "taper" in name]
        keys = [f"topology.set.{name}" for name in tapers]
    else:
        keys = ["topology.taper"] if "taper" in topology else []
    if not keys:
        right = "name a scenario in place of nonblocking"
        raise InputError("this topology states no taper that could be 1", right)
    return dict.fromkeys(keys, 1)


def _today(scenario: Scenario, varied: Varied) -> Mapping[str, Any]:
    if varied.stated is None:
        raise InputError(f"the scenario does not state {varied.path}", "state it, to compare with it")
    return {varied.path: varied.stated}


REFERENCES: Final[Mapping[str, Callable[[Scenario, Varied], Mapping[str, Any]]]] = {
    "healthy": _healthy,
    "nonblocking": _nonblocking,
    "today": _today,
}
"""The same scenario without its failures, with every taper at 1, with what is varied as it is stated: what to set."""
