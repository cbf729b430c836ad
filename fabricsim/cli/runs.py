"""Commands that run scenarios, and that show what a run left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fabricsim.cli.options import (
    BudgetText,
    DryRun,
    Engine,
    File,
    Force,
    Json,
    Kernel,
    Output,
    Seed,
    Set,
    Verify,
    results_console,
)

if TYPE_CHECKING:
    from fabricsim.regression import Verdict
    from fabricsim.result import Result
    from fabricsim.scenario import Scenario


def run(
    file: File,
    dry_run: DryRun = False,
    output: Output = None,
    engine: Engine = None,
    kernel: Kernel = None,
    settings: Set = None,
    seed: Seed = None,
    budget: BudgetText = None,
    verify: Verify = False,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Run a scenario, judge its expectations, and write a report with -o."""
    scenario = read_scenario(file, settings or [], seed, engine, kernel)
    if dry_run:
        _print_plan(scenario, as_json=as_json)
        return
    _run_and_judge(scenario, output, budget, verify=verify, as_json=as_json, force=force)


def survive(
    file: File,
    parts: Annotated[
        str | None,
        typer.Option("--parts", metavar="KINDS", help="Such as link,switch,plane,npu, or levels."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="PATH", help="What is compared, such as ar.busbw.")
    ] = None,
    faults: Annotated[
        str | None, typer.Option("--faults", metavar="NUMBERS", help="Parts lost at once, such as 2,4,8.")
    ] = None,
    output: Output = None,
    settings: Set = None,
    seed: Seed = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Lose every part of a scenario's machine, one of each class of equal ones; say which hurts most."""
    from fabricsim.errors import UsageError

    scenario = read_scenario(file, settings or [], seed, None, None)
    stated: dict[str, Any] = {}
    if parts:
        stated["parts"] = [kind.strip() for kind in parts.split(",")]
    if metric:
        stated["metric"] = metric
    if faults:
        numbers = [number.strip() for number in faults.split(",")]
        if not all(number.isdecimal() for number in numbers):
            raise UsageError(f"{faults!r} are not numbers; write --faults 2,4,8")
        stated["faults"] = [int(number) for number in numbers]
    asked = {**(scenario.data.get("survive") or {}), **stated}
    _run_and_judge(scenario.replace(survive=asked), output, None, as_json=as_json, force=force)


def _run_and_judge(
    scenario: Scenario,
    output: Path | None,
    budget: str | None,
    *,
    verify: bool = False,
    as_json: bool,
    force: bool,
) -> None:
    """Run a scenario, print what came out and how its expectations fared, and write a report into `output`."""
    from fabricsim.budget import parse_budget
    from fabricsim.regression import RunsBeside, judge
    from fabricsim.report.folder import check_folder, write_report
    from fabricsim.run import run as run_scenario

    if output:
        check_folder(output, force=force)
    limit = parse_budget(budget) if budget else None
    beside = RunsBeside(scenario)
    results = run_scenario(
        scenario,
        progress_line(scenario.name),
        limit,
        verified=verify,
        watch=watch_line(),
        announce=announce_line(),
    )
    verdicts = judge(results, scenario.expectations, beside)
    if output:
        write_report(results, output, verdicts, force=force)
    _print_results(results, verdicts, as_json=as_json)
    if output:
        print(f"report: {output / 'report.html'}", file=sys.stderr)
    _exit_on(verdicts)


def _exit_on(verdicts: Sequence[Verdict]) -> None:
    if not all(verdict.ok for verdict in verdicts):
        raise typer.Exit(1)


def _print_results(results: Sequence[Result], verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    if as_json:
        contents = [result.as_dict() for result in results]
        print(json.dumps(contents[0] if len(contents) == 1 else contents, indent=1))
        return
    from fabricsim.report.terminal import print_result

    print_result(results, verdicts, results_console())


def _print_plan(scenario: Scenario, *, as_json: bool) -> None:
    from fabricsim.planning import plan
    from fabricsim.run import job_of

    plans = [plan(job_of(point)) for point in scenario.points()]
    if as_json:
        print(json.dumps(plans[0] if len(plans) == 1 else plans, indent=1))
        return
    from fabricsim.report.terminal import print_plan

    print_plan(plans, results_console())


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder that a run wrote.")],
) -> None:
    """Draw the figures and the page of a saved result again."""
    from fabricsim.report.folder import redraw

    print(redraw(folder))


def read_scenario(
    file: str, settings: Sequence[str], seed: int | None, engine: str | None, kernel: str | None
) -> Scenario:
    """Return the scenario of a file, with what the command line changes in it."""
    from fabricsim.scenario import load_scenario

    options = {"seed": seed, "engine": engine, "kernel": kernel}
    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    return load_scenario(file, settings=[*settings, *given])


def progress_line(name: str) -> Callable[[int, int], None] | None:
    """Return a line on a terminal that counts the points of a sweep, None elsewhere."""
    from fabricsim.progress import on_terminal, points_of

    return points_of(on_terminal(), name)


def watch_line() -> Callable[[int, int, int], None] | None:
    """Return a line on a terminal that follows a long packet run, None elsewhere."""
    from fabricsim.progress import on_terminal, packets_of

    return packets_of(on_terminal())


def announce_line() -> Callable[[Mapping[str, Any]], None] | None:
    """Return what says on a terminal how much a long run is estimated to cost, before it begins; None elsewhere."""
    from fabricsim.progress import estimate_text, on_terminal

    show = on_terminal()
    if show is None:
        return None

    def announce(plan: Mapping[str, Any]) -> None:
        text = estimate_text(plan)
        if text:
            show(0, text + "\n")

    return announce
