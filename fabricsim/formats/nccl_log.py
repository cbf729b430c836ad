"""nccl-tests: its table as text, of all versions, and its JSON, in and out.

Columns are told by the header, not by their number: old versions have no root, and leave redop blank where it has no
meaning; `-I` adds four columns to each placement (src/util.cu of nccl-tests 2.19). GB is 10^9 bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fabricsim.errors import Fault, InputError
from fabricsim.formats.measured import Log, LogRow, collective_name, tool_name
from fabricsim.result import OperationResult, Result

JSON_VERSION: Final = 3
"""JSON_FILE_VERSION of nccl-tests 2.19."""

_STARTING = re.compile(r"#\s*Collective test starting:\s*(\S+)")
_RANK = re.compile(r"#\s+Rank\s+(\d+)\s")
_OPERATIONS: Final = frozenset({"sum", "prod", "max", "min", "avg", "mulsum", "none", "all"})
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


def is_nccl_text(text: str) -> bool:
    """Return whether text looks like the table of nccl-tests."""
    return "busbw" in text and "algbw" in text and "(GB/s)" in text


def read_text(text: str, file: str) -> Log:
    """Return the out-of-place rows of a table. Raises InputError for a row that cannot be read, or if there is none."""
    rows, ranks, test = [], set[str](), None
    for number, line in enumerate(text.splitlines(), 1):
        if started := _STARTING.match(line):
            test = started[1]
        elif rank := _RANK.match(line):
            ranks.add(rank[1])
        elif line.strip() and not line.startswith("#") and line.split()[0].isdigit():
            rows.append(_row(line, file, number))
    if not rows:
        raise InputError([Fault("holds no row of nccl-tests", "give the whole output of a test", file=file)])
    return Log(
        f"nccl-tests, {file}", collective_name(test) if test else None, len(ranks) or None, tuple(rows)
    )


def _row(line: str, file: str, number: int) -> LogRow:
    """Return the row of a line: size, count, type, then maybe redop and root, then time, algbw, busbw."""
    tokens = line.split()
    rest = tokens[3:]
    if rest and rest[0] in _OPERATIONS:
        rest = rest[1:]
    # a root is a whole number before the time, which has decimals unless it is huge: count what must follow it
    if len(rest) % 4 == 1:
        rest = rest[1:]
    values = rest[:3]
    if len(values) < 3 or not all(_NUMBER.fullmatch(value) for value in values):
        what = "is not a row of nccl-tests: after type and redop come time, algbw and busbw"
        raise InputError([Fault(what, "give the output as it was written", file=file, line=number)])
    time, _, busbw = map(float, values)
    if int(tokens[0]) < 1 or time <= 0:
        what = f"a size of {tokens[0]} B in {values[0]} us has no bandwidth"
        raise InputError([Fault(what, "leave the line out", file=file, line=number)])
    return LogRow(int(tokens[0]), time * 1e-6, busbw * 1e9)


# -- JSON ------------------------------------------------------------------------------------------------


def read_json(data: Mapping[str, Any], file: str) -> Log:
    """Return the rows of a `-J` file: out of place, or in place where only that ran. Raises InputError."""
    try:
        rows = tuple(_json_row(entry) for entry in data["results"])
        devices = data.get("config", {}).get("devices", [])
        tests = [collective_name(re.split(r"[\\/]", str(arg))[-1]) for arg in data.get("args", [])[:1]]
    except (KeyError, TypeError, ValueError) as error:
        what = f"is not a file of nccl-tests -J, version {JSON_VERSION}: {error!r}"
        raise InputError([Fault(what, "give the file as it was written", file=file)]) from None
    if not rows:
        raise InputError([Fault("holds no results", "give the file of a finished test", file=file)])
    return Log(f"nccl-tests, {file}", tests[0] if tests else None, len(devices) or None, rows)


def _json_row(entry: Mapping[str, Any]) -> LogRow:
    placement = entry.get("out_of_place") or entry["in_place"]
    time = float(placement.get("time", placement.get("cpu_time")))
    return LogRow(int(entry["size"]), time * 1e-6, float(placement["bus_bw"]) * 1e9)


def json_text(results: Sequence[Result]) -> str:
    """Return results of one collective, a row each, as the file that nccl-tests writes with -J.

    Keys and odd types are its own: booleans are text, the root is padded text. `#wrong` is not checked, so `nwrong` is
    absent. Raises InputError if not every result is one run of the same collective.
    """
    rows = list(_operations(results))
    kinds = {row.kind for row in rows}
    if len(kinds) != 1:
        raise InputError(f"the results are of {len(kinds)} collectives", "nccl-tests writes one test a file")
    average = sum(row.metrics["busbw_Bps"] for row in rows) / len(rows) / 1e9
    content = {
        "version": JSON_VERSION,
        "args": [f"{tool_name(rows[0].kind)}_perf"],
        "env": [],
        "config": {"simulated_by": f"fabricsim {results[0].provenance.get('fabricsim', '')}".strip(),
                   "devices": [{"rank": rank} for rank in range(rows[0].ranks)]},
        "results": [_json_entry(row) for row in rows],
        "average_bus_bandwidth": {"bandwidth": average, "okay": "unchecked"},
    }  # fmt: skip
    return json.dumps(content, indent=1) + "\n"


def _operations(results: Sequence[Result]) -> Iterator[OperationResult]:
    for result in results:
        found = [operation for operation in result.operations if "busbw_Bps" in operation.metrics]
        if len(result.operations) != 1 or not found:
            raise InputError(f"{result.name!r} is not one collective", "convert the result of one collective")
        yield found[0]


def _json_entry(row: OperationResult) -> dict[str, Any]:
    size = int(row.metrics["size_B"])
    placement = {
        "time": row.metrics["completion_time_s"] * 1e6,
        "alg_bw": row.metrics["algbw_Bps"] / 1e9,
        "bus_bw": row.metrics["busbw_Bps"] / 1e9,
    }
    return {
        "size": size, "count": size // 4, "type": "float", "redop": "sum", "root": f"{-1:>6}",
        "out_of_place": placement, "in_place": placement, "actual_iterations": 1,
    }  # fmt: skip
