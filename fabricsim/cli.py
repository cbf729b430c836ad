"""The command line: thin, lazy, results on stdout, everything else on stderr.

Exit codes: 0 fine, 1 an expectation is violated, 2 wrong usage, 3 invalid input, 4 the simulation could not
finish, 5 over the stated budget.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fabricsim.errors import FabricError
from fabricsim.version import __version__

if TYPE_CHECKING:
    from rich.console import Console

    from fabricsim.fabric import Fabric
    from fabricsim.regression import Verdict
    from fabricsim.result import Result
    from fabricsim.scenario import Scenario

app = typer.Typer(
    name="fabricsim",
    help="Simulate the interconnect fabrics of AI supernodes and the clusters made of them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Thing(StrEnum):
    """What `list` can list."""

    TOPOLOGIES = "topologies"
    SCENARIOS = "scenarios"
    COLLECTIVES = "collectives"
    ROUTING = "routing"
    TRAFFIC = "traffic"


class SchemaOf(StrEnum):
    """What `schema` can describe."""

    SCENARIO = "scenario"
    TOPOLOGY = "topology"


File = Annotated[str, typer.Argument(metavar="FILE", help="A scenario file, or the name of a shipped one.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one key of the file; repeatable."),
]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Replace the file's seed.")]
Engine = Annotated[str | None, typer.Option("--engine", help="Replace the file's engine: auto or packet.")]
Kernel = Annotated[
    str | None, typer.Option("--kernel", help="Replace the file's kernel: auto, simpy or numpy.")
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
DryRun = Annotated[bool, typer.Option("-n", "--dry-run", help="Print the effective plan and stop.")]


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def _scenario(
    file: str, settings: Sequence[str], seed: int | None, engine: str | None, kernel: str | None
) -> Scenario:
    from fabricsim.scenario import load_scenario

    options = {"seed": seed, "engine": engine, "kernel": kernel}
    given = [f"{key}={value}" for key, value in options.items() if value is not None]
    return load_scenario(file, settings=[*settings, *given])


def _console() -> Console:
    """Return where results go: as wide as the terminal, and wide enough for any table in a file or a pipe."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else 160)


def _progress(name: str) -> Callable[[int, int], None] | None:
    """Return a progress line on a terminal, None elsewhere."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, total: int) -> None:
        sys.stderr.write(f"\r\033[K{name}: point {done + 1} of {total}" if done < total else "\r\033[K")
        sys.stderr.flush()

    return show


@app.command()
def run(
    file: File,
    dry_run: DryRun = False,
    output: Output = None,
    engine: Engine = None,
    kernel: Kernel = None,
    settings: Set = None,
    seed: Seed = None,
    budget: BudgetText = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Run a scenario, judge its expectations, and write a report with -o."""
    scenario = _scenario(file, settings or [], seed, engine, kernel)
    if dry_run:
        _print_plan(scenario, as_json=as_json)
        return
    from fabricsim.budget import parse_budget
    from fabricsim.regression import judge
    from fabricsim.report.folder import check_folder, write_report
    from fabricsim.run import run as run_scenario

    if output:
        check_folder(output, force=force)
    limit = parse_budget(budget) if budget else None
    results = run_scenario(scenario, _progress(scenario.name), limit)
    verdicts = judge(results, scenario.expectations)
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

    print_result(results, verdicts, _console())


def _print_plan(scenario: Scenario, *, as_json: bool) -> None:
    from fabricsim.run import job_of, plan

    plans = [plan(job_of(point)) for point in scenario.points()]
    if as_json:
        print(json.dumps(plans[0] if len(plans) == 1 else plans, indent=1))
        return
    from fabricsim.report.terminal import print_plan

    print_plan(plans, _console())


