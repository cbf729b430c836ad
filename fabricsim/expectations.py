"""What a user expects of a result, read from the scenario's `expect:` block.

An expectation names a metric without its unit suffix, optionally of one operation, and a limit with a unit:

    completion_time: "<= 1 ms"
    ar.busbw: {is: ">= 180 GB/s", when: {ar.size: ">= 256 MiB"}}
    ar.efficiency: "80 % .. 100 %"

or a ratio: to another metric, to the same one under other settings, on another topology, in another scenario:

    a.busbw: {is: ">= 90 %", of: b.busbw}
    ar.busbw: {is: ">= 90 %", of: {set: {failures: []}}}
    completion_time: {is: "<= 1.05", of: {topology: nonblocking.yaml}}

or a rule of the design, on what `fabricsim inspect` tells: `topology.diameter: "<= 3"`.

Numbers that differ by less than one part in 10^9 are equal: results carry that much rounding, no more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fabricsim.errors import FaultList, InputError, Key, close_match
from fabricsim.metrics import METRICS
from fabricsim.units import PARSERS, format_bandwidth, format_size, format_time

REL_TOL: Final = 1e-9


def _equal(value: float, limit: float) -> bool:
    return math.isclose(value, limit, rel_tol=REL_TOL, abs_tol=0.0)


COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": lambda value, limit: value > limit or _equal(value, limit),
    "<=": lambda value, limit: value < limit or _equal(value, limit),
    "==": _equal,
    ">": lambda value, limit: value > limit and not _equal(value, limit),
    "<": lambda value, limit: value < limit and not _equal(value, limit),
}
"""What each comparison means, by the sign that stands for it."""

KINDS: Final[Mapping[str, str]] = {
    "s": "time",
    "B": "size",
    "B/s": "bandwidth",
    "1": "share",
    "x": "factor",
    "": "count",
}
"""The kind of quantity of each unit in METRICS."""

TOPOLOGY: Final = "topology"
"""What a figure of the design is written as an entry of: `topology.diameter`."""

FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "npus": ("npus", "count"),
    "switches": ("switches", "count"),
    "links": ("links", "count"),
    "diameter": ("diameter_hops", "count"),
    "mean_hops": ("mean_hops", "count"),
    "port_sum": ("port_sum_Bps", "bandwidth"),
    "scale_up_injection": ("scale_up_injection_Bps", "bandwidth"),
    "scale_out_injection": ("scale_out_injection_Bps", "bandwidth"),
    "bisection": ("bisection_Bps", "bandwidth"),
    "all_to_all_bound": ("all_to_all_bound_Bps", "bandwidth"),
    "cost": ("parts.price", "amount"),
    "cost_per_npu": ("parts.price_per_npu", "amount"),
    "cost_per_GBps": ("parts.price_per_GBps", "amount"),
    "watts": ("parts.watts", "amount"),
    "mtbf": ("parts.mtbf_s", "time"),
}
"""Figures of a design by the name they have here: the name that `inspect --json` prints, and the kind.

