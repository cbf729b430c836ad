"""The right data ends up in the right place: moves are carried out on sets of addends, byte range by byte range."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from fabricsim.collectives import ALGORITHMS, Move
from fabricsim.collectives.move import GRAIN

SIZES = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 19, 21, 23, 24, 27, 32, 33]
OPTIONS = [{}, {"chunks": 1}, {"chunks": 3}, {"root": 1}, {"root": -1, "chunks": 5}]

CASES = [
    pytest.param(kind, name, options, id=f"{kind}-{name}-{number}")
    for kind, algorithms in ALGORITHMS.items()
    for name, algorithm in algorithms.items()
    for number, options in enumerate(OPTIONS)
    if set(options) <= set(algorithm.takes)
]


class Memory:
    """What every position holds: per grain of its buffer the set of positions whose data is in it, as bits."""

    def __init__(self, n: int, grains: int) -> None:
        self.held = np.zeros((n, grains), object)

    def carry_out(self, moves: Iterable[Move]) -> None:
        for move in moves:
            for number in range(move.repeat):
                self._one_round(move, number)

    def _one_round(self, move: Move, number: int) -> None:
        before = self.held.copy()  # a position sends what it held when it entered the round
        written = np.zeros(self.held.shape, bool)
        columns = np.broadcast_arrays(move.src, move.dst, move.first(number), move.size, move.reduce)
        for src, dst, first, size, reduce in zip(*(column.tolist() for column in columns), strict=True):
            assert first % GRAIN == 0
            assert size % GRAIN == 0
            span = slice(first // GRAIN, (first + size) // GRAIN)
            for grain in range(span.start, span.stop):
                self._receive(dst, grain, before[src, grain], reduce=reduce, again=written[dst, grain])
            written[dst, span] = True

    def _receive(self, dst: int, grain: int, data: int, *, reduce: bool, again: bool) -> None:
        assert data, "a message carries bytes that its sender does not have"
        if reduce:
            assert not self.held[dst, grain] & data, "an addend is added twice"
            self.held[dst, grain] |= data
        else:
            assert not again, "two messages of a round overwrite each other"
            self.held[dst, grain] = data


def blocks(n: int, grains: int) -> list[slice]:
    return [slice(rank * grains // n, (rank + 1) * grains // n) for rank in range(n)]


def all_reduce(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    memory = Memory(n, grains)
    memory.held[:] = [[1 << rank] for rank in range(n)]
    memory.carry_out(moves)
    assert np.all(memory.held == (1 << n) - 1)


def reduce_scatter(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    memory = Memory(n, grains)
    memory.held[:] = [[1 << rank] for rank in range(n)]
    memory.carry_out(moves)
    for rank, block in enumerate(blocks(n, grains)):
        assert np.all(memory.held[rank, block] == (1 << n) - 1)


def all_gather(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    memory = Memory(n, grains)
    for rank, block in enumerate(blocks(n, grains)):
        memory.held[rank, block] = 1 << rank
    memory.carry_out(moves)
    for rank, block in enumerate(blocks(n, grains)):
        assert np.all(memory.held[:, block] == 1 << rank)


def broadcast(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    memory = Memory(n, grains)
    memory.held[root] = 1 << root
    memory.carry_out(moves)
    assert np.all(memory.held == 1 << root)


def all_to_all(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    received = np.zeros((n, n, grains), int)
    for move in moves:
        for number in range(move.repeat):
            columns = np.broadcast_arrays(move.src, move.dst, move.first(number), move.size)
            for src, dst, first, size in zip(*(column.tolist() for column in columns), strict=True):
                received[dst, src, first // GRAIN : (first + size) // GRAIN] += 1
    for dst, block in enumerate(blocks(n, grains)):
        for src in range(n):
            wanted = np.zeros(grains, int)
            wanted[block] = src != dst  # its own block is there already
            assert np.array_equal(received[dst, src], wanted)


RESULT: dict[str, Callable[[int, int, Iterable[Move], int], None]] = {
    "all-reduce": all_reduce,
    "reduce-scatter": reduce_scatter,
    "all-gather": all_gather,
    "broadcast": broadcast,
    "all-to-all": all_to_all,
}


@pytest.mark.parametrize(("kind", "name", "options"), CASES)
def test_every_rank_ends_with_the_right_data(kind: str, name: str, options: dict[str, int]) -> None:
    algorithm = ALGORITHMS[kind][name]
    tried = 0
    for n in SIZES:
        if algorithm.power_of_two and n & (n - 1):
            continue
        # an odd number of grains per block where n is odd: the halves of a tree then differ
        grains = n * 5
        given = {"root": options.get("root", 0) % n, "chunks": options.get("chunks")}
        moves = algorithm.moves(n, grains * GRAIN, **{key: given[key] for key in algorithm.takes})
        RESULT[kind](n, grains, moves, given["root"] or 0)
        tried += 1
    assert tried >= (5 if algorithm.power_of_two else 20)


def test_the_interpreter_notices_a_block_that_never_arrives() -> None:
    moves = ALGORITHMS["all-gather"]["ring"].moves(4, 4 * GRAIN)
    short = [Move(m.src, m.dst, m.size, m.first, m.repeat - 1, m.reduce) for m in moves]
    with pytest.raises(AssertionError):
        all_gather(4, 4, short, 0)


def test_the_interpreter_notices_an_addend_that_is_added_twice() -> None:
    moves = ALGORITHMS["all-reduce"]["recursive-doubling"].moves(4, 4 * GRAIN)
    with pytest.raises(AssertionError, match="twice"):
        all_reduce(4, 4, [*moves, moves[0]], 0)
