"""Which logs there are, and what is known of each: a folder, a list of files, or a manifest.

schema: fabricsim.calibration/1
topology: hgx-h100
logs:
  - {file: all_reduce.txt, algorithm: ring}
  - {file: hccl.txt, collective: all-reduce, ranks: 0-7}
  - {file: ping-pong.csv}
  - {file: deepep.txt, ranks: 0-7, tokens: 4096, top_k: 8, dispatch: 7168 B, combine: 14336 B}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from fabricsim.calibration.measurement import Measurement, exchanged, measured
from fabricsim.document import read_document
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.formats import read_log
from fabricsim.formats.deepep_log import is_deepep_text, read_times
from fabricsim.formats.ping_pong import is_ping_pong, read_pairs
from fabricsim.scenario.ranks import RIGHT, Ranks, parse_ranks
from fabricsim.topology import load_topology, resolve
from fabricsim.topology.overlay import is_overlay
from fabricsim.validation import ListOf, Part, PositiveSize, checked, validate

SCHEMA: Final = "fabricsim.calibration/1"
Count = Annotated[int, Field(ge=1)]
Word = Annotated[str, Field(min_length=1)]
RanksText = Annotated[
    Ranks,
    PlainValidator(checked(parse_ranks)),
    WithJsonSchema({"type": ["string", "array"], "description": RIGHT}),
]


class KnownPart(Part):
    """What is known of a log that it does not say itself."""

    collective: Word | None = Field(None, description="what it is of, where the log does not say")
    ranks: RanksText | None = Field(None, description="of the machine; the first ones if absent")
    algorithm: Word | None = Field(None, description="what ran; all are tried if absent")
    link: Word | None = Field(None, description="the class of links it is about; what limits it if absent")
    tokens: Count | None = Field(None, description="DeepEP: of each rank")
    top_k: Count | None = Field(None, description="DeepEP: experts of each token")
    experts: Count | None = Field(None, description="DeepEP: in all; one for each rank if absent")
    level: Word | None = Field(None, description="DeepEP: how far scale-up goes, for kernels in two stages")
    copies: Literal["rank", "expert"] | None = Field(
        None, description="DeepEP: what a copy of a token is for"
    )
    dispatch: PositiveSize | None = Field(None, description="DeepEP: bytes of a token on its way to experts")
    combine: PositiveSize | None = Field(None, description="DeepEP: bytes of a token on its way back")


class LogPart(KnownPart):
    """logs, one entry: a file and what is known of it."""

    file: Word = Field(description="a log, relative to this file")


class ManifestPart(Part):
    """A manifest of logs."""

    format: Literal["fabricsim.calibration/1"] = Field(alias="schema", description=f"schema: {SCHEMA}")
    topology: Any = Field(description="the machine: a shipped name, a file, or {name: …, set: {…}}")
    logs: Annotated[ListOf[LogPart], Field(min_length=1)] = Field(description="the logs")


def read_measurements(
    logs: str | Path | Sequence[str | Path | Measurement],
    topology: str | Path | Fabric | None,
    known: Mapping[str, object],
) -> tuple[Fabric, list[Measurement]]:
    """Return the machine and what was measured on it. Raises InputError with every fault found."""
    if isinstance(logs, str | Path) and _is_manifest(Path(logs)):
        return _of_manifest(Path(logs), topology, known)
    if topology is None:
        raise InputError("no topology is named", "add it: --topology hgx-h100, or a manifest that names one")
    fabric = topology if isinstance(topology, Fabric) else load_topology(topology)
    entries = [logs] if isinstance(logs, str | Path) else list(logs)
    part, faults, found = validate(KnownPart, known), FaultList(), list[Measurement]()
    for entry in entries:
        for item in [entry] if isinstance(entry, Measurement) else _files(Path(entry)):
            with faults.at():
                found += [item] if isinstance(item, Measurement) else _measured(item, part, fabric)
    faults.raise_if_any()
    return fabric, found


def _is_manifest(path: Path) -> bool:
    return path.is_file() and path.suffix in (".yaml", ".yml")


def _files(path: Path) -> Iterator[Path]:
    """Yield the logs of a folder, by name, or the file itself; overlays and hidden files are no logs."""
    if not path.is_dir():
        yield path
        return
    found = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith(".")]
    logs = [file for file in found if not _is_manifest(file) or not is_overlay(read_document(file).value)]
    if not logs:
        raise InputError(f"{path} holds no log", "name a folder with logs in it")
    yield from logs


def _of_manifest(
    path: Path, topology: object, known: Mapping[str, object]
) -> tuple[Fabric, list[Measurement]]:
    if topology is not None or known:
        raise InputError(f"{path} states topology and logs itself", "leave the other options out")
    document, faults, found = read_document(path), FaultList(), list[Measurement]()
    with faults.at():
        part = validate(ManifestPart, document.value)
        with faults.at("topology"):
            fabric = resolve(part.topology, path.parent)
        for index, entry in enumerate(part.logs if not faults.faults else ()):
            with faults.at("logs", index):
                found += _measured(path.parent / entry.file, entry, fabric)
    if faults.faults:
        raise document.locate(InputError(faults.faults))
    return fabric, found


def _measured(path: Path, known: KnownPart, fabric: Fabric) -> list[Measurement]:
    """Return what a log measured, with the class of links it is about. Raises InputError, keyed by the entry's keys."""
    names = {link.name for link in fabric.links}
    if known.link is not None and known.link not in names:
        what = f"{known.link!r} is not one of the links of {fabric.name}"
        raise InputError([Fault(what, close_match(known.link, names), ("link",))])
    return [replace(one, link=known.link) for one in _read(path, known, fabric)]