Those of parts are by the scenario's book of them; costs are in its unit.
"""

_SUFFIX = {"s": "_s", "B": "_B", "B/s": "_Bps"}
_FIGURE_NAMES: Final[Mapping[str, str]] = {metric: name for name, (metric, _) in FIGURES.items()}
_KEYS: Final = ("is", "when", "of")
_OF_KEYS: Final = ("metric", "scenario", "topology", "set")
_OF: Final = "name a metric, as in of: b.busbw, or another run, as in of: {set: {failures: []}}"
_SIGN = re.compile(r"\s*([<>=!~≤≥≈]+)\s*(.*?)\s*")
_RIGHT = (
    f"start with one of {' '.join(COMPARISONS)}, as in '>= 180 GB/s', or write a range, as in '1 ms .. 2 ms'"
)


@dataclass(frozen=True)
class Quantity:
    """What can be measured: a metric of the run or of one operation, or a figure of the design.

    metric is the name in METRICS, or, where operation is TOPOLOGY, the one that `inspect --json` prints.
    """

    metric: str
    operation: str | None

    @property
    def path(self) -> str:
        """The quantity as people write it: `ar.busbw`."""
        name = short_name(self.metric)
        return f"{self.operation}.{name}" if self.operation else name

    @property
    def of_design(self) -> bool:
        """Whether it is a figure of the design, which no result holds."""
        return self.metric in _FIGURE_NAMES


@dataclass(frozen=True)
class Condition:
    """A quantity and what must be true of it; limits are SI numbers."""

    quantity: Quantity
    limits: tuple[tuple[str, float], ...]
    kind: str
    written: str

    @property
    def metric(self) -> str:
        """The name of the metric or figure."""
        return self.quantity.metric

    @property
    def operation(self) -> str | None:
        """The operation it is of, None for the whole run."""
        return self.quantity.operation

    def holds(self, value: float) -> bool:
        """Return whether `value` (SI) satisfies every limit. Not a number satisfies none."""
        return self.violated(value) is None

    def violated(self, value: float) -> float | None:
        """Return the first limit (SI) that `value` does not satisfy, or None."""
        return next((limit for sign, limit in self.limits if not COMPARISONS[sign](value, limit)), None)

    def __str__(self) -> str:
        return f"{self.quantity.path} {self.written}"


@dataclass(frozen=True)
class Reference:
    """What a ratio is to: a quantity of the same run, or of another one.

    scenario: a file or shipped name, None for the scenario itself. changes: key paths of it with other values.
    """

    quantity: Quantity
    scenario: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_same_run(self) -> bool:
        """Whether it is a quantity of the run that is judged."""
        return self.scenario is None and not self.changes

    def __str__(self) -> str:
        where = f" in {self.scenario}" if self.scenario else ""
        changes = ", ".join(f"{key} = {value}" for key, value in self.changes.items())
        return self.quantity.path + where + (f" with {changes}" if changes else "")


@dataclass(frozen=True)
class Expectation:
    """One line of `expect:`. It is judged in the results where every condition of `when` holds.

    Where there is `of`, the condition's limits are of the ratio to it. key is where it stands below `expect`.
    """

    condition: Condition
    when: tuple[Condition, ...] = ()
    of: Reference | None = None
    key: Key = ()

    def __str__(self) -> str:
        text = str(self.condition) + (f" of {self.of}" if self.of else "")
        return text + (f" when {' and '.join(map(str, self.when))}" if self.when else "")


def short_name(metric: str) -> str:
    """Return a metric's name without its unit suffix: `busbw` for `busbw_Bps`."""
    if metric in _FIGURE_NAMES:
        return _FIGURE_NAMES[metric]
    return metric.removesuffix(_SUFFIX.get(METRICS[metric][0], ""))


def kind_of(metric: str) -> str:
    """Return the kind of quantity a metric is: size, bandwidth, time, share or count."""
    if metric in _FIGURE_NAMES:
        return FIGURES[_FIGURE_NAMES[metric]][1]
    return KINDS[METRICS[metric][0]]


def format_value(value: float, kind: str, digits: int = 4) -> str:
    """Return a metric's value (SI) for people, by its kind, to `digits` digits: `46.6 GB/s`, `95 %`, `12`."""
    return _FORMATS[kind](value, digits)


def parse_expectations(mapping: object, operations: Collection[str] | None = None) -> tuple[Expectation, ...]:
    """Return the expectations of an `expect:` block, in file order.

    `mapping` is metric path to limit text, to {is, when, of}, or to a list of these. Where `operations` is given,
    the names of the workload entries, a path must not name another. Raises InputError with every fault found,
    each with its key below the block.
    """
    if not isinstance(mapping, Mapping):
        raise InputError(
            f"{mapping!r} is not a mapping", "write a metric and its limit, as in completion_time: '<= 1 ms'"
        )
    faults, found = FaultList(), []
    for path, value in mapping.items():
        entries = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        if not entries:
            faults.add("the list is empty", _RIGHT, (str(path),))
        for index, entry in entries:
            key = (str(path), *(() if index is None else (index,)))
            with faults.at(*key):
                found.append(replace(_expectation(path, entry, operations), key=key))
    faults.raise_if_any()
    return tuple(found)


