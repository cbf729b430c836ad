"""Options that several commands share, and where results go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

File = Annotated[str, typer.Argument(metavar="FILE", help="A scenario file, or the name of a shipped one.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the file; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Replace the file's seed.")]
Engine = Annotated[
    str | None, typer.Option("--engine", help="Replace the file's engine: auto, packet, flow or theory.")
]
Kernel = Annotated[
    str | None, typer.Option("--kernel", help="Replace the file's kernel: auto, simpy, numpy or numba.")
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write the result folder here.")
]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
BudgetText = Annotated[
    str | None,
    typer.Option("--budget", metavar="60s,8GiB", help="Refuse a run that is estimated to cost more."),
]
Verify = Annotated[
    bool, typer.Option("--verify", help="Check every solution of the flow engine by its bottlenecks.")
]
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Print the effective plan and stop.")]


def results_console() -> Console:
    """Return where results go: as wide as the terminal, and wide enough for any table in a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)
