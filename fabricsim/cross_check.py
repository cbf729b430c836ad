"""How far a flow result may be from packets: the scenario cut down to sizes that packets can run, both engines run.

A cut keeps the tiers of the machine, its routing and its links, and the bytes of each message; it has fewer copies of a
level, or shorter sides. What is measured at the cuts bounds nothing at the full size, and the words say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fabricsim.engines.choice import packets_of
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.result import Result
from fabricsim.scenario import Scenario
from fabricsim.scenario.grammar import CollectiveEntry
from fabricsim.scenario.serving import ServeEntry
from fabricsim.topology.loader import stated_parameters

LEAST_SIZES: Final = 3
MOST_SIZES: Final = 4
MOST_PACKETS: Final = 2_000_000
"""Packets of one cut: some ten seconds on the array kernels."""
LEAST_RANKS: Final = 4
_LENGTHS: Final = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_SHAPE_KEYS: Final[Mapping[str, str]] = {
    "ring": "size", "full-mesh": "size", "star": "size", "torus": "size", "mesh": "size",
    "fat-tree": "k", "leaf-spine": "leaves",
}  # fmt: skip
"""What makes a shape smaller and keeps its kind."""


@dataclass(frozen=True)
class Difference:
    """At one size: how many ranks, and completion time of flow over that of packets, minus one."""

    ranks: int
    relative: float


def cross_checked(
    result: Result, scenario: Scenario, fabric: Fabric, run: Callable[[Scenario, str], Result]
) -> Result:
    """Return a flow result with `cross_check_rel_error` and a note, or with a note why the check is void.

    run: what runs a scenario on the engine named.
    """
    try:
        found = _differences(scenario, fabric, run)
    except InputError as error:
        return replace(result, notes=(*result.notes, f"the cross-check is void: {error}"))
    worst = max(abs(d.relative) for d in found)
    each = ", ".join(f"{d.relative:+.2%} at {d.ranks}" for d in found)
    low, high = found[0].ranks, found[-1].ranks
    note = (
        f"±{worst:.2%} measured at N = {low} … {high}, not bounded at N = {fabric.ranks}: "
        f"flow against packet, {each} ranks"
    )
    numbers = {**result.metrics, "cross_check_rel_error": worst}
    return replace(result, metrics=numbers, notes=(*result.notes, note))


def _differences(
    scenario: Scenario, fabric: Fabric, run: Callable[[Scenario, str], Result]
) -> list[Difference]:
    found = []
    for ranks, cut in cuts(scenario, fabric):
        times = [run(cut, engine).metrics["completion_time_s"] for engine in ("flow", "packet")]
        found.append(Difference(ranks, times[0] / times[1] - 1))
    return found


def cuts(scenario: Scenario, fabric: Fabric) -> list[tuple[int, Scenario]]:
    """Return ranks and scenario of each cut, ascending; raises InputError, saying why, if there are not enough."""
    if scenario.parts.jobs:
        raise InputError("jobs have places of their own, and a cut has others")
    entries = scenario.parts.workload
    if any(isinstance(entry, ServeEntry) or entry.ranks.spans is not None for entry in entries):
        raise InputError("the workload names ranks, and a cut has others")
    policy = scenario.routing(fabric).policy
    found: dict[int, Scenario] = {}
    for spec in _smaller(scenario.parts.topology):
        try:
            cut, small = _cut(scenario, fabric, spec)
        except InputError:
            continue  # a size that the machine, the pattern or the failures cannot have
        same = small.levels == fabric.levels and cut.routing(small).policy == policy
        if same and LEAST_RANKS <= small.ranks < fabric.ranks and _fits(cut, small):
            found.setdefault(small.ranks, cut)
    if len(found) < LEAST_SIZES:
        what = f"only {len(found)} smaller sizes keep every tier and are few enough packets"
        raise InputError(what, f"{LEAST_SIZES} are needed")
    return [(ranks, found[ranks]) for ranks in sorted(found)[-MOST_SIZES:]]


def _cut(scenario: Scenario, fabric: Fabric, spec: Mapping[str, Any]) -> tuple[Scenario, Fabric]:
    """Return the scenario on a smaller machine, and the machine: every message as large as on the whole one."""
    small = scenario.replace(topology=dict(spec), cross_check=False).fabric()
    sizes = {
        f"workload.{index}.size": f"{max(16 * small.ranks, entry.size * small.ranks // fabric.ranks)} B"
        for index, entry in enumerate(scenario.parts.workload)
        if isinstance(entry, CollectiveEntry)
    }
    cut = scenario.replace(topology=dict(spec), cross_check=False, **sizes)
    cut.bind(small)
    return cut, small


def _fits(cut: Scenario, small: Fabric) -> bool:
    bound = cut.bind(small)
    return sum(packets_of(op, bound.model) for op in bound.schedule.operations) <= MOST_PACKETS


def _smaller(topology: object) -> Iterator[dict[str, Any]]:
    """Yield specifications of smaller machines of the same kind."""
    spec: dict[str, Any] = {"name": topology} if isinstance(topology, str) else dict(topology)  # type: ignore[call-overload]
    if "shape" in spec:
        key = _SHAPE_KEYS.get(str(spec["shape"]))
        if key is None:
            raise InputError(f"there is no rule that makes a {spec['shape']} smaller")
        yield from ({**spec, key: value} for value in _shrunk(spec[key]))
    elif "name" in spec:
        stated = {**stated_parameters(spec["name"]), **spec.get("set", {})}
        for name, value in stated.items():
            if isinstance(value, int) and not isinstance(value, bool) and value > 2:
                yield from ({**spec, "set": {**spec.get("set", {}), name: less}} for less in _shrunk(value))
    else:
        raise InputError("there is no rule that makes a graph smaller")


def _shrunk(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for most in _LENGTHS[1:]:
            if any(side > most for side in value):
                yield [min(side, most) for side in value]
    else:
        yield from (length for length in _LENGTHS if length < value)