def _expectation(path: object, entry: object, operations: Collection[str] | None) -> Expectation:
    if not isinstance(entry, Mapping):
        return Expectation(_condition(path, entry, operations))
    faults = FaultList()
    for key in entry:
        if key not in _KEYS:
            faults.add(f"unknown key {key!r}", close_match(str(key), _KEYS), (str(key),))
    if "is" not in entry:
        faults.add("there is no limit", "add is: with a limit, as in is: '>= 180 GB/s'")
    conditions: list[Condition] = []
    if "is" in entry:
        with faults.at("is"):
            conditions.append(_condition(path, entry["is"], operations, ratio="of" in entry))
    with faults.at("when"):
        when = _when(entry.get("when", {}), operations)
    of: Reference | None = None
    if "of" in entry:
        with faults.at("of"):
            of = _reference(path, entry["of"], operations)
    faults.raise_if_any()
    return Expectation(conditions[0], when, of)


def _when(mapping: object, operations: Collection[str] | None) -> tuple[Condition, ...]:
    if not isinstance(mapping, Mapping):
        raise InputError(f"{mapping!r} is not a mapping", "write when: {ar.size: '>= 256 MiB'}")
    faults, found = FaultList(), []
    for path, value in mapping.items():
        with faults.at(str(path)):
            found.append(_condition(path, value, operations))
    faults.raise_if_any()
    return tuple(found)


def _reference(path: object, value: object, operations: Collection[str] | None) -> Reference:
    if isinstance(value, str):
        return Reference(_comparable(path, value, operations))
    if not isinstance(value, Mapping) or not value:
        raise InputError(f"{value!r} is no reference", _OF)
    faults = FaultList()
    for key in value:
        if key not in _OF_KEYS:
            faults.add(f"unknown key {key!r}", close_match(str(key), _OF_KEYS), (str(key),))
    scenario, changes = value.get("scenario"), value.get("set", {})
    if scenario is not None and not isinstance(scenario, str):
        faults.add(f"{scenario!r} is not a scenario", "write a file, or a shipped name", ("scenario",))
    if not isinstance(changes, Mapping):
        faults.add(f"{changes!r} is not a mapping", "write keys and values, as in {failures: []}", ("set",))
        changes = {}
    if "topology" in value:
        changes = {"topology": value["topology"], **changes}
    quantities: list[Quantity] = []
    with faults.at("metric"):  # another scenario has entries of its own
        quantities.append(_comparable(path, value.get("metric", path), None if scenario else operations))
    faults.raise_if_any()
    return Reference(quantities[0], str(scenario) if scenario else None, changes)


def _comparable(path: object, other: object, operations: Collection[str] | None) -> Quantity:
    """Return the quantity called `other`. Raises InputError if it is of another kind than the one called `path`."""
    kind, quantity = kind_of(quantity_of(path, None).metric), quantity_of(other, operations)
    if kind_of(quantity.metric) != kind:
        raise InputError(
            f"{path} is a {kind} and {other} a {kind_of(quantity.metric)}", "a ratio is of two of one kind"
        )
    return quantity


def _condition(
    path: object, value: object, operations: Collection[str] | None, *, ratio: bool = False
) -> Condition:
    quantity = quantity_of(path, operations)
    kind = "ratio" if ratio else kind_of(quantity.metric)
    limits, written = _limits(value, kind)
    return Condition(quantity, limits, kind, written)


