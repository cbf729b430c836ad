"""Algorithms of a user's own, and the check of their data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.collectives import ALGORITHMS, Move, check_data, collective
from fabricsim.collectives.checking import GOALS
from fabricsim.collectives.move import GRAIN, every
from fabricsim.errors import InputError
from tests.collectives.test_data_movement import arguments

KNOWN = [
    (kind, name)
    for kind in GOALS
    for name, algorithm in ALGORITHMS[kind].items()
    if "switches" not in algorithm.takes
]


@pytest.mark.parametrize(("kind", "name"), KNOWN)
def test_the_check_passes_what_is_right_and_finds_what_is_missing(kind: str, name: str) -> None:
    algorithm = ALGORITHMS[kind][name]
    for n in (2, 3, 6, 8):
        size = n * GRAIN * 6
        moves = algorithm.moves(n, size, **arguments(algorithm, n, {}))
        check_data(kind, n, size, moves)
        last = moves[-1]
        shorter = replace(last, repeat=last.repeat - 1) if last.repeat > 1 else None
        with pytest.raises(InputError, match="does not end with the right data"):
            check_data(kind, n, size, [*moves[:-1], *([shorter] if shorter else [])])


def star(n: int, size: int) -> tuple[Move, ...]:
    """Add everything up at position 0, and send the sum back."""
    others, centre, whole = np.arange(1, n), np.zeros(n - 1, np.int64), every(np.zeros(n - 1, np.int64))
    return (Move(others, centre, size, whole, reduce=True), Move(centre, others, size, whole))


def test_a_function_is_an_algorithm() -> None:
    operation = fs.all_reduce("1 MiB", algorithm=star).on(6)
    assert (operation.algorithm, operation.round_count, operation.messages) == ("star", 2, 10)
    assert operation.payload == 10 * operation.size


def wrong(n: int, size: int) -> tuple[Move, ...]:
    return star(n, size)[:1]


def early(n: int, size: int) -> tuple[Move, ...]:
    return (Move(np.array([1]), np.array([2]), size, every(np.array([0]))),)


def twice(n: int, size: int) -> tuple[Move, ...]:
    return (star(n, size)[0], star(n, size)[0])


def outside(n: int, size: int) -> tuple[Move, ...]:
    return (Move(np.array([1]), np.array([2]), size, every(np.array([16]))),)


WRONG = [
    ("all-reduce", wrong, "rank 1 does not end with the right data in bytes 0 to "),
    ("broadcast", early, "round 0, rank 1 to 2: carries bytes that the sender does not have"),
    ("all-reduce", twice, "round 1, rank 1 to 0: adds the data of rank 1 twice"),
    ("all-reduce", outside, "bytes outside"),
    ("barrier", star, "it can be one of all-reduce"),
]


@pytest.mark.parametrize(("kind", "function", "words"), WRONG)
def test_what_a_function_gets_wrong_is_said(kind: str, function: object, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        collective("x", kind, function, range(4), 1 << 10)  # type: ignore[arg-type]
    assert caught.value.faults[0].key == ("algorithm",)
