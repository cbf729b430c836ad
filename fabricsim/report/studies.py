"""Figures of several results, or of the table of a sweep: how numbers grow with size and load, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from fabricsim.errors import UsageError
from fabricsim.formats.comparison import Comparison
from fabricsim.metrics import METRICS
from fabricsim.report.figures import COLOURS, INK, MUTED, axes_for, legend, size_axis
from fabricsim.report.names import drawable
from fabricsim.report.scales import bandwidth_scale, time_scale
from fabricsim.report.tables import metric_name, metric_text
from fabricsim.result import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MARKS: Final = ("o", "s", "D", "^", "v", "P")
_MOST_CHANGES: Final = 16


def busbw_by_ranks(results: Sequence[Result], ax: Axes | None = None) -> Axes:
    """Draw busbw [B/s] of every collective against how many ranks take part; a line for each kind and algorithm."""
    curves = _by_ranks(results)
    ax = axes_for(ax, "Bus bandwidth by ranks", results)
    scale = bandwidth_scale(max(float(rate.max()) for _, rate in curves.values()))
    for (name, (ranks, rate)), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
        ax.plot(ranks, scale.of(rate), f"{mark}-", color=colour, lw=1.8, ms=5, label=drawable(name, 32))
    ranks_axis(ax, np.concatenate([ranks for ranks, _ in curves.values()]))
    ax.set_ylim(0, 1.08 * ax.dataLim.y1)
    ax.set_ylabel(scale.label("bus bandwidth"))
    legend(ax)
    return ax


def linearity(results: Sequence[Result], ax: Axes | None = None) -> Axes:
    """Draw how much all ranks together gain with their number: ranks × busbw, over that of the fewest ranks.

    The grey line is proportion: twice the ranks, twice as much.
    """
    curves = _by_ranks(results)
    ax = axes_for(ax, "Scale linearity", results)
    every = np.concatenate([ranks for ranks, _ in curves.values()])
    ends = np.array([every.min(), every.max()], np.float64)
    ax.plot(ends, ends / ends[0], ":", color=MUTED, lw=1.5, label="in proportion")
    for (name, (ranks, rate)), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
        whole = ranks * rate
        gain = whole / whole[0] * ranks[0] / ends[0]
        share = gain[-1] * ends[0] / ranks[-1]
        label = f"{drawable(name, 28)}, {share:.0%} at {ranks[-1]:,.0f}"
        ax.plot(ranks, gain, f"{mark}-", color=colour, lw=1.8, ms=5, label=label)
    ranks_axis(ax, every)
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_ylabel(f"ranks × busbw, over that of {ends[0]:,.0f} ranks [1]")
    legend(ax)
    return ax


def percentiles(results: Sequence[Result], loads: Sequence[float], ax: Axes | None = None) -> Axes:
    """Draw median, 99th percentile and largest message latency [s] against offered load [share of injection].

    loads: of each result. Raises UsageError where their numbers differ.
    """
    if len(results) != len(loads) or not len(loads):
        raise UsageError(f"{len(results)} results and {len(loads)} loads; give one load for each result")
    order = np.argsort(loads, kind="stable").tolist()
    ax = axes_for(ax, "Message latency by load", results)
    names = ("latency_p50_s", "latency_p99_s", "latency_max_s")
    time = time_scale(max(result.metrics["latency_max_s"] for result in results))
    x = 100 * np.array([loads[index] for index in order], np.float64)
    for name, colour, mark in zip(names, COLOURS, MARKS, strict=False):
        y = np.array([results[index].metrics[name] for index in order], np.float64)
        ax.plot(x, time.of(y), f"{mark}-", color=colour, lw=1.8, ms=5, label=name.split("_")[1])
    ax.set_yscale("log")
    ax.set_xlabel("offered load [% of injection bandwidth]")
    ax.set_ylabel(time.label("latency, release to delivery"))
    legend(ax)
    return ax


def pareto(
    frame: pd.DataFrame, cost: str, value: str, ax: Axes | None = None, *, label: str = "", units: str = ""
) -> Axes:
    """Draw rows of a frame by cost and value, and join those that no other row beats in both: the Pareto front.

    cost: a column, less is better; value: a column, more is better. label: a column that names the points of the front.
    units: what the cost is counted in. Raises UsageError for a column that is not there.
    """
    missing = [name for name in (cost, value, label) if name and name not in frame.columns]
    if missing:
        raise UsageError(
            f"the frame has no column {missing[0]!r}; it has {', '.join(map(str, frame.columns))}"
        )
    x, y = (np.asarray(frame[name], np.float64) for name in (cost, value))
    best = front(x, y)
    unit = METRICS.get(value, ("",))[0]
    if unit == "B/s":
        scale = bandwidth_scale(float(np.nanmax(y)))
        y, unit = scale.of(y), scale.unit
    ax = axes_for(ax, f"{drawable(value, 28)} against {drawable(cost, 28)}", [])
    ax.plot(x, y, "o", color=COLOURS[0], ms=6, alpha=0.55, mec="white", label="all")
    ax.plot(x[best], y[best], "D-", color=COLOURS[1], lw=1.8, ms=6, mec="white", label="not beaten in both")
    for row in best.tolist() if label else ():
        text = drawable(frame[label].iloc[row], 28)
        ax.annotate(text, (x[row], y[row]), (6, -12), textcoords="offset points", size=8.5, color=INK)
    ax.set_xlabel(f"{drawable(cost, 40)} [{drawable(units, 16) or '1'}]")
    ax.set_ylabel(f"{drawable(value, 40)} [{unit or '1'}]")
    legend(ax)
    return ax


def front(cost: NDArray[np.float64], value: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows that no other row beats in both, by rising cost; rows with NaN are not on it."""
    known = np.flatnonzero(~np.isnan(cost) & ~np.isnan(value))
    order = known[np.lexsort((-value[known], cost[known]))]
    best, kept = -np.inf, []
    for row in order.tolist():
        if value[row] > best:
            best = value[row]
            kept.append(row)
    return np.array(kept, np.int64)


