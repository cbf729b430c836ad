"""Tables for other programs, as CSV, and as Parquet with the unit and meaning of each column in its metadata."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from fabricsim.errors import InputError, UsageError
from fabricsim.metrics import METRICS
from fabricsim.result import Result
from fabricsim.sweeps.table import cell
from fabricsim.table import Meanings

if TYPE_CHECKING:
    import pandas as pd

    from fabricsim.schedule import Schedule

_MESSAGES: Final[Meanings] = {
    "operation": ("", "name of the workload entry"),
    "round": ("", "round of the operation, from 0"),
    "src": ("", "sending rank"),
    "dst": ("", "receiving rank"),
    "bytes": ("B", "payload"),
    "delay_s": ("s", "time from when the message could go to its release"),
    "lane": ("", "traffic class"),
    "reduces": ("", "whether the receiver adds the message into what it holds"),
}


def points_frame(results: Sequence[Result]) -> tuple[pd.DataFrame, Meanings]:
    """Return a row for each result, with what its sweep set and every metric by its path; and what metrics mean."""
    import pandas as pd

    frame = pd.DataFrame(
        [{"point": index, **_varied(result), **result.numbers} for index, result in enumerate(results)]
    )
    meanings = {name: METRICS.get(name.rpartition(".")[2]) for name in frame.columns}
    return frame, {name: meaning for name, meaning in meanings.items() if meaning}


def _varied(result: Result) -> dict[str, Any]:
    varied = result.provenance.get("varied") or {"name": result.name}
    return {key: cell(value) for key, value in varied.items()}


def messages_frame(schedule: Schedule) -> tuple[pd.DataFrame, Meanings]:
    """Return a row for each message of a schedule between ranks, in id order; and what the columns mean.

    Raises InputError where messages meet in switches: what a switch adds up has no sender.
    """
    import pandas as pd

    messages = schedule.messages
    if (messages.meeting >= 0).any():
        raise InputError("messages meet in switches, which a table of messages between ranks cannot say")
    names = [operation.name for operation in schedule.operations]
    columns = (
        [names[index] for index in messages.operation.tolist()], messages.round, messages.src, messages.dst,
        messages.size, messages.delay, schedule.lanes, schedule.reduces,
    )  # fmt: skip
    return pd.DataFrame(dict(zip(_MESSAGES, columns, strict=True))), _MESSAGES


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV with a header line; numbers as repr, which reads back exactly."""
    return frame.to_csv(index=False, lineterminator="\n").encode()


def parquet_bytes(frame: pd.DataFrame, meanings: Meanings) -> bytes:
    """Return a frame as a Parquet file; a column's metadata says its `unit` and `meaning`.

    Raises UsageError where pyarrow is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'fabricsim[parquet]'") from None
    table = pyarrow.Table.from_pandas(_of_one_type(frame), preserve_index=False)
    named = [
        field.with_metadata(dict(zip(("unit", "meaning"), meanings[field.name], strict=True)))
        if field.name in meanings
        else field
        for field in table.schema
    ]
    file = io.BytesIO()
    parquet.write_table(table.cast(pyarrow.schema(named, table.schema.metadata)), file)
    return file.getvalue()


def _of_one_type(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose columns of mixed values, such as a swept key that is now a name, now a number, are text."""
    mixed = [
        name
        for name in frame.columns
        if frame[name].dtype.kind == "O" and len({type(value) for value in frame[name].dropna()}) > 1
    ]
    return frame.assign(**{str(name): frame[name].map(str, na_action="ignore") for name in mixed})
