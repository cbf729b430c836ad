"""The commands that ask a design more than one run answers: sensitivity, break-even, search."""

from __future__ import annotations

import sys
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
