"""A trace as Chakra files: the bytes of one rank's `.et`, which ASTRA-sim and this program read."""

from __future__ import annotations

from collections.abc import Iterator

from fabricsim.traces.record import COLLECTIVES, TYPES
from fabricsim.traces.trace import Node, Trace
from fabricsim.traces.wire import bytes_field, varint_bytes, varint_field

VERSION = b"0.0.4"
"""What the files say of their format."""

_TYPES = {"compute": "COMP", "send": "COMM_SEND", "receive": "COMM_RECV", "collective": "COMM_COLL"}


def chakra_bytes(trace: Trace, rank: int) -> bytes:
    """Return the file of one rank; ids count from 0 in the order of its nodes, durations are whole microseconds.

    Raises InputError for what the format does not hold: a need on another rank, parts of a microsecond.
    """
    own = [index for index, node in enumerate(trace.nodes) if node.rank == rank]
    id_of = {index: number for number, index in enumerate(own)}
    messages = [bytes_field(1, VERSION), *(_node(trace.nodes[index], id_of, index) for index in own)]
    return b"".join(varint_bytes(len(message)) + message for message in messages)


def _node(node: Node, id_of: dict[int, int], index: int) -> bytes:
    if any(need not in id_of for need in node.needs):
        raise node.fault("waits for a node of another rank", "Chakra has a send and a receive for that")
    duration = round(node.duration * 1e6)
    if abs(duration - node.duration * 1e6) > 1e-6:
        raise node.fault(f"takes {node.duration} s", "Chakra counts whole microseconds")
    needs = b"".join(varint_bytes(id_of[need]) for need in node.needs)
    parts = [
        varint_field(1, id_of[index]), bytes_field(2, node.label.encode()),
        varint_field(3, TYPES.index(_TYPES[node.kind])), bytes_field(5, needs) if needs else b"",
        varint_field(7, duration), *(bytes_field(10, attribute) for attribute in _attributes(node)),
    ]  # fmt: skip
    return b"".join(parts)


def _attributes(node: Node) -> Iterator[bytes]:
    yield bytes_field(1, b"is_cpu_op") + varint_field(27, 0)
    if node.operations:
        yield _whole("num_ops", node.operations)
    if node.kind in ("send", "receive"):
        end = node.rank, node.peer
        src, dst = end if node.kind == "send" else end[::-1]
        for key, value in (("comm_src", src), ("comm_dst", dst), ("comm_tag", node.tag)):
            yield bytes_field(1, key.encode()) + varint_field(7, value)
        yield _whole("comm_size", node.size)
    if node.kind == "collective":
        yield _whole("comm_type", COLLECTIVES.index(node.collective))
        yield _whole("comm_size", node.size)
        if node.group is not None:
            yield bytes_field(1, b"pg_name") + bytes_field(29, node.group.encode())
        if node.root is not None:
            yield _whole("root_rank", node.root)


def _whole(key: str, value: int) -> bytes:
    return bytes_field(1, key.encode()) + varint_field(9, value)
