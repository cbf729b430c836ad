"""What a simulation answers: metrics, tables with units, where they come from; saved as one folder.

A Result holds copies only. Times are seconds, sizes bytes, rates bytes per second; every column and metric
is described in `metrics`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.accessors import borrow
from fabricsim.errors import InputError, UsageError
from fabricsim.metrics import COLUMNS, METRICS
from fabricsim.table import Table, csv_metadata, read_csv, write_csv

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Final = "fabricsim.result/1"
METADATA: Final = "csv-metadata.json"
TABLES: Final = (
    "flows", "links", "rounds", "timeline", "path", "passes", "exposed", "layers", "losses", "draws",
)  # fmt: skip


@dataclass(frozen=True)
class OperationResult:
    """What one workload entry achieved."""

    name: str
    kind: str
    algorithm: str
    ranks: int
    start_s: float
    metrics: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the plain form that result.json holds."""
        return {
            "name": self.name, "kind": self.kind, "algorithm": self.algorithm, "ranks": self.ranks,
            "start_s": self.start_s, "metrics": dict(self.metrics),
        }  # fmt: skip


@dataclass(frozen=True)
class JobResult:
    """What one of several jobs on a machine achieved; start_s is when it arrived."""

    name: str
    ranks: int
    start_s: float
    metrics: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return the plain form that result.json holds."""
        return {
            "name": self.name, "ranks": self.ranks, "start_s": self.start_s, "metrics": dict(self.metrics),
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of one run. `metrics` and `operations` are plain SI numbers; `notes` are things worth saying."""

    name: str
    engine: str
    kernel: str
    seed: int
    metrics: Mapping[str, float]
    operations: tuple[OperationResult, ...]
    tables: Mapping[str, Table]
    digest: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    explanation: Mapping[str, Any] = field(default_factory=dict)
    """Why it took so long, as plain data; `explain()` reads it. Empty where it was not worked out."""
    jobs: tuple[JobResult, ...] = ()
    """What each job achieved, where several share the machine."""

    @cached_property
    def flows(self) -> pd.DataFrame:
        """One row per message."""
        return self._frame("flows")

    @cached_property
    def links(self) -> pd.DataFrame:
        """One row per channel that carried traffic."""
        return self._frame("links")

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row per operation and round."""
        return self._frame("rounds")

    @cached_property
    def timeline(self) -> pd.DataFrame:
        """Delivered bytes over time."""
        return self._frame("timeline")

    def _frame(self, table: str) -> pd.DataFrame:
        if table not in self.tables:
            known = ", ".join(self.tables) or "none"
            raise InputError(f"the {self.engine} engine has no table {table} of this run", f"it has {known}")
        frame = self.tables[table].frame
        frame.attrs["units"] = {name: COLUMNS[table][name][0] for name in frame.columns}
        return frame

    def operation(self, name: str) -> OperationResult:
        """Return one workload entry's result by name."""
        for operation in self.operations:
            if operation.name == name:
                return operation
        raise InputError(
            f"the result has no operation {name!r}", "known: " + ", ".join(op.name for op in self.operations)
        )

    @property
    def parts(self) -> tuple[OperationResult | JobResult, ...]:
        """What metrics are named after: the workload entries, then the jobs."""
        return (*self.operations, *self.jobs)

    @property
    def numbers(self) -> dict[str, int | float]:
        """Every metric by its path, those of the whole run first: `completion_time_s`, `ar.busbw_Bps`."""
        found = dict(self.metrics)
        for part in self.parts:
            found |= {f"{part.name}.{name}": value for name, value in part.metrics.items()}
        return found

    def describe(self) -> pd.DataFrame:
        """Return every metric of this result with value, unit and meaning."""
        import pandas as pd

        rows = [(name, value, *METRICS[name]) for name, value in self.metrics.items()]
        return pd.DataFrame(rows, columns=["metric", "value", "unit", "meaning"])

    def as_dict(self) -> dict[str, Any]:
        """Return the content of result.json."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "engine": self.engine,
            "kernel": self.kernel,
            "seed": self.seed,
            "digest": self.digest,
            "metrics": dict(self.metrics),
            "operations": [operation.as_dict() for operation in self.operations],
            "jobs": [job.as_dict() for job in self.jobs],
            "notes": list(self.notes),
            "plan": dict(self.plan),
            "explanation": dict(self.explanation),
            "provenance": dict(self.provenance),
            "cost": dict(self.cost),
        }

    def save(self, folder: Path | str, *, force: bool = False) -> Path:
        """Write result.json and one CSV per table into `folder`, and return its path.

        csv-metadata.json says what the columns of the tables are, with their units.

        Raises UsageError if the folder holds anything and `force` is not set.
        """
        path = fresh_folder(folder, force=force)
        (path / "result.json").write_text(json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8")
        for name, table in self.tables.items():
            write_csv(path / f"{name}.csv", table)
        metadata = csv_metadata(
            {f"{name}.csv": (table, COLUMNS[name]) for name, table in self.tables.items()}
        )
        (path / METADATA).write_text(json.dumps(metadata, indent=1) + "\n", encoding="utf-8")
        return path

    def __getattr__(self, name: str) -> Any:
        return borrow(self, name)

    def __repr__(self) -> str:
        return f"<Result {self.name}: {self.engine}/{self.kernel}, digest {self.digest[:12]}>"


def load_result(folder: Path | str) -> Result:
    """Return the Result saved in `folder`. Raises InputError if it is not one."""
    path = Path(folder)
    try:
        data = json.loads((path / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} holds no result.json", "name a folder that a run wrote with -o") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path / 'result.json'} is not JSON: {error.msg}") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"{path / 'result.json'} is not a {SCHEMA} result")
    try:
        return _from_dict(data, path)
    except (KeyError, TypeError) as error:
        what = f"{path / 'result.json'} lacks a part or has a strange one: {error}"
        raise InputError(what, "run the scenario again") from None


def _from_dict(data: Mapping[str, Any], path: Path) -> Result:
    operations = tuple(OperationResult(**entry) for entry in data["operations"])
    tables = {name: read_csv(path / f"{name}.csv") for name in TABLES if (path / f"{name}.csv").exists()}
    keys = ("name", "engine", "kernel", "seed", "metrics", "digest", "provenance", "cost", "plan")
    return Result(
        operations=operations,
        tables=tables,
        notes=tuple(data["notes"]),
        explanation=data.get("explanation", {}),  # folders of earlier versions have none, and no jobs
        jobs=tuple(JobResult(**entry) for entry in data.get("jobs", ())),
        **{key: data[key] for key in keys},
    )


def fresh_folder(folder: Path | str, *, force: bool) -> Path:
    """Create `folder` and return it; raises UsageError if it holds anything, unless `force`."""
    path = Path(folder)
    if path.is_file() or (path.is_dir() and any(path.iterdir()) and not force):
        raise UsageError(f"{path} exists and is not empty; name another folder, or add --force")
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest_of(parts: Sequence[bytes | str | NDArray[Any]]) -> str:
    """Return the SHA-256 of text, bytes and arrays: integers as they are, floats as %.9g."""
    state = hashlib.sha256()
    for part in parts:
        data = _digested(part)
        state.update(data.nbytes.to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def _digested(part: bytes | str | NDArray[Any]) -> memoryview:
    """Return the bytes that a digest sees of one part; long columns of integers are not copied."""
    if isinstance(part, np.ndarray):
        if part.dtype.kind in "iub":
            return np.ascontiguousarray(part, "<i8").reshape(-1).data
        text = "{:.9g}".format if part.dtype.kind == "f" else str
        part = "\n".join(map(text, part.tolist()))
    return memoryview(part.encode() if isinstance(part, str) else part)
