"""Numba, where it is installed: the `fast` extra compiles loops, and leaves every number as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, Final

WORTHWHILE: Final = 10_000_000
"""Packet-hops from which compiling pays: it takes seconds, once for each installation."""


def installed() -> bool:
    """Return whether Numba is there. It is not imported to find out, as that takes longer than a small run."""
    return find_spec("numba") is not None


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` compiled; its machine code is kept on disk where there is a place for it."""
    import numba

    loops: Callable[..., Any]
    try:
        loops = numba.njit(cache=True)(function)
    except RuntimeError:  # no folder that Numba may write to
        loops = numba.njit(function)
    return loops
