"""Attributes of Chakra nodes: a name, and a value of one of thirty types, told by its field's number."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from fabricsim.traces.wire import BYTES, FIXED32, FIXED64, VARINT, fields, signed, varint, zigzag

Value = int | float | bool | str | bytes | list["Value"]

NAME: Final = 1


def _double(value: int) -> float:
    return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])


def _float(value: int) -> float:
    return float(struct.unpack("<f", value.to_bytes(4, "little"))[0])


_SCALARS: Final[Mapping[int, tuple[int, Callable[[int], Value]]]] = MappingProxyType({
    3: (FIXED64, _double), 5: (FIXED32, _float), 7: (VARINT, signed), 9: (VARINT, signed), 11: (VARINT, int),
    13: (VARINT, int), 15: (VARINT, zigzag), 17: (VARINT, zigzag), 19: (FIXED32, int), 21: (FIXED64, int),
    23: (FIXED32, lambda value: signed(value, 32)), 25: (FIXED64, signed), 27: (VARINT, bool),
})  # fmt: skip
"""How a number of each type is written, and read, by field: double, float, int32, int64, uint32, uint64, sint32,
sint64, fixed32, fixed64, sfixed32, sfixed64, bool (AttributeProto of et_def.proto). The next field holds a list."""

_TEXT: Final = 29
_RAW: Final = 31


def attribute(data: bytes, at: int, end: int) -> tuple[str, Value | None]:
    """Return the name and value of the attribute between two places; None for no value. Raises WireError."""
    name, value = "", None
    for number, written, begin, stop in fields(data, at, end):
        if number == NAME and written == BYTES:
            name = data[begin:stop].decode("utf-8", "replace")
        elif number in _SCALARS and written == _SCALARS[number][0]:
            value = _SCALARS[number][1](begin)
        elif number == _TEXT and written == BYTES:
            value = data[begin:stop].decode("utf-8", "replace")
        elif number == _RAW and written == BYTES:
            value = data[begin:stop]
        elif number > NAME + 1 and written == BYTES:
            value = _list(number - 1, data, begin, stop)
    return name, value


def _list(number: int, data: bytes, at: int, end: int) -> list[Value]:
    """Return the values of a list, packed or one by one, whose type is that of field `number`."""
    values: list[Value] = []
    for _, written, begin, stop in fields(data, at, end):
        if number == _TEXT:
            values.append(data[begin:stop].decode("utf-8", "replace"))
        elif number in _SCALARS and written != BYTES:
            values.append(_SCALARS[number][1](begin))
        elif number in _SCALARS:
            values += _packed(number, data, begin, stop)
    return values


def _packed(number: int, data: bytes, at: int, end: int) -> list[Value]:
    written, read = _SCALARS[number]
    values = []
    while at < end:
        if written == VARINT:
            value, at = varint(data, at, end)
        else:
            size = 8 if written == FIXED64 else 4
            value, at = int.from_bytes(data[at : at + size], "little"), at + size
        values.append(read(value))
    return values
