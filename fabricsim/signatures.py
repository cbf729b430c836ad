"""Signatures that name what keywords a function takes, where several functions take the same."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def takes(keywords: type) -> Callable[[Function], Function]:
    """Return a decorator that lets `help` and notebooks show the keys of a TypedDict in place of `**keywords`."""

    def dress(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [part for part in signature.parameters.values() if part.kind is not part.VAR_KEYWORD]
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=..., annotation=_text(kind))
            for name, kind in inspect.get_annotations(keywords).items()
        ]
        function.__signature__ = signature.replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        return function

    return dress


def _text(kind: Any) -> str:
    return str(getattr(kind, "__forward_arg__", kind))
