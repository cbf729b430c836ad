"""Whatever stands wherever in a scenario: it binds, or it is refused as bad input. Nothing else may happen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabricsim.errors import InputError
from fabricsim.scenario import parse_scenario

FULL: dict[str, Any] = {
    "schema": "fabricsim/1",
    "name": "full",
    "description": "every key that there is",
    "topology": {"shape": "ring", "size": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}},
    "seed": 1,
    "engine": "packet",
    "kernel": "simpy",
    "routing": {"policy": "ecmp", "hash": "pair"},
    "model": {
        "switching": "cut-through", "mtu": "4 KiB", "header": "16 B", "flit": "4 B", "buffer": "infinite",
    },
    "endpoint": {"send_overhead": "1 ns", "recv_overhead": "1 ns", "gap": "1 ns", "reduce_rate": "1 TB/s"},
    "workload": [
        {"name": "bc", "collective": "broadcast", "algorithm": "ring", "size": "1 KiB", "ranks": "0-2", "root": 1,
         "chunks": 2, "start": "1 us"},
        {"name": "in", "pattern": "incast", "size": "1 KiB", "fan_in": 2, "target": 1, "after": ["bc"],
         "barrier": True, "lane": 0},
        {"name": "un", "pattern": "uniform", "size": "1 KiB", "load": "10 %", "duration": "1 us"},
        {"name": "sh", "pattern": "shift", "size": "1 KiB", "offset": 2, "ranks": [0, 1, 3]},
        {"name": "lv", "collective": "all-reduce", "algorithm": "multi-dimensional", "size": "4 KiB",
         "levels": ["ring"], "stages": ["ring"], "chunks": 2},
        {"name": "gr", "collective": "all-to-all", "algorithm": "hierarchical", "size": "4 KiB", "grid": [2, 2],
         "stages": "direct"},
        {"name": "ri", "collective": "all-gather", "algorithm": "ring", "size": "4 KiB", "rings": 1, "directions": 2},
        {"name": "kn", "collective": "reduce", "algorithm": "k-nomial", "size": "4 KiB", "root": 1, "radix": 3},
        {"name": "ba", "collective": "barrier", "algorithm": "bruck"},
        {"name": "ex", "pattern": "moe-dispatch", "size": "1 KiB", "tokens": 4, "top_k": 2, "experts": 8, "group": 4,
         "choice": "seeded", "skew": 0.5, "copies": "expert", "inside": 2, "layer": 1},
        {"name": "co", "pattern": "moe-combine", "size": "1 KiB", "tokens": 4, "top_k": 2, "level": "ring"},
        {"name": "ho", "pattern": "hotspot", "size": "1 KiB", "share": "20 %", "target": 1},
    ],
    "failures": [{"at": "1 us", "link": ["npu0", "npu1", 0], "factor": 0.5, "repair_after": "1 us"}],
    "recovery": {"reroute": "recompute", "detect": "1 us", "converge": "1 us"},
    "expect": {"bc.algbw": {"is": ">= 1 B/s", "when": {"bc.size": ">= 1 B"}}, "completion_time": ["<= 1 s"]},
    "sweep": {"seed": [1, 2], "workload.bc.size": ["1 KiB"]},
}  # fmt: skip

ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "all", "1 B", "-1 B", "1e29 B", "1 us", "1e15 s", "1e25 GB/s",
    "1 GB/s", "0-1", "a.b", "\x00", "ü" * 99,
    [], [None], [[]], ["x", "x"], [0, 0], {}, {"": 1}, {"x": None}, {"name": []}, {"collective": 1},
]  # fmt: skip


def keys(value: Any, key: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield key
    for step in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from keys(value[step], (*key, step))


def with_value(value: Any, key: tuple[Any, ...], new: Any) -> Any:
    if not key:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[key[0]] = with_value(value[key[0]], key[1:], new)
    return copy


def bound(data: Any) -> bool:
    """Return whether the scenario binds at every point; anything but bad input passes through."""
    try:
        for point in parse_scenario(data).points():
            fabric = point.fabric()
            point.bind(fabric)
            assert min(fabric.bandwidth) > 0 <= min(fabric.latency_ps), (
                "what engines read does not fit their arrays"
            )
    except InputError:
        return False
    return True


def test_the_full_scenario_binds() -> None:
    assert bound(FULL)


@pytest.mark.parametrize("key", [key for key in keys(FULL) if key], ids=lambda key: ".".join(map(str, key)))
def test_one_odd_value(key: tuple[Any, ...]) -> None:
    outcomes = {bound(with_value(FULL, key, odd)) for odd in ODD}
    assert False in outcomes


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(keys(FULL))), plain), min_size=1, max_size=3))
def test_several_odd_values(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    data: Any = FULL
    for key, new in changes:
        try:
            data = with_value(data, key, new)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    if isinstance(data, dict):
        bound(data)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    try:
        parse_scenario(text)
    except InputError:
        return
    raise AssertionError(f"{text!r} is taken for a scenario")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["seed", "workload.bc", "workload.0.size", "model.mtu", "topology.size", "expect.x"]),
    st.text(),
)
def test_any_setting(path: str, text: str) -> None:
    try:
        parse_scenario(FULL, settings=[f"{path}={text}", text])
    except InputError:
        return
