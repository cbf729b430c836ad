"""The parameters of a topology file, with their values for one machine."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, TypeVar

from fabricsim.document import parse_document
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.topology.expressions import MAX_MAGNITUDE, Expression, show
from fabricsim.units import EXAMPLES, PARSERS
from fabricsim.validation import shown

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Parameters:
    """numbers, texts: the values by name, those of `changed` other than the file's own; notes: what `auto` became."""

    numbers: Mapping[str, Fraction]
    texts: Mapping[str, str]
    changed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def quantity(self, value: T | str, kind: str, least: int = 0) -> T:
        """Return a quantity in SI; text is the name of the parameter that states it."""
        if not isinstance(value, str):
            return value
        if value not in self.texts:
            right = close_match(value, self.texts) if self.texts else EXAMPLES[kind]
            raise InputError(f"{value!r} is not a parameter that states a {kind}", right)
        try:
            found: T = PARSERS[kind](self.texts[value])  # type: ignore[assignment]
        except InputError as error:
            told = [replace(fault, what=f"parameter {value}: {fault.what}") for fault in error.faults]
            raise InputError(told) from None
        if found < least:
            raise InputError(f"{value} is {self.texts[value]!r}, which is too small", EXAMPLES[kind])
        return found

    def word(self, value: str) -> str:
        """Return the name of a record: of the parameter's value where `value` is a text parameter."""
        return self.texts.get(value, value)

    def told(self) -> str:
        """Return the values that were set, as a message says them."""
        values = [
            f"{name} = {show(self.numbers[name]) if name in self.numbers else self.texts[name]}"
            for name in self.changed
        ]
        return ", ".join(values)


AUTO: Final = "auto"
Choices = Mapping[str, Mapping[str, Expression]]


def parameters_of(
    stated: Mapping[str, Any], settings: Mapping[str, Any], auto: Choices | None = None
) -> Parameters:
    """Return the parameters `stated` in a file, some of them set to other values.

    auto: for a parameter whose value is `auto`, numbers with their conditions; the first that holds is taken.
    Raises InputError keyed `parameters.<name>` for what the file states, `set.<name>` for a setting: a name that
    is no parameter, a number in place of text or the other way round.
    """
    faults = FaultList()
    for name in stated:
        if not name.isidentifier() or keyword.iskeyword(name) or name in ("min", "max"):
            what = f"{name!r} cannot be used in arithmetic"
            faults.add(what, "use letters, digits and _, as in host_ports", ("parameters", name))
    auto = auto or {}
    for name in auto:
        if name not in stated:
            faults.add(f"{name!r} is not a parameter", close_match(name, stated), ("auto", name))
    for name, value in settings.items():
        with faults.at("set", name):
            _check_setting(name, value, stated, name in auto)
    faults.raise_if_any()
    values = {**stated, **settings}
    numbers = {name: value for name, value in values.items() if not isinstance(value, str)}
    with faults.at("set"):
        fractions = _fractions(numbers)
    faults.raise_if_any()
    texts = {name: value for name, value in values.items() if isinstance(value, str)}
    notes = []
    for name in auto:
        if texts.get(name) == AUTO:
            with faults.at("auto", name):
                number = _chosen(auto[name], fractions)
                fractions[name] = Fraction(number)
                notes.append(f"{name}: auto is {number}, the first of {', '.join(auto[name])} that fits")
            del texts[name]
    faults.raise_if_any()
    changed = tuple(name for name in settings if settings[name] != stated[name])
    return Parameters(fractions, texts, changed, tuple(notes))


def _chosen(choices: Mapping[str, Expression], numbers: Mapping[str, Fraction]) -> str:
    """Return the first number, as text, whose condition holds."""
    for number, condition in choices.items():
        if not re.fullmatch(r"[0-9]+", number):
            raise InputError(
                [Fault(f"{number!r} is not a whole number", "write {2: condition, 3: …}", (number,))]
            )
        if condition.holds(numbers):
            return number
    values = ", ".join(f"{name} = {show(value)}" for name, value in numbers.items())
    raise InputError(f"none of {', '.join(choices)} fits", f"change a parameter; {values}")


def _fractions(numbers: Mapping[str, Any]) -> dict[str, Fraction]:
    for name, value in numbers.items():
        if not abs(value) <= MAX_MAGNITUDE:
            raise InputError([Fault("is out of range", f"stay within ±{MAX_MAGNITUDE:.0e}", (name,))])
    return {name: Fraction(str(value)) for name, value in numbers.items()}


def _check_setting(name: str, value: object, stated: Mapping[str, Any], auto: bool) -> None:
    if name not in stated:
        right = close_match(name, stated) if stated else "it has none"
        raise InputError(f"{name!r} is not a parameter of this topology", right)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"{shown(value)} is neither a number nor text", f"as shipped it is {stated[name]!r}")
    if isinstance(value, float) and not abs(value) < float("inf"):
        raise InputError(f"{value} is not a finite number", f"as shipped it is {stated[name]!r}")
    if auto:
        if isinstance(value, str) and value != AUTO:
            raise InputError(f"{value!r} is not a number", "write a number, or auto")
    elif isinstance(value, str) != isinstance(stated[name], str):
        kind = "text" if isinstance(stated[name], str) else "a number"
        raise InputError(f"{shown(value)} is not {kind}", f"as shipped it is {stated[name]!r}")


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of `KEY=VALUE` texts, as on the command line. Raises InputError for other text."""
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        label = f"setting {text}"
        if not equals or not name.strip():
            raise InputError([Fault("is not KEY=VALUE", "as in servers=8", file=label)])
        if name.strip() in settings:
            raise InputError([Fault(f"{name.strip()!r} is set twice", "keep one of them", file=label)])
        settings[name.strip()] = parse_document(value, label).value
    return settings


def check_used(stated: Iterable[str], used: Iterable[str]) -> None:
    """Raise InputError, keyed by name, for a parameter that nothing depends on: setting it would do nothing."""
    unused = sorted(set(stated) - set(used))
    if unused:
        what = "nothing in the file depends on it"
        raise InputError([Fault(what, "use it, or leave it out", (name,)) for name in unused])
