"""What a flow run hands over, and what becomes of it: metrics and tables, as far as a fluid can know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.curve import Pieces
from fabricsim.engines.flow.transfers import Transfers
from fabricsim.engines.latency import after_warmup
from fabricsim.engines.summary import TIMELINE_BINS, bandwidths, latency, payload_of, told_channels
from fabricsim.fabric import Fabric
from fabricsim.result import OperationResult
from fabricsim.schedule import Schedule
from fabricsim.table import Table
from fabricsim.units import PS_PER_S

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]
MAX_ROWS: Final = 1_000_000
"""Rows of a table; where there are more, rows that are alike in all but their ends are one, with a count."""


@dataclass(frozen=True, eq=False)
class Faulted:
    """What arrived when of each message, the payload that failures lost, and that was sent again [B], and the flows."""

    arrived: Pieces
    lost: float
    again: float
    transfers: Transfers


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of one flow run, in seconds.

    (rows,) operation, round, src, dst, size of messages; count: how many messages, or rounds of one message, a row
    stands for; release, sent, delivered of the first of them, and `last`, the delivery of the last. (operations,)
    start, end. rounds: (5, rounds) operation, round, how many rounds alike, messages, payload of each;
    (2, rounds) round_span: first release, last delivery. (channels,) channels, channel_wire [B]. ideal_s: the bound.
    """

    operation: IntArray
    round: IntArray
    src: IntArray
    dst: IntArray
    size: IntArray
    count: IntArray
    release: Floats
    sent: Floats
    delivered: Floats
    last: Floats
    start: Floats
    end: Floats
    rounds: IntArray
    round_span: Floats
    channels: IntArray
    channel_wire: Floats
    bytes_delivered: int
    ideal_s: float
    solves: int
    notes: tuple[str, ...] = ()
    channel_count: IntArray | None = None
    """(channels,) how many channels alike each stands for; None for itself alone."""
    faulted: Faulted | None = None
    """What only a run with failures has to tell."""

    @property
    def alike(self) -> IntArray:
        """(channels,) how many channels each row stands for."""
        one = self.channel_count
        return np.ones(len(self.channels), np.int64) if one is None else one

    @property
    def latency(self) -> Floats:
        """(rows,) [s] from a message's release to its delivery."""
        return self.delivered - self.release

    @property
    def release_ps(self) -> IntArray:
        """(rows,) [ps] when messages are released."""
        return np.rint(self.release * PS_PER_S).astype(np.int64)

    @property
    def span(self) -> float:
        """Time from the first start of an operation to the last delivery [s]."""
        return float(self.end.max() - self.start.min())

    def digest_parts(self) -> list[NDArray[np.int64]]:
        """Return what the digest covers: integers, and times in whole picoseconds."""
        times = (self.release, self.sent, self.delivered, self.last, self.start, self.end)
        whole = (self.operation, self.round, self.src, self.dst, self.size, self.count, self.channels)
        return [*whole, *(np.rint(t * PS_PER_S).astype(np.int64) for t in times)]


def rates_of(fabric: Fabric, channels: IntArray) -> IntArray:
    """Return the bandwidth of some channels [B/s], without an array of all of them."""
    of_class = np.array([link.bandwidth for link in fabric.links], np.int64)
    rates: IntArray = of_class[fabric.link_class[channels >> 1]]
    return rates


def metrics(fabric: Fabric, schedule: Schedule, outcome: Outcome) -> dict[str, float]:
    """Return the metrics of a whole run; algbw and busbw only with exactly one collective."""
    busy = outcome.channel_wire / rates_of(fabric, outcome.channels) / outcome.span
    out = {
        "completion_time_s": outcome.span,
        "ideal_time_s": outcome.ideal_s,
        "efficiency": outcome.ideal_s / outcome.span,
    }
    collectives = [i for i, op in enumerate(schedule.operations) if op.bus_factor is not None]
    if len(collectives) == 1:
        (one,) = collectives
        out |= bandwidths(schedule.operations[one], float(outcome.end[one] - outcome.start[one]))
    payload = payload_of(schedule)
    counts = after_warmup(schedule, outcome.operation, outcome.release_ps)
    return {
        **out,
        "bytes_injected": payload,
        "bytes_delivered": outcome.bytes_delivered,
        **_losses(outcome),
        "messages": int(outcome.count.sum()),
        **latency(outcome.latency[counts], outcome.count[counts]),
        "link_utilization_max": float(busy.max(initial=0.0)),
        "link_utilization_mean": float(np.average(busy, weights=outcome.alike)) if len(busy) else 0.0,
    }


def _losses(outcome: Outcome) -> dict[str, float]:
    """Return what links that went down have lost; a fluid loses nothing otherwise."""
    found = outcome.faulted
    if found is None:
        return {}
    return {"bytes_dropped": round(found.lost), "bytes_retransmitted": round(found.again)}


def operation_results(schedule: Schedule, outcome: Outcome) -> tuple[OperationResult, ...]:
    """Return what each operation achieved by itself."""
    results = []
    counts = after_warmup(schedule, outcome.operation, outcome.release_ps)
    for index, op in enumerate(schedule.operations):
        span = float(outcome.end[index] - outcome.start[index])
        own = (outcome.operation == index) & counts
        sizes = (
            {"size_B": op.size, "asked_size_B": op.asked} if op.bus_factor is None else bandwidths(op, span)
        )
        values: dict[str, float] = {"completion_time_s": span, **sizes}
        values |= {"bytes_injected": op.payload, "messages": op.messages}
        values |= latency(outcome.latency[own], outcome.count[own])
        results.append(
            OperationResult(
                op.name, op.kind, op.algorithm, len(op.ranks), float(outcome.start[index]), values
            )
        )
    return tuple(results)


