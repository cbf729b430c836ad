"""What a packet kernel hands over: integers only, so that two kernels can be compared to the last picosecond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.latency import after_warmup, by_operation, latency, over_time
from fabricsim.engines.summary import TIMELINE_BINS, bandwidths, payload_of, told_channels
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.result import OperationResult, digest_of
from fabricsim.schedule import Schedule
from fabricsim.table import Table
from fabricsim.units import PS_PER_S, to_ps

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Extras:
    """What only a network with feedback has to tell.

    (used channels,) channel_marks: packets marked; channel_pauses, channel_pause_ps: how often and how long a lane of
    it was paused; channel_drops: packets for which its buffer had no room;
    channel_repeats: packets sent again on the link; channel_buffer_peak [B]: the fullest that a
    lane's buffer was. duplicates, discarded: packets that arrived in vain, already there or out of order. reordered:
    packets that arrived after one of their message with a larger number.
    """

    channel_marks: IntArray
    channel_pauses: IntArray
    channel_pause_ps: IntArray
    channel_drops: IntArray
    channel_repeats: IntArray
    channel_buffer_peak: IntArray
    duplicates: int
    discarded: int
    reordered: int


@dataclass(frozen=True, eq=False)
class Record:
    """The outcome of one packet run, as integers.

    (messages,) entry_ps (its rank entered the round), release_ps (later only in open loop), sent_ps,
    delivered_ps. (used channels,) channels (ids, ascending), channel_packets,
    channel_wire [B], channel_busy_ps, channel_peak [B]. (packets,) arrival_ps, arrival_bytes and arrival_message of
    every packet that reached its destination, in order. dropped, retransmitted: payload bytes.
    """

    entry_ps: IntArray
    release_ps: IntArray
    sent_ps: IntArray
    delivered_ps: IntArray
    channels: IntArray
    channel_packets: IntArray
    channel_wire: IntArray
    channel_busy_ps: IntArray
    channel_peak: IntArray
    arrival_ps: IntArray
    arrival_bytes: IntArray
    arrival_message: IntArray
    packets: int
    dropped: int
    retransmitted: int
    extras: Extras | None = None

    @property
    def packet_latency_ps(self) -> IntArray:
        """(packets,) from the release of its message to the arrival of each packet's last bit, in order of arrival."""
        return self.arrival_ps - self.release_ps[self.arrival_message]

    @property
    def start_ps(self) -> int:
        """The first entry of a rank into a round."""
        return int(self.entry_ps.min())

    @property
    def end_ps(self) -> int:
        """The last delivery."""
        return int(self.delivered_ps.max())

    def digest_parts(self) -> list[Any]:
        """Return what the digest covers: every field, by name; extras where there are any."""
        own = [f.name for f in fields(self) if f.name != "extras"]
        parts = [part for name in own for part in (name, np.asarray(getattr(self, name)))]
        if self.extras is not None:
            for f in fields(self.extras):
                parts += [f.name, np.asarray(getattr(self.extras, f.name))]
        return parts


def seconds(ps: IntArray | int) -> Any:
    """Return picoseconds as seconds."""
    return ps / PS_PER_S


def tables(fabric: Fabric, schedule: Schedule, record: Record) -> dict[str, Table]:
    """Return the result tables of a packet run."""
    return {
        "flows": _flows(schedule, record),
        "links": _links(fabric, record),
        "rounds": _rounds(schedule, record),
        "timeline": _timeline(record),
    }


def _operation_names(schedule: Schedule) -> NDArray[np.object_]:
    return np.array([op.name for op in schedule.operations], dtype=object)


def _flows(schedule: Schedule, record: Record) -> Table:
    m = schedule.messages
    return Table({
        "operation": _operation_names(schedule)[m.operation],
        "round": m.round.copy(),
        "src": m.src.copy(),
        "dst": m.dst.copy(),
        "bytes": m.size.copy(),
        "release_s": seconds(record.release_ps),
        "sent_s": seconds(record.sent_ps),
        "delivered_s": seconds(record.delivered_ps),
        "latency_s": seconds(record.delivered_ps - record.release_ps),
    })  # fmt: skip


def _links(fabric: Fabric, record: Record) -> Table:
    more = {} if record.extras is None else _link_extras(record.extras)
    return Table({
        **told_channels(fabric, record.channels),
        "packets": record.channel_packets.copy(),
        "bytes": record.channel_wire.copy(),
        "busy_s": seconds(record.channel_busy_ps),
        "utilization": record.channel_busy_ps / max(1, record.end_ps - record.start_ps),
        "queue_peak_bytes": record.channel_peak.copy(),
        **more,
    })  # fmt: skip


def _link_extras(extras: Extras) -> dict[str, NDArray[Any]]:
    return {
        "buffer_peak_bytes": extras.channel_buffer_peak.copy(),
        "marks": extras.channel_marks.copy(),
        "pauses": extras.channel_pauses.copy(),
        "pause_s": seconds(extras.channel_pause_ps),
        "drops": extras.channel_drops.copy(),
        "repeats": extras.channel_repeats.copy(),
    }


