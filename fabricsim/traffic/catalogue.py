"""Which patterns there are, and what each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import fabricsim.traffic.moe as moe
import fabricsim.traffic.patterns as patterns
from fabricsim.schedule import Round
from fabricsim.traffic.draw import Draw
from fabricsim.traffic.matrix import matrix


@dataclass(frozen=True)
class Kind:
    """A kind of pattern: how its rounds are made, and which choices it takes."""

    rounds: Callable[[Draw], tuple[Round, ...]]
    takes: tuple[str, ...] = ()


_EXPERTS: Final = (
    "tokens", "top_k", "experts", "group", "choice", "skew", "copies", "level", "inside", "layer",
)  # fmt: skip

PATTERNS: Final[Mapping[str, Kind]] = MappingProxyType({
    "permutation": Kind(patterns.permutation),
    "incast": Kind(patterns.incast, ("fan_in", "target")),
    "uniform": Kind(patterns.uniform, ("load", "duration", "sizes")),
    "shift": Kind(patterns.shift, ("offset",)),
    "tornado": Kind(patterns.tornado),
    "bit-reversal": Kind(patterns.bit_reversal),
    "ring-exchange": Kind(patterns.ring_exchange),
    "hotspot": Kind(patterns.hotspot, ("target", "share")),
    "matrix": Kind(matrix, ("matrix",)),
    "moe-dispatch": Kind(moe.dispatch, _EXPERTS),
    "moe-combine": Kind(moe.combine, _EXPERTS),
})  # fmt: skip
"""The patterns, by name."""
