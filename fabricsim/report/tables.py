"""Tables for people: metrics, operations, points of a sweep, levels, the busiest channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.expectations import format_value, kind_of, short_name
from fabricsim.metrics import METRICS
from fabricsim.result import OperationResult, Result
from fabricsim.units import format_bandwidth, format_size, format_time

TOP: Final = 12
"""How many rows a table of many shows; the rest is counted in its note."""


@dataclass(frozen=True)
class TextTable:
    """A table as text: a title, column heads, rows of cells, and a note on what is left out.

    The first column and those whose heads are in `words` hold words and align left, the others numbers.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: frozenset[str] = frozenset(("kind", "algorithm", "name", "level", "link", "meaning"))

    def aligned_left(self, column: int) -> bool:
        """Return whether a column holds words."""
        return column == 0 or self.head[column] in self.words


def metric_text(metric: str, value: float) -> str:
    """Return a metric's value for people; a metric of another version is shown as a plain number."""
    return format_value(value, kind_of(metric)) if metric in METRICS else f"{value:.6g}"


def metric_name(metric: str) -> str:
    """Return a metric's name without unit suffix, as expectations write it."""
    return short_name(metric) if metric in METRICS else metric


def summary(result: Result) -> list[tuple[str, str]]:
    """Return (name, value text) of every metric, then of every operation's, as `name.metric`."""
    whole = [(metric_name(key), metric_text(key, value)) for key, value in result.metrics.items()]
    parts = [
        (f"{op.name}.{metric_name(key)}", metric_text(key, value))
        for op in result.operations
        for key, value in op.metrics.items()
    ]
    return whole + parts


def metrics_table(result: Result) -> TextTable:
    """Return every metric of the whole run with its value and meaning."""
    rows = tuple(
        (metric_name(key), metric_text(key, value), METRICS.get(key, ("", ""))[1])
        for key, value in result.metrics.items()
    )
    return TextTable("Metrics of the run", ("metric", "value", "meaning"), rows)


HEADLINE: Final = ("size_B", "completion_time_s", "algbw_Bps", "busbw_Bps", "latency_p99_s")
"""What people look at first in an operation."""


def operations_table(result: Result, wanted: Sequence[str] | None = None) -> TextTable:
    """Return one row per operation and one column per metric that any of them has, or per `wanted` one."""
    names = list(dict.fromkeys(name for op in result.operations for name in op.metrics))
    names = [name for name in wanted if name in names] if wanted is not None else names
    head = ("operation", "kind", "algorithm", "ranks", "start", *map(metric_name, names))
    shown = result.operations[:TOP]
    rows = tuple((*_operation_cells(op), *_cells(op.metrics, names)) for op in shown)
    return TextTable("Operations", head, rows, _left_out(len(result.operations), len(shown), "operations"))


def jobs_table(result: Result) -> TextTable:
    """Return one row per job of those that share the machine: when it ran, how long, and how much faster alone."""
    names = ("completion_time_s", "alone_time_s", "slowdown")
    rows = tuple(
        (job.name, f"{job.ranks:,}", format_time(job.start_s), *_cells(job.metrics, names))
        for job in result.jobs[:TOP]
    )
    head = ("job", "ranks", "arrives", *map(metric_name, names))
    return TextTable("Jobs", head, rows, _left_out(len(result.jobs), len(rows), "jobs"))


def layers_table(result: Result) -> TextTable:
    """Return one row per layer of a served model that was simulated: what it exchanges and computes, and its time."""
    names = ("dispatch_s", "combine_s", "compute_s", "latency_s")
    found = result.tables.get("layers")
    rows = [
        (f"{phase} {layer}", *(format_time(float(found[name][row])) for name in names))
        for row, (phase, layer) in enumerate(zip(found["phase"], found["layer"], strict=True))
    ] if found is not None else []  # fmt: skip
    head = ("layer", "dispatch", "combine", "computation", "layer's time")
    return TextTable("Layers", head, tuple(rows[:TOP]), _left_out(len(rows), min(len(rows), TOP), "layers"))


def points_table(results: Sequence[Result]) -> TextTable:
    """Return one row per point of a sweep, with the metrics that people compare first."""
    wanted = (
        "size_B", "completion_time_s", "algbw_Bps", "busbw_Bps", "efficiency", "link_utilization_max",
        "slowdown_max",
    )  # fmt: skip
    values = [_headline_metrics(result) for result in results]
    names = [name for name in wanted if any(name in metrics for metrics in values)]
    keys = _swept_keys(results)
    rows = tuple(
        (str(index), *(str(_varied(result).get(key, "")) for key in keys), *_cells(metrics, names))
        for index, (result, metrics) in enumerate(zip(results, values, strict=True))
    )
    head = ("point", *keys, *map(metric_name, names))
    return TextTable("Points of the sweep", head, rows)


