"""Commands that list what there is, and describe file formats."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer


class Thing(StrEnum):
    """What `list` can list."""

    TOPOLOGIES = "topologies"
    SCENARIOS = "scenarios"
    COLLECTIVES = "collectives"
    ROUTING = "routing"
    TRAFFIC = "traffic"
    PARTS = "parts"
    TRACES = "traces"
    MODELS = "models"
    MEASURED = "measured"


class SchemaOf(StrEnum):
    """What `schema` can describe."""

    SCENARIO = "scenario"
    TOPOLOGY = "topology"
    OVERLAY = "overlay"
    PARTS = "parts"


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
    if what is Thing.PARTS:
        from fabricsim.inspection.parts import load_parts, shipped_parts

        return [(name, load_parts(name).title) for name in shipped_parts()]
    if what is Thing.MODELS:
        from fabricsim.models import MODELS

        return [
            (name, f"{model.parameters / 1e9:.0f} B parameters: {model.source}")
            for name, model in MODELS.items()
        ]
    if what is Thing.TRAFFIC:
        from fabricsim.traffic import PATTERNS

        return [(name, _first_line(kind.rounds).removeprefix("Return ")) for name, kind in PATTERNS.items()]
    if what is Thing.MEASURED:
        from fabricsim.formats import shipped_logs

        return list(shipped_logs().items())
    if what is Thing.TRACES:
        from fabricsim.traces import FORMATS

        return list(FORMATS.items())
    from fabricsim.routing import POLICIES

    return [(name, policy.about) for name, policy in POLICIES.items()]


def _first_line(thing: Any) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0] if thing.__doc__ else ""


def schema(what: Annotated[SchemaOf, typer.Argument(help="Which file format.")] = SchemaOf.SCENARIO) -> None:
    """Print the JSON Schema of a file format, for editors."""
    if what is SchemaOf.SCENARIO:
        from fabricsim.scenario import json_schema
    elif what is SchemaOf.PARTS:
        from fabricsim.inspection.parts import json_schema
    elif what is SchemaOf.OVERLAY:
        from fabricsim.topology import overlay_schema as json_schema
    else:
        from fabricsim.topology import json_schema
    print(json.dumps(json_schema(), indent=1))
