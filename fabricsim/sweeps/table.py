"""A sweep as one table: a row for each point, what is varied first, then metrics in their written order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fabricsim.errors import UsageError
from fabricsim.metrics import METRICS
from fabricsim.sweeps.point import VERDICT_KEYS, Outcome

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_ORDER: Final = {name: place for place, name in enumerate(METRICS)}

Row = Mapping[str, Any]


def rows_of(varied: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> list[Row]:
    """Return a row for each point, all with the same keys; None where a point has no such value."""
    keys = list(dict.fromkeys(key for point in varied for key in point))
    metrics = _metrics(outcomes)
    return [
        {
            "point": index,
            **{key: cell(point.get(key)) for key in keys},
            **{key: getattr(outcome, key) for key in VERDICT_KEYS},
            **{name: outcome.numbers.get(name) for name in metrics},
        }
        for index, (point, outcome) in enumerate(zip(varied, outcomes, strict=True))
    ]


def _metrics(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the metrics that any point has: of the whole run first, then by operation, in METRICS' order."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.numbers)
    operations = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
    place = {operation: index for index, operation in enumerate(sorted(operations, key=bool))}

    def order(name: str) -> tuple[int, int, str]:
        operation, _, metric = name.rpartition(".")
        return place[operation], _ORDER.get(metric, len(_ORDER)), metric

    return sorted(names, key=order)


def cell(value: Any) -> Any:
    """Return a varied value as it fits a table: lists and mappings as JSON text."""
    if isinstance(value, list | Mapping):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value


def csv_text(rows: Sequence[Row]) -> str:
    """Return rows as CSV: numbers as repr, which reads back exactly, nothing for None."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as a pandas DataFrame; `frame.attrs['units']` holds the unit of each metric."""
    import pandas as pd

    frame = pd.DataFrame([dict(row) for row in rows]).set_index("point")
    frame.attrs["units"] = {name: unit for name in frame.columns if (unit := _unit(name)) is not None}
    return frame


def xarray_of(rows: Sequence[Row], keys: Sequence[str]) -> xr.Dataset:
    """Return rows as a Dataset: with a dimension for each varied key where they make a grid, else one of points.

    Raises UsageError where xarray is not installed.
    """
    try:
        import xarray
    except ImportError:
        raise UsageError("this needs xarray: pip install 'fabricsim[xarray]'") from None
    frame = frame_of(rows)
    if keys and _is_grid(frame, keys):
        frame = frame.set_index(list(keys))
    dataset = xarray.Dataset.from_dataframe(frame)
    for name in dataset.data_vars:
        unit = _unit(str(name))
        if unit:
            dataset[name].attrs["units"] = unit
    return dataset


def _is_grid(frame: pd.DataFrame, keys: Sequence[str]) -> bool:
    points = 1
    for key in keys:
        points *= frame[key].nunique(dropna=False)
    return points == len(frame) and not frame.duplicated(list(keys)).any()


def _unit(name: str) -> str | None:
    metric = name.rpartition(".")[2]
    return METRICS[metric][0] if metric in METRICS else None
