"""Rounds that say the same of many ranks at once, with columns that are made only where somebody looks at them."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np

from fabricsim.errors import InputError
from fabricsim.schedule.columns import IntArray, column
from fabricsim.schedule.operation import Round

MANY: Final = 1024
"""Ranks from which on rounds that say the same of all are lines; below, their columns are small, and made at once."""


class Lines(Round):
    """A round along one coordinate of a grid of ranks: on every line the same members talk, each with `block` bytes.

    Position p of `ranks` is member p // stride % side of its line; the positions of a line differ in nothing else.
    between: (pairs,) members that send and those that receive, None for each to each other one. Message k of every line
    comes before message k + 1 of any. An engine that knows the lines are alike need not see the messages, which
    take gigabytes for a million ranks.
    """

    ranks: IntArray
    block: int
    side: int
    stride: int
    between: tuple[IntArray, IntArray] | None

    def __init__(
        self, ranks: IntArray, block: int, side: int, stride: int = 1,
        between: tuple[IntArray, IntArray] | None = None, repeat: int = 1, reduce: bool = False,
    ) -> None:  # fmt: skip
        given = {
            "ranks": column(ranks), "block": block, "side": side, "stride": stride,
            "between": between and (column(between[0]), column(between[1])),
            "repeat": repeat, "reduce": reduce, "delay": None, "meetings": None,
        }  # fmt: skip
        for name, value in given.items():
            object.__setattr__(self, name, value)
        if side < 2 or len(self.ranks) % (side * stride):
            raise InputError(f"{len(self.ranks)} ranks make no lines of {side}, {stride} apart")
        if block < 1 or repeat < 1:
            raise InputError("a message has no bytes" if block < 1 else "a round repeats at least once")
        if self.between is not None and np.any(self.between[0] == self.between[1]):
            raise InputError("a message goes from a rank to itself")

    @property
    def lines(self) -> int:
        """How many lines there are."""
        return len(self.ranks) // self.side

    @cached_property
    def members(self) -> tuple[IntArray, IntArray]:
        """(pairs,) members of a line that send, and those that receive, in the order of their messages."""
        return self.between or every_pair(self.side)

    @property
    def src(self) -> IntArray:
        """(messages,) sending ranks."""
        return self._columns[0]

    @property
    def dst(self) -> IntArray:
        """(messages,) receiving ranks."""
        return self._columns[1]

    @cached_property
    def _columns(self) -> tuple[IntArray, IntArray]:
        src, dst = (self._on_lines(member) for member in self.members)
        return src, dst

    @cached_property
    def size(self) -> IntArray:
        """(messages,) payload bytes."""
        return column(np.full(self.messages, self.block))

    def _on_lines(self, member: IntArray) -> IntArray:
        """Return the ranks that some members are on all lines, those of one member together."""
        line = np.arange(self.lines)
        first = line // self.stride * (self.stride * self.side) + line % self.stride
        return column(self.ranks[(first + member[:, None] * self.stride).reshape(-1)])

    @property
    def pairs(self) -> IntArray:
        """(2, many) rows src and dst; where each talks to each, the first with each other one, which shows a gap."""
        if self.between is not None:
            return np.stack(self._columns)
        others = np.arange(1, self.side)
        first, rest = self._on_lines(np.zeros_like(others)), self._on_lines(others)
        return np.stack([np.concatenate([first, rest]), np.concatenate([rest, first])])

    @property
    def messages(self) -> int:
        """How many messages one pass has."""
        return self.lines * (self.side * (self.side - 1) if self.between is None else len(self.between[0]))

    @property
    def payload(self) -> int:
        """How many payload bytes ranks send in one pass."""
        return self.messages * self.block

    def packets(self, mtu: int) -> int:
        """Return how many packets one pass has, each of up to `mtu` payload bytes."""
        return self.messages * -(-self.block // mtu)

    def over(self, ranks: IntArray) -> Lines:
        """Return the same round with ranks[r] in place of rank r."""
        return Lines(
            ranks[self.ranks], self.block, self.side, self.stride, self.between, self.repeat,
            bool(np.all(self.reduce)),
        )  # fmt: skip

    def repeated(self, repeat: int) -> Lines:
        """Return the same round, so many times over."""
        return Lines(
            self.ranks, self.block, self.side, self.stride, self.between, repeat, bool(np.all(self.reduce))
        )

    def is_like(self, other: Lines) -> bool:
        """Return whether a pass of both is the same."""
        same = (self.block, self.side, self.stride) == (other.block, other.side, other.stride)
        if not same or (self.between is None) != (other.between is None):
            return False
        pattern = self.between is None or all(map(np.array_equal, self.members, other.members))
        return pattern and np.array_equal(self.ranks, other.ranks)


class EveryPair(Lines):
    """A round in which each of some ranks sends `block` bytes to each other one: a single line.

    Row k of all ranks, to those k places on, comes before row k + 1.
    """

    def __init__(self, ranks: IntArray, block: int) -> None:
        super().__init__(ranks, block, len(ranks))


def every_pair(n: int) -> tuple[IntArray, IntArray]:
    """Return who sends and who receives where each of n talks to each other one: first to the next one."""
    src = np.tile(np.arange(n), n - 1)
    return src, (src + np.repeat(np.arange(1, n), n)) % n
