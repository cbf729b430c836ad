"""Where topologies come from: shipped names, files, shapes, graphs, plain mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from fabricsim.data_folders import data_folder
from fabricsim.document import Document, read_document
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.topology.astra import is_network, read_network
from fabricsim.topology.grammar import SCHEMA, TopologyPart
from fabricsim.topology.graphs import READERS, load_graph
from fabricsim.topology.htsim import load_topo
from fabricsim.topology.machine import build
from fabricsim.topology.overlay import OverlayFile, is_overlay, overlaid, read_overlay
from fabricsim.topology.shapes import build_shape, check_shape
from fabricsim.validation import Part, shown, validate

Spec = str | Path | Mapping[str, Any] | Sequence[Any]


class NamedPart(Part):
    """A shipped topology or a file, with some parameters set."""

    name: str = Field(description="a shipped name, or a file")
    set: dict[str, Any] = Field(default_factory=dict, description="parameters and their values")


class GraphFilePart(Part):
    """A graph file, and what its edges leave out."""

    graph: str = Field(description="a .graphml, .json, .csv or .topo file, or a network.yml")
    link: dict[str, Any] = Field(default_factory=dict, description="bandwidth and latency of edges with none")


def resolve(spec: Spec, base: Path | None = None) -> Fabric:
    """Return the fabric that a scenario's `topology:` states.

    spec: a shipped name, a path (what has a suffix or a slash), {shape: …}, {name: …, set: {…}}, {graph: file},
    a whole topology as a mapping with levels, or a list: one of these, then overlay files laid over it. Paths start
    from `base`, the folder of the file that holds the spec, and do not leave it; without one, from the current folder.
    Raises InputError with every fault found, keyed by path in `spec`, or with the file and line it is in.
    """
    if isinstance(spec, str | Path):
        return _named(spec, {}, base)
    if isinstance(spec, list | tuple):
        return _overlaid(spec, base)
    if not isinstance(spec, Mapping):
        raise InputError(f"{shown(spec)} is not a topology", _RIGHT)
    forms = [key for key in _FORMS if key in spec]
    if len(forms) > 1:
        raise InputError(f"states {' and '.join(forms)} at once", "keep one of them")
    if not forms and "name" not in spec:
        raise InputError(f"has none of the keys {', '.join([*_FORMS, 'name'])}", _RIGHT)
    return _FORMS[forms[0]](spec, base) if forms else _set(spec, base)


def check_spec(spec: Spec, base: Path | None = None) -> None:
    """Raise InputError for what is wrong with a `topology:` as far as that shows without building the machine."""
    if isinstance(spec, str | Path):
        _checked_name(spec, base)
    elif isinstance(spec, list | tuple):
        _check_list(spec, base)
    elif isinstance(spec, Mapping) and "shape" in spec:
        check_shape(spec)
    elif isinstance(spec, Mapping) and "levels" in spec:
        validate(TopologyPart, spec)
    elif isinstance(spec, Mapping) and "name" in spec:
        part = validate(NamedPart, spec)
        faults = FaultList()
        with faults.at("name"):
            _checked_name(part.name, base)
        faults.raise_if_any()


def _checked_name(name: str | Path, base: Path | None) -> None:
    if not _is_path(name):
        _shipped_file(str(name))
        return
    path = _inside(name, base)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file", "name one that is there, or a shipped topology")


def load_topology(name_or_path: str | Path | Sequence[str | Path], **parameters: Any) -> Fabric:
    """Return a shipped topology or that of a file, with parameters set as given.

    A name without a suffix is one that ships with the package. In a list, the files after the first are overlays, laid
    over it in order. Raises InputError with every fault found.
    """
    faults = FaultList()
    try:
        fabric = _named(machine_of(name_or_path), parameters, None)
        overlays = () if isinstance(name_or_path, str | Path) else name_or_path[1:]
        return _under(fabric, _overlays(overlays, None))
    except InputError as error:
        for fault in error.faults:  # here a parameter is an argument, not a key below `set`
            key = fault.key[1:] if not fault.file and fault.key[:1] == ("set",) else fault.key
            faults.faults.append(replace(fault, key=key))
    raise InputError(faults.faults)


def _overlaid(spec: Sequence[Any], base: Path | None) -> Fabric:
    """Return the machine that a list begins with, and over it the overlays that follow."""
    faults = FaultList()
    with faults.at(0):
        fabric = resolve(machine_of(spec), base)
    with faults.at():
        files = _overlays(spec[1:], base)
    faults.raise_if_any()
    return _under(fabric, files)


def _overlays(names: Sequence[Any], base: Path | None) -> list[OverlayFile]:
    """Return overlays as read. Raises InputError with every fault of all of them, keyed by place in the list."""
    faults, files = FaultList(), []
    for index, name in enumerate(names, 1):
        with faults.at(index):
            files.append(read_overlay(_overlay_path(name, base)))
    faults.raise_if_any()
    return files


def _under(fabric: Fabric, overlays: Sequence[OverlayFile]) -> Fabric:
    for overlay in overlays:
        fabric = overlaid(fabric, overlay)
    return fabric


def _check_list(spec: Sequence[Any], base: Path | None) -> None:
    faults = FaultList()
    with faults.at(0):
        check_spec(machine_of(spec), base)
    with faults.at():
        _overlays(spec[1:], base)
    faults.raise_if_any()


def machine_of(spec: Any) -> Any:
    """Return what a `topology:` says of the machine itself: the first of a list, else all of it."""
    if not isinstance(spec, list | tuple):
        return spec
    if not spec or isinstance(spec[0], list | tuple):
        raise InputError("does not begin with a machine", "write [atlas950-superpod, lab.overlay.yaml]")
    return spec[0]


def _overlay_path(name: Any, base: Path | None) -> Path:
    if not isinstance(name, str | Path) or not _is_path(name):
        raise InputError(f"{shown(name)} is not an overlay", "name a file with its suffix: lab.overlay.yaml")
    return _inside(name, base)


_RIGHT: Final = "write a name, a file, or {shape: ring, size: 8, link: {…}}"


def _set(spec: Mapping[str, Any], base: Path | None) -> Fabric:
    part = validate(NamedPart, spec)
    faults = FaultList()
    try:
        return _named(part.name, part.set, base)
    except InputError as error:
        for fault in error.faults:
            inside = fault.file or fault.key
            faults.faults.append(fault if inside else replace(fault, key=("name",)))
    raise InputError(faults.faults)


def _graph(spec: Mapping[str, Any], base: Path | None) -> Fabric:
    part = validate(GraphFilePart, spec)
    faults = FaultList()
    with faults.at("graph"):
        path = _inside(part.graph, base)
    faults.raise_if_any()
    return _foreign(path, part.link)


def _inline(spec: Mapping[str, Any], base: Path | None) -> Fabric:
    return build(validate(TopologyPart, spec), spec, "topology")


def _shape(spec: Mapping[str, Any], base: Path | None) -> Fabric:
    return build_shape(spec)


_FORMS: Final[Mapping[str, Callable[[Mapping[str, Any], Path | None], Fabric]]] = {
    "shape": _shape,
    "graph": _graph,
    "levels": _inline,
}
"""What a mapping states, by the key that tells."""


# -- files and names ---------------------------------------------------------------------------------------


def _is_path(name: str | Path) -> bool:
    return bool(isinstance(name, Path) or Path(name).suffix or "/" in name or "\\" in name)


def _named(name: str | Path, settings: Mapping[str, Any], base: Path | None) -> Fabric:
    if not _is_path(name):
        return _file(_shipped_file(str(name)), settings)
    path = _inside(name, base)
    if not settings and _is_foreign(path):
        return _foreign(path, {})
    return _file(path, settings)


def _inside(name: str | Path, base: Path | None) -> Path:
    """Return a path that a file in the folder `base` names; there it has to lie, or in folders below."""
    path = (base or Path()) / name
    if base is not None and not path.resolve().is_relative_to(base.resolve()):
        what = f"{str(name)!r} leads out of {base.resolve()}, the folder of the file that names it"
        raise InputError(what, "copy it beside that file, or below")
    return path


def _is_foreign(path: Path) -> bool:
    """Return whether a file is a graph or a network of another tool; a topology may be written as JSON too."""
    suffix = path.suffix.lower()
    if suffix in (".graphml", ".csv", ".topo") or not path.is_file():
        return suffix in (".graphml", ".csv", ".topo")
    if suffix not in (".json", ".yml", ".yaml"):
        return False
    value = read_document(path).value
    return is_network(value) or (isinstance(value, Mapping) and "nodes" in value and "levels" not in value)


def _foreign(path: Path, link: Mapping[str, Any]) -> Fabric:
    """Return the fabric of a graph file, an htsim .topo or an ASTRA-sim network.yml."""
    suffix = path.suffix.lower()
    if suffix in READERS:
        return load_graph(path, link)
    if suffix not in (".topo", ".yml", ".yaml"):
        known = ", ".join([*READERS, ".topo", "network.yml"])
        raise InputError(f"{path.name!r} is not a graph file", f"known: {known}")
    if link:
        raise InputError([Fault("has no effect here", f"{path.name} states every link", ("link",))])
    if suffix == ".topo":
        return load_topo(path)
    document = read_document(path)
    if not is_network(document.value):
        raise InputError(
            [Fault("is not a network.yml", "state topology, npus_count, …", file=str(path), line=1)]
        )
    try:
        return read_network(document.value, path.stem)
    except InputError as error:
        raise document.locate(error) from None


def _file(path: Path, settings: Mapping[str, Any]) -> Fabric:
    document = read_document(path)
    if is_overlay(document.value):
        right = f"lay it over a machine: topology: [machine, {path.name}]"
        raise InputError([Fault("is an overlay, not a topology", right, file=str(path), line=1)])
    try:
        part = validate(TopologyPart, document.value)
        _check_header(part)
        return build(part, document.value, path.stem, settings)
    except InputError as error:
        raise _located(document, error) from None


def _check_header(part: TopologyPart) -> None:
    if part.format is None:
        raise InputError([Fault("is missing", f"add it: schema: {SCHEMA}", ("schema",))])


def _located(document: Document, error: InputError) -> InputError:
    """Give the faults of a file its name and lines; those of a setting are not in the file."""
    of_settings = [fault for fault in error.faults if fault.key[:1] == ("set",)]
    of_file = [fault for fault in error.faults if fault.key[:1] != ("set",)]
    return InputError([*of_settings, *(document.locate(InputError(of_file)).faults if of_file else ())])


def _shipped_file(name: str) -> Path:
    files = shipped_files()
    if name in files:
        return files[name]
    aliases = {alias: path for path in files.values() for alias in _header(path, "aliases", [])}
    if name in aliases:
        return aliases[name]
    right = close_match(name, [*files, *aliases])
    raise InputError(f"no topology {name!r} ships with fabricsim", f"{right}, or name a file with its suffix")


def shipped_files() -> dict[str, Path]:
    """Return the topology files that ship with the package, by name."""
    files = {path.stem: path for path in data_folder("topologies").glob("*.yaml")}
    return dict(sorted(files.items()))


def shipped_machines() -> list[str]:
    """Return the names of the topologies that ship and can be loaded: all but placeholders."""
    return [name for name, path in shipped_files().items() if not _header(path, "unavailable", "")]


def shipped() -> dict[str, str]:
    """Return the topologies that ship with the package: title by name, aliases in brackets."""
    titles = {}
    for name, path in shipped_files().items():
        aliases = _header(path, "aliases", [])
        titles[name] = _header(path, "title", "") + (f" ({', '.join(aliases)})" if aliases else "")
    return titles


def _header(path: Path, key: str, otherwise: Any) -> Any:
    return read_document(path).value.get(key, otherwise)


def named_in(spec: Any, base: Path) -> str | Path | None:
    """Return the shipped name or the file that a topology as a scenario writes it names, None where it names none."""
    spec = machine_of(spec)
    named = spec if isinstance(spec, str) else spec.get("name")
    return base / named if isinstance(named, str) and _is_path(named) else named


def as_written(name_or_path: str | Path) -> Mapping[str, Any]:
    """Return what the file of a shipped topology, or a file, says, unread; nothing for a graph."""
    path = Path(name_or_path) if _is_path(name_or_path) else _shipped_file(str(name_or_path))
    value = {} if path.suffix.lower() == ".graphml" else read_document(path).value
    return value if isinstance(value, Mapping) else {}


def stated_parameters(name_or_path: str | Path) -> dict[str, Any]:
    """Return the parameters of a shipped topology or of a file, as it states them; none of a graph."""
    parameters = as_written(name_or_path).get("parameters", {})
    return dict(parameters) if isinstance(parameters, Mapping) else {}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a topology file, for editors."""
    schema = TopologyPart.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": f"{SCHEMA} file"}
