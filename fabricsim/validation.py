"""Plain values from a file into frozen models, with every fault said in our own words.

The grammar of a file is a tree of `Part` classes. `validate` checks a plain value against one of them and
returns the instance, or raises one InputError that holds all the faults, each keyed by its path in the value;
`Document.locate` then adds file and line. pydantic does the checking; none of its wording reaches a user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.units import (
    EXAMPLES,
    MAX_AMOUNT,
    MAX_SECONDS,
    parse_bandwidth,
    parse_flops,
    parse_share,
    parse_size,
    parse_time,
)

T = TypeVar("T")
P = TypeVar("P", bound="Part")

_CARRIER: Final = "fabricsim_faults"


def _carry(faults: tuple[Fault, ...]) -> PydanticCustomError:
    """Return an error that carries our faults through pydantic, which lets only its own errors pass."""
    return PydanticCustomError(_CARRIER, "see faults", {"faults": faults})


def checked(function: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return `function` as a pydantic validator that keeps the words and keys of the faults it raises."""

    def validator(value: Any) -> T:
        try:
            return function(value)
        except InputError as error:
            raise _carry(error.faults) from None

    return validator


class Part(BaseModel):
    """A mapping in a file: its fields are the keys that may stand in it, and no others may.

    Frozen and strict. A key with nothing behind it is a fault: an optional field is left out, or real.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            keys = ", ".join(known_keys(cls))
            raise _carry(
                (Fault(f"{shown(value)} is not a mapping", f"write keys and values; known: {keys}"),)
            )
        empty = [key for key, item in value.items() if item is None and key in known_keys(cls)]
        faults = [Fault("has no value", "give one, or leave the key out", (key,)) for key in empty]
        try:
            instance = handler({key: item for key, item in value.items() if key not in empty})
        except ValidationError as error:
            faults += [fault for fault in _faults(cls, error) if fault.key not in [(key,) for key in empty]]
            raise _carry(tuple(faults)) from None
        if faults:
            raise _carry(tuple(faults))
        return instance


def validate(model_class: type[P], value: object) -> P:
    """Return `value`, a plain mapping, as an instance of `model_class`.

    Raises InputError with every fault found, keyed by its path in the value.
    """
    try:
        return model_class.model_validate(value)
    except ValidationError as error:
        raise InputError(_faults(model_class, error)) from None


def json_schema_of(model_class: type[Part], title: str) -> dict[str, Any]:
    """Return the JSON Schema of a file, for editors. Like `validate`, it refuses a key with nothing behind it."""
    schema = _for_editors(model_class.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def _for_editors(schema: Any) -> Any:
    """Return a schema without what is ours alone: defaults in SI, and None for `not given`."""
    if isinstance(schema, list):
        return [_for_editors(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _for_editors(item) for key, item in schema.items() if key != "default"}
    if len(kept.get("anyOf", ())) == 1:
        kept |= kept.pop("anyOf")[0]
    return kept


def known_keys(model_class: type[Part]) -> list[str]:
    """Return the keys that may stand in a part, as they are written, in the order of the class."""
    return [field.alias or name for name, field in model_class.model_fields.items()]


def shown(value: object) -> str:
    """Return a value as a message names it: short, and as it is written in a file."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}…{text[-1]}"


# -- pydantic's errors in our words ---------------------------------------------------------------------

_KINDS: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
}
"""What pydantic expected, by its error type."""

_LIMITS: Final = {
    "greater_than_equal": ("too small", "at least", "ge"),
    "greater_than": ("too small", "more than", "gt"),
    "less_than_equal": ("too large", "at most", "le"),
    "less_than": ("too large", "less than", "lt"),
}
"""How a violated limit is said, by pydantic's error type, and where its value is."""

_LENGTHS: Final = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}
"""The same for the length of a list."""


def _faults(model_class: type[Part], error: ValidationError) -> list[Fault]:
    return [
        replace(fault, key=(*detail["loc"], *fault.key))
        for detail in error.errors(include_url=False)
        for fault in _translated(model_class, detail)
    ]


