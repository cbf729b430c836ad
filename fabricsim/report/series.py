"""The numbers behind the figures, as arrays in SI units; nothing here draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.report.tables import levels_of, weights
from fabricsim.result import OperationResult, Result

FloatArray = NDArray[np.float64]
_STEPS = 1000
_INTERVALS = 120


@dataclass(frozen=True, eq=False)
class Bandwidths:
    """One curve: (points,) rising sizes [B]; algbw, busbw and, where known, busbw at the ideal time [B/s]."""

    label: str
    size: FloatArray
    algbw: FloatArray
    busbw: FloatArray
    bound: FloatArray | None


@dataclass(frozen=True, eq=False)
class Latencies:
    """A cumulative distribution: rising latencies [s] and the share of messages delivered within each."""

    value: FloatArray
    share: FloatArray

    def percentile(self, share: float) -> float:
        """Return the least latency [s] within which at least `share` of the messages are delivered."""
        return float(self.value[np.searchsorted(self.share, share * (1 - 1e-12))])


def bandwidths(results: Sequence[Result]) -> list[Bandwidths]:
    """Return one curve per collective that the results hold, told apart by name, kind and algorithm."""
    curves: dict[tuple[str, str, str], list[tuple[float, float, float, float]]] = {}
    for result in results:
        for op in result.operations:
            if {"size_B", "algbw_Bps", "busbw_Bps"} <= op.metrics.keys():
                row = (
                    op.metrics["size_B"],
                    op.metrics["algbw_Bps"],
                    op.metrics["busbw_Bps"],
                    _efficiency(result, op),
                )
                curves.setdefault((op.name, op.kind, op.algorithm), []).append(row)
    return [_curve(" ".join(dict.fromkeys(key)), rows) for key, rows in curves.items()]


def latencies(result: Result) -> Latencies | None:
    """Return the distribution of message latency in about a thousand steps, or None without messages."""
    flows = result.tables.get("flows")
    if flows is None or not len(flows):
        return None
    order = np.argsort(flows["latency_s"], kind="stable")
    value = flows["latency_s"][order].astype(np.float64)
    share = np.cumsum(weights(flows.columns)[order])
    share /= share[-1]
    last = np.append(value[1:] != value[:-1], True)  # of equal latencies only the last step counts
    value, share = value[last], share[last]
    kept = _thinned(share)
    return Latencies(value[kept], share[kept])


def utilizations(result: Result) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return the utilisation of each level's channels and how many channels each row stands for."""
    levels = levels_of(result)
    if not levels:
        return {}
    links = result.tables["links"]
    use, weight = links["utilization"].astype(np.float64), weights(links.columns)
    return {level: (use[rows], weight[rows]) for level, rows in levels.items()}


def throughputs(result: Result) -> tuple[FloatArray, FloatArray] | None:
    """Return the edges [s] of the timeline's intervals and the rate [B/s] in each, or None without one.

    Neighbours are merged until about a hundred intervals are left; the bytes delivered stay the same.
    """
    timeline = result.tables.get("timeline")
    if timeline is None or not len(timeline):
        return None
    first = np.arange(0, len(timeline), -(-len(timeline) // _INTERVALS))
    edges = np.append(0.0, timeline["time_s"][np.append(first[1:], len(timeline)) - 1])
    return edges, np.add.reduceat(timeline["delivered_bytes"].astype(np.float64), first) / np.diff(edges)


def weighted_quantiles(values: FloatArray, weight: FloatArray, shares: Sequence[float]) -> FloatArray:
    """Return for each share the least value that at least that share of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    rows = np.searchsorted(reached, np.asarray(shares) * (1 - 1e-12))
    return values[order][rows]


def spread(values: FloatArray, most: int) -> FloatArray:
    """Return at most `most` of the values, rising, evenly over their ranks, least and largest included."""
    ordered = np.sort(values)
    if len(ordered) <= most:
        return ordered
    return ordered[np.linspace(0, len(ordered) - 1, most).round().astype(np.int64)]


def _efficiency(result: Result, operation: OperationResult) -> float:
    whole = result.metrics if len(result.operations) == 1 else {}
    return float(operation.metrics.get("efficiency", whole.get("efficiency", np.nan)))


def _curve(label: str, rows: list[tuple[float, float, float, float]]) -> Bandwidths:
    size, algbw, busbw, efficiency = np.array(sorted(rows), np.float64).T
    known = bool(np.all(efficiency > 0))
    return Bandwidths(label, size, algbw, busbw, busbw / efficiency if known else None)


def _thinned(share: FloatArray) -> NDArray[np.int64]:
    """Choose about _STEPS steps evenly by share, and where it matters most, those around p50 and p99."""
    if len(share) <= _STEPS:
        return np.arange(len(share))
    wanted = np.append(np.linspace(0, 1, _STEPS), (0.5, 0.99))
    rows = np.searchsorted(share, wanted * (1 - 1e-12))
    return np.unique(np.append(rows, len(share) - 1))
