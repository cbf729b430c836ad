"""The command that puts two answers side by side, also measured ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fabricsim.cli.options import Force, Json, Output, results_console

if TYPE_CHECKING:
    from fabricsim.formats.measured import Log
    from fabricsim.report.tables import TextTable
    from fabricsim.result import Result

_SIDE: Final = "A result folder, a measured log, or a scenario: a file, or one that ships."


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help=_SIDE)],
    as_json: Json = False,
    output: Output = None,
    force: Force = False,
) -> None:
    """Compare two results, or a result and a measured log, by size or by metric; a scenario is run first."""
    from fabricsim.report.folder import check_folder

    if output:
        check_folder(output, force=force)
        output.mkdir(parents=True, exist_ok=True)
    page = output / "comparison.html" if output else None
    log_a, results_a = _answers(a)
    log_b, results_b = _answers(b)
    if log_a and log_b:
        _compare_sizes(log_a, log_b, page, as_json=as_json)
    else:
        _compare_results(results_a, results_b, (a, b), page, as_json=as_json)
    if page:
        print(f"page: {page}", file=sys.stderr)


def _answers(name: str) -> tuple[Log | None, list[Result]]:
    """Return what `name` answers: rows by size where it is one collective, and the results if they are ours."""
    from fabricsim.formats import log_of, read_log, shipped_logs

    path = Path(name)
    if path.is_dir():
        from fabricsim.report.folder import load_results

        results = load_results(path)
    elif (path.is_file() and path.suffix not in (".yaml", ".yml")) or name in shipped_logs():
        return read_log(name), []
    else:
        results = _run(name)
    return log_of(results, name), results


def _run(name: str) -> list[Result]:
    from fabricsim.cli.runs import progress_line, watch_line
    from fabricsim.run import run
    from fabricsim.scenario import load_scenario

    scenario = load_scenario(name)
    return run(scenario, progress_line(scenario.name), watch=watch_line())


def _compare_sizes(a: Log, b: Log, page: Path | None, *, as_json: bool) -> None:
    from fabricsim.formats.comparison import compare_logs
    from fabricsim.report.comparison_tables import sizes_table

    comparison = compare_logs(a, b)
    table = sizes_table(comparison)
    if page:
        from fabricsim.report.comparison_page import write_comparison

        write_comparison((a.source, b.source), [table], page, sizes=comparison)
    if as_json:
        rows = [{**vars(row), "error": row.error} for row in comparison.rows]
        content = {"a": a.source, "b": b.source, "rows": rows, "mean_error": comparison.mean_error,
                   "only_a": comparison.only_a, "only_b": comparison.only_b}  # fmt: skip
        print(json.dumps(content, indent=1))
        return
    from fabricsim.report.terminal import print_tables

    print_tables([table], results_console())


def _compare_results(
    a: list[Result], b: list[Result], names: tuple[str, str], page: Path | None, *, as_json: bool
) -> None:
    from fabricsim.errors import InputError

    if not a or not b:
        log, result = names if not a else names[::-1]
        raise InputError(f"{log} is a log of one collective, {result} is not", "compare like with like")
    if len(a) != len(b):
        raise InputError(f"{names[0]} has {len(a)} points, {names[1]} has {len(b)}", "compare equal sweeps")
    pairs = list(zip(a, b, strict=True))
    tables = _metric_tables(pairs, names)
    if page:
        from fabricsim.report.comparison_page import write_comparison

        write_comparison(names, tables, page, results=pairs[-1])
    if as_json:
        content = [{"a": dict(of_a.metrics), "b": dict(of_b.metrics)} for of_a, of_b in pairs]
        print(json.dumps(content[0] if len(content) == 1 else content, indent=1))
        return
    from fabricsim.report.terminal import print_tables

    print_tables(tables, results_console())


def _metric_tables(pairs: list[tuple[Result, Result]], names: tuple[str, str]) -> list[TextTable]:
    from fabricsim.report.comparison_tables import metrics_beside

    titles = [f"A: {names[0]}   B: {names[1]}"] + [f"point {index}" for index in range(1, len(pairs))]
    return [
        metrics_beside(title, of_a.metrics, of_b.metrics)
        for title, (of_a, of_b) in zip(titles, pairs, strict=True)
    ]
