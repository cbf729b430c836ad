"""Writes the reference pages of the site from what the program itself says: schema, columns, metrics, docstrings."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import fabricsim as fs
from fabricsim.metrics import COLUMNS, METRICS
from fabricsim.model import Endpoint, Model, Sender

DOCS = Path(__file__).parent
MADE = DOCS / "made"
"""Everything that is generated; nothing in it is kept in the repository."""
_DEFAULTS = {"ModelPart": Model(), "EndpointPart": Endpoint(), "SenderPart": Sender()}


def generate() -> None:
    """Write every generated page, and copy the notebooks to where the site finds them."""
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.mkdir()
    (MADE / "scenario-keys.md").write_text(scenario_keys(), encoding="utf-8")
    (MADE / "tables.md").write_text(tables(), encoding="utf-8")
    (MADE / "python.md").write_text(python(), encoding="utf-8")
    for notebook in sorted((DOCS.parent / "notebooks").glob("*.ipynb")):
        shutil.copy(notebook, MADE / notebook.name)


def tables() -> str:
    """Return the page of all metrics, and of the columns of all tables, with unit and meaning."""
    parts = ["# Metrics and columns", _table(("metric", "unit", "meaning"), _meanings(METRICS))]
    for name, columns in COLUMNS.items():
        parts += [f"## {name}", _table(("column", "unit", "meaning"), _meanings(columns))]
    return "\n\n".join(parts) + "\n"


def scenario_keys() -> str:
    """Return the page of all keys of a scenario file, part by part."""
    from fabricsim.scenario import json_schema

    schema = json_schema()
    parts = [
        "# Keys of a scenario",
        "From the JSON schema that `fabricsim schema` prints; a dash is no default.",
    ]
    sections = {"scenario": schema, **schema["$defs"]}
    for name, section in sections.items():
        rows = [_key(key, spec, section, _DEFAULTS.get(name)) for key, spec in section["properties"].items()]
        said = [section["description"]] if section.get("description") else []
        parts += [f"## {name}", *said, _table(("key", "type", "required", "default", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def python() -> str:
    """Return the page of all public names, with signature and docstring."""
    parts = ["# Python"]
    for name in (name for name in fs.__all__ if name != "__version__"):
        value = getattr(fs, name)
        text = inspect.getdoc(value) or ""
        parts += [f"## fabricsim.{name}", f"```text\n{name}{_signature(value)}\n\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def _signature(value: Any) -> str:
    """Return how a name is called; nothing for exceptions, which nobody but the program makes."""
    is_error = isinstance(value, type) and issubclass(value, Exception)
    return "" if is_error else str(inspect.signature(value))


def _meanings(known: Mapping[str, tuple[str, str]]) -> Iterator[tuple[str, ...]]:
    return ((f"`{name}`", unit or "–", meaning) for name, (unit, meaning) in known.items())


def _key(key: str, spec: Mapping[str, Any], section: Mapping[str, Any], defaults: object) -> tuple[str, ...]:
    known = {field.name for field in fields(defaults)} if defaults else set()  # type: ignore[arg-type]
    default = f"`{getattr(defaults, key)}`" if key in known and getattr(defaults, key) is not None else "–"
    required = "yes" if key in section.get("required", ()) else "no"
    return f"`{key}`", _type(spec), required, default, spec.get("description", "")


def _type(spec: Mapping[str, Any]) -> str:
    if "$ref" in spec:
        return spec["$ref"].rpartition("/")[2]
    if "enum" in spec:
        return " or ".join(f"`{value}`" for value in spec["enum"])
    if "const" in spec:
        return f"`{spec['const']}`"
    if "anyOf" in spec:
        return " or ".join(dict.fromkeys(map(_type, spec["anyOf"])))
    kinds = spec.get("type", "any value")
    if kinds == "array":
        return f"list of {_type(spec.get('items', {}))}"
    return " or ".join(kinds) if isinstance(kinds, list) else kinds


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
