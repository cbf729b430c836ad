"""How a model is divided over ranks: sizes of the parallel dimensions, and which ranks form a group of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fabricsim.errors import FaultList, InputError
from fabricsim.models import ModelShape
from fabricsim.schedule import IntArray

ORDER: Final = ("tp", "cp", "dp", "pp")
"""Dimensions whose product is the number of ranks, innermost first as they are laid out by default."""

DIMENSIONS: Final = ("tp", "cp", "ep", "pp", "dp")
"""All of them, as results name them: experts lie across the others of a stage."""


@dataclass(frozen=True)
class Parallel:
    """Sizes of the parallel dimensions.

    tp: ranks that share each matrix; cp: that share each sequence; pp: stages of layers; dp: copies of all that, each
    with its own samples; ep: ranks of one stage that share the experts, each whole. zero: what the copies share, by
    ZeRO's stages (arXiv 1910.02054): 0 nothing, 1 the optimizer, 2 gradients too, 3 parameters too.
    """

    tp: int = 1
    cp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    zero: int = 0

    def __post_init__(self) -> None:
        faults = FaultList()
        for key in DIMENSIONS:
            if getattr(self, key) < 1:
                faults.add(f"{getattr(self, key)} is no number of ranks", "write 1 or more", (key,))
        if not 0 <= self.zero <= 3:
            faults.add(f"there is no ZeRO stage {self.zero}", "write 0, 1, 2 or 3", ("zero",))
        faults.raise_if_any()

    @property
    def stage_ranks(self) -> int:
        """Ranks of one pipeline stage."""
        return self.tp * self.cp * self.dp

    @property
    def ranks(self) -> int:
        """Ranks in all."""
        return self.stage_ranks * self.pp


def check_parallel(model: ModelShape, parallel: Parallel) -> None:
    """Raise InputError with every reason why a model cannot be divided so, keyed by the dimension."""
    faults = FaultList()
    if model.heads % parallel.tp:
        what = f"{model.heads} heads cannot be shared by {parallel.tp} ranks evenly"
        faults.add(what, "write a divisor of the heads", ("tp",))
    if parallel.pp > model.layers:
        what = f"{parallel.pp} stages are more than the {model.layers} layers of {model.name}"
        faults.add(what, f"write up to {model.layers}", ("pp",))
    if parallel.ep > 1 and not model.experts:
        faults.add(f"{model.name} has no experts to share", "leave ep out, or write 1", ("ep",))
    elif parallel.ep > 1 and model.experts % parallel.ep:
        what = f"{model.experts} experts cannot be shared by {parallel.ep} ranks evenly"
        faults.add(what, "write a divisor of the experts", ("ep",))
    if parallel.stage_ranks % parallel.ep:
        p = parallel
        what = f"a stage of tp · cp · dp = {p.tp} · {p.cp} · {p.dp} = {p.stage_ranks} ranks has no groups of {p.ep}"
        faults.add(what, "write a divisor of that", ("ep",))
    faults.raise_if_any()


@dataclass(frozen=True, eq=False)
class Layout:
    """Which rank has which part. ranks: (n,) in the order laid out. order: the dimensions, innermost first."""

    parallel: Parallel
    ranks: IntArray
    order: tuple[str, ...] = ORDER

    def __post_init__(self) -> None:
        if sorted(self.order) != sorted(ORDER):
            what = f"[{', '.join(self.order)}] is not an order of the dimensions"
            raise InputError(what, f"name each of {', '.join(ORDER)} once, innermost first")

    @property
    def _grid(self) -> IntArray:
        """The ranks as an array with one axis for each dimension, outermost first."""
        return self.ranks.reshape([getattr(self.parallel, name) for name in reversed(self.order)])

    def groups(self, *together: str) -> IntArray:
        """Return (groups, members) the ranks that differ only in these dimensions, the innermost one fastest."""
        axes = [axis for axis, name in enumerate(reversed(self.order)) if name in together]
        ends = range(len(ORDER) - len(axes), len(ORDER))
        grid = np.moveaxis(self._grid, axes, list(ends))
        members = int(np.prod([getattr(self.parallel, name) for name in together]))
        return np.ascontiguousarray(grid.reshape(-1, members))

    @property
    def stages(self) -> IntArray:
        """(stages, ranks) the ranks of each stage, those of the innermost dimensions together."""
        return self.groups(*(name for name in ORDER if name != "pp"))

    def expert_groups(self) -> IntArray:
        """Return (groups, ep) the ranks that share one set of experts: neighbours within a stage."""
        return self.stages.reshape(-1, self.parallel.ep)

    def expert_copies(self) -> IntArray:
        """Return (groups, members) the ranks of a stage that hold the same experts."""
        ep = self.parallel.ep
        held = self.stages.reshape(self.parallel.pp, -1, ep)
        return np.ascontiguousarray(held.transpose(0, 2, 1).reshape(-1, held.shape[1]))
