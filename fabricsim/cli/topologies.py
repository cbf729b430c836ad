"""Commands that look at topologies."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fabricsim.cli.options import Json, results_console

if TYPE_CHECKING:
    from fabricsim.fabric import Fabric


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

        print_inspection(figures, results_console())
    if lint and any(column["lint"] for column in figures):
        raise typer.Exit(1)


def _draw(fabrics: Sequence[Fabric], picture: Path) -> None:
    from fabricsim.errors import UsageError
    from fabricsim.report.machines import write_picture

    if len(fabrics) != 1:
        raise UsageError("--picture draws one topology: name one")
    write_picture(fabrics[0], picture)
    print(f"picture: {picture}", file=sys.stderr)
