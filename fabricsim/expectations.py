"""What a user expects of a result, read from the scenario's `expect:` block.

An expectation names a metric without its unit suffix, optionally of one operation, and a limit with a unit:

    completion_time: "<= 1 ms"
    ar.busbw: {is: ">= 180 GB/s", when: {ar.size: ">= 256 MiB"}}
    ar.efficiency: "80 % .. 100 %"

Numbers that differ by less than one part in 10^9 are equal: results carry that much rounding, no more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from fabricsim.errors import FaultList, InputError, close_match
from fabricsim.result import METRICS
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

KINDS: Final[Mapping[str, str]] = {"s": "time", "B": "size", "B/s": "bandwidth", "": "share"}
"""The kind of quantity of each unit in result.METRICS; without a unit it is a share, unless it counts."""

_COUNTED = frozenset({"messages", "packets", "packet_hops"})
_SUFFIX = {"s": "_s", "B": "_B", "B/s": "_Bps"}
_SIGN = re.compile(r"\s*([<>=!~≤≥≈]+)\s*(.*?)\s*")
_RIGHT = (
    f"start with one of {' '.join(COMPARISONS)}, as in '>= 180 GB/s', or write a range, as in '1 ms .. 2 ms'"
)


@dataclass(frozen=True)
class Condition:
    """A metric and what must be true of it. `metric` is the name in result.METRICS, limits are SI numbers."""

    metric: str
    operation: str | None
    limits: tuple[tuple[str, float], ...]
    kind: str
    written: str

    @property
    def path(self) -> str:
        """The metric as people write it: `ar.busbw`."""
        name = short_name(self.metric)
        return f"{self.operation}.{name}" if self.operation else name

    def holds(self, value: float) -> bool:
        """Return whether `value` (SI) satisfies every limit. Not a number satisfies none."""
        return self.violated(value) is None

    def violated(self, value: float) -> float | None:
        """Return the first limit (SI) that `value` does not satisfy, or None."""
        return next((limit for sign, limit in self.limits if not COMPARISONS[sign](value, limit)), None)

    def __str__(self) -> str:
        return f"{self.path} {self.written}"


@dataclass(frozen=True)
class Expectation:
    """One line of `expect:`. It is judged in the results where every condition of `when` holds."""

    condition: Condition
    when: tuple[Condition, ...] = ()

    def __str__(self) -> str:
        return str(self.condition) + (f" when {' and '.join(map(str, self.when))}" if self.when else "")


def short_name(metric: str) -> str:
    """Return a metric's name without its unit suffix: `busbw` for `busbw_Bps`."""
    return metric.removesuffix(_SUFFIX.get(METRICS[metric][0], ""))


def kind_of(metric: str) -> str:
    """Return the kind of quantity a metric is: size, bandwidth, time, share or count."""
    return "count" if metric in _COUNTED else KINDS[METRICS[metric][0]]


def format_value(value: float, kind: str, digits: int = 4) -> str:
    """Return a metric's value (SI) for people, by its kind, to `digits` digits: `46.6 GB/s`, `95 %`, `12`."""
    return _FORMATS[kind](value, digits)


def parse_expectations(mapping: object, operations: Collection[str] | None = None) -> tuple[Expectation, ...]:
    """Return the expectations of an `expect:` block, in file order.

    `mapping` is metric path to limit text, to {is, when}, or to a list of these. Where `operations` is given,
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
            with faults.at(str(path), *(() if index is None else (index,))):
                found.append(_expectation(path, entry, operations))
    faults.raise_if_any()
    return tuple(found)


def _expectation(path: object, entry: object, operations: Collection[str] | None) -> Expectation:
    if not isinstance(entry, Mapping):
        return Expectation(_condition(path, entry, operations))
    faults = FaultList()
    for key in entry:
        if key not in ("is", "when"):
            faults.add(f"unknown key {key!r}", close_match(str(key), ("is", "when")), (str(key),))
    if "is" not in entry:
        faults.add("there is no limit", "add is: with a limit, as in is: '>= 180 GB/s'")
    conditions: list[Condition] = []
    if "is" in entry:
        with faults.at("is"):
            conditions.append(_condition(path, entry["is"], operations))
    with faults.at("when"):
        when = _when(entry.get("when", {}), operations)
    faults.raise_if_any()
    return Expectation(conditions[0], when)


def _when(mapping: object, operations: Collection[str] | None) -> tuple[Condition, ...]:
    if not isinstance(mapping, Mapping):
        raise InputError(f"{mapping!r} is not a mapping", "write when: {ar.size: '>= 256 MiB'}")
    faults, found = FaultList(), []
    for path, value in mapping.items():
        with faults.at(str(path)):
            found.append(_condition(path, value, operations))
    faults.raise_if_any()
    return tuple(found)


def _condition(path: object, value: object, operations: Collection[str] | None) -> Condition:
    metric, operation = _metric(path, operations)
    kind = kind_of(metric)
    limits, written = _limits(value, kind)
    return Condition(metric, operation, limits, kind, written)


def _metric(path: object, operations: Collection[str] | None) -> tuple[str, str | None]:
    # an operation's name may itself hold dots, a metric's never does
    operation, dot, name = str(path).rpartition(".")
    known = {short_name(metric): metric for metric in METRICS}
    if name not in known:
        raise InputError(f"unknown metric {name!r}", close_match(name, known))
    if dot and operations is not None and operation not in operations:
        raise InputError(f"there is no workload entry {operation!r}", close_match(operation, operations))
    return known[name], operation if dot else None


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


def _count(text: str) -> float:
    plain = _plain(text)
    if plain is None:
        raise InputError(f"{text!r} is not a count", "counts are plain numbers: write '1000', without a unit")
    return plain


_LIMIT_PARSERS: Final[Mapping[str, Callable[[str], float]]] = {**PARSERS, "share": _share, "count": _count}
_EXAMPLE: Final = {"size": "64 KiB", "bandwidth": "50 GB/s", "time": "2 us", "share": "95 %", "count": "1000"}
_FORMATS: Final[Mapping[str, Callable[[float, int], str]]] = {
    "size": format_size,
    "bandwidth": format_bandwidth,
    "time": format_time,
    "share": lambda value, digits: f"{100 * value:.{digits}g} %",
    "count": lambda value, _: f"{value:,.12g}",
}
