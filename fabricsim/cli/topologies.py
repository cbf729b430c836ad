"""Commands that look at topologies."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fabricsim.cli.options import Json, results_console
from fabricsim.errors import InputError, UsageError

if TYPE_CHECKING:
    from fabricsim.fabric import Fabric
    from fabricsim.inspection.diff import Side


Topologies = Annotated[
    list[str], typer.Argument(metavar="TOPOLOGY...", help="Topology files or shipped names.")
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a parameter; repeatable.")
]


Overlays = Annotated[
    list[str] | None,
    typer.Option("--overlay", metavar="FILE", help="Lay a file of measured numbers over each; repeatable."),
]
Lint = Annotated[bool, typer.Option("--lint", help="Exit 1 when there are findings.")]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE", help="Draw one topology as .png or .svg.")
]
Cables = Annotated[
    Path | None, typer.Option("--cables", metavar="FILE.csv", help="Write every cable of one topology.")
]
Verify = Annotated[
    Path | None,
    typer.Option(
        "--verify-cables",
        metavar="FILE.csv",
        help="Compare measured cables (columns a_port, b_port) with one topology; exit 1 when they differ.",
    ),
]
Parts = Annotated[
    str | None,
    typer.Option("--parts", metavar="BOOK", help="Add up cost, power and failures by a parts book (.yaml)."),
]
ForceCables = Annotated[bool, typer.Option("--force", help="Replace the file of --cables.")]
Deadlock = Annotated[
    bool,
    typer.Option(
        "--deadlock",
        help="Prove that routes cannot deadlock, or show a circle and exit 1; --set routing.lanes=tfc and the like "
        "change the topology's own routing.",
    ),
]


def inspect(
    topologies: Topologies,
    as_json: Json = False,
    settings: Settings = None,
    overlays: Overlays = None,
    lint: Lint = False,
    picture: Picture = None,
    cables: Cables = None,
    verify: Verify = None,
    parts: Parts = None,
    force: ForceCables = False,
    deadlock: Deadlock = False,
) -> None:
    """Print what topologies are: counts, hops, bisection, injection, tiers, cables, findings; side by side."""
    from fabricsim.topology import load_topology, parse_settings

    others = {
        "--json": as_json,
        "--lint": lint,
        "--picture": picture,
        "--cables": cables,
        "--parts": parts,
        "--overlay": overlays,
    }
    _alone({"--deadlock": deadlock, "--verify-cables": verify}, others)
    if force and not cables:
        raise UsageError("--force lets --cables replace a file: there is no --cables here")
    stated = parse_settings(settings or [])
    if deadlock:
        _deadlock(topologies, stated)
        return
    fabrics = [load_topology([name, *(overlays or [])], **stated) for name in topologies]
    if verify:
        _verify(_only(fabrics, "--verify-cables compares"), verify)
        return
    if picture:
        _draw(_only(fabrics, "--picture draws"), picture)
    if cables:
        _write_cables(_only(fabrics, "--cables writes"), cables, force=force)
    _print_figures(fabrics, parts, as_json=as_json, lint=lint)


def _alone(single: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Raise UsageError where an option that prints something else comes with one that would have no effect."""
    given = [name for name, value in single.items() if value]
    idle = [*given[1:], *(name for name, value in others.items() if value)] if given else []
    if idle:
        raise UsageError(f"{given[0]} prints only its verdict: leave {', '.join(idle)} to a call of its own")


def _print_figures(fabrics: Sequence[Fabric], parts: str | None, *, as_json: bool, lint: bool) -> None:
    from fabricsim.inspection import inspect as figures_of
    from fabricsim.inspection.parts import load_parts

    book = load_parts(parts) if parts else None
    figures = [figures_of(fabric, book) for fabric in fabrics]
    if as_json:
        print(json.dumps(figures[0] if len(figures) == 1 else figures, indent=1))
    else:
        from fabricsim.report.terminal import print_inspection

        print_inspection(figures, results_console())
    if lint and any(column["lint"] for column in figures):
        raise typer.Exit(1)