def _translated(model_class: type[Part], detail: ErrorDetails) -> Iterator[Fault]:
    """Yield the faults of one pydantic error, keyed below its own place."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == _CARRIER:
        yield from context["faults"]
    elif kind == "extra_forbidden":
        yield Fault("is not a key here", close_match(str(detail["loc"][-1]), known_keys(model_class)))
    elif kind == "missing":
        yield Fault("is missing", _needed(model_class, detail["loc"][-1]))
    elif kind == "literal_error":
        yield _not_listed(value, context["expected"])
    elif kind in _LIMITS:
        what, right, limit = _LIMITS[kind]
        yield Fault(f"{shown(value)} is {what}", f"write a number of {right} {context[limit]}")
    elif kind in _LENGTHS:
        word, limit = _LENGTHS[kind]
        yield Fault(f"has {_entries(context['actual_length'])}", f"give {word} {_entries(context[limit])}")
    elif kind == "string_too_short":
        yield Fault("is empty", "write some text, or leave the key out")
    elif kind in _KINDS:
        yield Fault(f"{shown(value)} is not {_KINDS[kind]}", f"write {_KINDS[kind]}")
    else:
        yield Fault(f"{shown(value)} is refused: {detail['msg']}")


def _not_listed(value: object, expected: str) -> Fault:
    names = [name.strip("'") for name in expected.replace(" or ", ", ").split(", ")]
    if isinstance(value, str):
        return Fault(f"{shown(value)} is not known here", close_match(value, names))
    return Fault(f"{shown(value)} is not known here", "known: " + ", ".join(names))


def _entries(count: int) -> str:
    return f"{count} entry" if count == 1 else f"{count} entries"


def _needed(model_class: type[Part], key: object) -> str:
    fields = {field.alias or name: field for name, field in model_class.model_fields.items()}
    field = fields.get(str(key))
    return f"add it: {field.description}" if field is not None and field.description else "add it"


# -- lists and quantities -------------------------------------------------------------------------------


def _entries_of(value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{shown(value)} is not a list", "write a list: [a, b], or one '- entry' a line")
    return tuple(value)


ListOf = Annotated[tuple[T, ...], BeforeValidator(checked(_entries_of))]
"""A list in a file, an immutable tuple in the model."""


def within(
    parse: Callable[[object], Any], kind: str, least: int, most: float, words: str = "negative"
) -> Callable[[object], Any]:
    """Return a parser that refuses quantities below `least`, saying what they are in `words`, and above `most`."""

    def parser(value: object) -> Any:
        quantity = parse(value)
        if quantity < least:
            raise InputError(f"{value!r} is {'negative' if quantity < 0 else words}", EXAMPLES[kind])
        if quantity > most:
            raise InputError(f"{value!r} is more than a simulation can hold", EXAMPLES[kind])
        return quantity

    return checked(parser)


def _text(kind: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": EXAMPLES[kind]})


Size = Annotated[int, BeforeValidator(within(parse_size, "size", 0, MAX_AMOUNT)), _text("size")]
"""Bytes, 0 or more, from text such as `64 KiB`."""

PositiveSize = Annotated[
    int, BeforeValidator(within(parse_size, "size", 1, MAX_AMOUNT, "zero")), _text("size")
]
"""Bytes, 1 or more, from text such as `64 KiB`."""

Bandwidth = Annotated[
    int,
    BeforeValidator(within(parse_bandwidth, "bandwidth", 1, MAX_AMOUNT, "less than 1 B/s")),
    _text("bandwidth"),
]
"""Bytes per second, 1 or more, from text such as `400 Gbit/s`."""

Flops = Annotated[int, BeforeValidator(within(parse_flops, "flops", 1, MAX_AMOUNT, "none")), _text("flops")]
"""Operations per second, 1 or more, from text such as `989 TFLOP/s`."""

Time = Annotated[float, BeforeValidator(within(parse_time, "time", 0, MAX_SECONDS)), _text("time")]
"""Seconds, 0 or more, from text such as `350 ns`."""

Share = Annotated[
    float,
    BeforeValidator(checked(parse_share)),
    WithJsonSchema({"type": ["number", "string"], "description": EXAMPLES["share"]}),
]
"""A share between 0 and 1, from `0.95` or `95 %`."""
