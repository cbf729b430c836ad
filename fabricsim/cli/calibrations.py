"""The command that fits links to measured logs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from fabricsim.cli.options import Json, results_console


def calibrate(
    logs: Annotated[
        Path, typer.Argument(metavar="LOGS", help="A folder of logs, one log, or a manifest of them.")
    ],
    topology: Annotated[
        str | None,
        typer.Option(
            "--topology", metavar="NAME", help="The machine they ran on: a shipped name, or a file."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the overlay here.")
    ] = None,
    collective: Annotated[
        str | None, typer.Option("--collective", help="What logs are of that do not say.")
    ] = None,
    ranks: Annotated[str | None, typer.Option("--ranks", help="Their ranks, such as 0-7.")] = None,
    algorithm: Annotated[str | None, typer.Option("--algorithm", help="What ran; all if absent.")] = None,
    as_json: Json = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the overlay.")] = False,
) -> None:
    """Fit latency and efficiency of a machine's links to measured logs, and write them as an overlay.

    Reads logs of nccl-tests, HCCL Test and DeepEP, and ping-pong tables as CSV. Every second size is held out to judge.
    """
    from fabricsim.calibration import calibrate as fitted
    from fabricsim.calibration import overlay_text
    from fabricsim.errors import UsageError
    from fabricsim.report.calibration_tables import calibration_json, calibration_tables
    from fabricsim.report.terminal import print_tables

    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} exists; name another file, or add --force to replace it")
    given = {"collective": collective, "ranks": ranks, "algorithm": algorithm}
    found = fitted(logs, topology, **{key: value for key, value in given.items() if value is not None})
    if as_json:
        print(json.dumps(calibration_json(found), indent=1))
    else:
        print_tables(calibration_tables(found), results_console())
    if output is not None:
        output.write_text(overlay_text(found), encoding="utf-8")
        print(f"overlay: {output}", file=sys.stderr)
