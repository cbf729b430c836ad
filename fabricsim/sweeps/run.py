"""Sweeps: every point of a scenario's space is run once, wherever, and all of them become one table."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabricsim.errors import UsageError
from fabricsim.progress import in_notebook, points_of
from fabricsim.scenario import Scenario, load_scenario
from fabricsim.sweeps.identity import Addresses
from fabricsim.sweeps.point import Outcome
from fabricsim.sweeps.store import Store
from fabricsim.sweeps.table import Row, csv_text, frame_of, rows_of, xarray_of
from fabricsim.sweeps.workers import Outcomes, Points, dask_executor, here, on_executor, on_processes

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Progress = Callable[[int, int], None]
Runner = Callable[[Points], Outcomes]


@dataclass(frozen=True, eq=False)
class Sweep:
    """The points of a sweep and what became of them, in order. Rows do not depend on who ran them, or when.

    reused: how many points an earlier sweep had left in the folder.
    """

    name: str
    varied: tuple[Mapping[str, Any], ...]
    outcomes: tuple[Outcome, ...]
    reused: int = 0

    @cached_property
    def rows(self) -> list[Row]:
        """One plain mapping a point: its values, engine, kernel, digest, error, and every metric."""
        return rows_of(self.varied, self.outcomes)

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame; `frame.attrs['units']` holds the unit of each metric."""
        return frame_of(self.rows)

    @property
    def csv(self) -> str:
        """The rows as CSV, numbers exact."""
        return csv_text(self.rows)

    @property
    def failed(self) -> dict[int, str]:
        """The errors of the points that have no result, by point."""
        return {index: outcome.error for index, outcome in enumerate(self.outcomes) if outcome.error}

    def to_xarray(self) -> xr.Dataset:
        """Return an xarray Dataset, with a dimension for each key where the points make a grid."""
        return xarray_of(self.rows, list(dict.fromkeys(key for point in self.varied for key in point)))

    def __repr__(self) -> str:
        bad = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Sweep {self.name}: {len(self.outcomes)} points{bad}>"

    def _repr_html_(self) -> str:
        from html import escape

        shown = self.frame.dropna(axis="columns", how="all").to_html(max_rows=20, max_cols=10)
        return f"<p><b>{escape(self.name)}</b>: {len(self.outcomes)} points, {len(self.failed)} failed</p>{shown}"


def sweep(
    scenario: Scenario | str | Path,
    space: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    *,
    workers: int = 1,
    executor: Executor | None = None,
    dask: str = "",
    folder: Path | str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Sweep:
    """Run a scenario at every point of a space, and return the points as one table.

    space: what a scenario's `sweep:` may state, {key: values} or a list of points; the scenario's own where not
    given. Points run on workers, processes of this machine (1 is this process, 0 one for each processor), or on
    executor, any concurrent.futures.Executor, or on dask, the address of a scheduler. folder: where each point is
    kept as soon as it is done, and where `resume` finds those of an earlier sweep.

    A point that cannot be run is a row with its error. Raises InputError for values that no scenario takes,
    UsageError for a folder with other things in it, SimulationError for a full disk or a silent scheduler. Progress is
    shown in a notebook, unless it is told to something else.
    """
    stated = _with_space(scenario if isinstance(scenario, Scenario) else load_scenario(scenario), space)
    store = Store(Path(folder), resume=resume) if folder is not None else None
    with in_notebook() as show:
        told = progress or points_of(show, stated.name)
        if dask:
            with dask_executor(dask) as connected:
                return _swept(stated, lambda points: on_executor(points, connected), store, told)
        return _swept(stated, _runner(workers, executor), store, told)


def _with_space(
    scenario: Scenario, space: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
) -> Scenario:
    if space is None:
        return scenario
    return scenario.replace(
        sweep=dict(space) if isinstance(space, Mapping) else [dict(point) for point in space]
    )


def _runner(workers: int, executor: Executor | None) -> Runner:
    if executor is not None:
        return lambda points: on_executor(points, executor)
    if workers < 0:
        raise UsageError(f"{workers} workers are too few; 0 stands for one a processor")
    count = workers or os.cpu_count() or 1
    return here if count == 1 else lambda points: on_processes(points, count)


def _swept(scenario: Scenario, runner: Runner, store: Store | None, progress: Progress | None) -> Sweep:
    points = scenario.points()
    addresses = Addresses()
    names = [addresses.of(point) for point in points] if store else []
    found = {index: outcome for index, name in enumerate(names) if store and (outcome := store.get(name))}
    reused = len(found)
    left = {index: point for index, point in enumerate(points) if index not in found}
    for index, outcome in runner(left):
        found[index] = outcome
        if store:
            store.put(names[index], outcome)
        if progress:
            progress(len(found), len(points))
    made = Sweep(
        name=scenario.name,
        varied=tuple(point.varied for point in points),
        outcomes=tuple(found[index] for index in range(len(points))),
        reused=reused,
    )
    if store:
        store.write(store.csv, made.csv)
    return made
