"""Who sends what to whom, and after what: the one form all traffic takes.

An operation is a list of rounds. In each round some ranks send messages; a rank enters the next round when its
own messages of this round are sent and those to it are delivered. Nothing waits for other ranks, unless the
operation asks for a barrier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError

IntArray = NDArray[np.int64]


def _column(values: Any) -> IntArray:
    array = np.array(values, dtype=np.int64, ndmin=1)
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Round:
    """Messages that ranks send in one step: (messages,) src and dst ranks and payload bytes, sent `repeat` times over.

    reduce: whether a message is added into what its receiver holds, one answer for all or (messages,). delay:
    (messages,) [s] from the round's entry to the release of each message, for open-loop traffic; None for none.
    """

    src: IntArray
    dst: IntArray
    size: IntArray
    repeat: int = 1
    reduce: bool | NDArray[np.bool_] = False
    delay: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        src, dst = _column(self.src), _column(self.dst)
        size = _column(np.broadcast_to(np.asarray(self.size, np.int64), src.shape))
        for name, column in (("src", src), ("dst", dst), ("size", size)):
            object.__setattr__(self, name, column)
        if len(src) != len(dst):
            raise InputError("src and dst differ in length")
        if np.any(src == dst):
            raise InputError("a message goes from a rank to itself")
        if np.any(size < 1):
            raise InputError("a message has no bytes")
        if self.repeat < 1:
            raise InputError("a round repeats at least once")
        if not isinstance(self.reduce, bool):
            reduce = np.array(np.broadcast_to(np.asarray(self.reduce, np.bool_), src.shape))
            reduce.flags.writeable = False
            object.__setattr__(self, "reduce", reduce)
        if self.delay is not None:
            delay = np.array(self.delay, dtype=np.float64)
            delay.flags.writeable = False
            object.__setattr__(self, "delay", delay)

    @property
    def messages(self) -> int:
        """How many messages one pass of the round has."""
        return len(self.src)


@dataclass(frozen=True, eq=False)
class Operation:
    """One entry of a workload: a collective or a pattern, as rounds over fabric ranks.

    kind is the collective's or pattern's name. asked and size are the bytes asked for and used, in the sense of
    nccl-tests for a collective, per message for a pattern. bus_factor is busbw over algbw, None for patterns.
    start [s] counts from the end of everything in `after`, per rank, or of all ranks with `barrier`.
    """

    name: str
    kind: str
    algorithm: str
    ranks: IntArray
    rounds: tuple[Round, ...]
    asked: int
    size: int
    bus_factor: float | None = None
    start: float = 0.0
    after: tuple[str, ...] = ()
    barrier: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", _column(self.ranks))

    @property
    def messages(self) -> int:
        """How many messages the operation sends in all."""
        return sum(r.messages * r.repeat for r in self.rounds)

    @property
    def round_count(self) -> int:
        """How many rounds it has, repeats counted."""
        return sum(r.repeat for r in self.rounds)

    @property
    def payload(self) -> int:
        """How many payload bytes it sends in all."""
        return sum(int(r.size.sum()) * r.repeat for r in self.rounds)


@dataclass(frozen=True, eq=False)
class Messages:
    """All messages of a schedule as columns, in id order: operation, then round, then row."""

    operation: IntArray
    round: IntArray
    src: IntArray
    dst: IntArray
    size: IntArray
    delay: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.src)


def _expanded(index: int, operation: Operation) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the columns of Messages for each entry in an operation's list of rounds, repeats expanded."""
    number = 0
    for r in operation.rounds:
        delay = np.zeros(r.messages) if r.delay is None else r.delay
        rounds = np.repeat(np.arange(number, number + r.repeat), r.messages)
        tiled = (np.tile(column, r.repeat) for column in (r.src, r.dst, r.size, delay))
        yield (np.full(len(rounds), index), rounds, *tiled)
        number += r.repeat


@dataclass(frozen=True, eq=False)
class Schedule:
    """A whole workload: operations that start together at 0 unless one names others in `after`."""

    operations: tuple[Operation, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for operation in self.operations:
            if operation.name in seen:
                raise InputError(f"two operations are called {operation.name!r}", "give each its own name")
            for name in operation.after:
                if name not in seen:
                    raise InputError(
                        f"{operation.name!r} comes after {name!r}, which is not an earlier entry"
                    )
            seen.add(operation.name)

    @cached_property
    def messages(self) -> Messages:
        """Every message, repeats expanded; a message's index here is its id."""
        parts = [
            part for index, operation in enumerate(self.operations) for part in _expanded(index, operation)
        ]
        columns = (
            [np.concatenate(column) for column in zip(*parts, strict=True)]
            if parts
            else [np.zeros(0, np.int64)] * 6
        )
        for column in columns:
            column.flags.writeable = False
        return Messages(*columns)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that an engine can see of the schedule."""
        state = hashlib.sha256()
        for op in self.operations:
            head = (op.name, op.kind, op.algorithm, op.size, op.start, op.after, op.barrier)
            state.update(repr(head).encode() + op.ranks.astype("<i8").tobytes())
            for r in op.rounds:
                mixed = not isinstance(r.reduce, bool)  # the text of a long array leaves its middle out
                state.update(repr((r.repeat, "mixed" if mixed else r.reduce)).encode())
                state.update(np.asarray(r.reduce).tobytes() if mixed else b"")
                for column in (r.src, r.dst, r.size, r.delay):
                    state.update(
                        b""
                        if column is None
                        else column.astype("<f8" if column.dtype.kind == "f" else "<i8").tobytes()
                    )
        return state.hexdigest()

    def __repr__(self) -> str:
        names = ", ".join(op.name for op in self.operations)
        return f"<Schedule: {names}; {sum(op.messages for op in self.operations)} messages>"
