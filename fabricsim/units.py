"""Quantities: text with a unit in, SI out, and back. The only place that converts.

Inside fabricsim a size is an `int` in bytes, a bandwidth an `int` in bytes per second, a time a `float` in
seconds, and the packet engine's clock an `int` in picoseconds. At the border every quantity is text with
a unit: `400 Gbit/s`, `50 GB/s`, `2 us`, `16 MiB`. `b` and `bit` are bits, `B` is bytes; k, M, G, T, P are
decimal, Ki, Mi, Gi, Ti binary. A bare number is refused, because nobody knows what it means.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from fabricsim.errors import InputError

PS_PER_S: Final = 10**12

MAX_AMOUNT: Final = 2**60
"""Bytes, and bytes per second, beyond which sums in 64 bits could overflow: an exbibyte."""

MAX_SECONDS: Final = 10**6
"""Simulated seconds beyond which sums of picoseconds in 64 bits could overflow: eleven days."""

_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_PREFIX = _DECIMAL | _BINARY
_SECONDS = {
    "ps": Fraction(1, 10**12),
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "ms": Fraction(1, 10**3),
    "s": Fraction(1),
    "min": Fraction(60),
    "h": Fraction(3600),
    "d": Fraction(86400),
}
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*?)?\s*")
_BITS = r"(?:b|bit|bits)"
_PREFIXES = r"(?P<prefix>Ki|Mi|Gi|Ti|Pi|k|M|G|T|P|E)?"
_RATE = re.compile(rf"{_PREFIXES}(?:(?P<bits>{_BITS})|(?:B|byte|bytes))(?:/s|ps)")
_SIZE = re.compile(rf"{_PREFIXES}(?:(?P<bits>{_BITS})|(?:B|byte|bytes))")
_FLOPS = re.compile(r"(?P<prefix>k|M|G|T|P|E)?(?:FLOP|OP)/s")

EXAMPLES: Final = {
    "size": "write a size such as '64 KiB' or '1 MB'",
    "bandwidth": "write a bandwidth such as '400 Gbit/s' or '50 GB/s'",
    "time": "write a time such as '2 us' or '350 ns'",
    "length": "write a length such as '60 cm' or '2.4 m'",
    "share": "write a share such as '95 %' or 0.95",
    "flops": "write operations a second, such as '989 TFLOP/s' or '4 PFLOP/s'",
}


def _split(value: object, kind: str) -> tuple[Fraction, str]:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{value!r} is not a {kind}", EXAMPLES[kind])
    if not isinstance(value, str):
        raise InputError(f"{value!r} has no unit", EXAMPLES[kind])
    match = _QUANTITY.fullmatch(value)
    if match is None:
        raise InputError(f"{value!r} is not a {kind}", EXAMPLES[kind])
    number, unit = match.groups()
    if unit is None:
        raise InputError(f"{value!r} has no unit", EXAMPLES[kind])
    if abs(int(re.split("[eE]", number)[1]) if re.search("[eE]", number) else 0) > 30:
        raise InputError(f"{value!r} is out of range", EXAMPLES[kind])
    return Fraction(number), unit


def _unit_fault(value: object, unit: str, kind: str) -> InputError:
    right = EXAMPLES[kind]
    if re.match(r"K(?!i)", unit):
        right = "write k for 1000 or Ki for 1024"
    elif kind == "size" and _RATE.fullmatch(unit):
        return InputError(f"{value!r} is a bandwidth, not a size", right)
    elif kind == "bandwidth" and _SIZE.fullmatch(unit):
        right = f"add the time, as in '{str(value).strip()}/s'"
    elif kind != "time" and unit in _SECONDS:
        return InputError(f"{value!r} is a time, not a {kind}", right)
    elif kind == "time" and (_SIZE.fullmatch(unit) or _RATE.fullmatch(unit)):
        return InputError(f"{value!r} is not a time", right)
    return InputError(f"{value!r} has the unit {unit!r}, which is not one of {kind}", right)


def parse_size(value: object) -> int:
    """Return a size in whole bytes. Bits are refused: `50 Gb` is more often a slip than a wish."""
    number, unit = _split(value, "size")
    match = _SIZE.fullmatch(unit)
    if match is None:
        raise _unit_fault(value, unit, "size")
    if match["bits"]:
        raise InputError(f"{value!r} is in bits", "sizes are in bytes: write B, not b")
    size = number * _PREFIX[match["prefix"] or ""]
    if size.denominator != 1:
        raise InputError(f"{value!r} is not a whole number of bytes", EXAMPLES["size"])
    return int(size)


def parse_bandwidth(value: object) -> int:
    """Return a bandwidth in whole bytes per second, rounded to the nearest."""
    number, unit = _split(value, "bandwidth")
    match = _RATE.fullmatch(unit)
    if match is None:
        raise _unit_fault(value, unit, "bandwidth")
    return round(number * _PREFIX[match["prefix"] or ""] / (8 if match["bits"] else 1))


def parse_time(value: object) -> float:
    """Return a time in seconds."""
    number, unit = _split(value, "time")
    if unit not in _SECONDS:
        raise _unit_fault(value, unit, "time")
    return float(number * _SECONDS[unit])


def parse_flops(value: object) -> int:
    """Return operations per second, from `989 TFLOP/s`; `OP/s` is for whole numbers, as in `200 TOP/s`."""
    number, unit = _split(value, "flops")
    match = _FLOPS.fullmatch(unit)
    if match is None:
        raise _unit_fault(value, unit, "flops")
    return round(number * _PREFIX[match["prefix"] or ""])


_METRES: Final = {
    "mm": Fraction(1, 1000),
    "cm": Fraction(1, 100),
    "m": Fraction(1),
    "km": Fraction(1000),
}


def parse_length(value: object) -> float:
    """Return a length in metres, from `60 cm` or `2.4 m`."""
    number, unit = _split(value, "length")
    if unit not in _METRES:
        raise _unit_fault(value, unit, "length")
    return float(number * _METRES[unit])


def parse_share(value: object) -> float:
    """Return a share between 0 and 1, written as `95 %` or `0.95`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        share = float(value)
    else:
        number, unit = _split(value, "share")
        if unit != "%":
            raise _unit_fault(value, unit, "share")
        share = float(number / 100)
    if not 0 <= share <= 1:
        raise InputError(f"{value!r} is not between 0 and 1", EXAMPLES["share"])
    return share


