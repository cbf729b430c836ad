"""Baselines: the numbers that a scenario had, stored beside it as small sorted JSON.

`x.yaml` has its baseline in `x.baseline.json`: for each point of its sweep what it came from and, for each
metric, the value (SI), and how far it may move: abs, or rel times the value, whichever is more. Tolerances are
the user's to edit; an update keeps them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from fabricsim.document import read_document
from fabricsim.errors import FaultList, InputError, SimulationError, close_match
from fabricsim.metrics import METRICS
from fabricsim.regression.origin import Origin, origin_of
from fabricsim.regression.watched import default_rel, is_watched
from fabricsim.result import Result
from fabricsim.validation import ListOf, Part, validate

SCHEMA: Final = "fabricsim.baseline/1"
SUFFIX: Final = ".baseline.json"

Tolerance = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Held:
    """One number of a baseline: its value (SI), and how far it may move, relative to the value and absolutely."""

    value: int | float
    rel: float
    abs: float

    @property
    def allowed(self) -> float:
        """How far the number may be from its value."""
        return max(self.abs, self.rel * abs(self.value))


@dataclass(frozen=True)
class Point:
    """The numbers of one point of a sweep, or of the one run there is. `varied` says which point."""

    varied: Mapping[str, Any]
    origin: Origin
    metrics: Mapping[str, Held]

    @property
    def label(self) -> str:
        """The point as people write it: `workload.ar.size = 64 KiB`; empty outside a sweep."""
        return label_of(self.varied)


@dataclass(frozen=True)
class Baseline:
    """The content of one baseline file. `reason` says why its numbers are what they are."""

    reason: str
    points: tuple[Point, ...]

    def point(self, varied: Mapping[str, Any]) -> Point | None:
        """Return the point with these values, or None."""
        label = label_of(varied)
        return next((point for point in self.points if point.label == label), None)


def label_of(varied: Mapping[str, Any]) -> str:
    """Return the values of a point as people write them."""
    return ", ".join(f"{key} = {_plain(value)}" for key, value in sorted(varied.items()))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def baseline_path(scenario: Path) -> Path:
    """Return where the baseline of a scenario file lies."""
    return scenario.with_name(scenario.stem + SUFFIX)


def scenario_path(baseline: Path) -> Path | None:
    """Return the scenario file that a baseline belongs to, or None if it is gone."""
    stem = baseline.name.removesuffix(SUFFIX)
    beside = (baseline.with_name(stem + suffix) for suffix in (".yaml", ".yml"))
    return next((path for path in beside if path.exists()), None)


def orphans(folders: Sequence[Path]) -> list[Path]:
    """Return the baselines in folders whose scenario is gone."""
    paths = (path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}")))
    return [path for path in paths if scenario_path(path) is None]


def metric_name(path: str) -> str:
    """Return the name in METRICS that a metric's path ends in."""
    return path.rpartition(".")[2]


# -- making ------------------------------------------------------------------------------------------------


def make_baseline(results: Sequence[Result], reason: str, before: Baseline | None = None) -> Baseline:
    """Return the baseline of results, every point in order. Metrics and tolerances of `before` are kept."""
    return Baseline(reason, tuple(_point(result, before) for result in results))


def _point(result: Result, before: Baseline | None) -> Point:
    varied = dict(result.provenance.get("varied", {}))
    old = before.point(varied) if before else None
    found = result.numbers
    if old:  # what the user took out stays out, and tolerances stay as they were set
        held = {
            name: replace(h, value=_number(found[name])) for name, h in old.metrics.items() if name in found
        }
    else:
        held = {name: _held(name, value) for name, value in _distinct(found).items()}
    return Point(varied, origin_of(result), held)


def _held(path: str, value: int | float) -> Held:
    return Held(_number(value), default_rel(metric_name(path)), 0.0)


def _number(value: int | float) -> int | float:
    """Return a metric as a baseline holds it: what is true or false, such as `saturated`, as 1 or 0."""
    return int(value) if isinstance(value, bool) else value


def _distinct(found: Mapping[str, int | float]) -> dict[str, int | float]:
    """Return the metrics worth holding: no derived ones, and none of an only operation that the run has too."""
    watched = {path: value for path, value in found.items() if is_watched(metric_name(path))}
    return {
        path: value
        for path, value in watched.items()
        if path == metric_name(path) or watched.get(metric_name(path)) != value
    }


