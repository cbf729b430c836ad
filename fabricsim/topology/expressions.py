"""A tiny arithmetic of parameters: what may stand in a topology file where a number could.

    + - * / // %  ( )  min(a, b)  max(a, b)     of numbers and parameter names
    < <= == != >= >  and  or                    for budgets

Exact: numbers are fractions, so `7 / 3 * 3` is 7. Read with Python's parser, but never run as Python.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from fabricsim.errors import InputError, close_match

MAX_LENGTH: Final = 200
_INFINITE: Final = float("inf")
MAX_MAGNITUDE: Final = 10**18
"""Beyond it a number is a slip: a million NPUs have 1e8 links, and a channel 1e13 B/s."""

_RIGHT: Final = "write a number or an arithmetic of parameters, such as 'hosts // 2'"
_BINARY: Final[Mapping[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: Final[Mapping[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_COMPARE: Final[Mapping[type[ast.cmpop], Callable[[Any, Any], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
}
_FUNCTIONS: Final[Mapping[str, Callable[..., Fraction]]] = {"min": min, "max": max}

Value = Fraction | bool


@dataclass(frozen=True)
class Expression:
    """An expression as written, read once and evaluated under any parameters. Get one with `parse_expression`."""

    text: str
    tree: ast.expr = field(repr=False, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """The parameters it depends on."""
        named = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        return frozenset(named - _FUNCTIONS.keys())

    def value(self, names: Mapping[str, Fraction]) -> Fraction:
        """Return the number it comes to. Raises InputError for unknown names, division by zero, a truth."""
        found = self._evaluated(names)
        if isinstance(found, bool):
            raise InputError(f"{self.text!r} is true or false", _RIGHT)
        if abs(found) > MAX_MAGNITUDE:
            raise InputError(f"{self.text!r} is out of range", f"stay within ±{MAX_MAGNITUDE:.0e}")
        return found

    def holds(self, names: Mapping[str, Fraction]) -> bool:
        """Return whether it is true. Raises InputError if it is a number."""
        found = self._evaluated(names)
        if not isinstance(found, bool):
            raise InputError(f"{self.text!r} is a number", "compare it, as in 'ports <= 18'")
        return found

    def whole(self, names: Mapping[str, Fraction], least: int = 1) -> int:
        """Return the whole number it comes to. Raises InputError if it is not whole, or below `least`."""
        found = self.value(names)
        if found.denominator != 1:
            raise InputError(f"{self.told(found)}, which is not whole", "make it come out even")
        if found < least:
            raise InputError(f"{self.told(found)}, which is too small", f"at least {least} is needed")
        return int(found)

    def told(self, value: Fraction) -> str:
        """Return the text and what it comes to, as a message says it."""
        return f"it is {show(value)}" if not self.names else f"{self.text} is {show(value)}"

    def _evaluated(self, names: Mapping[str, Fraction]) -> Value:
        try:
            return _value(self.tree, names)
        except ZeroDivisionError:
            raise InputError(f"{self.text!r} divides by zero", "change a parameter") from None


def show(value: Fraction) -> str:
    """Return a number for people."""
    return str(value) if value.denominator == 1 else f"{float(value):.6g}"


def parse_expression(value: object) -> Expression:
    """Return a number or text as an expression. Raises InputError if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{value!r} is not a number or an expression", _RIGHT)
    if not isinstance(value, str) and not abs(value) <= MAX_MAGNITUDE:
        raise InputError("the number is out of range", f"stay within ±{MAX_MAGNITUDE:.0e}")
    text = str(value).strip()
    if len(text) > MAX_LENGTH:
        raise InputError(f"the expression is longer than {MAX_LENGTH} characters", "name parts as parameters")
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InputError(f"{text!r} cannot be read", _RIGHT) from None
    for node in ast.walk(tree):
        _check(node, text)
    return Expression(text, tree)


def _check(node: ast.AST, text: str) -> None:
    known: tuple[type[ast.AST], ...] = (
        ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.And, ast.Or,
        *_BINARY, *_UNARY, *_COMPARE,
    )  # fmt: skip
    if isinstance(node, ast.Call):
        allowed = isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS and not node.keywords
        allowed = allowed and len(node.args) >= 2
    elif isinstance(node, ast.Constant):
        number = node.value
        allowed = isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < _INFINITE
    else:
        allowed = isinstance(node, known)
    if not allowed:
        shown = ast.get_source_segment(text, node) if isinstance(node, ast.expr) else None
        raise InputError(
            f"{shown or text!r} is not arithmetic", "known: + - * / // % ( ) min(a, b) max(a, b)"
        )


def _value(node: ast.expr, names: Mapping[str, Fraction]) -> Value:
    match node:
        case ast.Constant():
            return Fraction(str(node.value))  # 0.1 means a tenth, not the double next to it
        case ast.Name():
            return _named(node.id, names)
        case ast.BinOp():
            result: Fraction = _BINARY[type(node.op)](_number(node.left, names), _number(node.right, names))
            return Fraction(result)
        case ast.UnaryOp():
            return Fraction(_UNARY[type(node.op)](_number(node.operand, names)))
        case ast.Call():
            return _FUNCTIONS[ast.unparse(node.func)](*(_number(item, names) for item in node.args))
        case ast.BoolOp():
            truths = [_truth(item, names) for item in node.values]
            return all(truths) if isinstance(node.op, ast.And) else any(truths)
        case ast.Compare():
            terms = [_number(item, names) for item in (node.left, *node.comparators)]
            pairs = zip(node.ops, terms, terms[1:], strict=False)
            return all(_COMPARE[type(op)](left, right) for op, left, right in pairs)
    raise InputError(f"{ast.unparse(node)!r} is not arithmetic", _RIGHT)


def _number(node: ast.expr, names: Mapping[str, Fraction]) -> Fraction:
    value = _value(node, names)
    if isinstance(value, bool):
        raise InputError(f"{ast.unparse(node)!r} is true or false, not a number", _RIGHT)
    return value


def _truth(node: ast.expr, names: Mapping[str, Fraction]) -> bool:
    value = _value(node, names)
    if not isinstance(value, bool):
        raise InputError(f"{ast.unparse(node)!r} is a number", "compare it, as in 'ports <= 18'")
    return value


def _named(name: str, names: Mapping[str, Fraction]) -> Fraction:
    if name not in names:
        raise InputError(f"{name!r} is not a numeric parameter", close_match(name, names))
    return names[name]