def quantity_of(path: object, operations: Collection[str] | None) -> Quantity:
    """Return what a path such as `ar.busbw` or `topology.cost` names. Raises InputError with a close match."""
    # an operation's name may itself hold dots, a metric's never does
    operation, dot, name = str(path).rpartition(".")
    if operation == TOPOLOGY and name in FIGURES:
        return Quantity(FIGURES[name][0], TOPOLOGY)
    known = {short_name(metric): metric for metric in METRICS}
    if name not in known:
        if operation == TOPOLOGY or name in FIGURES:
            figures = [f"{TOPOLOGY}.{figure}" for figure in FIGURES]
            raise InputError(f"unknown metric {str(path)!r}", close_match(f"{TOPOLOGY}.{name}", figures))
        raise InputError(f"unknown metric {name!r}", close_match(name, known))
    if dot and operations is not None and operation not in operations:
        raise InputError(f"there is no workload entry {operation!r}", close_match(operation, operations))
    return Quantity(known[name], operation if dot else None)


def _limits(value: object, kind: str) -> tuple[tuple[tuple[str, float], ...], str]:
    if not isinstance(value, str):
        raise InputError(f"{value!r} has no comparison", _RIGHT)
    match = _SIGN.fullmatch(value)
    if match is None:
        return _range(value, kind)
    sign, number = match.groups()
    if sign not in COMPARISONS:
        raise InputError(f"{sign!r} is not a comparison", _RIGHT)
    if not number:
        raise InputError(
            f"{value!r} has no number", f"write one after {sign}, as in '{sign} {_EXAMPLE[kind]}'"
        )
    return ((sign, _quantity(number, kind)),), f"{sign} {number}"


def _range(value: str, kind: str) -> tuple[tuple[tuple[str, float], ...], str]:
    low, dots, high = (part.strip() for part in value.partition(".."))
    if not dots:
        raise InputError(f"{value!r} has no comparison", _RIGHT)
    if not low or not high:
        raise InputError(f"{value!r} lacks an end", _RIGHT)
    least, most = _quantity(low, kind), _quantity(high, kind)
    if least > most:
        raise InputError(f"{value!r} is empty", f"the smaller end comes first: '{high} .. {low}'")
    return ((">=", least), ("<=", most)), f"{low} .. {high}"


def _quantity(text: str, kind: str) -> float:
    number = _LIMIT_PARSERS[kind](text)
    if number < 0:
        raise InputError(f"{text!r} is negative", f"no {kind} is: write one such as '{_EXAMPLE[kind]}'")
    return number


def _plain(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", text) else None


def _share(text: str) -> float:
    plain = _plain(text)
    return float(PARSERS["share"](text if plain is None else plain))


def _ratio(text: str) -> float:
    percent = text.removesuffix("%").rstrip()
    number = _plain(percent)
    if number is None:
        raise InputError(f"{text!r} is not a ratio", "write one such as '90 %' or 1.05")
    return number / 100 if text.endswith("%") else number


def _factor(text: str) -> float:
    plain = _plain(text.removesuffix("x").rstrip())
    if plain is None:
        raise InputError(f"{text!r} is not a factor", "write one such as 1.5, or 1.5x")
    return plain


def _count(text: str) -> float:
    plain = _plain(text)
    if plain is None:
        raise InputError(f"{text!r} is not a count", "counts are plain numbers: write '1000', without a unit")
    return plain


_LIMIT_PARSERS: Final[Mapping[str, Callable[[str], float]]] = {
    **PARSERS,
    "share": _share,
    "factor": _factor,
    "count": _count,
    "amount": _count,
    "ratio": _ratio,
}
_EXAMPLE: Final = {
    "size": "64 KiB",
    "bandwidth": "50 GB/s",
    "time": "2 us",
    "share": "95 %",
    "factor": "1.5",
    "count": "1000",
    "amount": "1000",
    "ratio": "90 %",
}
_FORMATS: Final[Mapping[str, Callable[[float, int], str]]] = {
    "size": format_size,
    "bandwidth": format_bandwidth,
    "time": format_time,
    "share": lambda value, digits: f"{100 * value:.{digits}g} %",
    "ratio": lambda value, digits: f"{100 * value:.{digits}g} %",
    "factor": lambda value, digits: f"{value:.{digits}g}x",
    "count": lambda value, _: f"{value:,.12g}",
    "amount": lambda value, digits: f"{value:,.{max(digits, 6)}g}",
}
