"""What expectations need beside the results: figures of the design, and the runs that ratios are to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fabricsim.errors import FaultList, InputError
from fabricsim.expectations import Expectation, Reference
from fabricsim.inspection import inspect
from fabricsim.inspection.parts import PartsBook, load_parts
from fabricsim.regression.verdicts import NotJudgedError, value_in
from fabricsim.result import Result
from fabricsim.run import run
from fabricsim.scenario import Scenario, load_scenario


class RunsBeside:
    """Looks at the designs of a scenario's points, and makes the runs that its ratios are to, each once."""

    def __init__(self, scenario: Scenario, results: dict[str, Result] | None = None) -> None:
        """Find the scenarios that ratios are to. Raises InputError for what is no scenario, at its place.

        results: the runs made so far, where others have compared with the same ones.
        """
        self._points = scenario.points()
        self._others = {
            (index, expectation.key): _other(scenario, point, expectation.of, expectation)
            for expectation in scenario.expectations
            if expectation.of and not expectation.of.is_same_run
            for index, point in enumerate(self._points)
        }
        self._results = {} if results is None else results  # by what runs: two ratios to one run need it once
        self._designs: dict[str, Mapping[str, Any]] = {}
        for point in self._points:
            _book(point)  # one that cannot be read is said before the first run

    def figure(self, index: int, metric: str) -> float:
        """Return a figure of the design of point `index`. Raises NotJudgedError where the design has none."""
        return self._figure(self._points[index], metric)

    def value(self, index: int, expectation: Expectation) -> float:
        """Return the value that point `index` is held against. Raises NotJudgedError, or what running it raises."""
        of = expectation.of
        assert of is not None
        other = self._others[index, expectation.key]
        if other is None:
            raise NotJudgedError(f"{of.scenario} has no point like point {index} of this scenario")
        if of.quantity.of_design:
            return self._figure(other, of.quantity.metric)
        try:
            return value_in(self._result(other), of.quantity)
        except NotJudgedError as error:
            raise NotJudgedError(f"of {of}: {error}") from None

    def _figure(self, scenario: Scenario, metric: str) -> float:
        key = _identity(scenario)
        if key not in self._designs:
            self._designs[key] = inspect(scenario.fabric(), _book(scenario))
        return figure_in(self._designs[key], metric)

    def _result(self, scenario: Scenario) -> Result:
        key = _identity(scenario)
        if key not in self._results:
            self._results[key] = run(scenario)[0]
        return self._results[key]


def figure_in(design: Mapping[str, Any], metric: str) -> float:
    """Return a figure of a design as `inspect` gives it. Raises NotJudgedError where it has none, or only a part."""
    section, dot, name = metric.rpartition(".")
    if dot and section not in design:
        raise NotJudgedError(f"it needs a book of {section}; name one, as in {section}: example")
    found = design[section] if dot else design
    value: float | None = found[name]
    if value is None:
        raise NotJudgedError(f"the design has no {name}")
    share = found[_SHARES[name]] if dot else 1
    if share < 1:
        raise NotJudgedError(f"the book knows only {100 * share:.3g} % of the pieces; add the others to it")
    return value


_SHARES: Final = {
    "price": "priced_share",
    "price_per_npu": "priced_share",
    "price_per_GBps": "priced_share",
    "watts": "watts_share",
    "mtbf_s": "failures_share",
}
"""How much of the pieces each figure of the parts covers: a rule on a part of a machine is none on the machine."""


def _book(scenario: Scenario) -> PartsBook | None:
    """Return the book of parts that a scenario names. Raises InputError, at its place."""
    if scenario.parts.parts is None:
        return None
    faults = FaultList()
    with faults.at("parts"):
        return load_parts(_named(scenario.parts.parts, scenario.base))
    raise scenario.document.locate(InputError(faults.faults))


def _identity(scenario: Scenario) -> str:
    return f"{scenario.base}\n{scenario.canonical()}"


def _other(scenario: Scenario, point: Scenario, of: Reference, expectation: Expectation) -> Scenario | None:
    """Return the one-point scenario that `of` names for a point, or None if the other's sweep has no such point."""
    origin = ("expect", *expectation.key, "of")
    if of.scenario is None:
        return point.beside(of.changes, origin)
    try:
        other = load_scenario(_named(of.scenario, scenario.base), settings=of.changes)
    except InputError as error:
        raise scenario.document.locate(error) from None
    points = other.points()
    if len(points) == 1:
        return points[0]
    return next((one for one in points if one.varied == point.varied), None)


def _named(name: str, base: Path) -> str | Path:
    return base / name if Path(name).suffix or "/" in name else name
