"""What every engine says of a run in the same words: bandwidths, payload, names, the text of a model."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.schedule import Operation, Schedule

IntArray = NDArray[np.int64]
TIMELINE_BINS: Final = 200


def payload_of(schedule: Schedule) -> int:
    """Return the payload bytes of a whole schedule."""
    return sum(op.payload for op in schedule.operations)


def bandwidths(operation: Operation, span: float) -> dict[str, float]:
    """Return sizes and bandwidths of a collective that took `span` seconds, as nccl-tests defines them."""
    algbw = operation.size / span
    return {
        "size_B": operation.size,
        "asked_size_B": operation.asked,
        "algbw_Bps": algbw,
        "busbw_Bps": algbw * (operation.bus_factor or 1.0),
    }


def latency(seconds: NDArray[np.float64], count: IntArray) -> dict[str, float]:
    """Return mean, percentiles and maximum of message latencies, each of which occurred `count` times; none of none.

    A percentile is the least latency that half, or 99 %, of the messages do not exceed: one that occurred.
    """
    if not len(seconds):
        return {}
    order = np.argsort(seconds, kind="stable")
    upto = np.cumsum(count[order])
    p50, p99 = (
        float(seconds[order][np.searchsorted(upto, share * upto[-1] * (1 - 1e-15))]) for share in (0.5, 0.99)
    )
    return {
        "latency_mean_s": float((seconds * count).sum() / upto[-1]),
        "latency_p50_s": p50,
        "latency_p99_s": p99,
        "latency_max_s": float(seconds[order][-1]),
    }


def named(fabric: Fabric, channels: IntArray) -> NDArray[np.object_]:
    """Return (channels,) names as `Fabric.channel_name` writes them, many at once."""
    ends = np.unique(np.concatenate([fabric.channel_src[channels], fabric.channel_dst[channels]]))
    name = dict(zip(ends.tolist(), (fabric.node_name(node) for node in ends.tolist()), strict=True))
    # only what leaves the same nodes can be parallel to one of these channels
    leaves = np.zeros(fabric.nodes, np.bool_)
    leaves[fabric.channel_src[channels]] = True
    near = np.flatnonzero(leaves[fabric.channel_src])
    key = fabric.channel_src[near] * fabric.nodes + fabric.channel_dst[near]
    order = np.argsort(key, kind="stable")
    wanted = key[np.searchsorted(near, channels)]
    first = np.searchsorted(key[order], wanted, side="left")
    after = np.searchsorted(key[order], wanted, side="right")
    place = np.empty(len(key), np.int64)
    place[order] = np.arange(len(key))
    columns = (
        fabric.channel_src[channels],
        fabric.channel_dst[channels],
        after - first,
        place[np.searchsorted(near, channels)] - first,
    )
    return np.array(
        [
            f"{name[a]} -> {name[b]}" + (f" #{k}" if many > 1 else "")
            for a, b, many, k in zip(*(column.tolist() for column in columns), strict=True)
        ],
        dtype=object,
    )


def told_channels(fabric: Fabric, channels: IntArray) -> dict[str, NDArray[Any]]:
    """Return what a table of links says of channels whatever they carried: the columns that all engines have."""
    link = channels >> 1
    rates = np.array(
        [cls.bandwidth for cls in fabric.links], np.int64
    )  # not of all channels of a large machine
    return {
        "channel": named(fabric, channels),
        "level": np.array(fabric.levels, dtype=object)[fabric.level[link]],
        "link": np.array([cls.name for cls in fabric.links], dtype=object)[fabric.link_class[link]],
        "plane": fabric.plane[link].astype(np.int64),
        "bandwidth_Bps": rates[fabric.link_class[link]],
    }
