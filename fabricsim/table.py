"""Tables: columns of equal length, as CSV files and as pandas frames."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Meanings = Mapping[str, tuple[str, str]]
"""Unit and meaning of columns, by name."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, read-only; `.frame` is the same as a pandas DataFrame."""

    columns: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        for column in self.columns.values():
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame; `frame.attrs['units']` holds the unit of each column."""
        import pandas as pd

        return pd.DataFrame(dict(self.columns))


def write_csv(path: Path, table: Table) -> None:
    """Write a table with a header line; floats as repr, so they read back exactly."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(zip(*(column.tolist() for column in table.columns.values()), strict=True))


def read_csv(path: Path) -> Table:
    """Return a table written by `write_csv`; a column is whole numbers, else numbers, else text."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return Table({name: _typed(texts) for name, texts in zip(names, columns, strict=True)})


def _typed(texts: Sequence[str]) -> NDArray[Any]:
    for kind in (np.int64, np.float64):
        try:
            return np.array(texts, dtype=kind)
        except ValueError:
            continue
    return np.array(texts, dtype=object)


def csv_metadata(tables: Mapping[str, tuple[Table, Meanings]]) -> dict[str, Any]:
    """Return what files of tables hold, by file: W3C's "Metadata Vocabulary for Tabular Data" (2015), with units."""
    return {
        "@context": "http://www.w3.org/ns/csvw",
        "tables": [
            {
                "url": file,
                "tableSchema": {
                    "columns": [_described(name, table[name], meanings) for name in table.columns]
                },
            }
            for file, (table, meanings) in tables.items()
        ],
    }


def _described(name: str, values: NDArray[Any], meanings: Meanings) -> dict[str, str]:
    unit, meaning = meanings.get(name, ("", ""))
    kind = {"i": "integer", "u": "integer", "f": "double", "b": "boolean"}.get(values.dtype.kind, "string")
    stated = {"name": name, "datatype": kind, "dc:description": meaning, "schema:unitText": unit}
    return {key: text for key, text in stated.items() if text}
