"""Random jobs for comparing kernels: few round numbers, so that many things happen at the same picosecond."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from fabricsim.engines.kernels import arrivals, streams, ticks
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.model import Endpoint, Model
from fabricsim.schedule import Operation, Round
from fabricsim.topology import resolve
from tests.engines.lab import LINK, operation

TREES = [
    {"shape": "star", "size": 6, "switch": {"delay": "81.92 ns"}},
    {"shape": "full-mesh", "size": 5},
    {"shape": "fat-tree", "k": 4},
    {"shape": "leaf-spine", "leaves": 3, "hosts": 2, "spines": 3, "taper": 2},
    {"shape": "line", "size": 4},
]
CIRCLES = [
    {"shape": "ring", "size": 5},
    {"shape": "torus", "size": [3, 3]},
    {"shape": "torus", "size": [4, 2]},
]
LINKS = [
    LINK,
    {"bandwidth": "25 GB/s", "latency": "81.92 ns"},
    {"bandwidth": "400 Gbit/s", "latency": "163.84 ns"},
]


def random_fabric_of(rng: np.random.Generator, shapes: list[dict]) -> Fabric:
    """Return one of some shapes with one of some links."""
    return resolve({**shapes[int(rng.integers(len(shapes)))], "link": LINKS[int(rng.integers(len(LINKS)))]})


def random_rounds(rng: np.random.Generator, ranks: int) -> Iterator[Round]:
    """Yield rounds of few messages, with sizes that make ties."""
    for _ in range(int(rng.integers(1, 4))):
        count = int(rng.integers(1, 12))
        src = rng.integers(0, ranks, count)
        dst = (src + rng.integers(1, ranks, count)) % ranks
        size = rng.choice([1, 512, 4096, 5000, 20_000], count)
        delay = rng.choice([0.0, 81.92e-9, 1e-6], count) if rng.random() < 0.3 else None
        yield Round(src, dst, size, delay=delay, repeat=int(rng.integers(1, 3)))


def random_operations(rng: np.random.Generator, ranks: int, *, single: bool) -> tuple[Operation, ...]:
    """Return operations that start at various times; with `single`, each of one round that waits for no other."""
    operations = []
    for number in range(int(rng.integers(1, 4))):
        rounds = list(random_rounds(rng, ranks))
        rounds = (
            [Round(rounds[0].src, rounds[0].dst, rounds[0].size, delay=rounds[0].delay)] if single else rounds
        )
        after = tuple(op.name for op in operations if not single and rng.random() < 0.5)
        start, barrier = float(rng.choice([0.0, 81.92e-9])), bool(after) and rng.random() < 0.5
        operations.append(operation(*rounds, name=f"op{number}", start=start, after=after, barrier=barrier))
    return tuple(operations)


def random_model(rng: np.random.Generator, switching: str, *, gap: bool) -> Model:
    """Return a model from a few round numbers."""
    send, recv = float(rng.choice([0, 1e-8])), float(rng.choice([0, 1e-8]))
    endpoint = Endpoint(send, recv, float(rng.choice([0, 8.192e-8, 3e-7])) if gap else 0.0)
    header, flit = int(rng.choice([0, 64])), int(rng.choice([1, 20]))
    return Model(switching, int(rng.choice([512, 4096])), header, flit, endpoint)


def assert_same(one: Record, other: Record) -> None:
    """Assert that two records agree in every number."""
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if is_dataclass(a):
            assert_same(a, b)
        else:
            assert np.array_equal(a, b), field.name


@contextmanager
def plain_loops() -> Iterator[None]:
    """The loops as plain Python, whether or not Numba is there; unsigned words may overflow, as they do compiled."""
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        for module in (arrivals, streams, ticks):
            patch.setattr(module, "compiled", lambda function: function)
        patch.setattr(ticks, "compiled_module", lambda module, _: module)
        yield
