"""What is under way at one hop, and how it goes on: by one candidate each, or by all of them in equal parts.

Both forms have (rows,) columns: `row` is whose path it is, `node` where it stands, `dst` where it goes. `taken` gives
some of the rows; `split` gives what goes on from n candidates each, the row that it came from (None: its own) and the
number of its candidate; `moved` gives what stands where, one hop on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fabricsim.routing.hashing import Words
from fabricsim.routing.policies import Choice

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = IntArray | NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Walkers:
    """Paths: each row takes the one candidate that `pick` says. stride: candidates there were before, multiplied.

    state: the hash of what a choice depends on beside the node; packet: the first packet that takes the path. Both by
    `row`, None where `pick` looks at neither.
    """

    row: IntArray
    node: IntArray
    dst: IntArray
    stride: IntArray | int
    state: Words | None
    packet: IntArray | None
    pick: Callable[[Choice], IntArray]

    def taken(self, rows: Rows) -> Walkers:
        """Return some of the rows."""
        stride = self.stride if isinstance(self.stride, int) else self.stride[rows]
        return replace(self, row=self.row[rows], node=self.node[rows], dst=self.dst[rows], stride=stride)

    def split(self, n: IntArray | int) -> tuple[Walkers, None, IntArray]:
        """Return the same rows, and the candidate of each."""
        state = None if self.state is None else self.state[self.row]
        packet = None if self.packet is None else self.packet[self.row]
        index = self.pick(Choice(state, packet, self.stride, self.node, n))
        return self if packet is None else replace(self, stride=self.stride * n), None, index

    def moved(self, node: IntArray) -> Walkers:
        """Return what stands where, one hop on."""
        return replace(self, node=node)


@dataclass(frozen=True, eq=False)
class Parts:
    """Flows in parts: each row is `weight` of its flow, and goes on by all candidates in equal parts."""

    row: IntArray
    node: IntArray
    dst: IntArray
    weight: Floats

    def taken(self, rows: Rows) -> Parts:
        """Return some of the rows."""
        return Parts(self.row[rows], self.node[rows], self.dst[rows], self.weight[rows])

    def split(self, n: IntArray | int) -> tuple[Parts, IntArray, IntArray]:
        """Return a row for each candidate, the row that it came from, and the number of the candidate."""
        counts = np.broadcast_to(np.asarray(n, np.int64), self.row.shape)
        at = np.repeat(np.arange(len(counts)), counts)
        index = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
        return Parts(self.row[at], self.node[at], self.dst[at], (self.weight / n)[at]), at, index

    def moved(self, node: IntArray) -> Parts:
        """Return what of each flow stands where, one hop on; ways that meet there are added up."""
        order = np.lexsort((node, self.row))
        row, node = self.row[order], node[order]
        new = np.ones(len(row), np.bool_)
        new[1:] = (row[1:] != row[:-1]) | (node[1:] != node[:-1])
        first = np.flatnonzero(new)
        weight = np.add.reduceat(self.weight[order], first) if len(first) else self.weight
        return Parts(row[first], node[first], self.dst[order][first], weight)


F = TypeVar("F", Walkers, Parts)
