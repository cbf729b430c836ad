"""The points of a sweep as overrides of the scenario: which keys they lead to, and what a setting leaves of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fabricsim.errors import FaultList, InputError, Key
from fabricsim.scenario.paths import Override, find, overlaps
from fabricsim.scenario.space import MAX_POINTS, SAMPLE, Space, Step, paths_of

OverrideStep = tuple[Override, ...]


def axes_of(data: Mapping[str, Any], space: Space) -> list[list[OverrideStep]]:
    """Return the steps of each axis, in file order. Raises InputError keyed below `sweep`."""
    faults = FaultList()
    keys: dict[str, Key] = {}
    taken: list[Key] = []  # by the axes before
    axes = []
    for axis in space.axes:
        of_axis: list[Key] = []
        for setting in (setting for step in axis for setting in step):
            if setting.path not in keys:
                with faults.at(*_place(setting.place)):
                    keys[setting.path] = _sweepable(data, setting.path, taken)
                    of_axis.append(keys[setting.path])
        taken += of_axis
        _check_steps(axis, keys, faults)
        axes.append([_overrides(step, keys) for step in axis])
    points = math.prod(len(axis) for axis in axes)
    if points > MAX_POINTS:
        faults.add(f"these are {points} points", f"a sweep has at most {MAX_POINTS}")
    faults.raise_if_any()
    return axes


def _place(place: Key) -> Key:
    """Return the place of a key rather than of its first value, where it is written once for all its values."""
    return place[:1] if isinstance(place[0], str) and place[0] != SAMPLE else place


def _sweepable(data: Mapping[str, Any], path: str, taken: Iterable[Key]) -> Key:
    key = find(data, path)
    if key[0] in ("schema", "sweep", "expect", "search", "parts"):
        raise InputError(f"{path!r} cannot be swept", "sweep what the simulation depends on")
    if any(overlaps(other, key) for other in taken):
        raise InputError(f"{path!r} is swept twice", "keep one of the keys")
    return key


def _check_steps(axis: Iterable[Step], keys: Mapping[str, Key], faults: FaultList) -> None:
    """Report steps that set one thing twice; all steps with the same keys are reported once."""
    for paths in dict.fromkeys(tuple(setting.path for setting in step) for step in axis):
        for index, path in enumerate(paths):
            others = (keys[other] for other in paths[:index] if other in keys)
            if path in keys and any(overlaps(keys[path], other) for other in others):
                faults.add(f"{path!r} is swept twice", "keep one of the keys", (", ".join(paths),))


def _overrides(step: Step, keys: Mapping[str, Key]) -> OverrideStep:
    return tuple(
        Override(keys[s.path], s.value, f"{s.path} is {s.value}", ("sweep", *s.place), s.path)
        for s in step
        if s.path in keys
    )


def without_sweeps_of(data: dict[str, Any], overrides: tuple[Override, ...]) -> dict[str, Any]:
    """Return `data` without sweeps over keys that an override fixes; what is not understood stays, to be reported."""
    sweep = data.get("sweep")
    if not isinstance(sweep, dict | list) or not sweep:
        return data

    def fixed(path: str) -> bool:
        try:
            key = find(data, path)
        except InputError:
            return False
        return any(overlaps(override.key, key) for override in overrides)

    if isinstance(sweep, list):
        kept: Any = _points_without(sweep, fixed)
    else:
        kept = dict(entry for key, value in sweep.items() for entry in _axis_without(key, value, fixed))
    rest = {key: value for key, value in data.items() if key != "sweep"}
    return {**rest, "sweep": kept} if kept else rest


def _points_without(points: list[Any], fixed: Any) -> list[Any]:
    kept: list[Any] = []
    for point in points:
        left = {path: v for path, v in point.items() if not fixed(path)} if isinstance(point, dict) else point
        if left != {} and left not in kept:
            kept.append(left)
    return kept


def _axis_without(key: str, value: Any, fixed: Any) -> list[tuple[str, Any]]:
    """Return what is left of one entry of a `sweep:`: it, a part of it, or nothing."""
    if key == SAMPLE:
        over = value.get("over") if isinstance(value, dict) else None
        if not isinstance(over, dict):
            return [(key, value)]
        left = {path: entry for path, entry in over.items() if not fixed(path)}
        return [(key, {**value, "over": left})] if left else []
    paths = paths_of(key)
    columns = [column for column, path in enumerate(paths) if not fixed(path)]
    if len(columns) == len(paths) or not columns:
        return [(key, value)] if columns else []
    if not isinstance(value, list) or not all(
        isinstance(row, list) and len(row) == len(paths) for row in value
    ):
        return [(key, value)]
    rows = [row[columns[0]] if len(columns) == 1 else [row[column] for column in columns] for row in value]
    distinct = [row for index, row in enumerate(rows) if row not in rows[:index]]
    return [(", ".join(paths[column] for column in columns), distinct)]
