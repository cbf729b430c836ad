"""What was measured: one operation on some ranks at several sizes, and the operation that simulates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.collectives import ALGORITHMS, Collective
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.formats.deepep_log import COMBINE, DISPATCH
from fabricsim.run import simulate
from fabricsim.traffic import moe_combine, moe_dispatch

Floats = NDArray[np.float64]

DIRECT: Final = "direct"
"""What the only algorithm is called of what has no other."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """Times [s] of one operation at sizes [B], ascending, on ranks of a machine.

    source: the log. kind: a collective, or dispatch, combine or both of a mixture of experts. algorithm: None where
    nobody says. token, experts: for a mixture of experts the bytes of one on its way there and back, and what it
    chooses. link: the class of links that it is about; None for the one that limits it.
    """

    source: str
    kind: str
    ranks: tuple[int, ...]
    sizes: tuple[int, ...]
    times: tuple[float, ...]
    algorithm: str | None = None
    token: tuple[int, int] = (0, 0)
    experts: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The algorithms that may have run: the one stated, or all."""
        if self.algorithm is not None:
            return (self.algorithm,)
        return tuple(ALGORITHMS.get(self.kind, (DIRECT,)))

    def simulated(self, fabric: Fabric, algorithm: str, size: int) -> float:
        """Return how long the operation takes [s] in the flow engine. Raises InputError where it does not fit."""
        if self.kind in ALGORITHMS:
            # sizes round down to what ranks share evenly: what is left is a few bytes of any size that takes time
            work: Any = Collective(self.kind, size, algorithm, list(self.ranks))
            return float(simulate(fabric, work, engine="flow").metrics["completion_time_s"])
        return sum(self._exchanged(fabric, way) for way in self.kind.split(" + "))

    def rounds(self, fabric: Fabric, algorithm: str) -> int:
        """Return how many steps of it follow each other."""
        if self.kind not in ALGORITHMS:
            return len(self.kind.split(" + "))
        operation = Collective(self.kind, self.sizes[0], algorithm, list(self.ranks)).on(fabric)
        return max(1, operation.round_count)

    def _exchanged(self, fabric: Fabric, way: str) -> float:
        pattern = {DISPATCH: moe_dispatch, COMBINE: moe_combine}[way]
        token = self.token[way == COMBINE]
        work = pattern(f"{token} B", ranks=list(self.ranks), **self.experts)
        return float(simulate(fabric, work, engine="flow").metrics["completion_time_s"])


def measured(
    source: str,
    kind: str,
    ranks: tuple[int, ...],
    rows: list[tuple[int, float]],
    algorithm: str | None = None,
) -> Measurement:
    """Return the measurement of a collective. A size measured more than once counts with its median time.

    Raises InputError for a kind or an algorithm that is not known, and where all sizes are below 16 B a rank.
    """
    if kind not in ALGORITHMS:
        raise InputError(
            f"{source}: {kind!r} is not a collective that is simulated", "known: " + ", ".join(ALGORITHMS)
        )
    if algorithm is not None and algorithm not in ALGORITHMS[kind]:
        right = "known: " + ", ".join(ALGORITHMS[kind])
        raise InputError([Fault(f"{algorithm!r} is no algorithm of {kind}", right, ("algorithm",))])
    by_size: dict[int, list[float]] = {}
    for size, time in rows:
        if size >= 16 * len(ranks):
            by_size.setdefault(size, []).append(time)
    if not by_size:
        raise InputError(f"{source}: all sizes are below 16 B for each of {len(ranks)} ranks", "measure more")
    sizes = sorted(by_size)
    times = tuple(float(np.median(by_size[size])) for size in sizes)
    return Measurement(source, kind, ranks, tuple(sizes), times, algorithm)


def exchanged(
    source: str,
    times: Mapping[str, float],
    ranks: tuple[int, ...],
    token: tuple[int, int],
    experts: Mapping[str, Any],
) -> list[Measurement]:
    """Return the measurements of a mixture of experts, one for each operation that was timed."""
    tokens = experts.get("tokens") or 0
    found = []
    for kind, time in times.items():
        size = tokens * sum(token[way == COMBINE] for way in kind.split(" + "))
        found.append(Measurement(source, kind, ranks, (size,), (time,), DIRECT, token, experts))
    return found
