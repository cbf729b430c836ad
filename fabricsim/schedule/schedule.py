"""A whole workload: its operations, all their messages, and what identifies it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.schedule.columns import IntArray, canonical
from fabricsim.schedule.lines import EveryPair, Lines
from fabricsim.schedule.operation import Operation, Round
from fabricsim.schedule.rows import PLAIN, rows_of
from fabricsim.schedule.tenant import Tenant

_SHOWN: Final = 20
"""Operations that a notebook shows."""


@dataclass(frozen=True, eq=False)
class Messages:
    """All messages of a schedule as columns, in id order: operation, then round, then row; or operation, then task.

    meeting: the meeting a message is a leg of, numbered over the whole schedule, or −1 for a message between ranks.
    down: whether it is a leg from the switch to a sink; the other legs lead from a source to the switch. In a
    meeting the legs up come first. A graph's messages all have round 0. first: the id of the first message.
    """

    operation: IntArray
    round: IntArray
    src: IntArray
    dst: IntArray
    size: IntArray
    delay: NDArray[np.float64]
    meeting: IntArray
    down: NDArray[np.bool_]
    first: int = field(default=0, kw_only=True)

    def __len__(self) -> int:
        return len(self.src)

    @property
    def place(self) -> IntArray:
        """(messages,) how many messages of the same source have smaller ids."""
        order = np.argsort(self.src, kind="stable")
        src = self.src[order]
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order)) - np.searchsorted(src, src)
        return place

    @property
    def id(self) -> IntArray:
        """(messages,) what a choice that looks random depends on."""
        return self.first + np.arange(len(self))


@dataclass(frozen=True, eq=False)
class Schedule:
    """A whole workload: operations that start together at 0 unless one names others in `after`.

    tenants: the jobs that they belong to, where several share the machine; the operations of one stand together.
    first_message: the id of the first message, above 0 where others have been taken out before it. by_class: whether
    messages that are alike may be told as one, however few they are.
    """

    operations: tuple[Operation, ...]
    tenants: tuple[Tenant, ...] = ()
    first_message: int = 0
    by_class: bool = False

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
        """Every message, repeats expanded; a message's index here, from `first_message` on, is its id."""
        parts = [rows_of(operation) for operation in self.operations]
        if not parts:
            return Messages(*(np.zeros(0, kind) for kind in (int, int, int, int, int, float, int, bool)))
        counts = [len(part.src) for part in parts]
        joined = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(parts[0])]
        columns = [np.repeat(np.arange(len(parts)), counts), *joined]
        earlier = np.cumsum([0, *(part.meetings for part in parts)])
        meeting = columns[-2]
        meeting[meeting != PLAIN] += np.repeat(earlier[:-1], counts)[meeting != PLAIN]
        for column in columns:
            column.flags.writeable = False
        return Messages(*columns, first=self.first_message)

    def alone(self, tenant: Tenant) -> Schedule:
        """Return what one of the tenants does, as if the machine were its own; its messages keep their ids."""
        own = [op for op in self.operations if op.name in tenant.operations]
        before = self.operations[: self.operations.index(own[0])]
        first = self.first_message + sum(op.messages for op in before)
        return replace(self, operations=tuple(own), tenants=(), first_message=first)

    @cached_property
    def lanes(self) -> IntArray:
        """(messages,) the traffic class of each message."""
        return np.concatenate([np.zeros(0, np.int64), *(op.lanes for op in self.operations)])

    @cached_property
    def reduces(self) -> NDArray[np.bool_]:
        """(messages,) whether its receiver adds each message into what it holds."""
        return np.concatenate([np.zeros(0, np.bool_), *(op.reduces for op in self.operations)])

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that an engine can see of the schedule."""
        state = hashlib.sha256()
        if self.first_message:
            state.update(repr(("first", self.first_message)).encode())
        for op in self.operations:
            head = (op.name, op.kind, op.algorithm, op.size, op.start, op.after, op.barrier)
            state.update(repr(head).encode() + canonical(op.ranks))
            if op.lane or op.warmup:
                state.update(repr(("lane", op.lane, "warmup", op.warmup)).encode())
            for r in op.rounds:
                for part in _identity(r):
                    state.update(part)
            if op.graph is not None:
                state.update(b"graph")
                for f in fields(op.graph):
                    if getattr(op.graph, f.name) is not None:
                        state.update(_measured(getattr(op.graph, f.name)))
        return state.hexdigest()

    def __repr__(self) -> str:
        names = ", ".join(op.name for op in self.operations)
        return f"<Schedule: {names}; {sum(op.messages for op in self.operations)} messages>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(op.name)}</td><td>{escape(op.kind)}</td><td>{escape(op.algorithm)}</td>"
            f"<td>{len(op.ranks):,}</td><td>{op.messages:,}</td><td>{op.payload:,}</td>"
            f"<td>{escape(', '.join(op.after))}</td></tr>"
            for op in self.operations[:_SHOWN]
        )
        names = ("operation", "kind", "algorithm", "ranks", "messages", "payload [B]", "after")
        head = "".join(f"<th>{name}</th>" for name in names)
        rest = len(self.operations) - _SHOWN
        more = f"<p>{rest:,} more operations</p>" if rest > 0 else ""
        return f"<table><tr>{head}</tr>{rows}</table>{more}"


def _identity(r: Round) -> Iterator[bytes]:
    if isinstance(r, EveryPair):
        yield f"every pair {r.block}".encode() + canonical(r.ranks)
        return
    if isinstance(r, Lines):
        way = "each" if r.between is None else "some"
        yield f"lines {way} {r.block} {r.side} {r.stride} {r.repeat} {r.reduce}".encode() + canonical(r.ranks)
        for members in r.between or ():
            yield canonical(members)
        return
    mixed = not isinstance(r.reduce, bool)  # the text of a long array leaves its middle out
    yield repr((r.repeat, "mixed" if mixed else r.reduce)).encode()
    yield np.asarray(r.reduce).tobytes() if mixed else b""
    for column in (r.src, r.dst, r.size, r.delay):
        yield b"" if column is None else canonical(column)
    if r.meetings is not None:
        yield b"meetings"
        for f in fields(r.meetings):
            yield _measured(getattr(r.meetings, f.name))


def _measured(column: NDArray[np.generic]) -> bytes:
    """Return a column after its length, so that no two rows of columns look the same."""
    return len(column).to_bytes(8, "little") + canonical(column)
