"""The command that writes results, topologies and scenarios in the formats of other tools."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from fabricsim.cli.options import Force

if TYPE_CHECKING:
    import pandas as pd

    from fabricsim.fabric import Fabric
    from fabricsim.regression import Verdict
    from fabricsim.result import Result
    from fabricsim.scenario import Scenario

    _Frames = Callable[[Any], tuple[pd.DataFrame, Mapping[str, tuple[str, str]]]]


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="A result folder; or a topology or a scenario, a file or one that ships."
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="The file to write; its ending says the format.")
    ],
    force: Force = False,
) -> None:
    """Write a result, a topology or a scenario's messages in the format of another tool.

    Of a result: .nccl.txt, .nccl.json, .trace.json or .trace.json.gz (Perfetto), .md, and tables as flows.parquet,
    links.parquet, points.csv and the like. Of a topology: .graphml, .json, .csv. Of a scenario: messages.csv,
    messages.parquet.
    """
    from fabricsim.errors import UsageError

    kind = _kind(source)
    writers = _writers(kind)
    write = next((writer for ending, writer in writers.items() if target.name.endswith(ending)), None)
    if write is None:
        raise UsageError(f"{target.name}: a {kind} is written as one of {', '.join(writers)}")
    if target.exists() and not force:
        raise UsageError(f"{target} exists; name another file, or add --force")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}; make it first, or write elsewhere")
    content = write(_READERS[kind](source))
    data = content.encode() if isinstance(content, str) else content
    packed = gzip.compress(data, mtime=0) if target.suffix == ".gz" else data
    target.write_bytes(packed)
    print(f"{target}: {len(packed)} bytes", file=sys.stderr)


# -- what is read ----------------------------------------------------------------------------------------


def _kind(name: str) -> str:
    """Return what `name` names: a result, a topology or a scenario."""
    from fabricsim.errors import InputError, close_match
    from fabricsim.scenario import shipped_scenarios
    from fabricsim.topology import shipped

    path = Path(name)
    if path.is_dir():
        return "result"
    if path.suffix or path.name != name:
        return _kind_of_file(path)
    scenarios, topologies = shipped_scenarios(), shipped()
    if name not in scenarios and name not in topologies:
        right = close_match(name, [*scenarios, *topologies])
        raise InputError(f"{name!r} is no result folder, and nothing that ships is called so", right)
    return "scenario" if name in scenarios else "topology"


def _kind_of_file(path: Path) -> str:
    from fabricsim.document import read_document
    from fabricsim.scenario.grammar import SCHEMA

    if path.suffix.lower() not in (".yaml", ".yml"):
        return "topology"  # a graph file, which its own reader judges
    value = read_document(path).value
    return "scenario" if isinstance(value, Mapping) and value.get("schema") == SCHEMA else "topology"


class _Saved(NamedTuple):
    """What a folder of `run -o` holds."""

    results: list[Result]
    verdict: list[Verdict] | None


def _saved(name: str) -> _Saved:
    from fabricsim.report.folder import load_results, load_verdict

    return _Saved(load_results(name), load_verdict(name))


def _topology(name: str) -> Fabric:
    from fabricsim.topology import load_topology

    return load_topology(name)


def _scenario(name: str) -> Scenario:
    from fabricsim.scenario import load_scenario

    return load_scenario(name)


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "result": _saved,
    "topology": _topology,
    "scenario": _scenario,
}


# -- what is written of a result -------------------------------------------------------------------------


def _nccl_text(saved: _Saved) -> str:
    from fabricsim.errors import InputError
    from fabricsim.report.nccl import nccl_table

    table = nccl_table(saved.results)
    if table is None:
        raise InputError("the results are not of one collective", "nccl-tests writes one test a file")
    return table


def _nccl_json(saved: _Saved) -> str:
    from fabricsim.formats.nccl_log import json_text

    return json_text(saved.results)


def _trace(saved: _Saved) -> str:
    from fabricsim.formats import perfetto_trace

    text = perfetto_trace(_only(saved, "a trace shows"))
    told = json.loads(text)["otherData"]
    if told["left_out"]:
        print(f"left out: the {told['left_out']} shortest of {told['messages']} messages", file=sys.stderr)
    return text


def _markdown(saved: _Saved) -> str:
    from fabricsim.report.markdown import results_markdown

    return results_markdown(saved.results, saved.verdict)


def _table(name: str, saved: _Saved) -> tuple[pd.DataFrame, Mapping[str, tuple[str, str]]]:
    """Return a table of a result, or `points`: one row for each result and a column for each metric."""
    from fabricsim.errors import InputError
    from fabricsim.formats.tables import points_frame
    from fabricsim.metrics import COLUMNS

    if name == "points":
        return points_frame(saved.results)
    result = _only(saved, "a table is of")
    if name not in result.tables:
        raise InputError(f"the result has no table {name}", f"it has {', '.join([*result.tables, 'points'])}")
    return result.tables[name].frame, COLUMNS[name]


def _only(saved: _Saved, doing: str) -> Result:
    from fabricsim.errors import InputError

    if len(saved.results) != 1:
        raise InputError(f"{doing} one run, these are {len(saved.results)}", "name the folder of one point")
    return saved.results[0]


# -- what is written of topologies and scenarios ---------------------------------------------------------


def _graph(suffix: str, fabric: Fabric) -> str:
    from fabricsim.topology.graphs_out import WRITERS

    return WRITERS[suffix](fabric)


def _messages(scenario: Scenario) -> tuple[pd.DataFrame, Mapping[str, tuple[str, str]]]:
    from fabricsim.errors import InputError
    from fabricsim.formats.tables import messages_frame

    points = scenario.points()
    if len(points) != 1:
        what = f"the scenario is a sweep of {len(points)} points"
        raise InputError(what, "write its messages from a file without sweep:")
    fabric = points[0].fabric()
    bound = points[0].bind(fabric)
    if bound.training or bound.serving:
        what = "a training step" if bound.training else "a served model"
        raise InputError(f"{what} is put together from exchanges, not from one list of messages")
    return messages_frame(points[0].schedule(fabric))


def _as_csv(table: _Frames, value: Any) -> bytes:
    from fabricsim.formats.tables import csv_bytes

    return csv_bytes(table(value)[0])


def _as_parquet(table: _Frames, value: Any) -> bytes:
    from fabricsim.formats.tables import parquet_bytes

    return parquet_bytes(*table(value))


def _writers(kind: str) -> dict[str, Callable[[Any], str | bytes]]:
    """Return how to write what is read, by the ending of the file."""
    if kind == "topology":
        return {suffix: partial(_graph, suffix) for suffix in (".graphml", ".json", ".csv")}
    if kind == "scenario":
        return _tabular("messages", _messages)
    from fabricsim.result import TABLES

    written: dict[str, Callable[[Any], str | bytes]] = {
        ".nccl.txt": _nccl_text,
        ".nccl.json": _nccl_json,
        ".trace.json": _trace,
        ".trace.json.gz": _trace,
        ".md": _markdown,
    }
    for name in (*TABLES, "points"):
        written |= _tabular(name, partial(_table, name))
    return written


def _tabular(name: str, table: _Frames) -> dict[str, Callable[[Any], str | bytes]]:
    return {f"{name}.csv": partial(_as_csv, table), f"{name}.parquet": partial(_as_parquet, table)}
