"""What a Chakra node says, in whichever form its file is written, and the node of a trace that it means.

Names, numbers and types are those of et_def.proto of mlcommons/chakra. Sizes are as ASTRA-sim reads them: of a
rank's input, so that an all-gather ends with that times the members (astra-sim, system/collective/Ring.cc).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from fabricsim.traces.trace import Node, Source

TYPES: Final = (
    "INVALID", "METADATA", "MEM_LOAD", "MEM_STORE", "COMP", "COMM_SEND", "COMM_RECV", "COMM_COLL",
)  # fmt: skip
"""NodeType, by number."""

COLLECTIVES: Final = (
    "all-reduce", "reduce", "all-gather", "gather", "scatter", "broadcast", "all-to-all", "reduce-scatter",
    "reduce-scatter", "barrier",
)  # fmt: skip
"""CollectiveCommType, by number; 8 is REDUCE_SCATTER_BLOCK."""

_KINDS: Final[Mapping[str, str]] = MappingProxyType({
    "METADATA": "compute", "MEM_LOAD": "compute", "MEM_STORE": "compute", "COMP": "compute",
    "COMM_SEND": "send", "COMM_RECV": "receive", "COMM_COLL": "collective",
})  # fmt: skip


@dataclass(frozen=True)
class Record:
    """A node as its file states it. needs: ids; duration [µs]; inputs: the text of its inputs' values."""

    id: int
    name: str
    type: str
    needs: tuple[int, ...]
    duration: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inputs: str = ""

    def whole(self, node: Node, key: str, default: int | None = None) -> int:
        """Return an attribute that counts something, of whatever type of number. Raises InputError for another."""
        value = self.attributes.get(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or value < 0:
            said = "does not state" if key not in self.attributes else f"has {value!r} for"
            raise node.fault(f"{said} {key}", "write a whole number from 0 up")
        return int(value)


def node_of(record: Record, rank: int, source: Source, at: int) -> Node:
    """Return what a record means, without its needs. Raises InputError for one that cannot be replayed."""
    label = f"{record.id} {record.name!r}" if record.name else str(record.id)
    bare = Node(rank, "compute", label, source, at)
    if record.type not in _KINDS:
        raise bare.fault(f"is of type {record.type}", f"known: {', '.join(_KINDS)}")
    if _KINDS[record.type] == "compute":
        return _computation(record, bare)
    size = record.whole(bare, "comm_size", 0 if record.type != "COMM_SEND" else None)
    if record.type == "COMM_COLL":
        return _collective(record, bare, size)
    kind, end = ("send", "comm_dst") if record.type == "COMM_SEND" else ("receive", "comm_src")
    peer, tag = record.whole(bare, end), record.whole(bare, "comm_tag", 0)
    return Node(rank, kind, label, source, at, peer=peer, tag=tag, size=size)  # type: ignore[arg-type]


def _computation(record: Record, bare: Node) -> Node:
    operations = record.whole(bare, "num_ops", 0) if record.type == "COMP" else 0
    moved = record.whole(bare, "tensor_size", 0)
    if record.type.startswith("MEM") and moved and not record.duration:
        what = f"moves {moved} B to or from memory in no stated time"
        raise bare.fault(what, "state its duration: there is no model of remote memory")
    if not 0 <= record.duration < float("inf"):
        raise bare.fault(f"has a duration of {record.duration} us", "write 0 or more")
    return Node(
        bare.rank, "compute", bare.label, bare.source, bare.at, duration=record.duration * 1e-6,
        operations=0 if record.duration else operations,
    )  # fmt: skip


def _collective(record: Record, bare: Node, size: int) -> Node:
    number = record.whole(bare, "comm_type")
    if number >= len(COLLECTIVES):
        raise bare.fault(f"has comm_type {number}", f"they count from 0 to {len(COLLECTIVES) - 1}")
    collective = COLLECTIVES[number]
    if not size and collective != "barrier":
        raise bare.fault(f"is an {collective} of no bytes", "state comm_size")
    root = record.whole(bare, "root_rank") if "root_rank" in record.attributes else None
    group = str(record.attributes.get("pg_name", ""))
    involved = record.attributes.get("involved_dim")
    if not group and isinstance(involved, list) and not all(involved):
        what = "goes along some dimensions of a machine only (involved_dim)"
        raise bare.fault(what, "name its ranks: pg_name, and a file of groups")
    return Node(
        bare.rank, "collective", bare.label, bare.source, bare.at, size=size, collective=collective,
        group=group or None, root=root,
    )  # fmt: skip


def stated_groups(record: Record, bare: Node) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the groups that a METADATA node of a PyTorch trace lists as JSON; no ranks stands for everyone."""
    if record.type != "METADATA" or "pg_name" not in record.inputs:
        return
    try:
        text = json.loads(record.inputs)
        entries = json.loads(text[0]) if text and isinstance(text[0], str) else text
        for entry in entries:
            yield str(entry["pg_name"]), tuple(int(rank) for rank in entry["ranks"])
    except (ValueError, TypeError, KeyError) as error:
        raise bare.fault(f"lists groups that cannot be read: {error}", "see inputs.values") from None


def type_name(value: object) -> str:
    """Return a NodeType by its number or by its name, with or without _NODE; INVALID for none."""
    if isinstance(value, int) and 0 <= value < len(TYPES):
        return TYPES[value]
    name = str(value).removesuffix("_NODE")
    return name if name in TYPES else str(value)


def collective_number(value: object) -> object:
    """Return a CollectiveCommType's number for its name, anything else as it is."""
    names = ("ALL_REDUCE", "REDUCE", "ALL_GATHER", "GATHER", "SCATTER", "BROADCAST", "ALL_TO_ALL",
             "REDUCE_SCATTER", "REDUCE_SCATTER_BLOCK", "BARRIER")  # fmt: skip
    return names.index(value) if isinstance(value, str) and value in names else value
