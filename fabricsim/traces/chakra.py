"""Chakra execution traces: a file for each rank, of protocol buffers (`.et`) or of JSON, packed by gzip or not.

`<prefix>.<rank>.et` holds messages, each after its length: first what the file says of itself, then a node each.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fabricsim.errors import Fault, InputError
from fabricsim.traces.attributes import attribute
from fabricsim.traces.record import Record, collective_number, node_of, stated_groups, type_name
from fabricsim.traces.trace import Node, Source, Trace, resolved
from fabricsim.traces.wire import BYTES, VARINT, WireError, fields, varint

_RANKED: Final = re.compile(r"(?P<prefix>.+)\.(?P<rank>\d+)\.(?P<form>et|json)(\.gz)?")
_GZIP: Final = b"\x1f\x8b"

Groups = Mapping[str, tuple[int, ...]]


def files_of(path: Path) -> list[Path]:
    """Return the file of each rank, of a prefix or of a folder that holds one trace. Raises InputError for a gap."""
    folder, prefix = (path, None) if path.is_dir() else (path.parent, path.name)
    found: dict[int, Path] = {}
    prefixes = set()
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = _RANKED.fullmatch(file.name)
        if match is None or prefix not in (None, match["prefix"]):
            continue
        rank = int(match["rank"])
        prefixes.add(match["prefix"])
        if rank in found and len(prefixes) == 1:
            raise InputError(f"rank {rank} has two files, {found[rank]} and {file}", "leave one of them")
        found[rank] = file
    if len(prefixes) > 1:
        names = ", ".join(sorted(prefixes))
        raise InputError(f"{path} holds several traces: {names}", "name one of them, without its rank")
    if not found:
        right = "name a file, or what <prefix>.0.et, <prefix>.1.et, … begin with"
        raise InputError(f"{path}: there is no such trace", right)
    missing = sorted(set(range(max(found) + 1)) - set(found))
    if missing:
        names = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
        what = f"{path}: rank {names} of {max(found) + 1} has no file"
        raise InputError(what, "ranks count from 0, without gaps")
    return [found[rank] for rank in range(len(found))]


def read_chakra(path: Path, groups: Groups) -> Trace:
    """Return the trace whose files begin with `path`. groups: ranks by name, beside those that the files list."""
    nodes: list[Node] = []
    known = dict(groups)
    files = files_of(path)
    for rank, file in enumerate(files):
        _read_rank(file, rank, len(files), nodes, known)
    return Trace("chakra", str(path), len(files), tuple(nodes), known)


def _read_rank(
    file: Path, rank: int, ranks: int, nodes: list[Node], groups: dict[str, tuple[int, ...]]
) -> None:
    """Add the nodes of one rank, and the groups that its file lists."""
    data = _unpacked(file)
    binary = ".json" not in file.name
    source = Source(str(file), "byte" if binary else "entry")
    found = list(_messages(data, file, rank) if binary else _entries(data, file, rank))
    first = len(nodes)
    index_of: dict[int, int] = {}
    bare = [node_of(record, rank, source, at) for at, record in found]
    for index, ((_, record), node) in enumerate(zip(found, bare, strict=True)):
        if record.id in index_of:
            raise node.fault("has the id of another node of its rank", "ids differ within a rank")
        index_of[record.id] = first + index
        for name, members in stated_groups(record, node):
            members = members or tuple(range(ranks))
            if groups.setdefault(name, members) != members:
                raise node.fault(f"says that other ranks are in group {name}", f"elsewhere {groups[name]}")
    for (_, record), node in zip(found, bare, strict=True):
        needs = resolved(node, record.needs, index_of)
        nodes.append(_with_needs(node, needs))


def _with_needs(node: Node, needs: tuple[int, ...]) -> Node:
    return Node(
        node.rank, node.kind, node.label, node.source, node.at, needs, node.duration, node.operations,
        node.peer, node.tag, node.size, node.collective, node.group, node.root,
    )  # fmt: skip


def _unpacked(file: Path) -> bytes:
    try:
        data = file.read_bytes()
        return gzip.decompress(data) if data[:2] == _GZIP else data
    except (OSError, EOFError, zlib.error) as error:
        raise InputError([Fault(f"cannot be read: {error}", "give the whole file", file=str(file))]) from None


# -- protocol buffers ------------------------------------------------------------------------------------


def _messages(data: bytes, file: Path, rank: int) -> Iterator[tuple[int, Record]]:
    """Yield (place, record) of each node. Raises InputError with rank and place where the file breaks off."""
    at, number = 0, -1
    try:
        while at < len(data):
            begin = at
            length, at = varint(data, at, len(data))
            if at + length > len(data):
                raise WireError(
                    f"a message of {length} B ends {at + length - len(data)} B past the file", begin
                )
            if number >= 0:  # the first message is about the file
                yield begin, _record(data, at, at + length)
            at, number = at + length, number + 1
    except WireError as error:
        what = f"rank {rank}: byte {error.at}, in node {number} of the file: {error}"
        raise InputError([Fault(what, "give the whole file, as it was written", file=str(file))]) from None
    if number < 0:
        raise InputError([Fault(f"rank {rank}: the file is empty", "give the whole file", file=str(file))])


def _record(data: bytes, at: int, end: int) -> Record:
    numbers = {1: 0, 3: 0, 7: 0}
    name, needs, attributes, inputs = "", list[int](), dict[str, Any](), ""
    for number, written, value, stop in fields(data, at, end):
        if number in numbers and written == VARINT:
            numbers[number] = value
        elif number in (4, 5):  # ctrl_deps and data_deps
            needs += _numbers(data, value, stop) if written == BYTES else [value]
        elif written != BYTES:
            continue
        elif number == 2:
            name = data[value:stop].decode("utf-8", "replace")
        elif number == 10:
            key, of = attribute(data, value, stop)
            attributes[key] = of
        elif number == 8:
            inputs = _values(data, value, stop)
    return Record(numbers[1], name, type_name(numbers[3]), tuple(needs), numbers[7], attributes, inputs)


def _numbers(data: bytes, at: int, end: int) -> Iterator[int]:
    while at < end:
        value, at = varint(data, at, end)
        yield value


def _values(data: bytes, at: int, end: int) -> str:
    """Return the values of an IOInfo, as the text they are."""
    for number, written, value, stop in fields(data, at, end):
        if number == 1 and written == BYTES:
            return data[value:stop].decode("utf-8", "replace")
    return ""


# -- JSON ------------------------------------------------------------------------------------------------


def _entries(data: bytes, file: Path, rank: int) -> Iterator[tuple[int, Record]]:
    """Yield (number, record) of each node, of {"workload_graph": […]} or of one object after another."""
    for number, entry in enumerate(_objects(data, file, rank)):
        if not isinstance(entry, Mapping):
            raise InputError([Fault(f"rank {rank}: entry {number} is no object", "", file=str(file))])
        given = {_plain(key): value for key, value in entry.items()}
        if "type" not in given and "nodetype" not in given:
            continue  # what the file says of itself
        try:
            yield number, _json_record(given)
        except (TypeError, ValueError, KeyError) as error:
            what = f"rank {rank}: entry {number} is not a node: {type(error).__name__} {error}"
            raise InputError([Fault(what, "see docs/traces.md", file=str(file))]) from None


def _objects(data: bytes, file: Path, rank: int) -> Iterator[Any]:
    decoder, place = json.JSONDecoder(), 0
    try:
        text = data.decode("utf-8")
        while place < len(text.rstrip()):
            place += len(text[place:]) - len(text[place:].lstrip())
            value, place = decoder.raw_decode(text, place)
            yield from value.get("workload_graph", [value])
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:
        what = f"rank {rank}: it is not JSON of Chakra: {error}"
        raise InputError([Fault(what, "give the whole file", file=str(file))]) from None


def _plain(key: str) -> str:
    """Return a key in one spelling: Id, id; ctrl_deps, ctrlDeps; comm_size."""
    return key.replace("_", "").lower()


_FLAT: Final = (
    "comm_type", "comm_size", "comm_src", "comm_dst", "comm_tag", "num_ops", "tensor_size", "pg_name",
    "involved_dim", "root_rank",
)  # fmt: skip
"""Attributes that the feeder's JSON states as keys of the node itself."""


def _json_record(given: Mapping[str, Any]) -> Record:
    attributes = {key: given[_plain(key)] for key in _FLAT if _plain(key) in given}
    for entry in given.get("attr", []):
        values = [value for key, value in entry.items() if key not in ("name", "docString", "doc_string")]
        attributes[entry["name"]] = _json_value(values[0]) if values else None
    attributes["comm_type"] = collective_number(attributes.get("comm_type"))
    attributes = {key: value for key, value in attributes.items() if value is not None}
    needs = [int(need) for key in ("ctrldeps", "datadeps") for need in given.get(key, [])]
    kind = given.get("nodetype", given.get("type"))
    duration = float(given.get("durationmicros", given.get("runtime", 0)))
    inputs = given.get("inputs", {})
    return Record(
        int(given.get("id", 0)), str(given.get("name", "")), type_name(kind), tuple(needs), duration, attributes,
        str(inputs.get("values", "")) if isinstance(inputs, Mapping) else "",
    )  # fmt: skip


def _json_value(value: Any) -> Any:
    """Return a value: 64-bit numbers are text in the JSON of protocol buffers, lists stand below `values`."""
    if isinstance(value, Mapping):
        return [_json_value(each) for each in value.get("values", [])]
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value
