"""The ranks that take part in something, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.schedule import IntArray

Ranks = Sequence[int] | NDArray[np.int64]
NONE: Final[IntArray] = np.zeros(0, np.int64)


def checked_ranks(ranks: Ranks) -> IntArray:
    """Return (n,) rank ids as given, n ≥ 2. Raises InputError unless they are distinct and not negative."""
    given = np.asarray(ranks)
    if given.ndim != 1 or (len(given) and given.dtype.kind not in "iu"):
        raise InputError("the ranks are not a list of whole numbers", "write rank numbers such as 0, 1, 2")
    order = given.astype(np.int64)
    if len(order) and order.min() < 0:
        raise InputError(f"there is no rank {order.min()}", "ranks count from 0")
    values, counts = np.unique(order, return_counts=True)
    if np.any(counts > 1):
        raise InputError(f"rank {values[counts > 1][0]} is named twice", "name each rank once")
    if len(order) < 2:
        raise InputError(
            "one rank has nobody to talk to" if len(order) else "there are no ranks", "name two ranks or more"
        )
    return order


def bound_ranks(where: Fabric | Ranks | int, own: Ranks | None) -> IntArray:
    """Return the ranks that `where` stands for: a list of them, the first so many, or those of a machine.

    own: the ranks a workload names itself; they must lie on the machine. Raises InputError if both name some.
    """
    if isinstance(where, int):
        return checked_ranks(range(where))
    if not isinstance(where, Fabric):
        if own is not None:
            raise InputError("the ranks are named twice", "name them in `ranks`, or where they are bound")
        return checked_ranks(where)
    order = checked_ranks(range(where.ranks) if own is None else own)
    if order.max() >= where.ranks:
        right = f"{where.name} has ranks 0 to {where.ranks - 1}"
        raise InputError(f"there is no rank {order[order >= where.ranks][0]}", right)
    return order
