"""The command that checks scenarios: what they expect, and what they had before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fabricsim.regression import Checked
    from fabricsim.scenario import Scenario


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
    against: Annotated[
        str, typer.Option("--against", metavar="REV", help="Compare with a git revision, not with baselines.")
    ] = "",
) -> None:
    """Run scenarios; judge what they expect and the baselines beside them; exit 1 if one is violated."""
    from fabricsim.errors import UsageError
    from fabricsim.regression.baseline import orphans
    from fabricsim.regression.check import check_scenario

    if reason and not update:
        raise UsageError("--reason says why a baseline changes: add --update")
    if against and (update or require):
        raise UsageError(
            "--against compares with a revision, not with baselines: leave the other options out"
        )
    files = _scenario_files(paths)
    if against:
        codes = _check_against(files, against)
    else:
        codes = [
            _code(file, partial(check_scenario, update=update, reason=reason), require) for file in files
        ]
        for path in orphans([path for path in paths if path.is_dir()]):
            print(f"note {path}: unused, its scenario is gone; delete it")
    if any(codes):
        raise typer.Exit(max(codes))


def _check_against(files: Sequence[Path], revision: str) -> list[int]:
    """Check each file against its own repository, of which each is unpacked once."""
    from tempfile import TemporaryDirectory

    from fabricsim.regression.check import check_against
    from fabricsim.regression.revision import repository_of, unpack

    roots = {file: repository_of(file) for file in files}
    codes = []
    with TemporaryDirectory(prefix="fabricsim-against-") as folder:
        trees = {root: Path(folder, str(index)) for index, root in enumerate(dict.fromkeys(roots.values()))}
        for root, tree in trees.items():
            unpack(root, revision, tree)
        for file, root in roots.items():
            one = partial(check_against, revision=revision, tree=trees[root], root=root)
            codes.append(_code(file, one, require=False))
    return codes


def _code(path: Path, check_one: Callable[[Scenario], Checked], require: bool) -> int:
    """Check one scenario, print what became of it, and return its exit code: the others are checked all the same."""
    from fabricsim.errors import FabricError
    from fabricsim.regression.text import check_lines
    from fabricsim.scenario import load_scenario

    try:
        checked = check_one(load_scenario(str(path)))
    except FabricError as error:
        print(f"FAIL {path}: cannot be judged", flush=True)
        print(error, file=sys.stderr, flush=True)
        return error.exit_code
    print("\n".join(check_lines(checked)), flush=True)
    missing = require and checked.comparison is None and not checked.written
    return int(missing or not checked.ok)


def _scenario_files(paths: Sequence[Path]) -> list[Path]:
    from fabricsim.errors import InputError

    files: list[Path] = []
    for path in paths:
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not found:
            raise InputError(f"{path} holds no scenario files", "name a folder with .yaml files in it")
        files.extend(found)
    return files
