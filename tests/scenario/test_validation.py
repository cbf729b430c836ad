from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BeforeValidator, Field

from fabricsim.errors import Fault, InputError
from fabricsim.validation import (
    Bandwidth,
    ListOf,
    Part,
    PositiveSize,
    Share,
    Size,
    Time,
    checked,
    shown,
    validate,
)


class Leaf(Part):
    size: Size = 0
    at: Time = 0.0
    rate: Bandwidth | None = None
    share: Share | None = None
    kind: Literal["ring", "tree", "direct"] = "ring"


def even_only(value: Any) -> int:
    if value % 2:
        raise InputError([Fault("is odd", "take an even one", ("inner",))])
    return int(value)


class Root(Part):
    name: str
    count: Annotated[int, Field(ge=1, description="how many there are")]
    pair: Annotated[ListOf[int], Field(min_length=2, max_length=2)] = (0, 0)
    leaf: Leaf = Leaf()
    leaves: ListOf[Leaf] = ()
    table: dict[str, Leaf] = Field(default_factory=dict)
    whole: PositiveSize = 1
    flag: bool = False
    ratio: float = 1.0
    even: Annotated[int, BeforeValidator(checked(even_only))] = 0


GOOD = {"name": "n", "count": 1}


def faults(value: object) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(InputError) as info:
        validate(Root, value)
    return {fault.key: f"{fault.what}; {fault.right}" for fault in info.value.faults}


def test_good_values_arrive_in_si_units() -> None:
    root = validate(
        Root,
        GOOD
        | {
            "pair": [1, 2],
            "leaves": [{"size": "64 KiB", "at": "2 us", "rate": "400 Gbit/s", "share": "95 %"}],
        },
    )
    leaf = root.leaves[0]
    assert (leaf.size, leaf.at, leaf.rate, leaf.share) == (64 * 1024, 2e-6, 400 * 10**9 // 8, 0.95)
    assert root.pair == (1, 2)


def test_instances_are_frozen() -> None:
    root = validate(Root, GOOD)
    with pytest.raises(ValueError, match="frozen"):
        root.count = 2


@pytest.mark.parametrize(
    ("key", "value", "path", "text"),
    [
        ("nmae", "x", ("nmae",), "is not a key here; did you mean 'name'?"),
        ("leaf", {"kinds": 1}, ("leaf", "kinds"), "did you mean 'kind'?"),
        ("leaf", {"kind": "rings"}, ("leaf", "kind"), "'rings' is not known here; did you mean 'ring'?"),
        ("leaf", {"kind": "zzz"}, ("leaf", "kind"), "known: direct, ring, tree"),
        ("leaf", {"kind": 7}, ("leaf", "kind"), "7 is not known here; known: ring, tree, direct"),
        ("leaf", 7, ("leaf",), "7 is not a mapping"),
        ("leaf", {"size": 7}, ("leaf", "size"), "7 has no unit; write a size"),
        ("leaf", {"size": "-7 B"}, ("leaf", "size"), "'-7 B' is negative"),
        ("leaf", {"at": "-1 ns"}, ("leaf", "at"), "'-1 ns' is negative; write a time"),
        ("leaf", {"size": "2000 PB"}, ("leaf", "size"), "'2000 PB' is more than a simulation can hold"),
        ("leaf", {"at": "12 d"}, ("leaf", "at"), "'12 d' is more than a simulation can hold"),
        ("leaf", {"rate": "0 B/s"}, ("leaf", "rate"), "'0 B/s' is less than 1 B/s; write a bandwidth"),
        ("leaf", {"share": 2}, ("leaf", "share"), "2 is not between 0 and 1"),
        ("leaves", [{}, {"at": "3"}], ("leaves", 1, "at"), "'3' has no unit"),
        ("leaves", "abc", ("leaves",), "'abc' is not a list"),
        ("leaves", {}, ("leaves",), "a mapping is not a list"),
        ("table", {"a": {"sise": 1}}, ("table", "a", "sise"), "did you mean 'size'?"),
        ("table", [], ("table",), "a list is not a mapping"),
        ("whole", "0 B", ("whole",), "'0 B' is zero"),
        ("count", 0, ("count",), "0 is too small; write a number of at least 1"),
        ("count", 1.5, ("count",), "1.5 is not a whole number"),
        ("count", True, ("count",), "true is not a whole number"),
        ("count", "3", ("count",), "'3' is not a whole number"),
        ("count", None, ("count",), "has no value; give one, or leave the key out"),
        ("name", 12, ("name",), "12 is not text"),
        ("flag", "no", ("flag",), "'no' is not true or false"),
        ("ratio", "one", ("ratio",), "'one' is not a number"),
        ("ratio", float("inf"), ("ratio",), "inf is not a finite number"),
        ("pair", [1], ("pair",), "has 1 entry; give at least 2 entries"),
        ("pair", [1, 2, 3], ("pair",), "has 3 entries; give at most 2 entries"),
        ("pair", [1, "b"], ("pair", 1), "'b' is not a whole number"),
        ("even", 3, ("even", "inner"), "is odd; take an even one"),
    ],
)
def test_each_fault_is_one_message_at_its_key(
    key: str, value: object, path: tuple[str | int, ...], text: str
) -> None:
    found = faults(GOOD | {key: value})
    assert list(found) == [path]
    assert text in found[path]


def test_all_faults_of_a_value_are_reported_at_once() -> None:
    found = faults({"count": 0, "leaf": {"size": 1, "x": 2}, "leaves": [None, {"at": "1"}], "colour": "red"})
    nested = {("leaf", "size"), ("leaf", "x"), ("leaves", 0), ("leaves", 1, "at")}
    assert set(found) == nested | {("name",), ("count",), ("colour",)}


def test_a_missing_key_says_what_it_is() -> None:
    assert faults({"name": "n"})[("count",)] == "is missing; add it: how many there are"


def test_something_else_than_a_mapping_names_the_keys() -> None:
    assert faults([1])[()].startswith("a list is not a mapping; write keys and values; known: name, count")


def test_long_values_are_shortened() -> None:
    assert len(shown("x" * 500)) < 70


def test_the_schema_for_editors_takes_text_where_the_model_holds_numbers() -> None:
    schema = Leaf.model_json_schema()
    assert schema["properties"]["size"]["type"] == "string"
    assert schema["additionalProperties"] is False
