"""The picture of a break-even: what was judged over what was varied, with the limit and where it is crossed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fabricsim.designs.break_even import BreakEven
from fabricsim.designs.text import shown
from fabricsim.report.figures import COLOURS, GRID, INK
from fabricsim.report.images import png_bytes
from fabricsim.report.names import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_break_even(found: BreakEven, ax: Axes | None = None) -> Axes:
    """Return axes with the judged value at every value run, the limit, and a line at each threshold."""
    ax = ax if ax is not None else _axes()
    numbers = [probe.number for probe in found.probes]
    ax.plot(
        numbers,
        [probe.actual for probe in found.probes],
        "o-",
        color=COLOURS[0],
        ms=4,
        label="judged value",
    )
    ax.plot(numbers, [probe.verdict.limit for probe in found.probes], "--", color=COLOURS[1], label="limit")
    for threshold in found.thresholds:
        ax.axvline((threshold.below.number + threshold.above.number) / 2, color=INK, lw=0.8)
    if numbers[0] > 0 and numbers[-1] >= 4 * numbers[0]:
        ax.set_xscale("log")
    ends = sorted({0, len(found.probes) - 1, *_at_thresholds(found)})
    ax.set_xticks(
        [numbers[place] for place in ends], [shown(found.probes[place]) for place in ends], rotation=30
    )
    ax.minorticks_off()
    ax.set_xlabel(drawable(found.key, 60))
    ax.set_ylabel("judged value (SI, or ratio)")
    ax.set_title(drawable(found.condition, 80), loc="left", fontsize=9, color=INK)
    ax.grid(color=GRID, lw=0.6)
    ax.legend(frameon=False)
    return ax


def write_break_even(found: BreakEven, path: Path) -> Path:
    """Write the picture as a PNG file, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(_figure_of(draw_break_even(found))))
    return path


def _axes() -> Axes:
    from matplotlib.figure import Figure

    return Figure(figsize=(6.5, 4), facecolor="white", layout="constrained").subplots()


def _figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def _at_thresholds(found: BreakEven) -> list[int]:
    return [found.probes.index(threshold.below) for threshold in found.thresholds]
