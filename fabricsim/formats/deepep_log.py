"""DeepEP's test logs: how long dispatch and combine took on each rank.

Its tests print `[rank 1] Dispatch + combine bandwidth: 42.24 GB/s, avg_t=521.97 us, …` or, apart, `Dispatch bandwidth:
… avg_t=… us | Combine bandwidth: … avg_t=… us`; later versions `… dispatch …: 61.25 GB/s (SO), 120.1 GB/s (SU), 163.2
us, 7569408 bytes`. Their bandwidths count what stays on its own rank, so that only times are taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from fabricsim.errors import Fault, InputError

DISPATCH: Final = "dispatch"
COMBINE: Final = "combine"
BOTH: Final = "dispatch + combine"

_OPERATION = re.compile(r"dispatch\s*\+\s*combine|dispatch|combine", re.IGNORECASE)
_MEAN = re.compile(r"avg_t\s*=\s*([\d.]+)\s*us")
_PLAIN = re.compile(r"GB/s[^|]*?,\s*([\d.]+)\s*us\b")


def is_deepep_text(text: str) -> bool:
    """Return whether text looks like the output of DeepEP's tests."""
    return any(_parts(line) for line in text.splitlines())


def read_times(text: str, file: str) -> Mapping[str, float]:
    """Return the mean time [s] of each operation, over the ranks that state one. Raises InputError if none does."""
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        for operation, seconds in _parts(line):
            found.setdefault(operation, []).append(seconds)
    if not found:
        what = "holds no time of a dispatch or a combine"
        raise InputError([Fault(what, "give the whole output of a test", file=file)])
    return {operation: sum(times) / len(times) for operation, times in found.items()}


def _parts(line: str) -> list[tuple[str, float]]:
    """Return what a line says, (operation, time [s]) of each of its parts; the best of a search counts for nothing."""
    if "[tuning]" in line:
        return []
    parts = []
    for part in line.split("|"):
        name, time = _OPERATION.search(part), _MEAN.search(part) or _PLAIN.search(part)
        if name and time and float(time[1]) > 0:
            parts.append((re.sub(r"\s*\+\s*", " + ", name[0].lower()), float(time[1]) * 1e-6))
    return parts
