"""What `sweep:` states: the points of a space, as axes of steps.

    sweep:
      workload.ar.size: [1 MiB, 1 GiB]                       # a grid: every value of one key with every one of others
      "topology.set.planes, topology.set.taper": [[4, 1], [8, 2]]       # keys that go together
      sample: {count: 100, over: {topology.link.latency: 100 ns .. 2 us}}

or a list of points, each a mapping of keys to values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fabricsim.errors import FaultList, InputError, Key
from fabricsim.random_streams import generator
from fabricsim.units import PARSERS, to_ps
from fabricsim.validation import Part, shown, validate

MAX_POINTS: Final = 10_000
"""Points of one sweep; a grid beyond it is more often a slip than a wish."""

SAMPLE: Final = "sample"


@dataclass(frozen=True)
class Setting:
    """One key and its value in one step; place is where the value is written, below `sweep`."""

    path: str
    value: Any
    place: Key


Step = tuple[Setting, ...]


@dataclass(frozen=True)
class Space:
    """The space of a sweep: its points are one step of each axis, the first axis slowest."""

    axes: tuple[tuple[Step, ...], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.axes)


class SamplePart(Part):
    """sweep.sample: points drawn at random, all keys together."""

    method: Literal["latin-hypercube", "random"] = "latin-hypercube"
    count: Annotated[int, Field(ge=1, le=MAX_POINTS)] = Field(description="how many points")
    seed: Annotated[int, Field(ge=0)] = 0
    over: Annotated[dict[str, Any], Field(min_length=1)] = Field(
        description="keys with a list of values, a range 'A .. B', or {from, to, scale}"
    )


class RangePart(Part):
    """A range to draw from."""

    low: Any = Field(alias="from", description="the smallest value")
    to: Any = Field(description="the largest value")
    scale: Literal["linear", "log"] = "linear"


JSON_SCHEMA: Final[dict[str, Any]] = {
    "description": "keys with lists of values; 'a, b' with lists of pairs; sample; or a list of points",
    "anyOf": [
        {
            "type": "object",
            "properties": {SAMPLE: {"type": "object", "required": ["count", "over"]}},
            "additionalProperties": {"type": "array", "minItems": 1},
        },
        {"type": "array", "minItems": 1, "items": {"type": "object", "minProperties": 1}},
    ],
}


def parse_space(value: object) -> Space:
    """Return the space that a `sweep:` states. Raises InputError with every fault, keyed below it."""
    if isinstance(value, Space):
        return value
    if isinstance(value, list):
        return Space((_points(value),))
    if not isinstance(value, Mapping):
        raise InputError(f"{shown(value)} is not a mapping", "write keys and lists of their values")
    faults, axes = FaultList(), []
    for key, entry in value.items():
        with faults.at(str(key)):
            axes.append(_sample(entry) if key == SAMPLE else _axis(str(key), entry))
    faults.raise_if_any()
    return Space(tuple(axes))


def paths_of(key: str) -> list[str]:
    """Return the key paths that one key of a `sweep:` names: one, or those that go together."""
    return [path.strip() for path in key.split(",")]


def _points(points: Sequence[Any]) -> tuple[Step, ...]:
    faults = FaultList()
    for index, point in enumerate(_some(points)):
        if not isinstance(point, Mapping) or not point:
            faults.add(f"{shown(point)} is not a point", "write keys and their values", (index,))
    faults.raise_if_any()
    return tuple(
        tuple(Setting(str(path), value, (index, str(path))) for path, value in point.items())
        for index, point in enumerate(points)
    )


def _axis(key: str, values: object) -> tuple[Step, ...]:
    paths = paths_of(key)
    if len(paths) == 1:
        return tuple((Setting(key, value, (key, index)),) for index, value in enumerate(_some(values)))
    faults = FaultList()
    for index, row in enumerate(_some(values)):
        if not isinstance(row, list) or len(row) != len(paths):
            faults.add(
                f"{shown(row)} is not a list of {len(paths)} values", f"one for each of {key}", (index,)
            )
    faults.raise_if_any()
    return tuple(
        tuple(
            Setting(path, value, (key, index, column))
            for column, (path, value) in enumerate(zip(paths, row, strict=True))
        )
        for index, row in enumerate(_some(values))
    )


def _some(values: object) -> Sequence[Any]:
    if not isinstance(values, list):
        raise InputError(f"{shown(values)} is not a list", "write a list of values: [a, b]")
    if not values:
        raise InputError("has 0 entries", "give at least 1 entry")
    return values


# -- samples -----------------------------------------------------------------------------------------------


def _sample(value: object) -> tuple[Step, ...]:
    part = validate(SamplePart, value)
    faults, columns = FaultList(), {}
    for path, entry in part.over.items():
        with faults.at("over", path):
            random = generator(
                part.seed, f"sweep/{path}"
            )  # by name: a key more leaves the others as they are
            columns[path] = _drawn(_METHODS[part.method](part.count, random), entry)
    faults.raise_if_any()
    place = {path: (SAMPLE, "over", path) for path in columns}
    return tuple(
        tuple(Setting(path, column[index], place[path]) for path, column in columns.items())
        for index in range(part.count)
    )


def _random(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    return random.random(count)


def _latin_hypercube(count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return one number in each of `count` equal parts of [0, 1), in random order.

    McKay, Beckman & Conover, Technometrics 21 (1979) 239-245.
    """
    return (random.permutation(count) + random.random(count)) / count


