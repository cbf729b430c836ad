"""The wire format of protocol buffers: numbered fields, read without their schema's compiler.

A field begins with a varint, its number times 8 plus how it is written: 0 a varint, 1 eight bytes, 2 a length and so
many bytes, 5 four bytes (protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_MAX_SHIFT: Final = 63


class WireError(Exception):
    """Bytes that are no message; `at` is the place of the first of them."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(what)
        self.at = at


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends. Raises WireError if it does not end before `end`."""
    value, shift, place = 0, 0, at
    while place < end and shift <= _MAX_SHIFT:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise WireError("a number has no end" if shift > _MAX_SHIFT else "the file ends in a number", at)


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (number, how it is written, value, end) of each field between two places.

    The value is a number, unsigned, or for BYTES where they begin; they go up to the last entry. Raises WireError.
    """
    while at < end:
        begin = at
        key, at = varint(data, at, end)
        written = key & 7
        if written == VARINT:
            value, at = varint(data, at, end)
        elif written == BYTES:
            length, value = varint(data, at, end)
            at = value + length
        elif written in (FIXED64, FIXED32):
            value, size = at, 8 if written == FIXED64 else 4
            at += size
            value = int.from_bytes(data[value : value + size], "little")
        else:
            raise WireError(f"a field is written in way {written}, which is none", begin)
        if at > end:
            raise WireError("a field is longer than what holds it", begin)
        yield key >> 3, written, value, at


def signed(value: int, bits: int = 64) -> int:
    """Return an unsigned number as two's complement; a negative int32 is written as 64 bits."""
    return value - (1 << bits) if value >> (bits - 1) else value


def zigzag(value: int) -> int:
    """Return the number that sint32 and sint64 write as `value`: 0, −1, 1, −2, … in order."""
    return (value >> 1) ^ -(value & 1)


def varint_bytes(value: int) -> bytes:
    """Return a number from 0 up as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint_field(number: int, value: int) -> bytes:
    """Return a field that holds a number; a negative one as 64 bits of two's complement."""
    return varint_bytes(number << 3 | VARINT) + varint_bytes(value % (1 << 64))


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a field that holds bytes: text, a message, or packed numbers."""
    return varint_bytes(number << 3 | BYTES) + varint_bytes(len(value)) + value
