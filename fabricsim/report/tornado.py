"""The picture of a sensitivity: for each expectation a bar for each number, the one that matters most on top."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fabricsim.designs.sensitivity import Effect, Sensitivity
from fabricsim.report.figures import COLOURS, GRID, INK
from fabricsim.report.images import png_bytes
from fabricsim.report.names import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST: Final = 12


def draw_tornado(found: Sensitivity) -> Figure:
    """Return the picture: how much the judged value changes [%] at each end of each number's range."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(effect.expectation for effect in found.effects))
    panels = [[effect for effect in found.effects if effect.expectation == name][:_MOST] for name in names]
    heights = [0.9 + 0.3 * len(panel) for panel in panels]
    figure = Figure(figsize=(8.5, sum(heights) + 0.3), facecolor="white", layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for ax, panel in zip(grid[:, 0], panels, strict=True):
        _draw_panel(ax, panel)
    grid[-1, 0].set_xlabel(
        "change of the judged value [%]; blue: number at its smallest, orange: at its largest", fontsize=8
    )
    return figure


def write_tornado(found: Sensitivity, path: Path) -> Path:
    """Write the picture as a PNG file, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(draw_tornado(found)))
    return path


def _draw_panel(ax: Axes, effects: Sequence[Effect]) -> None:
    for row, effect in enumerate(effects):
        for verdict, colour in ((effect.low, COLOURS[0]), (effect.high, COLOURS[1])):
            nominal = effect.nominal.actual
            if nominal and verdict.actual is not None:
                ax.barh(row, 100 * (verdict.actual / nominal - 1), height=0.6, color=colour, zorder=2)
    labels = [f"{e.number.key}{'  (flips)' if e.flips_at else ''}" for e in effects]
    ax.set_yticks(range(len(effects)), [drawable(label, 50) for label in labels], fontsize=8)
    ax.set_ylim(len(effects) - 0.4, -0.6)
    ax.axvline(0, color=INK, lw=0.8, zorder=3)
    ax.grid(axis="x", color=GRID, lw=0.6, zorder=0)
    ax.tick_params(axis="y", length=0)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
    sign = "holds" if effects[0].nominal.ok else "fails"
    ax.set_title(drawable(f"{effects[0].expectation}  ({sign})", 90), loc="left", fontsize=9, color=INK)