def _rounds(schedule: Schedule, record: Record) -> Table:
    m = schedule.messages
    key, index = np.unique(np.stack([m.operation, m.round], axis=1), axis=0, return_inverse=True)
    index = index.reshape(-1)
    start = np.full(len(key), np.iinfo(np.int64).max)
    end = np.zeros(len(key), np.int64)
    size = np.zeros(len(key), np.int64)
    np.minimum.at(start, index, record.release_ps)
    np.maximum.at(end, index, record.delivered_ps)
    np.add.at(size, index, m.size)
    return Table({
        "operation": _operation_names(schedule)[key[:, 0]],
        "round": key[:, 1],
        "messages": np.bincount(index, minlength=len(key)),
        "bytes": size,
        "start_s": seconds(start),
        "end_s": seconds(end),
    })  # fmt: skip


def _timeline(record: Record) -> Table:
    start, end = record.start_ps, record.end_ps
    edges = start + (end - start) * np.arange(TIMELINE_BINS + 1, dtype=np.float64) / TIMELINE_BINS
    delivered, _ = np.histogram(np.minimum(record.arrival_ps, end), edges, weights=record.arrival_bytes)
    width = np.diff(edges) / PS_PER_S
    return Table({
        "time_s": edges[1:] / PS_PER_S,
        "delivered_bytes": delivered.astype(np.int64),
        "throughput_Bps": delivered / width,
    })  # fmt: skip


def metrics(schedule: Schedule, record: Record, ideal_ps: int) -> dict[str, float]:
    """Return the metrics of a whole packet run; algbw and busbw only with exactly one collective."""
    span = record.end_ps - record.start_ps
    out: dict[str, float] = {
        "completion_time_s": seconds(span),
        "ideal_time_s": seconds(ideal_ps),
        "efficiency": ideal_ps / span,
    }
    collectives = [op for op in schedule.operations if op.bus_factor is not None]
    if len(collectives) == 1:
        own = _span(schedule, record, schedule.operations.index(collectives[0]))
        out |= bandwidths(collectives[0], seconds(own[1] - own[0]))
    out |= {
        "bytes_injected": payload_of(schedule),
        "bytes_delivered": int(record.arrival_bytes.sum()),
        "bytes_dropped": record.dropped,
        "bytes_retransmitted": record.retransmitted,
        "messages": len(record.release_ps),
        "packets": record.packets,
        "packet_hops": int(record.channel_packets.sum()),
    }
    if record.extras is not None:
        out |= _counts(record.extras)
    utilization = record.channel_busy_ps / span
    return out | _latencies(schedule, record) | {
        "link_utilization_max": float(utilization.max()),
        "link_utilization_mean": float(utilization.mean()),
    }  # fmt: skip


def _latencies(schedule: Schedule, record: Record) -> dict[str, float]:
    """Return the latency figures of all messages and packets that count."""
    counts = after_warmup(schedule, schedule.messages.operation, record.release_ps)
    messages, packets = record.delivered_ps - record.release_ps, record.packet_latency_ps
    if not counts.all():
        messages, packets = messages[counts], packets[counts[record.arrival_message]]
    return latency(messages) | latency(packets, "packet_")


def _counts(extras: Extras) -> dict[str, float]:
    return {
        "packets_marked": int(extras.channel_marks.sum()),
        "packets_dropped": int(extras.channel_drops.sum()),
        "packets_repeated": int(extras.channel_repeats.sum()),
        "packets_duplicate": extras.duplicates,
        "packets_discarded": extras.discarded,
        "packets_reordered": extras.reordered,
        "pauses": int(extras.channel_pauses.sum()),
        "pause_time_s": float(seconds(extras.channel_pause_ps.sum())),
    }


def _span(schedule: Schedule, record: Record, index: int) -> tuple[int, int]:
    own = schedule.messages.operation == index
    return int(record.entry_ps[own].min()), int(record.delivered_ps[own].max())


def operation_results(schedule: Schedule, record: Record) -> tuple[OperationResult, ...]:
    """Return what each operation achieved by itself."""
    results = []
    counts, packet_latency = (
        after_warmup(schedule, schedule.messages.operation, record.release_ps),
        record.packet_latency_ps,
    )
    arrived = by_operation(schedule, record.arrival_message)
    for index, (op, packets) in enumerate(zip(schedule.operations, arrived, strict=True)):
        start, end = _span(schedule, record, index)
        own = schedule.messages.operation == index
        values: dict[str, float] = {"completion_time_s": seconds(end - start)}
        if op.bus_factor is not None:
            values |= bandwidths(op, seconds(end - start))
        else:
            values |= {"size_B": op.size, "asked_size_B": op.asked}
        values |= {"bytes_injected": op.payload, "messages": op.messages}
        release, delivered = record.release_ps[own], record.delivered_ps[own]
        values |= latency((delivered - release)[counts[own]])
        values |= latency(packet_latency[packets[counts[record.arrival_message[packets]]]], "packet_")
        values |= over_time(op, release, delivered, schedule.messages.size[own])
        results.append(OperationResult(op.name, op.kind, op.algorithm, len(op.ranks), seconds(start), values))
    return tuple(results)


def model_text(model: Model) -> str:
    """Return the model in the form that the digest covers."""
    e = model.endpoint
    rate = () if e.reduce_rate is None else (e.reduce_rate,)
    ends = (to_ps(e.send_overhead), to_ps(e.recv_overhead), to_ps(e.gap), *rate)
    plain = (model.switching, model.mtu, model.header, model.flit, ends)
    changes = model.changes()
    return repr((*plain, changes) if changes else plain)


def run_digest(inputs: Mapping[str, str], record: Record) -> str:
    """Return the digest of a run: its canonical inputs and every integer of its record."""
    return digest_of([repr(sorted(inputs.items())), *record.digest_parts()])
