"""Attributes that modules above lend to values below.

A Result is plain data and must not import the code that draws it, yet `result.plot` should work. The package
root says where such an attribute lives; a value that lacks it asks here, and the module is imported then.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_LENT: dict[tuple[str, str], str] = {}


def lend(owner: str, attribute: str, target: str) -> None:
    """Give the class named `owner` an attribute: `target`, written `module:function`, is called with the value."""
    _LENT[owner, attribute] = target


def borrow(value: object, attribute: str) -> Any:
    """Return a lent attribute of `value`; raises AttributeError if there is none, as for any other."""
    owner = type(value).__name__
    target = _LENT.get((owner, attribute))
    if target is None:
        raise AttributeError(f"{owner!r} object has no attribute {attribute!r}")
    module, function = target.split(":")
    return getattr(import_module(module), function)(value)
