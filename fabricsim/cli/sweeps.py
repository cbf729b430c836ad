"""The command that runs every point of a sweep, on one process or many."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fabricsim.cli.options import File, Output, Set
from fabricsim.cli.runs import progress_line


def sweep(
    file: File,
    output: Output = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes to run on; 0 is one for each processor.")
    ] = 0,
    dask: Annotated[
        str, typer.Option("--dask", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler.")
    ] = "",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep that -o DIR holds.")] = False,
    settings: Set = None,
) -> None:
    """Run every point of a scenario's sweep; print the table, or keep points and table with -o."""
    from fabricsim.errors import UsageError
    from fabricsim.scenario import load_scenario
    from fabricsim.sweeps import sweep as run_sweep

    if resume and not output:
        raise UsageError("--resume goes on with the sweep in a folder: name it with -o")
    scenario = load_scenario(file, settings=settings or [])
    if not scenario.parts.sweep:
        raise UsageError(f"{file} has no sweep; add one, as in sweep: {{seed: [1, 2, 3]}}")
    made = run_sweep(
        scenario,
        workers=workers,
        dask=dask,
        folder=output,
        resume=resume,
        progress=progress_line(scenario.name),
    )
    if output:
        reused = f", {made.reused} of them from before" if made.reused else ""
        print(f"{len(made.outcomes)} points{reused}: {output / 'sweep.csv'}")
    else:
        print(made.csv, end="")
    for index, error in made.failed.items():
        print(f"point {index} failed: {error}", file=sys.stderr)
    if made.failed:
        raise typer.Exit(4)
