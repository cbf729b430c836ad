"""The commands that ask a design more than one run answers: sensitivity, break-even, search."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from fabricsim.cli.options import File, Output, Set


def sensitivity(file: File, output: Output = None, settings: Set = None) -> None:
    """Vary the machine's uncertain numbers; rank them by effect on each expectation, and say where it flips."""
    from fabricsim.designs.sensitivity import sensitivity as sensitivity_of
    from fabricsim.designs.text import sensitivity_lines
    from fabricsim.scenario import load_scenario

    found = sensitivity_of(load_scenario(file, settings=settings or []))
    print("\n".join(sensitivity_lines(found)))
    for text in found.left_out:
        print(f"not varied: {text}", file=sys.stderr)
    if output:
        from fabricsim.report.tornado import write_tornado

        print(f"picture: {write_tornado(found, output / 'sensitivity.png')}", file=sys.stderr)


def solve(
    file: File,
    vary: Annotated[
        str,
        typer.Option("--vary", metavar="KEY", help="What is varied: a key path, a parameter, or LEVEL.KEY."),
    ],
    until: Annotated[
        str,
        typer.Option(
            "--until",
            metavar="CONDITION",
            help="Such as 'busbw >= 180 GB/s' or 'completion_time <= 1.05 * nonblocking'.",
        ),
    ],
    over: Annotated[
        str | None,
        typer.Option(
            "--over", metavar="'A .. B'", help="The range; an eighth to eight times what is stated."
        ),
    ] = None,
    tolerance: Annotated[
        str, typer.Option("--tolerance", metavar="SHARE", help="How narrow a threshold is found.")
    ] = "0.1 %",
    output: Output = None,
    settings: Set = None,
) -> None:
    """Find the value of one key at which a condition turns; say what binds on both sides. Exit 1 if it never does."""
    from fabricsim.designs.break_even import solve as solved
    from fabricsim.designs.text import solve_lines
    from fabricsim.scenario import load_scenario
    from fabricsim.units import parse_share

    scenario = load_scenario(file, settings=settings or [])
    found = solved(scenario, vary, until, over=over, tolerance=parse_share(tolerance))
    print("\n".join(solve_lines(found)))
    for value, why in found.refused.items():
        print(f"not run: {found.key} = {value}: {why}", file=sys.stderr)
    if output:
        from fabricsim.report.break_even import write_break_even

        print(f"picture: {write_break_even(found, output / 'break-even.png')}", file=sys.stderr)
    if not found.thresholds:
        raise typer.Exit(1)


def search(
    file: File,
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="How many designs at most, in place of the file's.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes to run on; 0 is one for each processor.")
    ] = 1,
    output: Output = None,
    settings: Set = None,
) -> None:
    """Find the cheapest design of a scenario's search: that meets what it expects. Exit 1 if none does."""
    from fabricsim.cli.runs import progress_line
    from fabricsim.designs import search as searched
    from fabricsim.designs.text import search_lines
    from fabricsim.scenario import load_scenario
    from fabricsim.sweeps.workers import process_pool

    scenario = load_scenario(file, settings=settings or [])
    with nullcontext() if workers == 1 else process_pool(workers or os.cpu_count() or 1) as executor:
        found = searched(scenario, trials=trials, executor=executor, progress=progress_line(scenario.name))
    print("\n".join(search_lines(found)))
    if output:
        from fabricsim.report.front import write_front

        output.mkdir(parents=True, exist_ok=True)
        (output / "search.csv").write_text(found.csv, encoding="utf-8")
        print(f"designs: {output / 'search.csv'}", file=sys.stderr)
        print(f"picture: {write_front(found, output / 'front.png')}", file=sys.stderr)
    if found.best is None:
        raise typer.Exit(1)