def comparison(a: Result, b: Result, ax: Axes | None = None) -> Axes:
    """Draw by how much each metric of result `b` differs from that of `a` [%], the largest changes."""
    shared = [name for name in a.metrics if name in b.metrics and a.metrics[name]]
    change = {name: 100 * (b.metrics[name] / a.metrics[name] - 1) for name in shared}
    names = sorted((name for name in shared if change[name]), key=lambda name: -abs(change[name]))[
        :_MOST_CHANGES
    ]
    own = ax is None
    ax = axes_for(ax, "Change of metrics", [], height=1.5 + 0.3 * max(len(names), 2))
    if own:
        title = f"{drawable(b.name, 40)} against {drawable(a.name, 40)}"
        ax.figure.suptitle(title, x=0.01, ha="left", size=9, color=MUTED)
    places = range(len(names))
    ax.barh(places, [change[name] for name in names], height=0.6, color=COLOURS[0])
    ax.axvline(0, color=INK, lw=0.8)
    ax.set_yticks(places, [_both(name, a, b) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("change [%]" if names else "change [%]: no metric differs")
    return ax


def sizes_beside(logs: Comparison, ax: Axes | None = None) -> Axes:
    """Draw by how much the time of B differs from that of A [%] at each size that both have [B]."""
    ax = axes_for(ax, "Time of B over A by message size", [])
    size = np.array([row.size for row in logs.rows], np.float64)
    ax.plot(size, [100 * row.error for row in logs.rows], "o-", color=COLOURS[0], lw=1.8, ms=5)
    ax.axhline(0, color=INK, lw=0.8)
    size_axis(ax, size)
    ax.set_ylabel("time of B over A [%]")
    return ax


def _both(name: str, a: Result, b: Result) -> str:
    return f"{metric_name(name)}  {metric_text(name, a.metrics[name])} → {metric_text(name, b.metrics[name])}"


def _by_ranks(results: Sequence[Result]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return ranks and busbw [B/s] of every kind and algorithm, by rising ranks; of equal ones the best."""
    found: dict[str, dict[int, float]] = {}
    for op in (op for result in results for op in result.operations if "busbw_Bps" in op.metrics):
        curve = found.setdefault(f"{op.kind} {op.algorithm}", {})
        curve[op.ranks] = max(op.metrics["busbw_Bps"], curve.get(op.ranks, 0.0))
    if not found:
        raise UsageError("no operation has a bus bandwidth to draw; patterns have none")
    return {
        name: (np.array(sorted(curve), np.float64), np.array([curve[ranks] for ranks in sorted(curve)]))
        for name, curve in found.items()
    }


def ranks_axis(ax: Axes, ranks: NDArray[np.float64]) -> None:
    """Make the x axis of axes that of numbers of ranks, on a scale of powers of two."""
    ax.set_xscale("log", base=2)
    shown = np.unique(ranks)
    shown = shown[:: max(1, len(shown) // 9)]
    ax.set_xticks(shown.tolist(), [f"{count:,.0f}" for count in shown.tolist()])
    ax.minorticks_off()
    ax.set_xlabel("ranks")
