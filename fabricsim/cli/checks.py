"""The command that checks scenarios: what they expect, and what they had before."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer


def check(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Scenario files, or folders of them.")
    ],
    update: Annotated[
        bool, typer.Option("--update", help="Write the baselines that are missing or differ.")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", help="Why the numbers change; goes into the baseline.")
    ] = "",
    require: Annotated[
        bool, typer.Option("--require-baselines", help="Exit 1 when a scenario has no baseline.")
    ] = False,
) -> None:
    """Run scenarios; judge what they expect and the baselines beside them; exit 1 if one is violated."""
    from fabricsim.errors import FabricError, UsageError
    from fabricsim.regression.check import check_scenario
    from fabricsim.regression.text import check_lines, orphans
    from fabricsim.scenario import load_scenario

    if reason and not update:
        raise UsageError("--reason says why a baseline changes: add --update")
    codes = [0]
    for path in _scenario_files(paths):
        try:
            checked = check_scenario(load_scenario(str(path)), update=update, reason=reason)
        except FabricError as error:  # the other scenarios are checked all the same
            print(f"FAIL {path}: cannot be judged", flush=True)
            print(error, file=sys.stderr, flush=True)
            codes.append(error.exit_code)
            continue
        print("\n".join(check_lines(checked)), flush=True)
        missing = require and checked.comparison is None and not checked.written
        codes.append(int(missing or not checked.ok))
    for path in orphans([path for path in paths if path.is_dir()]):
        print(f"note {path}: unused, its scenario is gone; delete it")
    if any(codes):
        raise typer.Exit(max(codes))


def _scenario_files(paths: Sequence[Path]) -> list[Path]:
    from fabricsim.errors import InputError

    files: list[Path] = []
    for path in paths:
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not found:
            raise InputError(f"{path} holds no scenario files", "name a folder with .yaml files in it")
        files.extend(found)
    return files
