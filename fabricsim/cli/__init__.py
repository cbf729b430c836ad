"""The command line: thin, lazy, results on stdout, everything else on stderr.

Exit codes: 0 fine, 1 an expectation or a baseline is violated, 2 wrong usage, 3 invalid input, 4 the simulation
could not finish, 5 over the stated budget.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fabricsim.cli.calibrations import calibrate
from fabricsim.cli.checks import check
from fabricsim.cli.comparison import compare
from fabricsim.cli.conversion import convert
from fabricsim.cli.designs import search, sensitivity, solve
from fabricsim.cli.explanations import explain
from fabricsim.cli.lists import list_things, schema
from fabricsim.cli.runs import report, run, survive
from fabricsim.cli.sweeps import sweep
from fabricsim.cli.topologies import diff, inspect
from fabricsim.errors import FabricError
from fabricsim.version import __version__

app = typer.Typer(
    name="fabricsim",
    help="Simulate the interconnect fabrics of AI supernodes and the clusters made of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


for _name, _command in (
    ("run", run),
    ("check", check),
    ("sweep", sweep),
    ("survive", survive),
    ("explain", explain),
    ("sensitivity", sensitivity),
    ("solve", solve),
    ("search", search),
    ("inspect", inspect),
    ("diff", diff),
    ("list", list_things),
    ("compare", compare),
    ("calibrate", calibrate),
    ("convert", convert),
    ("report", report),
    ("schema", schema),
):
    app.command(_name)(_command)


def main() -> None:
    """Run the command line; every error becomes a message and its exit code."""
    try:
        app()
    except FabricError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone, as in `fabricsim list | head`
        sys.exit(0)