@app.command()
def check(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Scenario files, or folders of them.")
    ],
) -> None:
    """Run scenarios and judge their expectations; exit 1 if one is violated."""
    from fabricsim.regression import judge
    from fabricsim.run import run as run_scenario

    failed = 0
    for path in _scenario_files(paths):
        scenario = _scenario(str(path), [], None, None, None)
        verdicts = judge(run_scenario(scenario), scenario.expectations)
        bad = [verdict for verdict in verdicts if not verdict.ok]
        failed += bool(bad)
        print(
            f"{'FAIL' if bad else 'ok  '} {path}: {len(verdicts) - len(bad)} of {len(verdicts)} expectations hold"
        )
        for verdict in bad:
            print(f"     {verdict.text}: {verdict.why}")
    if failed:
        raise typer.Exit(1)


def _scenario_files(paths: Sequence[Path]) -> list[Path]:
    from fabricsim.errors import InputError

    files: list[Path] = []
    for path in paths:
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not found:
            raise InputError(f"{path} holds no scenario files", "name a folder with .yaml files in it")
        files.extend(found)
    return files


@app.command()
def inspect(
    topologies: Annotated[
        list[str], typer.Argument(metavar="TOPOLOGY...", help="Topology files or shipped names.")
    ],
    as_json: Json = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter; repeatable.")
    ] = None,
    lint: Annotated[bool, typer.Option("--lint", help="Exit 1 when there are findings.")] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw one topology as .png or .svg.")
    ] = None,
) -> None:
    """Print what topologies are: counts, hops, bisection, injection, tiers, cables, findings; side by side."""
    from fabricsim.inspection import inspect as figures_of
    from fabricsim.topology import load_topology, parse_settings

    fabrics = [load_topology(name, **parse_settings(settings or [])) for name in topologies]
    if picture:
        _draw(fabrics, picture)
    figures = [figures_of(fabric) for fabric in fabrics]
    if as_json:
        print(json.dumps(figures[0] if len(figures) == 1 else figures, indent=1))
    else:
        from fabricsim.report.terminal import print_inspection

        print_inspection(figures, _console())
    if lint and any(column["lint"] for column in figures):
        raise typer.Exit(1)


def _draw(fabrics: Sequence[Fabric], picture: Path) -> None:
    from fabricsim.errors import UsageError
    from fabricsim.report.machines import write_picture

    if len(fabrics) != 1:
        raise UsageError("--picture draws one topology: name one")
    write_picture(fabrics[0], picture)
    print(f"picture: {picture}", file=sys.stderr)


@app.command("list")
def list_things(
    what: Annotated[Thing, typer.Argument(help="What to list.")] = Thing.TOPOLOGIES,
) -> None:
    """List what ships with the package, or what can be asked for by name."""
    rows = _things(what)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:<{width}}  {text}".rstrip())


def _things(what: Thing) -> list[tuple[str, str]]:
    if what is Thing.TOPOLOGIES:
        from fabricsim.topology import SHAPES, shipped

        return [*shipped().items(), *((name, f"shape: {of.about}") for name, of in SHAPES.items())]
    if what is Thing.SCENARIOS:
        from fabricsim.scenario import shipped_scenarios

        return list(shipped_scenarios().items())
    if what is Thing.COLLECTIVES:
        from fabricsim.collectives import ALGORITHMS

        return [(name, ", ".join(algorithms)) for name, algorithms in ALGORITHMS.items()]
    if what is Thing.TRAFFIC:
        from fabricsim.traffic import PATTERNS

        return [(name, _first_line(function)) for name, function in PATTERNS.items()]
    from fabricsim.routing import POLICIES

    return [(name, "shortest paths") for name in POLICIES]


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0] if thing.__doc__ else ""


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result folder that a run wrote.")],
) -> None:
    """Draw the figures and the page of a saved result again."""
    from fabricsim.report.folder import redraw

    print(redraw(folder))


@app.command()
def schema(what: Annotated[SchemaOf, typer.Argument(help="Which file format.")] = SchemaOf.SCENARIO) -> None:
    """Print the JSON Schema of a file format, for editors."""
    if what is SchemaOf.SCENARIO:
        from fabricsim.scenario import json_schema
    else:
        from fabricsim.topology import json_schema
    print(json.dumps(json_schema(), indent=1))


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
