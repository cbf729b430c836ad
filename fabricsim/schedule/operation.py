"""Rounds of messages, and operations made of them or of a graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.schedule.columns import IntArray, column, distinct
from fabricsim.schedule.graph import Graph
from fabricsim.schedule.meetings import Meetings


@dataclass(frozen=True, eq=False)
class Round:
    """Messages that ranks send in one step: (messages,) src and dst ranks and payload bytes, sent `repeat` times over.

    reduce: whether a message is added into what its receiver holds, one answer for all or (messages,). delay:
    (messages,) [s] from the round's entry to the release of each message, for open-loop traffic; None for none.
    meetings: what meets in switches, beside the messages.
    """

    src: IntArray
    dst: IntArray
    size: IntArray
    repeat: int = 1
    reduce: bool | NDArray[np.bool_] = False
    delay: NDArray[np.float64] | None = None
    meetings: Meetings | None = None

    def __post_init__(self) -> None:
        src, dst = column(self.src), column(self.dst)
        size = column(np.broadcast_to(np.asarray(self.size, np.int64), src.shape))
        for name, values in (("src", src), ("dst", dst), ("size", size)):
            object.__setattr__(self, name, values)
        if len(src) != len(dst):
            raise InputError("src and dst differ in length")
        if np.any(src == dst):
            raise InputError("a message goes from a rank to itself")
        if np.any(size < 1):
            raise InputError("a message has no bytes")
        if self.repeat < 1:
            raise InputError("a round repeats at least once")
        if not isinstance(self.reduce, bool):
            reduce = column(np.broadcast_to(np.asarray(self.reduce, np.bool_), src.shape), np.bool_)
            object.__setattr__(self, "reduce", reduce)
        if self.delay is not None:
            object.__setattr__(self, "delay", column(self.delay, np.float64))

    @property
    def messages(self) -> int:
        """How many messages one pass of the round has, legs of meetings included."""
        return len(self.src) + (len(self.meetings.legs.src) if self.meetings else 0)

    def packets(self, mtu: int) -> int:
        """Return how many packets one pass has, legs of meetings included, each of up to `mtu` payload bytes."""
        legs = 0 if self.meetings is None else int((-(-self.meetings.legs.size // mtu)).sum())
        return int((-(-self.size // mtu)).sum()) + legs

    def over(self, ranks: IntArray) -> Round:
        """Return the same round with ranks[r] in place of rank r."""
        meetings = self.meetings and self.meetings.over(ranks)
        return replace(self, src=ranks[self.src], dst=ranks[self.dst], meetings=meetings)

    def repeated(self, repeat: int) -> Round:
        """Return the same round, so many times over."""
        return replace(self, repeat=repeat)

    @property
    def reduces(self) -> NDArray[np.bool_]:
        """(messages,) whether its receiver adds each message into what it holds, legs and repeats included."""
        legs = np.zeros(self.messages - len(self.src), np.bool_)  # switches add up, not ranks
        own = np.broadcast_to(np.asarray(self.reduce, np.bool_), self.src.shape)
        return np.tile(np.concatenate([own, legs]), self.repeat)

    @property
    def payload(self) -> int:
        """How many payload bytes ranks send in one pass of the round."""
        return int(self.size.sum()) + (self.meetings.payload if self.meetings else 0)

    @property
    def pairs(self) -> IntArray:
        """(2, many) rows src and dst: who sends to whom, and sources and sinks to the switch where they meet."""
        plain = np.stack([self.src, self.dst])
        if self.meetings is None:
            return plain
        legs = self.meetings.legs
        up = np.where(legs.down, np.stack([legs.dst, legs.src]), np.stack([legs.src, legs.dst]))
        return np.concatenate([plain, up], axis=1)


@dataclass(frozen=True, eq=False)
class Operation:
    """One entry of a workload: a collective or a pattern over fabric ranks, as rounds or as a graph.

    kind is the collective's or pattern's name. asked and size are the bytes asked for and used, in the sense of
    nccl-tests for a collective, per message for a pattern. bus_factor is busbw over algbw, None for patterns.
    start [s] counts from the end of everything in `after`, per rank, or of all ranks with `barrier`. lane: the traffic
    class of its messages; a graph may state its own. warmup [s]: latency counts for what is released later than that
    after the operation's first release.
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
    graph: Graph | None = None
    lane: int = 0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "ranks", column(self.ranks))
        if self.graph is None:
            return
        if self.rounds:
            raise InputError(f"{self.name!r} has both rounds and a graph", "make two operations of it")
        strangers = np.setdiff1d(np.concatenate([self.graph.src, self.graph.dst]), self.ranks)
        if len(strangers):
            raise InputError(
                f"{self.name!r} has a task on rank {strangers[0]}, which is not among its ranks",
                "add it there",
            )

    @property
    def messages(self) -> int:
        """How many messages the operation sends in all, legs of meetings included."""
        return (
            self.graph.messages if self.graph is not None else sum(r.messages * r.repeat for r in self.rounds)
        )

    @property
    def round_count(self) -> int:
        """How many rounds it has, repeats counted; a graph has none."""
        return sum(r.repeat for r in self.rounds)

    @property
    def payload(self) -> int:
        """How many payload bytes its ranks send in all."""
        if self.graph is not None:
            return int(self.graph.size.sum())
        return sum(r.payload * r.repeat for r in self.rounds)

    @property
    def highest_lane(self) -> int:
        """The highest lane of any message; told without listing the messages."""
        lane = None if self.graph is None else self.graph.lane
        return self.lane if lane is None else int(lane.max(initial=0))

    @property
    def lanes(self) -> IntArray:
        """(messages,) the traffic class of each message."""
        if self.graph is not None and self.graph.lane is not None:
            return self.graph.lane[self.graph.is_message]
        return np.full(self.messages, self.lane)

    @property
    def reduces(self) -> NDArray[np.bool_]:
        """(messages,) whether its receiver adds each message into what it holds; never in a graph."""
        if self.graph is not None:
            return np.zeros(self.messages, np.bool_)
        return np.concatenate([np.zeros(0, np.bool_), *(r.reduces for r in self.rounds)])

    @property
    def meets(self) -> bool:
        """Whether switches take part in it."""
        return any(r.meetings is not None for r in self.rounds)

    @cached_property
    def pairs(self) -> IntArray:
        """(2, pairs) rows src and dst: who talks to whom, each pair once and sorted; `at` stands as dst in meetings."""
        found = [r.pairs for r in self.rounds]
        if self.graph is not None:
            found = [np.stack([self.graph.src, self.graph.dst])[:, self.graph.is_message]]
        src, dst = np.concatenate([np.zeros((2, 0), np.int64), *found], axis=1)
        width = int(dst.max(initial=0)) + 1
        return np.stack(np.divmod(distinct(src * width + dst), width))