PARSERS: Final = {
    "size": parse_size,
    "bandwidth": parse_bandwidth,
    "time": parse_time,
    "share": parse_share,
    "length": parse_length,
    "flops": parse_flops,
}
"""The parser of each kind of quantity, by name."""


def to_ps(seconds: float) -> int:
    """Return a time in whole picoseconds, rounded to the nearest."""
    return round(seconds * PS_PER_S)


def _scaled(value: float, steps: Sequence[tuple[float, str]], digits: int) -> str:
    factor, unit = next((step for step in steps if abs(value) >= step[0]), steps[-1])
    return f"{value / factor:.{digits}g} {unit}"


def format_time(seconds: float, digits: int = 4) -> str:
    """Return a time for people: `12.5 us`."""
    if seconds == 0:
        return "0 s"
    steps = [
        (86400.0, "d"),
        (3600.0, "h"),
        (1.0, "s"),
        (1e-3, "ms"),
        (1e-6, "us"),
        (1e-9, "ns"),
        (1e-12, "ps"),
    ]
    return _scaled(seconds, steps, digits)


def format_bandwidth(rate: float, digits: int = 4) -> str:
    """Return a bandwidth for people, in decimal bytes per second: `46.6 GB/s`."""
    return _scaled(
        rate,
        [(1e15, "PB/s"), (1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1, "B/s")],
        digits,
    )


def format_size(size: float, digits: int = 4) -> str:
    """Return a size for people: `16 MiB`, or `1 MB` where a whole number of kB is no whole number of KiB."""
    if size and size % 1000 == 0 and size % 1024:
        return _scaled(size, [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")], digits)
    steps = [(2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1, "B")]
    return _scaled(size, steps, digits)
