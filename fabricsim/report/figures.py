"""Figures of results. Each function draws into `ax`, or into a figure of its own, and returns the Axes.

Matplotlib is used through its objects, never pyplot, so figures draw without a display and leave no state.
Colours: Okabe & Ito, "Color Universal Design" (2008), told apart with colour-blind eyes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fabricsim.errors import UsageError
from fabricsim.report import series
from fabricsim.report.names import drawable
from fabricsim.report.scales import Scale, bandwidth_scale, size_ticks, time_scale
from fabricsim.result import Result
from fabricsim.units import format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

INK: Final = "#24292f"
MUTED: Final = "#6e7781"
GRID: Final = "#d8dee4"
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
FIGURE_SIZE: Final = (6.4, 3.8)
"""Width and height of a figure, in inches."""


_STAGES: Final = (
    ("detection_time_s", "known after", COLOURS[1]),
    ("reroute_time_s", "led around after", COLOURS[4]),
    ("recovery_time_s", "recovered after", COLOURS[2]),
)
"""What ends each stage of a recovery, counted from the fault, in the order in which they follow."""


def bandwidth(results: Result | Sequence[Result], ax: Axes | None = None) -> Axes:
    """Draw algbw and busbw [B/s] against message size [B] of every collective; one point is fine.

    A grey line is the bound: busbw at the ideal time. Collectives beyond the number of colours are counted in
    the legend. Raises UsageError if no operation has a busbw.
    """
    points = _points(results)
    found = series.bandwidths(points)
    if not found:
        raise UsageError("no operation has a bus bandwidth to draw; patterns have none")
    ax = axes_for(ax, "Bandwidth by message size", points)
    scale = bandwidth_scale(max(float(max(s.algbw.max(), s.busbw.max())) for s in found))
    for entry, colour in zip(found, COLOURS, strict=False):
        _bandwidth_lines(ax, entry, scale, colour, several=len(found) > 1)
    if len(found) > len(COLOURS):
        ax.plot([], [], " ", label=f"{len(found) - len(COLOURS):,} more are not drawn")
    size_axis(ax, np.concatenate([entry.size for entry in found]))
    ax.set_ylim(0, 1.08 * ax.dataLim.y1)
    ax.set_ylabel(scale.label("bandwidth"))
    legend(ax)
    return ax


def latency(result: Result, ax: Axes | None = None) -> Axes:
    """Draw the share of messages delivered within a latency [s]; median and 99th percentile are marked."""
    found = series.latencies(result)
    if found is None:
        raise UsageError("the result has no messages whose latency could be drawn")
    ax = axes_for(ax, "Message latency", [result])
    scale = time_scale(float(found.value[-1]))
    steps = scale.of(np.append(found.value[0], found.value)), 100 * np.append(0.0, found.share)
    ax.step(*steps, where="post", color=COLOURS[0], lw=2, label="messages")
    if found.value[0] > 0 and found.value[-1] > 50 * found.value[0]:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.minorticks_off()
    for share, colour, marker in ((0.5, COLOURS[1], "o"), (0.99, COLOURS[2], "D")):
        value = found.percentile(share)
        label = f"p{100 * share:.0f}  {format_time(value)}"
        ax.axvline(scale.of(value), color=colour, lw=1, ls=(0, (4, 2)))
        ax.plot(
            [scale.of(value)], [100 * share], marker, color=colour, ms=7, mec="white", label=label, zorder=4
        )
    ax.set_ylim(0, 103)
    ax.set_xlabel(scale.label("latency, release to delivery"))
    ax.set_ylabel("messages delivered [%]")
    legend(ax)
    return ax


def utilization(result: Result, ax: Axes | None = None) -> Axes:
    """Draw the busy share of each channel by level, inner level on top, with mean and largest marked."""
    levels = series.utilizations(result)
    if not levels:
        raise UsageError("the result has no channels whose utilisation could be drawn")
    ax = axes_for(ax, "Link utilisation by level", [result], height=1.5 + 0.65 * len(levels))
    for row, (use, weight) in enumerate(levels.values()):
        _level_row(ax, row, use, weight)
    ax.set_yticks(range(len(levels)), [drawable(name, 24) for name in levels])
    ax.set_ylim(len(levels) - 0.45, -0.55)
    ax.set_xlim(-2, 110)
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel("busy share of the completion time [%], channels that carried traffic")
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    legend(ax, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=3, columnspacing=1.2)
    return ax


def throughput(result: Result, ax: Axes | None = None) -> Axes:
    """Draw the payload delivered per second [B/s] in each interval of the run, with the stages of a recovery shaded."""
    found = series.throughputs(result)
    if found is None:
        raise UsageError("the result has no timeline to draw")
    ax = axes_for(ax, "Throughput over time", [result])
    edges, values = found
    time, rate = time_scale(float(edges[-1])), bandwidth_scale(float(values.max()))
    shown = rate.of(values)
    ax.stairs(shown, time.of(edges), fill=True, color=COLOURS[0], alpha=0.15, lw=0)
    ax.stairs(shown, time.of(edges), color=COLOURS[0], lw=1.5, label="payload delivered")
    ax.set_xlim(0, time.of(edges[-1]))
    ax.set_ylim(0, max(1.1 * float(shown.max()), 1e-9))
    ax.set_xlabel(time.label("time"))
    ax.set_ylabel(rate.label("throughput"))
    if _shade_stages(ax, result, time):
        legend(ax)
    return ax


def recovery(result: Result, ax: Axes | None = None) -> Axes:
    """Draw throughput over time through a failure: until it was known, led around, and made good."""
    if "fault_time_s" not in result.metrics:
        raise UsageError("no failure came before the end of the run: there is no recovery to draw")
    return throughput(result, ax)


def _shade_stages(ax: Axes, result: Result, time: Scale) -> bool:
    """Shade the time from the first fault until each stage of its recovery; return whether there was one."""
    fault = result.metrics.get("fault_time_s")
    if fault is None:
        return False
    ax.axvline(time.of(fault), color=INK, lw=1, ls=(0, (4, 2)), label="fault")
    begin = 0.0
    for name, label, colour in _STAGES:
        end = result.metrics.get(name, begin)
        if end > begin:
            span = time.of(fault + begin), time.of(fault + end)
            ax.axvspan(*span, color=colour, alpha=0.18, lw=0, label=f"{label} {format_time(end)}")
            begin = end
    return True


def _points(results: Result | Sequence[Result]) -> list[Result]:
    return [results] if isinstance(results, Result) else list(results)


def axes_for(ax: Axes | None, title: str, results: Sequence[Result], height: float = FIGURE_SIZE[1]) -> Axes:
    """Return `ax`, or Axes of a new figure that names the results, dressed as all figures are."""
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(FIGURE_SIZE[0], height), layout="constrained").subplots()
        names = list(dict.fromkeys(result.name for result in results))
        ax.figure.suptitle(drawable(names[0], 64) if names else "", x=0.01, ha="left", size=9, color=MUTED)
    ax.set_title(title, loc="left", size=12, color=INK, weight="bold")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)
    ax.grid(visible=True, color=GRID, lw=0.7)
    ax.set_axisbelow(True)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(color=INK, size=10)
    return ax


def legend(ax: Axes, **where: Any) -> None:
    """Draw the legend as all figures have it."""
    ax.legend(frameon=False, fontsize=9, labelcolor=INK, **where)


def _bandwidth_lines(ax: Axes, entry: series.Bandwidths, scale: Scale, colour: str, *, several: bool) -> None:
    prefix = f"{drawable(entry.label, 28)} " if several else ""
    other = colour if several else COLOURS[1]
    curves = [("busbw", entry.busbw, "o-", colour), ("algbw", entry.algbw, "s--", other)]
    if entry.bound is not None:
        curves.insert(0, ("busbw at the ideal time", entry.bound, "_:", MUTED))
    for name, rate, style, ink in curves:
        ax.plot(entry.size, scale.of(rate), style, color=ink, lw=1.8, ms=5, label=prefix + name)
        if len(entry.size) == 1 and not several:
            value = float(scale.of(rate[0]))
            # the bound stands on the other side, where busbw comes near it
            beside(ax, f"{value:.4g}", float(entry.size[0]), value, ink, left=rate is entry.bound)


def beside(ax: Axes, text: str, x: float, y: float, colour: str, *, left: bool = False) -> None:
    """Write a text beside a point, on its right unless `left`."""
    place, side = ((-8, 0), "right") if left else ((8, 0), "left")
    ax.annotate(text, (x, y), place, textcoords="offset points", va="center", ha=side, size=9, color=colour)


def size_axis(ax: Axes, sizes: NDArray[np.float64]) -> None:
    """Give the axis of message sizes [B] its binary ticks."""
    ticks, labels = size_ticks(float(sizes.min()), float(sizes.max()))
    ax.set_xscale("log", base=2)
    ax.set_xticks(ticks, labels)
    ax.minorticks_off()
    margin = max((float(sizes.max()) / float(sizes.min())) ** 0.05, 2**0.5)
    ax.set_xlim(float(sizes.min()) / margin, float(sizes.max()) * margin)
    ax.set_xlabel("message size")


def _level_row(ax: Axes, row: int, use: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
    low, middle, high = 100 * series.weighted_quantiles(use, weight, (0.05, 0.5, 0.95))
    mean, most = 100 * float(np.average(use, weights=weight)), 100 * float(use.max())
    seen = 100 * series.spread(use, 300)
    # golden-ratio steps fill the strip evenly and are the same on every run
    height = row + 0.5 * ((np.arange(len(seen)) * 0.618034) % 1 - 0.5)
    strip, centre, end = ("", "", "") if row else ("5–95 %", "mean", "largest")
    ax.barh(row, high - low, left=low, height=0.62, color=COLOURS[0], alpha=0.12, label=strip)
    dot = 3.5 if len(seen) > 100 else 6
    ax.plot(seen, height, ".", color=COLOURS[0], ms=dot, alpha=0.55, mew=0, label="")
    ax.plot([middle, middle], [row - 0.31, row + 0.31], color=COLOURS[0], lw=1.5, label="")
    ax.plot([mean], [row], "D", color=COLOURS[1], ms=7, mec="white", zorder=4, label=centre)
    ax.plot([most], [row], ">", color=INK, ms=7, mec="white", zorder=4, label=end)
    beside(ax, f"{most:.0f} %", most, row, INK)
