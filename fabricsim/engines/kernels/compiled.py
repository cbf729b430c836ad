"""Numba, where it is installed: the `fast` extra compiles loops, and leaves every number as it is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, Final

WORTHWHILE: Final = 10_000_000
"""Packet-hops from which compiling pays: it takes seconds, once for each installation."""


def installed() -> bool:
    """Return whether Numba is there. It is not imported to find out, as that takes longer than a small run."""
    return find_spec("numba") is not None


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` compiled; its machine code is kept on disk where there is a place for it."""
    return _compiled(function)


@cache
def compiled_module(module: ModuleType, apart: frozenset[str]) -> Any:
    """Return a module's own functions compiled, as attributes; all but those `apart` go into their callers.

    None of them may make an array: they are compiled without counting references, as rows of arrays, which they take
    for every event, would cost more to count than what is done with them.
    """
    scope = dict(vars(module))
    for name, function in vars(module).items():
        if isinstance(function, FunctionType) and function.__module__ == module.__name__:
            own = FunctionType(function.__code__, scope, name)
            scope[name] = _compiled(own, inline="never" if name in apart else "always", _nrt=False)
    return SimpleNamespace(**scope)


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    import numba

    loops: Callable[..., Any]
    try:
        loops = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder that Numba may write to
        loops = numba.njit(**options)(function)
    return loops
