"""HCCL Test (Ascend CANN): a table of data size, mean time and algorithm bandwidth; it states no busbw."""

from __future__ import annotations

import re

from fabricsim.errors import Fault, InputError
from fabricsim.formats.measured import Log, LogRow

_ROW = re.compile(r"\s*(\d+)\s*[|\s]\s*([\d.eE+-]+)\s*[|\s]\s*([\d.eE+-]+)\s*[|\s]\s*(success|failed|NULL)\b")


def is_hccl_text(text: str) -> bool:
    """Return whether text looks like the table of HCCL Test."""
    return "data_size" in text and "alg_bandwidth" in text


def read_text(text: str, file: str) -> Log:
    """Return the rows of a table; `aveg_time(us)` is the tool's own spelling. Raises InputError for a failed row."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _ROW.match(line)
        if match is None:
            continue
        if match[4] == "failed":
            raise InputError(
                [Fault("the test failed its check", "leave the line out", file=file, line=number)]
            )
        if int(match[1]) < 1 or float(match[2]) <= 0:
            what = f"a size of {match[1]} B in {match[2]} us has no bandwidth"
            raise InputError([Fault(what, "leave the line out", file=file, line=number)])
        rows.append(LogRow(int(match[1]), float(match[2]) * 1e-6))
    if not rows:
        raise InputError([Fault("holds no row of HCCL Test", "give the whole output of a test", file=file)])
    return Log(f"HCCL Test, {file}", None, None, tuple(rows))