_METHODS: Final[Mapping[str, Callable[[int, np.random.Generator], NDArray[np.float64]]]] = {
    "latin-hypercube": _latin_hypercube,
    "random": _random,
}
"""How the numbers in [0, 1) are drawn that choose a key's values, by name."""


def _drawn(shares: NDArray[np.float64], entry: object) -> list[Any]:
    """Return the values that shares in [0, 1) choose from a list or a range."""
    if isinstance(entry, list):
        values = _some(entry)
        return [values[int(share * len(values))] for share in shares.tolist()]
    values_between = parse_range(entry)
    return [values_between.at(share) for share in shares.tolist()]


@dataclass(frozen=True)
class Range:
    """The values between two ends: whole numbers, numbers, or quantities of one kind (times in ps).

    write: a number between the ends as a scenario writes it, exactly.
    """

    low: int | float
    high: int | float
    log: bool
    write: Callable[[Any], Any]

    @property
    def whole(self) -> bool:
        """Whether only whole numbers lie between: those of a file, not quantities."""
        return self.write is round

    def at(self, share: float) -> Any:
        """Return the value at a share in [0, 1) of the way, as a scenario writes it."""
        return self.write(self._number(share))

    def _number(self, share: float) -> int | float:
        low, high = self.low, self.high
        if self.log:
            return float(low * (high / low) ** share)
        if isinstance(low, int) and isinstance(high, int):
            return low + int(share * (high - low + 1))  # the last whole number is as likely as the others
        return float(low + (high - low) * share)


def parse_range(entry: object) -> Range:
    """Return the range that `A .. B` or {from, to, scale} states. Raises InputError."""
    low, high, scale = _ends(entry)
    ends, write = _of_one_kind(low, high)
    if ends[0] >= ends[1]:
        raise InputError(f"the range from {ends[0]} to {ends[1]} is empty", "the smaller end comes first")
    if scale == "log" and ends[0] <= 0:
        right = "start above 0, or leave scale out"
        raise InputError(f"a logarithmic range cannot start at {ends[0]}", right)
    return Range(ends[0], ends[1], scale == "log", write)


def range_around(value: object, factor: int) -> Range:
    """Return the range from a value over `factor` to the value times it. Raises InputError where it is not above 0."""
    number, write = as_number(value)
    if number <= 0:
        raise InputError(f"there is no range around {shown(value)}", _RIGHT)
    if isinstance(number, int):
        return Range(max(1, number // factor), number * factor, True, write)
    return Range(number / factor, number * factor, True, write)


def as_number(value: object) -> tuple[int | float, Callable[[Any], Any]]:
    """Return a value as a number, times in ps, and how another is written. Raises InputError for what is none."""
    (number, _), write = _of_one_kind(value, value)
    return number, write


def _of_one_kind(low: object, high: object) -> tuple[list[Any], Callable[[Any], Any]]:
    """Return two values as numbers, and how a number between them is written."""
    for parse, write in _KINDS:
        ends = [_number(parse, end) for end in (low, high)]
        if None not in ends:
            return ends, write
    raise InputError(f"{shown(low)} and {shown(high)} are no two of one kind", _RIGHT)


def _ends(entry: object) -> tuple[object, object, str]:
    if isinstance(entry, Mapping):
        part = validate(RangePart, entry)
        return part.low, part.to, part.scale
    low, dots, high = str(entry).partition("..")
    if not isinstance(entry, str) or not dots:
        raise InputError(f"{shown(entry)} is neither a list nor a range", _RIGHT)
    return low.strip(), high.strip(), "linear"


_RIGHT: Final = "write values [a, b], a range '1 us .. 2 us', or {from: 1 us, to: 1 ms, scale: log}"


def _number(parse: Callable[[Any], float], end: object) -> float | None:
    try:
        return parse(end)
    except InputError:
        return None


def _whole(end: object) -> int:
    if isinstance(end, int) and not isinstance(end, bool):
        return end
    if isinstance(end, str) and re.fullmatch(r"[-+]?\d{1,18}", end):
        return int(end)
    raise InputError("is not a whole number")


def _plain(end: object) -> float:
    if isinstance(end, int | float) and not isinstance(end, bool):
        return float(end)
    if isinstance(end, str) and re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?", end):
        return float(end)
    raise InputError("is not a number")


def _picoseconds(end: object) -> int:
    return to_ps(PARSERS["time"](end))


_KINDS: Final[Sequence[tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = (
    (_whole, round),
    (_plain, float),
    (_picoseconds, lambda value: f"{round(value)} ps"),
    (PARSERS["size"], lambda value: f"{round(value)} B"),
    (PARSERS["bandwidth"], lambda value: f"{round(value)} B/s"),
    (PARSERS["share"], float),
)
"""What the ends of a range may be, and how a value between them is written: exactly."""
