"""The numbers of a machine that are not known for sure, and how each is changed alone.

Those that its evidence calls reported, inferred or assumed: rates, latencies and delays of links, switches and devices,
and parameters of its file. How far each is varied is a convention of ours, by confidence, in RANGES.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from fabricsim.errors import InputError
from fabricsim.fabric import Evidence, Fabric, rescaled
from fabricsim.job import Job
from fabricsim.run import job_of
from fabricsim.scenario import Scenario
from fabricsim.scenario.space import as_number
from fabricsim.topology import as_written, machine_of, named_in

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "assumed": (0.5, 2.0),
    "inferred": (0.8, 1.25),
    "reported": (0.9, 1.1),
}
"""The factors that a number of each confidence is varied between; published ones stay."""

_MOST_STEPS: Final = 6
"""Whole numbers that are tried on each side of a parameter: each makes another machine."""

Change = Callable[[Scenario, float], Job]


@dataclass(frozen=True)
class Uncertain:
    """A number that is varied: its key in the machine's files, what is known of it, and how to change it.

    steps: the factors it can be varied by, in order, where only some make a machine: those of a whole number; None
    where every factor does.
    """

    key: str
    confidence: str
    source: str
    change: Change
    steps: tuple[float, ...] | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """The factors it is varied between."""
        if self.steps is None:
            return RANGES[self.confidence]
        return min(1.0, *self.steps), max(1.0, *self.steps)


def uncertain_numbers(points: Sequence[Scenario]) -> tuple[list[Uncertain], list[str]]:
    """Return the numbers of all points' machines that can be varied, and the evidence that cannot, with the reason."""
    numbers: dict[str, Uncertain] = {}
    left_out: dict[str, str] = {}
    for point in points:
        evidence = {one.key: one for one in point.fabric().about.evidence if one.confidence in RANGES}
        for number in [*_of_parts(point.fabric(), evidence), *_of_file(point, evidence, left_out)]:
            numbers.setdefault(number.key, number)
        kinds = {"parameters" if key.startswith("parameters.") else key for key in numbers}
        for key, one in evidence.items():
            if key not in kinds | set(numbers):
                left_out.setdefault(key, f"({one.confidence}): no rate, latency or delay that can vary")
    return list(numbers.values()), [f"{key} {why}" for key, why in left_out.items() if key not in numbers]


# -- rates, latencies and delays ---------------------------------------------------------------------------


def _of_parts(fabric: Fabric, evidence: Mapping[str, Evidence]) -> Iterator[Uncertain]:
    for key, one in evidence.items():
        edit = _edit_of(fabric, key)
        if edit:
            yield Uncertain(key, one.confidence, one.source, partial(_edited, edit))


def _edited(edit: Callable[[Fabric, float], Fabric], point: Scenario, factor: float) -> Job:
    job = job_of(point)
    return replace(job, fabric=edit(job.fabric, factor))


def _edit_of(fabric: Fabric, key: str) -> Callable[[Fabric, float], Fabric] | None:
    kind, _, rest = key.partition(".")
    name, _, field = rest.rpartition(".")
    if kind == "links" and field in _LINK_FIELDS:
        links = [link for link in fabric.links if link.name == name and getattr(link, _LINK_FIELDS[field])]
        return partial(_with_link, name, _LINK_FIELDS[field]) if links else None
    if kind in ("switches", "devices") and field == "delay":
        groups = [group for group in fabric.groups if group.device.name == name and group.device.delay]
        return partial(_with_delay, name) if groups else None
    return None


_LINK_FIELDS: Final = {
    "latency": "latency",
    "bandwidth": "bandwidth",
    "raw": "bandwidth",
    "coding": "bandwidth",
    "efficiency": "bandwidth",
}
"""What a link's number becomes in the fabric, by its key: raw and coding are factors of the rate."""


def _with_link(name: str, field: str, fabric: Fabric, factor: float) -> Fabric:
    return rescaled(fabric, name, **{field: factor})


def _with_delay(name: str, fabric: Fabric, factor: float) -> Fabric:
    groups = [
        replace(group, device=replace(group.device, delay=group.device.delay * factor))
        if group.device.name == name
        else group
        for group in fabric.groups
    ]
    return replace(fabric, groups=tuple(groups))


# -- parameters --------------------------------------------------------------------------------------------


def _of_file(
    point: Scenario, evidence: Mapping[str, Evidence], left_out: dict[str, str]
) -> Iterator[Uncertain]:
    """Yield the parameters of a machine's file that are uncertain and that the scenario leaves as they are."""
    topology = machine_of(point.data["topology"])
    named = named_in(topology, point.base)
    chosen = topology.get("set", {}) if isinstance(topology, Mapping) else {}
    known = (
        {key for key in as_written(named).get("evidence", {}) if key.startswith("parameters.")}
        if named
        else set()
    )
    parameters = as_written(named).get("parameters", {}) if named else {}
    for name, value in parameters.items():
        key = f"parameters.{name}"
        one = evidence.get(key) or (None if key in known else evidence.get("parameters"))
        if one is None or name in chosen:
            continue
        number = _parameter(point, key, value, one)
        if number is None:
            left_out[key] = f"({one.confidence}): no other value near {value} makes a machine"
        else:
            yield number


def _parameter(point: Scenario, key: str, value: Any, evidence: Evidence) -> Uncertain | None:
    try:
        number, write = as_number(value)
    except InputError:
        return None
    if number <= 0:
        return None
    change = partial(_set, f"topology.set.{key.partition('.')[2]}", number, write)
    if write is not round:
        return Uncertain(key, evidence.confidence, evidence.source, change)
    steps = [
        count / number
        for count in _near(int(number), RANGES[evidence.confidence])
        if _makes(change, point, count / number)
    ]
    return Uncertain(key, evidence.confidence, evidence.source, change, tuple(steps)) if steps else None


def _near(number: int, ends: tuple[float, float]) -> list[int]:
    """Return the whole numbers within a range around one, itself left out, at most _MOST_STEPS on each side."""
    sides = (range(max(1, round(number * ends[0])), number), range(number + 1, round(number * ends[1]) + 1))
    return [count for side in sides for count in side[:: -(-len(side) // _MOST_STEPS) or 1]]


def _makes(change: Change, point: Scenario, factor: float) -> bool:
    try:
        change(point, factor)
    except InputError:
        return False
    return True


def _set(path: str, number: float, write: Callable[[Any], Any], point: Scenario, factor: float) -> Job:
    return job_of(point.replace(**{path: write(number * factor)}))
