"""Where scenarios come from: files by path, shipped ones by name, text, plain mappings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fabricsim.data_folders import data_folder
from fabricsim.document import Document, parse_document, read_document
from fabricsim.errors import InputError, close_match
from fabricsim.scenario.grammar import SCHEMA, ScenarioPart
from fabricsim.scenario.paths import applied, overrides_of
from fabricsim.scenario.points import without_sweeps_of
from fabricsim.scenario.scenario import Scenario, scenario_of
from fabricsim.validation import json_schema_of

Settings = Sequence[str] | Mapping[str, Any]


def load_scenario(name_or_path: str | Path, *, settings: Settings = ()) -> Scenario:
    """Return the scenario of a file; a name without a suffix is one that ships with the package.

    settings: "KEY=VALUE" texts as on the command line, such as "workload.ar.size=1 MiB", or a mapping of key
    paths to values. A setting takes the place of a sweep over the same key. Raises InputError with every
    fault found, each with its file and line, or with the setting it came with.
    """
    path = _path(name_or_path)
    return _scenario(read_document(path), path.parent, settings)


def parse_scenario(
    source: str | Mapping[str, Any], *, base: Path | None = None, settings: Settings = ()
) -> Scenario:
    """Return the scenario that YAML or JSON text, or a plain mapping, states.

    base: the folder that file names start from, the current one where it is not given. Raises InputError with
    every fault found; those in text have lines, those in a mapping have keys.
    """
    document = parse_document(source, "<scenario>") if isinstance(source, str) else _from_mapping(source)
    return _scenario(document, base or Path(), settings)


def _scenario(document: Document, base: Path, settings: Settings) -> Scenario:
    data = document.value
    if not isinstance(data, dict) or not settings:
        return scenario_of(document, data, base)
    overrides = overrides_of(data, settings)
    return scenario_of(document, without_sweeps_of(applied(data, overrides), overrides), base, overrides)


def _from_mapping(source: Mapping[str, Any]) -> Document:
    try:
        text = json.dumps(source, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"a scenario holds text, numbers, lists and mappings only: {error}") from None
    return Document(json.loads(text), "", text, {})


def _path(name: str | Path) -> Path:
    if isinstance(name, Path) or Path(name).suffix or "/" in name or "\\" in name:
        return Path(name)
    shipped = _shipped()
    if name not in shipped:
        right = close_match(name, shipped)
        raise InputError(
            f"no scenario {name!r} ships with fabricsim", f"{right} (a file is named with its suffix)"
        )
    return shipped[name]


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(data_folder("scenarios").glob("*.yaml"))}


def shipped_scenarios() -> dict[str, str]:
    """Return the scenarios that ship with the package: title by name."""
    return {name: str(read_document(path).value["name"]) for name, path in _shipped().items()}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file, for editors."""
    return json_schema_of(ScenarioPart, f"{SCHEMA} scenario")
