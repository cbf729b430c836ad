"""A scenario: what a user wants to know, validated, frozen, in SI. It describes a run and starts none."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from fabricsim.accessors import borrow
from fabricsim.document import Document
from fabricsim.errors import Fault, FaultList, InputError, Key, close_match
from fabricsim.expectations import Expectation, parse_expectations
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures, compile_failures
from fabricsim.model import Model
from fabricsim.routing import Routing, routing_of
from fabricsim.scenario.calibrate import RowPart, check_row
from fabricsim.scenario.grammar import CollectiveEntry, PatternEntry, ScenarioPart
from fabricsim.scenario.paths import Override, applied, governing, overrides_of
from fabricsim.scenario.points import axes_of, without_sweeps_of
from fabricsim.scenario.serving import ServeEntry, serving
from fabricsim.scenario.training import TrainEntry, training
from fabricsim.scenario.workload import bind, check_workload, entry_keys, entry_names
from fabricsim.schedule import Schedule, check_lanes
from fabricsim.serving import Serving
from fabricsim.topology import check_spec, resolve
from fabricsim.training import Training
from fabricsim.validation import Part, validate

_ORDERING: Final = ("after", "barrier", "start")
"""Keys of an entry that say when it begins, which has no meaning where it is alone."""


class Bound(NamedTuple):
    """A scenario on its fabric, ready for an engine."""

    schedule: Schedule
    model: Model
    routing: Routing
    failures: Failures
    training: Training | None = None
    serving: Serving | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Scenario:
    """One scenario file, or one point of its sweep. Get one with `load_scenario` or `parse_scenario`.

    data is the plain mapping as written, settings included. base is the folder that file names start from.
    Every method that takes a Fabric takes the one that `fabric()` returned, and raises InputError with all the
    faults it found, each at its place in the file.
    """

    document: Document
    data: Mapping[str, Any]
    base: Path
    parts: ScenarioPart
    overrides: tuple[Override, ...] = ()

    # -- what it says -------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The scenario's own name, or its file's."""
        return self.parts.name or Path(self.document.file).stem.strip("<>") or "scenario"

    @property
    def seed(self) -> int:
        """The one seed that all random choices derive from."""
        return self.parts.seed

    @property
    def engine(self) -> str:
        """The engine asked for; `auto` leaves the choice to the run."""
        return self.parts.engine

    @property
    def kernel(self) -> str:
        """The engine's kernel asked for; `auto` leaves the choice to the run."""
        return self.parts.kernel

    @property
    def quantum(self) -> float:
        """The least time between two solutions of the flow engine [s]."""
        return self.parts.flow.quantum

    @property
    def text(self) -> str:
        """The file as written, settings not included."""
        return self.document.text

    @property
    def varied(self) -> dict[str, Any]:
        """What the sweep varies, by key path, with this point's values; empty outside a sweep."""
        return {override.swept: override.value for override in self.overrides if override.swept}

    @cached_property
    def expectations(self) -> tuple[Expectation, ...]:
        """What must hold of the results, in file order."""
        return parse_expectations(self.parts.expect, entry_names(self.parts))

    def canonical(self) -> str:
        """Return the scenario as JSON with sorted keys, settings included: equal data, equal text. It loads again."""
        return json.dumps(self.data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    # -- what it comes down to ----------------------------------------------------------------------

    def fabric(self) -> Fabric:
        """Return the machine. A file named in the scenario is relative to it, one named in a setting to here."""
        named = governing(self.overrides, ("topology",))
        with self._located("topology"):
            return _resolved(self.parts.topology, Path() if named and not named.origin else self.base)

    def schedule(self, fabric: Fabric) -> Schedule:
        """Return who sends what to whom on `fabric`, and after what."""
        with self._located():
            return bind(self.parts, fabric, self.base)

    def model(self, fabric: Fabric) -> Model:
        """Return the model of `fabric`, with what the scenario states in place of its defaults."""
        endpoint = replace(fabric.model.endpoint, **self.parts.endpoint.values())
        with self._located("sender"):
            sender = self.parts.sender.value()
        with self._located(), _by_section():
            changes = {"endpoint": endpoint, "sender": sender, **self.parts.model.values()}
            return fabric.model.rebuffered(changes)

    def routing(self, fabric: Fabric) -> Routing:
        """Return how paths are chosen: the policy stated, or else the topology's own."""
        with self._located("routing"):
            return routing_of(fabric, _stated(self.parts.routing))

    def failures(self, fabric: Fabric) -> Failures:
        """Return what breaks when on `fabric`, as rows in time."""
        entries = [entry.failure() for entry in self.parts.failures]
        with self._located("recovery"):
            recovery = self.parts.recovery.value()
        with self._located("failures"):
            return compile_failures(fabric, entries, recovery=recovery)

    def training(self, fabric: Fabric, failures: Failures) -> Training | None:
        """Return the training step that the scenario is on `fabric`, None where it is something else."""
        entry = next(iter(self.parts.workload), None)
        if not isinstance(entry, TrainEntry):
            return None
        self._check_from_the_beginning(failures, "step")
        with self._located("workload", 0):
            lines = self.parts.engine != "packet" and self.routing(fabric).policy == "spray"
            return training(entry, fabric, copies=not len(failures), lines=lines)

    def serving(self, fabric: Fabric, failures: Failures) -> Serving | None:
        """Return the served model that the scenario is on `fabric`, None where it is something else."""
        entry = next(iter(self.parts.workload), None)
        if not isinstance(entry, ServeEntry):
            return None
        self._check_from_the_beginning(failures, "served model")
        with self._located("workload", 0):
            return serving(entry, fabric, self.seed)

    def _check_from_the_beginning(self, failures: Failures, what: str) -> None:
        with self._located("failures"):
            if np.any(failures.time_ps > 0):
                raise InputError(
                    f"the exchanges of a {what} are each run alone, so that no time within it has a meaning",
                    "write at: 0 s, without repair_after",
                )

    def bind(self, fabric: Fabric) -> Bound:
        """Return all that the scenario comes down to on `fabric`; raises the faults of every part together."""
        faults, found = FaultList(), []
        for part in (self.schedule, self.model, self.routing, self.failures):
            with faults.at():
                found.append(part(fabric))
        faults.raise_if_any()
        bound = Bound(*found)  # type: ignore[arg-type]
        step = self.training(fabric, bound.failures)
        if step is not None:
            bound = bound._replace(schedule=step.schedule, training=step)
        bound = bound._replace(serving=self.serving(fabric, bound.failures))
        with self._located(), _by_entry(self.parts):
            check_lanes(bound.schedule, bound.model.lanes)
        return bound

    def measured_rows(self) -> dict[str, Scenario]:
        """Return, by operation, the scenario of the one row that calibrates it: it alone, on the whole machine."""
        return {name: self._row(name, part) for name, part in self.parts.calibrate.items()}

    def _row(self, name: str, part: RowPart) -> Scenario:
        """Return the scenario of one row. Raises InputError for keys that its operation does not have."""
        index = entry_names(self.parts).index(name)
        entry = {key: value for key, value in self.data["workload"][index].items() if key not in _ORDERING}
        place: Key = ("calibrate", name)
        alone = {"workload": [entry], "calibrate": {}, "expect": {}, "failures": []}
        overrides = [Override((key,), value, f"calibrate {name}", place) for key, value in alone.items()]
        overrides += [
            Override(("workload", 0, key), value, f"calibrate {name}", (*place, "at", key))
            for key, value in part.at.items()
        ]
        return self._with(tuple(overrides))

    def located(self, faults: Iterable[Fault]) -> InputError:
        """Return an error of faults that have keys of this scenario, each at its place in the file or its setting."""
        error = InputError([_placed(fault, self.overrides) for fault in faults])
        return self.document.locate(error) if self.document.file else error

    # -- others like it -----------------------------------------------------------------------------

    def replace(self, **changes: Any) -> Scenario:
        """Return the scenario with other values: `replace(seed=8)` changes the seed.

        A key below the top level is a path: replace(**{"workload.ar.size": "1 MiB"}). A value set this way
        takes the place of a sweep over the same key. Raises InputError as the file would.
        """
        return self._with(overrides_of(self.data, changes))

    def beside(self, changes: Mapping[str, Any], origin: Key) -> Scenario:
        """Return the scenario with changes that its own file states at `origin`: paths start and faults lie there."""
        try:
            overrides = overrides_of(self.data, changes)
        except InputError as error:
            faults = [replace(fault, file=None, key=origin) for fault in error.faults]
            raise self.document.locate(InputError(faults)) from None
        return self._with(tuple(replace(o, origin=origin) for o in overrides))

    def points(self) -> list[Scenario]:
        """Return the scenario at each point of its sweep, the first key slowest; itself where there is none."""
        return list(self._points)

    def _with(self, overrides: tuple[Override, ...]) -> Scenario:
        data = without_sweeps_of(applied(self.data, overrides), overrides)
        return scenario_of(self.document, data, self.base, (*self.overrides, *overrides))

    @cached_property
    def _points(self) -> tuple[Scenario, ...]:
        if not self.parts.sweep:
            return (self,)
        with self._located("sweep"):
            axes = axes_of(self.data, self.parts.sweep)
        singly = self._each(itertools.chain(*axes))  # one by one first, so that each bad value is said once
        if len(axes) == 1:
            return singly
        return tuple(self._point(itertools.chain(*steps)) for steps in itertools.product(*axes))

    def _each(self, steps: Iterable[Iterable[Override]]) -> tuple[Scenario, ...]:
        """Return the scenario at each step. Raises InputError with the faults of all of them."""
        points: list[Scenario] = []
        faults: list[Fault] = []
        for step in steps:
            try:
                points.append(self._point(step))
            except InputError as error:
                faults += error.faults
        if faults:
            raise self.document.locate(InputError(faults))
        return tuple(points)

    def _point(self, values: Iterable[Override]) -> Scenario:
        values = tuple(values)
        data = {key: value for key, value in self.data.items() if key != "sweep"}
        return scenario_of(self.document, applied(data, values), self.base, (*self.overrides, *values))

    # -- faults -------------------------------------------------------------------------------------

    @contextmanager
    def _located(self, *key: str | int) -> Iterator[None]:
        with _places(self.document, self.overrides, *key):
            yield

    def __getattr__(self, name: str) -> Any:
        return borrow(self, name)

    def __repr__(self) -> str:
        points = f", {len(self._points)} points" if self.parts.sweep else ""
        return f"<Scenario {self.name}: {', '.join(entry_names(self.parts))}{points}>"


def scenario_of(
    document: Document, data: Mapping[str, Any], base: Path, overrides: tuple[Override, ...] = ()
) -> Scenario:
    """Return the scenario that `data` states, checked as far as that goes without its fabric.

    Raises InputError with every fault found, located in `document` or at the override it came with.
    """
    with _places(document, overrides):
        parts = _checked(data, base)
    scenario = Scenario(document, data, base, parts, overrides)
    if not parts.sweep:
        scenario.measured_rows()
    scenario.points()  # a bad value in a sweep is found now, not after the first point has run
    return scenario


def _checked(data: Mapping[str, Any], base: Path) -> ScenarioPart:
    """Return the parts of a scenario; where they are wrong, what is wrong with its topology is said along with them."""
    faults = FaultList()
    with faults.at():
        _check_what_runs(data)
    with faults.at():
        parts = validate(ScenarioPart, data)
        if not faults.faults:
            _check(parts, data)
            return parts
    written = data.get("topology") if isinstance(data, Mapping) else None
    if written is not None and not any(fault.key[:1] == ("topology",) for fault in faults.faults):
        with faults.at("topology"):
            check_spec(written, base)
    raise InputError(faults.faults)


def _check_what_runs(data: object) -> None:
    """Raise InputError for a scenario with neither workload nor jobs, or with both."""
    if not isinstance(data, Mapping) or ("workload" in data) != ("jobs" in data):
        return
    if "jobs" in data:
        raise InputError([Fault("there is a workload too", "make a job of it", ("jobs",))])
    raise InputError([Fault("is missing", "add it: who sends what", ("workload",))])


def _resolved(spec: Any, base: Path) -> Fabric:
    """Return the fabric; a fault of a whole file, which has no line of its own, belongs to whoever named the file."""
    try:
        return resolve(spec, base)
    except InputError as error:
        raise InputError(
            Fault(str(replace(fault, right="")), fault.right) if fault.file and fault.line is None else fault
            for fault in error.faults
        ) from None


def _check(parts: ScenarioPart, data: Mapping[str, Any]) -> None:
    faults = FaultList()
    with faults.at():
        check_workload(parts)
    with faults.at("expect"):
        parse_expectations(parts.expect, entry_names(parts))
    for name, row in parts.calibrate.items():
        with faults.at("calibrate", name):
            _check_calibrated(name, row, parts)
    with faults.at("sweep"):
        axes_of(data, parts.sweep)
    faults.raise_if_any()


def _check_calibrated(name: str, row: RowPart, parts: ScenarioPart) -> None:
    entries = {entry.name or entry.kind: entry for entry in parts.workload}
    if parts.jobs:
        raise InputError("operations of jobs are not calibrated", "write one job as workload:")
    if name not in entries:
        raise InputError(f"there is no operation {name!r}", close_match(name, entries))
    if not isinstance(entries[name], CollectiveEntry | PatternEntry):
        raise InputError(f"{name!r} is neither a collective nor a pattern", "calibrate one of these")
    check_row(row)


@contextmanager
def _places(document: Document, overrides: tuple[Override, ...], *key: str | int) -> Iterator[None]:
    """Give the faults raised inside their places: in an override, or below `key` in the document."""
    faults = FaultList()
    with faults.at(*key):
        yield
    if faults.faults:
        error = InputError([_placed(fault, overrides) for fault in faults.faults])
        raise document.locate(error) if document.file else error


def _placed(fault: Fault, overrides: tuple[Override, ...]) -> Fault:
    if fault.file:
        return fault
    override = governing(overrides, fault.key)
    if override:
        return override.relabelled(fault)
    point = ", ".join(o.label for o in overrides if o.origin)
    return replace(fault, what=f"{fault.what} (where {point})") if point else fault


@contextmanager
def _by_entry(parts: ScenarioPart) -> Iterator[None]:
    """Key the faults of operations, which count over all jobs, by their entries' places in the file."""
    try:
        yield
    except InputError as error:
        keys = entry_keys(parts)
        raise InputError(
            replace(fault, key=(*keys[int(fault.key[1])], *fault.key[2:])) for fault in error.faults
        ) from None


@contextmanager
def _by_section() -> Iterator[None]:
    """Key the faults of a Model by the section of a file that states them: `sender`, or else `model`."""
    try:
        yield
    except InputError as error:
        own = (fault.key[:1] == ("sender",) for fault in error.faults)
        raise InputError(
            [
                fault if sender else replace(fault, key=("model", *fault.key))
                for fault, sender in zip(error.faults, own, strict=True)
            ]
        ) from None


def _stated(part: Part, *but: str) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.model_fields_set if name not in but}
