"""Where a design breaks even: the value of one key at which a condition begins to hold, or no longer does.

A few values over the range are tried first, so that several thresholds are found where there are several; between two
that differ the interval is halved until it is narrow enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fabricsim.designs.condition import expectation_of
from fabricsim.designs.key import Varied, varied_key
from fabricsim.errors import FabricError, InputError, UsageError
from fabricsim.regression.beside import RunsBeside
from fabricsim.regression.verdicts import Verdict, judge
from fabricsim.result import Result
from fabricsim.run import run
from fabricsim.scenario import Scenario
from fabricsim.scenario.space import Range, parse_range, range_around

_TRIED: Final = 9
"""Values that are tried over the range before any interval is halved."""

_FAR: Final = 8
"""How many times less and more than what is stated a key is varied to, where no range is given."""

_NEARBY: Final = 32
"""Whole numbers around the middle that are tried in its place where it makes no machine."""

_SHARES: Final = (0.5, 0.375, 0.625, 0.25, 0.75)
"""Where in an interval a value is looked for, the first that makes a machine."""

Number = int | float


@dataclass(frozen=True, eq=False)
class Probe:
    """One value of the key, as a scenario writes it, and what became of the condition there."""

    number: Number
    value: Any
    verdict: Verdict
    result: Result

    @property
    def actual(self) -> float:
        """The judged value (SI), or ratio."""
        assert self.verdict.actual is not None  # or it were no probe
        return self.verdict.actual

    @property
    def busiest(self) -> tuple[str, float]:
        """The class of channels that carried most for their rate, by level and link, and its utilisation."""
        links = self.result.tables["links"].columns
        top = int(links["utilization"].argmax())
        return f"{links['level'][top]} ({links['link'][top]})", float(links["utilization"][top])


@dataclass(frozen=True)
class Threshold:
    """Two values next to each other with other verdicts; between them none is known."""

    below: Probe
    above: Probe

    @property
    def holds_below(self) -> bool:
        """Whether the condition holds up to here, rather than from here on."""
        return self.below.verdict.ok


@dataclass(frozen=True)
class BreakEven:
    """Where a condition turns, in the order of the values.

    probes: every value that was tried, in order. refused: values that make no machine or cannot run, with the reason.
    """

    key: str
    condition: str
    thresholds: tuple[Threshold, ...]
    probes: tuple[Probe, ...]
    refused: Mapping[Any, str]


def solve(
    scenario: Scenario, vary: str, until: str, *, over: Any = None, tolerance: float = 1e-3
) -> BreakEven:
    """Return where a condition turns as one key of a scenario is varied.

    vary: a key path, or what the machine calls it: a parameter, or `LEVEL.KEY`. until: see
    `fabricsim.designs.condition`. over: a range such as `1 .. 8`; from an eighth to eight times what is
    stated if not given. tolerance: how far apart the two values around a threshold may be, relative to them; whole
    numbers are told apart. Raises InputError for a key, condition or range that is none, UsageError for a scenario of
    several points, and SimulationError's children where no value can be run.
    """
    if not 0 < tolerance < 1:
        raise UsageError(f"a tolerance of {tolerance} is none; write a share such as 0.1 %")
    if len(scenario.points()) > 1:
        raise UsageError(f"{scenario.name} has a sweep; fix its keys with --set")
    varied = varied_key(scenario, vary)
    expect = expectation_of(until, scenario, varied)
    between = parse_range(over) if over is not None else _around(varied)
    tries = _Tries(scenario, varied.path, expect, between)
    tries.probe_all(_spread(between))
    if not tries.probes:
        value, why = next(iter(tries.refused.items()))
        raise InputError(f"no value of {varied.path} that was tried can be run; {value}: {why}")
    pairs = zip(tries.in_order(), tries.in_order()[1:], strict=False)
    turns = [(a, b) for a, b in pairs if a.verdict.ok != b.verdict.ok]
    thresholds = tuple(_narrowed(tries, below, above, tolerance) for below, above in turns)
    condition = next(iter(tries.probes.values())).verdict.text
    return BreakEven(varied.path, condition, thresholds, tuple(tries.in_order()), dict(tries.refused))


def _around(varied: Varied) -> Range:
    try:
        return range_around(varied.stated, _FAR)
    except InputError:
        stated = "has no value" if varied.stated is None else f"is {varied.stated!r}"
        right = "give a range, as in --over '1 .. 8'"
        raise InputError(f"{varied.path} {stated} to start from", right) from None


def _spread(between: Range) -> list[Number]:
    """Return values to try over a range, in equal ratios where it does not reach 0."""
    low, high = between.low, between.high
    steps = [step / (_TRIED - 1) for step in range(_TRIED)]
    numbers = [low * (high / low) ** s if low > 0 else low + (high - low) * s for s in steps]
    numbers = [low, *numbers[1:-1], high]
    return sorted({round(number) for number in numbers}) if between.whole else numbers


class _Tries:
    """Runs values of a key, each once, and keeps what came of them."""

    def __init__(self, scenario: Scenario, path: str, expect: Mapping[str, Any], between: Range) -> None:
        self._point = partial(_point, scenario, path, expect)
        self._write = between.write
        self.whole = between.whole
        self._beside: dict[str, Result] = {}
        self.probes: dict[Any, Probe] = {}
        self.refused: dict[Any, str] = {}

    def probe_all(self, numbers: list[Number]) -> None:
        for number in numbers:
            self.probe(number)

    def probe(self, number: Number) -> Probe | None:
        """Return what became of a value, None where it makes no machine or cannot run."""
        value = self._write(number)
        if value in self.probes or value in self.refused:
            return self.probes.get(value)
        point = self._point(
            value
        )  # a condition that is none, or a key that cannot hold the value, is the user's slip
        try:
            beside = RunsBeside(point, self._beside)
            (result,) = run(point)
            (verdict,) = judge(result, point.expectations, beside)
        except FabricError as error:
            self.refused[value] = str(error)
            return None
        if verdict.actual is None:
            raise InputError(f"{verdict.text}: {verdict.why}")
        self.probes[value] = Probe(number, value, verdict, result)
        return self.probes[value]

    def in_order(self) -> list[Probe]:
        return sorted(self.probes.values(), key=lambda probe: probe.number)

    def between(self, low: Probe, high: Probe) -> Probe | None:
        """Return a probe strictly between two, near the middle; None where no value there can be run."""
        for number in _inside(low.number, high.number, self.whole):
            if self._write(number) not in (low.value, high.value) and (found := self.probe(number)):
                return found
        return None


def _point(scenario: Scenario, path: str, expect: Mapping[str, Any], value: Any) -> Scenario:
    return scenario.replace(**{path: value, "expect": expect})


def _inside(low: Number, high: Number, whole: bool) -> Iterator[Number]:
    if not whole:
        for share in _SHARES:
            yield low * (high / low) ** share if low > 0 else low + (high - low) * share
        return
    middle = (low + high) // 2
    inside = range(max(int(low) + 1, int(middle) - _NEARBY), min(int(high), int(middle) + _NEARBY))
    yield from sorted(inside, key=lambda number: (abs(number - middle), number))


def _narrowed(tries: _Tries, below: Probe, above: Probe, tolerance: float) -> Threshold:
    holds = below.verdict.ok
    while tries.whole or above.number - below.number > tolerance * max(abs(above.number), abs(below.number)):
        middle = tries.between(below, above)
        if middle is None:
            break
        below, above = (middle, above) if middle.verdict.ok == holds else (below, middle)
    return Threshold(below, above)
