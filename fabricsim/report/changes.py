"""The picture of a comparison: how far each number moved, and how far it might."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fabricsim.regression.changes import Change, Comparison
from fabricsim.regression.text import cells
from fabricsim.report.figures import COLOURS, GRID, INK, MUTED
from fabricsim.report.images import png_bytes
from fabricsim.report.names import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST: Final = 24
_WORSE, _BETTER = COLOURS[1], COLOURS[0]


def draw_changes(comparison: Comparison, title: str) -> Figure:
    """Return the picture of what changed: a row for each number that is worse or better, the largest change first.

    A bar is the change in percent, the grey band behind it how far the number may move. Numbers without a
    percentage, from zero or absent, have their row and no bar.
    """
    from matplotlib.figure import Figure

    changes = [*comparison.lost, *comparison.gained][:_MOST]
    figure = Figure(figsize=(9.0, 1.5 + 0.36 * max(1, len(changes))), facecolor="white", layout="constrained")
    ax = figure.subplots()
    for row, change in enumerate(changes):
        _draw_change(ax, row, change)
    _dress(ax, changes, len(comparison.lost) + len(comparison.gained))
    ax.set_title(drawable(title, 80), loc="left", fontsize=11, color=INK)
    return figure


def write_changes(comparison: Comparison, title: str, path: Path) -> Path:
    """Write the picture of a comparison as a PNG file, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png_bytes(draw_changes(comparison, title)))
    return path


def _draw_change(ax: Axes, row: int, change: Change) -> None:
    allowed = 100 * change.held.allowed / abs(change.held.value) if change.held.value else 0.0
    ax.barh(row, 2 * allowed, left=-allowed, height=0.8, color=GRID, zorder=1)
    if math.isfinite(change.share):
        ax.barh(row, 100 * change.share, height=0.45, color=_WORSE if change.lost else _BETTER, zorder=2)


def _dress(ax: Axes, changes: Sequence[Change], total: int) -> None:
    _, before, now, _, _ = zip(*map(cells, changes), strict=True) if changes else [()] * 5
    ax.set_yticks(range(len(changes)), [_label(change) for change in changes], fontsize=8)
    ax.set_ylim(len(changes) - 0.4, -0.6)
    ax.axvline(0, color=INK, lw=0.8, zorder=3)
    right = ax.secondary_yaxis("right")
    right.set_yticks(
        range(len(changes)), [f"{b} → {n}" for b, n in zip(before, now, strict=True)], fontsize=8
    )
    right.tick_params(length=0, colors=MUTED)
    ax.tick_params(axis="y", length=0, colors=INK)
    ax.grid(axis="x", color=GRID, lw=0.6, zorder=0)
    for side in ("top", "left", "right"):
        ax.spines[side].set_visible(False)
        right.spines[side].set_visible(False)
    more = f"; {total - len(changes)} more are not drawn" if total > len(changes) else ""
    ax.set_xlabel(
        f"change [%], orange is worse and blue better, grey is how far it may move{more}", fontsize=8
    )


def _label(change: Change) -> str:
    where = f"  {change.point}" if change.point else ""
    return drawable(cells(change)[0] + where, 60)