# -- the file ----------------------------------------------------------------------------------------------


class HeldPart(Part):
    """metrics: one number."""

    value: int | float = Field(description="the number, in SI units")
    rel: Tolerance = Field(description="how far it may move, relative to the value")
    abs: Tolerance = Field(0.0, description="how far it may move, in the metric's unit")


class PointPart(Part):
    """points: the numbers of one point of a sweep."""

    varied: dict[str, Any] = Field(description="what the sweep varies, {} outside a sweep")
    topology: str
    scenario: str
    engine: str
    kernel: str
    metrics: dict[str, HeldPart]


class BaselinePart(Part):
    """A whole baseline file."""

    format: Literal["fabricsim.baseline/1"] = Field(alias="schema", description=f"schema: {SCHEMA}")
    reason: str
    fabricsim: str
    code: str
    points: ListOf[PointPart]


def read_baseline(path: Path) -> Baseline:
    """Return the baseline in a file. Raises InputError with every fault found, each with its line."""
    document = read_document(path)
    try:
        if isinstance(document.value, dict) and document.value.get("schema") != SCHEMA:
            raise _other_schema(document.value.get("schema"))
        part = validate(BaselinePart, document.value)
        _check_metrics(part)
    except InputError as error:
        raise document.locate(error) from None
    return Baseline(part.reason, tuple(_point_of(part, point) for point in part.points))


def _other_schema(schema: object) -> InputError:
    faults = FaultList()
    right = f"this version reads {SCHEMA}; write the baseline again with check --update"
    faults.add(f"{schema!r} is not a baseline that this version reads", right, ("schema",))
    return InputError(faults.faults)


def _check_metrics(part: BaselinePart) -> None:
    faults = FaultList()
    for index, point in enumerate(part.points):
        for path in point.metrics:
            if metric_name(path) not in METRICS:
                right = close_match(metric_name(path), METRICS)
                faults.add(f"unknown metric {metric_name(path)!r}", right, ("points", index, "metrics", path))
    faults.raise_if_any()


def _point_of(part: BaselinePart, point: PointPart) -> Point:
    origin = Origin(point.topology, point.scenario, point.engine, point.kernel, part.fabricsim, part.code)
    held = {path: Held(entry.value, entry.rel, entry.abs) for path, entry in point.metrics.items()}
    return Point(point.varied, origin, held)


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline, whole or not at all. Raises SimulationError if the disk does not take it."""
    scratch = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_text(baseline_text(baseline), encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise SimulationError(
            f"{path} cannot be written: {error.strerror}; the baseline stays as it was"
        ) from None


def baseline_text(baseline: Baseline) -> str:
    """Return a baseline as JSON: keys sorted, a line for each number, so that a change is a small diff."""
    origin = baseline.points[0].origin
    head = {"code": origin.code, "fabricsim": origin.fabricsim}
    lines = ["{", *(f" {_json(key)}: {_json(value)}," for key, value in head.items()), ' "points": [']
    lines += _joined([_point_lines(point) for point in baseline.points])
    lines += [" ],", f' "reason": {_json(baseline.reason)},', f' "schema": {_json(SCHEMA)}', "}"]
    return "\n".join(lines) + "\n"


def _point_lines(point: Point) -> list[str]:
    o = point.origin
    numbers = [
        [f"    {_json(path)}: " + _json({"abs": held.abs, "rel": held.rel, "value": held.value})]
        for path, held in sorted(point.metrics.items())
    ]
    return [
        "  {",
        f'   "engine": {_json(o.engine)},',
        f'   "kernel": {_json(o.kernel)},',
        '   "metrics": {',
        *_joined(numbers),
        "   },",
        f'   "scenario": {_json(o.scenario)},',
        f'   "topology": {_json(o.topology)},',
        f'   "varied": {_json(dict(point.varied))}',
        "  }",
    ]


def _joined(blocks: Sequence[list[str]]) -> list[str]:
    """Return blocks of lines one after another, with a comma after each but the last."""
    with_comma = [[*block[:-1], block[-1] + ","] for block in blocks[:-1]]
    return [line for block in (*with_comma, *blocks[-1:]) for line in block]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