def _varied(result: Result) -> Mapping[str, Any]:
    """Return what the sweep set at this point, by key; the result's name where it was made without a sweep."""
    varied: Mapping[str, Any] = result.provenance.get("varied") or {"name": result.name}
    return varied


def _swept_keys(results: Sequence[Result]) -> list[str]:
    """Return the swept keys that tell the points apart; a size has a column of its own anyway."""
    keys = dict.fromkeys(key for result in results for key in _varied(result))
    differ = [key for key in keys if len({str(_varied(result).get(key)) for result in results}) > 1]
    return [key for key in differ if not key.endswith(".size")] or ([] if len(differ) <= 1 else differ)


def levels_table(result: Result) -> TextTable:
    """Return one row per level of the topology, in the order of its channels: traffic and utilisation."""
    links = result.tables.get("links")
    rows = []
    for level, members in levels_of(result).items() if links is not None else ():
        assert links is not None
        use, weight = links["utilization"][members], weights(links.columns)[members]
        volume = int((links["bytes"][members].astype(np.float64) * weight).sum())
        mean = float(np.average(use, weights=weight))
        cells = (f"{int(weight.sum()):,}", format_size(volume), _percent(mean), _percent(float(use.max())))
        rows.append((level, *cells))
    head = ("level", "channels used", "bytes on the wire", "mean utilisation", "largest utilisation")
    return TextTable("Levels", head, tuple(rows), "Over channels that carried traffic.")


def channels_table(result: Result, top: int = TOP) -> TextTable:
    """Return the `top` busiest channels, busiest first; ties in the order of the links table."""
    head = ("channel", "level", "link", "bandwidth", "bytes", "utilisation", "peak queue")
    links = result.tables.get("links")
    if links is None or not len(links):
        return TextTable("Busiest channels", head, ())
    order = np.argsort(-links["utilization"], kind="stable")[:top].tolist()
    rows = tuple(
        _channel_cells({name: column[row] for name, column in links.columns.items()}) for row in order
    )
    return TextTable(
        "Busiest channels", head, rows, _left_out(len(links), len(rows), "channels that carried traffic")
    )


def cost_table(result: Result) -> TextTable:
    """Return what the run itself cost: processor time, memory, events."""
    rows = tuple((_stem(name), quantity(name, value)) for name, value in result.cost.items())
    return TextTable("Cost of the run", ("what", "value"), rows)


def levels_of(result: Result) -> dict[str, NDArray[np.int64]]:
    """Return the rows of the links table of each level, levels in the order of their first channel."""
    links = result.tables.get("links")
    if links is None or not len(links):
        return {}
    names = np.array([str(name) for name in links["level"].tolist()], dtype=object)
    return {level: np.flatnonzero(names == level) for level in dict.fromkeys(names.tolist())}


def weights(columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Return how many things each row stands for: its `count`, or one where rows are not classes."""
    length = len(next(iter(columns.values()), ()))
    return np.asarray(columns.get("count", np.ones(length)), dtype=np.float64)


def quantity(key: str, value: object) -> str:
    """Return a plain value for people, in the unit that its key ends with: _s, _B, _Bps, _bytes."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "none" if value is None else str(value)
    suffix = next((end for end in _SUFFIXES if key.endswith(end)), None)
    return _SUFFIXES[suffix](value) if suffix else f"{value:.6g}" if isinstance(value, float) else str(value)


def unit_key(key: str, around: str) -> str:
    """Return the key whose suffix states the unit of what is under `key`: itself, or the key `around` it."""
    return key if any(key.endswith(end) for end in _SUFFIXES) else around


def _stem(key: str) -> str:
    return next((key.removesuffix(end) for end in _SUFFIXES if key.endswith(end)), key)


_SUFFIXES: Final[Mapping[str, Callable[[float], str]]] = {
    "_Bps": format_bandwidth,
    "_bytes": format_size,
    "_B": format_size,
    "_s": format_time,
}


def _headline_metrics(result: Result) -> dict[str, float]:
    only = result.operations[0].metrics if len(result.operations) == 1 else {}
    return {**only, **result.metrics}


def _operation_cells(operation: OperationResult) -> tuple[str, ...]:
    return (
        operation.name,
        operation.kind,
        operation.algorithm,
        f"{operation.ranks:,}",
        format_time(operation.start_s),
    )


def _cells(metrics: Mapping[str, float], names: Sequence[str]) -> Iterator[str]:
    return (metric_text(name, metrics[name]) if name in metrics else "–" for name in names)


def _channel_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    rate, volume, queue = int(row["bandwidth_Bps"]), float(row["bytes"]), row.get("queue_peak_bytes")
    return (
        str(row["channel"]), str(row["level"]), str(row["link"]), format_bandwidth(rate), format_size(volume),
        _percent(float(row["utilization"])), "–" if queue is None else format_size(float(queue)),
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _left_out(count: int, shown: int, what: str) -> str:
    return f"{shown:,} of {count:,} {what}; the rest is in the result folder." if count > shown else ""