def _only(fabrics: Sequence[Fabric], what: str) -> Fabric:
    if len(fabrics) != 1:
        raise UsageError(f"{what} one topology: name one")
    return fabrics[0]


def _deadlock(names: Sequence[str], settings: Mapping[str, Any]) -> None:
    from fabricsim.errors import FaultList
    from fabricsim.routing import routing_of
    from fabricsim.routing.deadlock import deadlock, told
    from fabricsim.scenario.grammar import RoutingPart
    from fabricsim.topology import load_topology
    from fabricsim.validation import validate

    prefix = "routing."
    options = {key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)}
    rest = {key: value for key, value in settings.items() if not key.startswith(prefix)}
    free, faults = True, FaultList()
    with faults.at("routing"):
        part = validate(RoutingPart, options)
    faults.raise_if_any()
    stated = {key: getattr(part, key) for key in part.model_fields_set}
    for name in names:
        fabric = load_topology(name, **rest)
        with faults.at("routing"):
            routing = routing_of(fabric, stated)
        faults.raise_if_any()
        verdict = deadlock(fabric, routing)
        print("\n".join(told(verdict, fabric, routing)))
        free &= not verdict.circle or bool(verdict.lost)
    if not free:
        raise typer.Exit(1)


def _draw(fabric: Fabric, picture: Path) -> None:
    from fabricsim.report.machines import write_picture

    write_picture(fabric, picture)
    print(f"picture: {picture}", file=sys.stderr)


def _write_cables(fabric: Fabric, path: Path, *, force: bool) -> None:
    from fabricsim.inspection.cabling import write_cables

    if path.exists() and not force:
        raise UsageError(f"{path} exists; name another file, or add --force to replace it")
    count = write_cables(fabric, path)
    known = "" if fabric.about.layout else "; the topology states no layout, so racks and lengths are empty"
    print(f"cables: {count} in {path}{known}", file=sys.stderr)


def _verify(fabric: Fabric, path: Path) -> None:
    from fabricsim.inspection.cabling import miscabled, read_ends

    measured = read_ends(path)
    found = miscabled(fabric, measured)
    for line in found or [f"all {len(measured)} cables are as planned"]:
        print(line)
    if found:
        raise typer.Exit(1)


_SIDE_HELP = "A topology file, a shipped name, or git:REV:FILE."
SideA = Annotated[str, typer.Argument(metavar="A", help=_SIDE_HELP)]
SideB = Annotated[str, typer.Argument(metavar="B", help=_SIDE_HELP)]


def diff(
    a: SideA,
    b: SideB,
    as_json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as for a pull request.")
    ] = False,
) -> None:
    """Print how topology B differs from A: parameters, counts, links, bounds. Exits 0 whether they differ or not.

    git:REV:FILE is the file as it was at a revision of its repository; records come with the installed fabricsim.
    """
    from fabricsim.inspection.diff import diff as differences

    if as_json and markdown:
        raise UsageError("--json and --markdown exclude each other: choose one")
    found = differences(_side(a), _side(b))
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from fabricsim.report.diff_tables import diff_markdown, print_diff

    if markdown:
        print(diff_markdown(found))
    else:
        print_diff(found, results_console())


def _side(text: str) -> Side:
    from fabricsim.inspection.diff import Side
    from fabricsim.topology import load_topology
    from fabricsim.topology.loader import stated_parameters

    if not text.startswith("git:"):
        return Side(text, load_topology(text), stated_parameters(text))
    from fabricsim.regression.revision import relative_file, repository_of, unpack

    _, revision, name = [*text.split(":", 2), ""][:3]
    if not revision or not name:
        raise UsageError(f"{text} is not git:REV:FILE, as in git:HEAD~1:topologies/my-pod.yaml")
    repository = repository_of(Path.cwd())
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder).resolve()
        unpack(repository, revision, tree)
        file = tree / relative_file(repository, Path(name))
        try:
            return Side(text, load_topology(file), stated_parameters(file))
        except InputError as error:
            faults = [replace(f, file=text if f.file == str(file) else f.file) for f in error.faults]
            raise InputError(faults) from None
