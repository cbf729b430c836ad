"""The right data ends up in the right place: moves are carried out on sets of addends, byte range by byte range."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from fabricsim.collectives import ALGORITHMS, Algorithm, Move
from fabricsim.collectives.grid import Grid
from fabricsim.collectives.move import GRAIN

SIZES = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 19, 21, 23, 24, 27, 32, 33]
OPTIONS = [
    {}, {"chunks": 1}, {"chunks": 3}, {"root": 1}, {"root": -1, "chunks": 5}, {"stages": 1}, {"stages": 2, "chunks": 2},
    {"mode": "push"}, {"mode": "pull"}, {"mode": "pull", "chunks": 4},
    {"radix": 3}, {"root": 2, "radix": 4}, {"root": 1, "radix": 5, "chunks": 2}, {"rings": 1, "directions": 2},
]  # fmt: skip

MATRIX = np.random.default_rng(3).integers(0, 4, (33, 33))

CASES = [
    pytest.param(kind, name, options, id=f"{kind}-{name}-{number}")
    for kind, algorithms in ALGORITHMS.items()
    for name, algorithm in algorithms.items()
    for number, options in enumerate(OPTIONS)
    if set(options) <= set(algorithm.options)
]


def sides(n: int) -> tuple[int, ...]:
    """Return the prime factors of n, largest first."""
    found, rest = [], n
    for factor in range(2, n + 1):
        while rest % factor == 0:
            found.append(factor)
            rest //= factor
    return tuple(found[::-1])


def arguments(algorithm: Algorithm, n: int, options: dict[str, Any]) -> dict[str, Any]:
    """Return what an algorithm is called with for n positions."""
    given: dict[str, Any] = {"root": options.get("root", 0) % n, "chunks": options.get("chunks")}
    given |= {"radix": options.get("radix"), "rings": options.get("rings")}
    given["directions"] = min(n - 1, options.get("directions", 1))  # two ranks have no second way around
    given["matrix"] = MATRIX[:n, :n] * GRAIN
    given |= {"mode": options.get("mode"), "switches": np.array([100, 101, 101])}
    if "grid" in algorithm.takes:
        wanted = algorithm.stages[options.get("stages", 0) % len(algorithm.stages)]
        stages = [wanted if wanted != "halving-doubling" or side == 2 else "ring" for side in sides(n)]
        given["grid"] = Grid(sides(n), tuple(stages))
    return {key: given[key] for key in algorithm.takes}


def meetings_of(move: Move, number: int) -> Iterator[tuple[list[int], list[int], int]]:
    """Yield the sources and sinks of a meeting and a grain that it adds up, for each grain."""
    m = move.meetings
    if m is None:
        return
    parts = move.carried(number)
    for index in range(len(m)):
        row = len(move.src) + index
        assert parts.size[row] == m.size[index]
        sources = m.sources[m.source_starts[index] : m.source_starts[index + 1]].tolist()
        sinks = m.sinks[m.sink_starts[index] : m.sink_starts[index + 1]].tolist()
        for grain in range(parts.first[row] // GRAIN, (parts.first[row] + parts.size[row]) // GRAIN):
            yield sources, sinks, int(grain)


def grains_of(move: Move, number: int) -> Iterator[tuple[int, int, int, bool]]:
    """Yield the ends of a message, a grain that it carries, and whether the receiver adds it, for each grain."""
    parts = move.carried(number)
    reduce = np.broadcast_to(move.reduce, move.src.shape)
    sizes = np.broadcast_to(move.size, move.src.shape)
    for message, (src, dst) in enumerate(zip(move.src.tolist(), move.dst.tolist(), strict=True)):
        rows = range(parts.starts[message], parts.starts[message + 1])
        assert sum(int(parts.size[row]) for row in rows) == sizes[message]
        for row in rows:
            first, size = int(parts.first[row]), int(parts.size[row])
            assert first % GRAIN == size % GRAIN == 0
            for grain in range(first // GRAIN, (first + size) // GRAIN):
                yield src, dst, grain, bool(reduce[message])


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
        written: set[tuple[int, int]] = set()
        for src, dst, grain, reduce in grains_of(move, number):
            self._receive(dst, grain, before[src, grain], reduce=reduce, again=(dst, grain) in written)
            written.add((dst, grain))
        for sources, sinks, grain in meetings_of(move, number):
            total = self._sum([before[source, grain] for source in sources])
            for sink in sinks:
                self._receive(sink, grain, total, reduce=False, again=(sink, grain) in written)
                written.add((sink, grain))

    def _sum(self, addends: list[int]) -> int:
        total = 0
        for addend in addends:
            assert addend, "a source adds bytes that it does not have"
            assert not total & addend, "an addend is added twice"
            total |= addend
        return total

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


def reduce(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    memory = Memory(n, grains)
    memory.held[:] = [[1 << rank] for rank in range(n)]
    memory.carry_out(moves)
    assert np.all(memory.held[root] == (1 << n) - 1)


def scatter(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    memory = Memory(n, grains)
    memory.held[root] = 1 << root
    memory.carry_out(moves)
    for rank, block in enumerate(blocks(n, grains)):
        assert np.all(memory.held[rank, block] == 1 << root)


def gather(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    memory = Memory(n, grains)
    for rank, block in enumerate(blocks(n, grains)):
        memory.held[rank, block] = 1 << rank
    memory.carry_out(moves)
    for rank, block in enumerate(blocks(n, grains)):
        assert np.all(memory.held[root, block] == 1 << rank)


def delivered(n: int, grains: int, moves: Iterable[Move]) -> np.ndarray:
    """Return [position, whose buffer, grain of it]: what arrives where, in one hop or in several."""
    held = np.zeros((n, n, grains), bool)
    for rank in range(n):
        held[rank, rank] = True
    for move in moves:
        for number in range(move.repeat):
            before, now = held.reshape(n, -1).copy(), held.reshape(n, -1)
            for src, dst, grain, _ in grains_of(move, number):
                assert before[src, grain], "a message carries bytes that its sender does not have"
                assert not now[dst, grain], "bytes arrive where they are already"
                now[dst, grain] = True
    return held


def all_to_all(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    held = delivered(n, grains, moves)
    for rank, block in enumerate(blocks(n, grains)):
        assert np.all(held[rank, :, block])


def all_to_all_v(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    held = delivered(n, grains, moves)
    for src in range(n):
        ends = np.cumsum(MATRIX[src, :n])
        for dst in range(n):
            block = slice(ends[dst] - MATRIX[src, dst], ends[dst])
            assert np.all(held[dst, src, block])
            assert held[dst, src].sum() == (grains if dst == src else MATRIX[src, dst])


def send_recv(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    held = delivered(n, grains, moves)
    assert np.array_equal(held.all(axis=2), held.any(axis=2))
    assert all(
        np.flatnonzero(held[rank, :, 0]).tolist() == sorted({rank, (rank - 1) % n}) for rank in range(n)
    )


def barrier(n: int, grains: int, moves: Iterable[Move], root: int) -> None:
    heard = [1 << rank for rank in range(n)]  # who has arrived, as far as each knows
    for move in moves:
        for _ in range(move.repeat):
            before = list(heard)
            for src, dst in zip(move.src.tolist(), move.dst.tolist(), strict=True):
                heard[dst] |= before[src]
            for sources, sinks, _ in meetings_of(move, 0):
                for sink in sinks:
                    heard[sink] |= sum(before[source] for source in sources)
    assert set(heard) == {(1 << n) - 1}


RESULT: dict[str, Callable[[int, int, Iterable[Move], int], None]] = {
    "all-reduce": all_reduce,
    "reduce-scatter": reduce_scatter,
    "all-gather": all_gather,
    "broadcast": broadcast,
    "all-to-all": all_to_all,
    "all-to-all-v": all_to_all_v,
    "reduce": reduce,
    "scatter": scatter,
    "gather": gather,
    "send-recv": send_recv,
    "barrier": barrier,
}


@pytest.mark.parametrize(("kind", "name", "options"), CASES)
def test_every_rank_ends_with_the_right_data(kind: str, name: str, options: dict[str, Any]) -> None:
    algorithm = ALGORITHMS[kind][name]
    tried = 0
    for n in SIZES:
        # an odd number of grains per block where n is odd: the halves of a tree then differ
        grains = n * (15 if name == "multi-dimensional" and options.get("chunks", 1) > 1 else 5)
        given = arguments(algorithm, n, options)
        moves = algorithm.moves(n, grains * GRAIN, **given)
        RESULT[kind](n, grains, moves, given.get("root", 0))
        tried += 1
    assert tried >= 20


def test_the_interpreter_notices_a_block_that_never_arrives() -> None:
    moves = ALGORITHMS["all-gather"]["ring"].moves(4, 4 * GRAIN)
    short = [Move(m.src, m.dst, m.size, m.first, m.repeat - 1, m.reduce) for m in moves]
    with pytest.raises(AssertionError):
        all_gather(4, 4, short, 0)


def test_the_interpreter_notices_an_addend_that_is_added_twice() -> None:
    moves = ALGORITHMS["all-reduce"]["recursive-doubling"].moves(4, 4 * GRAIN)
    with pytest.raises(AssertionError, match="twice"):
        all_reduce(4, 4, [*moves, moves[0]], 0)