def _read(path: Path, known: KnownPart, fabric: Fabric) -> list[Measurement]:
    """Return what a log measured, with what is known of it. Raises InputError for what neither of them says."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if is_ping_pong(text):
        return [
            measured(
                log.source,
                "send-recv",
                _checked(pair, fabric),
                [(r.size, r.time) for r in log.rows],
                "direct",
            )
            for pair, log in read_pairs(text, str(path)).items()
        ]
    if is_deepep_text(text):
        return _exchanged(path, text, known, fabric)
    log = read_log(path)
    collective = log.collective or known.collective
    if collective is None:
        raise InputError(f"{path} does not say which collective it is of", "add collective: all-reduce")
    ranks = _ranks(path, log.ranks, known, fabric)
    return [measured(log.source, collective, ranks, [(r.size, r.time) for r in log.rows], known.algorithm)]


def _ranks(path: Path, count: int | None, known: KnownPart, fabric: Fabric) -> tuple[int, ...]:
    if known.ranks is not None:
        ranks = tuple(known.ranks.on(fabric.ranks).tolist())
        if count is not None and len(ranks) != count:
            raise InputError(f"{path} has {count} ranks, {len(ranks)} are stated", "state as many")
        return ranks
    if count is None:
        raise InputError(f"{path} does not say how many ranks it has", "add ranks: 0-7")
    return _checked(tuple(range(count)), fabric)


def _checked(ranks: tuple[int, ...], fabric: Fabric) -> tuple[int, ...]:
    if max(ranks) >= fabric.ranks:
        raise InputError(f"{fabric.name} has no rank {max(ranks)}", f"its ranks are 0 to {fabric.ranks - 1}")
    return ranks


def _exchanged(path: Path, text: str, known: KnownPart, fabric: Fabric) -> list[Measurement]:
    missing = [
        key for key in ("ranks", "tokens", "top_k", "dispatch", "combine") if getattr(known, key) is None
    ]
    if missing:
        right = f"add {', '.join(missing)} to its entry in a manifest"
        raise InputError(f"{path} is of DeepEP and does not say what was sent", right)
    experts = {key: getattr(known, key) for key in ("tokens", "top_k", "experts", "level", "copies")}
    given = {key: value for key, value in experts.items() if value is not None}
    ranks = _ranks(path, None, known, fabric)
    token = (known.dispatch or 0, known.combine or 0)
    return exchanged(f"DeepEP, {path}", read_times(text, str(path)), ranks, token, given)