# -- tables -----------------------------------------------------------------------------------------------


def tables(fabric: Fabric, schedule: Schedule, outcome: Outcome) -> dict[str, Table]:
    """Return the result tables of a flow run."""
    return {
        "flows": _flows(schedule, outcome),
        "links": _links(fabric, outcome),
        "rounds": _rounds(schedule, outcome),
        "timeline": _timeline(outcome),
    }


def _flows(schedule: Schedule, o: Outcome) -> Table:
    names = np.array([op.name for op in schedule.operations], dtype=object)
    rows, count = np.arange(len(o.size)), o.count
    if len(rows) > MAX_ROWS:
        times = np.rint(np.stack([o.release, o.sent, o.delivered]) * PS_PER_S)
        rows, count = _classes([o.operation, o.round, o.size, *times], o.count)
    table = {
        "operation": names[o.operation[rows]], "round": o.round[rows], "src": o.src[rows], "dst": o.dst[rows],
        "bytes": o.size[rows], "release_s": o.release[rows], "sent_s": o.sent[rows],
        "delivered_s": o.delivered[rows], "latency_s": o.latency[rows],
    }  # fmt: skip
    return Table(table if np.all(count == 1) else {**table, "count": count})


def _links(fabric: Fabric, o: Outcome) -> Table:
    channels, wire = o.channels, o.channel_wire
    link = channels >> 1
    rows, count = np.arange(len(channels)), o.alike
    if len(rows) > MAX_ROWS:
        keys = [fabric.level[link], fabric.link_class[link], fabric.plane[link], np.rint(wire)]
        rows, count = _classes(keys, count)
    told = told_channels(fabric, channels[rows])
    busy = wire[rows] / told["bandwidth_Bps"]
    table = {
        **told,
        "bytes": np.rint(wire[rows]).astype(np.int64),
        "busy_s": busy,
        "utilization": busy / o.span,
    }
    return Table(table if np.all(count == 1) else {**table, "count": count})


def _classes(keys: list[NDArray[Any]], count: IntArray) -> tuple[IntArray, IntArray]:
    """Return one row of each kind, the first, and how many there are of it."""
    kind = np.zeros(len(count), np.int64)
    kinds = 1
    for key in (key for key in keys if key.min() < key.max()):
        number, values = _numbered(key)
        kind *= values
        kind += number
        kind, kinds = _numbered(kind)
    first = np.empty(kinds, np.int64)
    first[kind[::-1]] = np.arange(len(kind))[::-1]
    return first, np.bincount(kind, count, kinds).astype(np.int64)


def _numbered(column: NDArray[Any]) -> tuple[IntArray, int]:
    """Return the position of each entry's value among the values, ascending, and how many there are."""
    low, high = column.min(), column.max()
    if column.dtype.kind == "f" or int(high) - int(low) >= MAX_ROWS:
        values = _values(column)
        return np.searchsorted(values, column), len(values)
    # a table of all that may occur is cheaper than a search
    place = column.astype(np.int64) - int(low)
    occurs = np.bincount(place) > 0
    number: IntArray = (np.cumsum(occurs) - 1)[place]
    return number, int(occurs.sum())


def _values(column: NDArray[Any]) -> NDArray[Any]:
    """Return the values of a long column that has few, ascending: those of a sample, and what it has missed."""
    values = np.unique(column[::997])
    while True:
        place = np.minimum(np.searchsorted(values, column), len(values) - 1)
        missed = column[values[place] != column]
        if not len(missed):
            return values
        values = np.union1d(values, missed[:: max(1, len(missed) // 1_000_000)])


def _rounds(schedule: Schedule, o: Outcome) -> Table:
    operation, number, alike, messages, payload = o.rounds
    names = np.array([op.name for op in schedule.operations], dtype=object)
    table = {
        "operation": names[operation], "round": number, "messages": messages, "bytes": payload,
        "start_s": o.round_span[0], "end_s": o.round_span[1],
    }  # fmt: skip
    return Table(table if np.all(alike == 1) else {**table, "count": alike})


def _timeline(o: Outcome) -> Table:
    """Return delivered bytes over time."""
    start, end = float(o.start.min()), float(o.end.max())
    edges = start + (end - start) * np.arange(TIMELINE_BINS + 1) / TIMELINE_BINS
    arrived = np.diff(_evenly(o, edges) if o.faulted is None else o.faulted.arrived.curve.at(edges))
    return Table({
        "time_s": edges[1:],
        "delivered_bytes": np.rint(arrived).astype(np.int64),
        "throughput_Bps": arrived / np.diff(edges),
    })  # fmt: skip


def _evenly(o: Outcome, times: Floats) -> Floats:
    """Return what has arrived by some times, if each message arrives evenly from its release to its delivery."""
    size = (o.size * o.count).astype(np.float64)
    first, last = o.release, np.maximum(o.last, o.release + 1e-15)
    slope = size / (last - first)
    # Σ slope · (min(t, last) − first) over those that have begun: sums over sorted times
    done = _ramps(first, slope, times) - _ramps(last, slope, times)
    arrived: Floats = np.minimum(done, size.sum())
    return arrived


def _ramps(begin: Floats, slope: Floats, at: Floats) -> Floats:
    """Return Σ slope · max(0, t − begin) for each t in `at`."""
    order = np.argsort(begin, kind="stable")
    slopes = np.concatenate([[0.0], np.cumsum(slope[order])])
    offsets = np.concatenate([[0.0], np.cumsum((slope * begin)[order])])
    place = np.searchsorted(begin[order], at, side="right")
    ramps: Floats = slopes[place] * at - offsets[place]
    return ramps
