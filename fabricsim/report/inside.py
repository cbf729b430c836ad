"""Figures of what happens inside one run: rounds of every rank over time, and use of every level and plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from fabricsim.errors import UsageError
from fabricsim.report.figures import COLOURS, INK, MUTED, axes_for, legend
from fabricsim.report.names import drawable
from fabricsim.report.scales import time_scale
from fabricsim.report.series import spread
from fabricsim.report.tables import levels_of, weights
from fabricsim.result import Result
from fabricsim.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from numpy.typing import NDArray

MOST_RANKS: Final = 64
"""Ranks that are drawn; of more, these are spread evenly."""
MOST_BARS: Final = 2048
"""Bars that are drawn: narrower ones could not be told apart, and every one is in the file. More rounds share bars."""

# a cell has the same colour in every scheme, so what stands on it has too
_ON_DARK: Final = "#fdfdfd"
_ON_BRIGHT: Final = "#111111"


def rounds(result: Result, ax: Axes | None = None) -> Axes:
    """Draw a bar for each rank and round, from the first release of its messages to the last delivery [s].

    Bars that follow each other alternate in shade; each operation has its colour. Where there are many rounds, a bar
    stands for several, which the axis says. Raises UsageError where rows stand for several rounds, or there are no
    messages.
    """
    flows = result.tables.get("flows")
    if flows is None or not len(flows) or np.any(flows.columns.get("count", np.ones(1)) != 1):
        raise UsageError("the rounds of ranks can be drawn where the result has a row for each message")
    ranks = spread(np.unique(flows["src"]).astype(np.float64), MOST_RANKS).astype(np.int64)
    names = list(dict.fromkeys(flows["operation"].tolist()))
    together = -(-int(flows["round"].max() + 1) * len(ranks) * len(names) // MOST_BARS)
    ax = axes_for(ax, "Rounds by rank", [result])
    time = time_scale(float(flows["delivered_s"].max()))
    for index, name in enumerate(names):
        rank, bar, begin, end = _bars(flows, name, ranks, together)
        for shade in (0, 1):
            some = bar % 2 == shade
            ax.barh(
                rank[some], time.of(end[some] - begin[some]), left=time.of(begin[some]), height=0.8,
                color=COLOURS[index % len(COLOURS)], alpha=0.9 - 0.45 * shade,
                label="" if shade else drawable(name, 24),
            )  # fmt: skip
    _rank_axis(ax, ranks)
    ax.set_xlabel(time.label("time") + (f", {together:,} rounds a bar" if together > 1 else ""))
    ax.set_ylabel("rank" if len(np.unique(flows["src"])) <= MOST_RANKS else f"rank ({MOST_RANKS} of all)")
    ax.grid(visible=False, axis="y")
    if len(names) > 1:
        legend(ax)
    return ax


def _bars(
    flows: Table, name: str, ranks: NDArray[np.int64], together: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (bars,) place of the rank, number of the bar, begin and end [s] of one operation's bars."""
    own = np.flatnonzero((flows["operation"] == name) & np.isin(flows["src"], ranks))
    key = np.stack([flows["src"][own], flows["round"][own] // together])
    pair, at = np.unique(key, axis=1, return_inverse=True)
    begin, end = np.full(pair.shape[1], np.inf), np.zeros(pair.shape[1])
    np.minimum.at(begin, at.reshape(-1), flows["release_s"][own])
    np.maximum.at(end, at.reshape(-1), flows["delivered_s"][own])
    return np.searchsorted(ranks, pair[0]), pair[1], begin, end


def _rank_axis(ax: Axes, ranks: NDArray[np.int64]) -> None:
    shown = np.unique(np.linspace(0, len(ranks) - 1, min(len(ranks), 9)).round().astype(np.int64))
    ax.set_yticks(shown.tolist(), [f"{rank:,}" for rank in ranks[shown].tolist()])
    ax.set_ylim(len(ranks) - 0.4, -0.6)


def planes(result: Result, ax: Axes | None = None) -> Axes:
    """Draw the mean busy share [%] of the channels that carried traffic as a map, levels down and planes across.

    A level without planes has the one column `–`. Raises UsageError where no channel has a plane.
    """
    levels = levels_of(result)
    if not levels:
        raise UsageError("the result has no channels whose utilisation could be drawn")
    links = result.tables["links"]
    if int(links["plane"].max()) < 0:
        raise UsageError("no channel has a plane; `utilization` draws the levels")
    numbers = np.unique(links["plane"])
    use = np.full((len(levels), len(numbers)), np.nan)
    weight = weights(links.columns)
    for row, members in enumerate(levels.values()):
        for column, plane in enumerate(numbers.tolist()):
            some = members[links["plane"][members] == plane]
            if len(some):
                use[row, column] = 100 * np.average(links["utilization"][some], weights=weight[some])
    ax = axes_for(ax, "Mean utilisation by level and plane", [result], height=1.6 + 0.5 * len(levels))
    cells = ax.pcolormesh(use, cmap="cividis", vmin=0, vmax=100, edgecolors=ax.get_facecolor(), linewidth=1)
    if len(numbers) <= 12:
        for row, column in np.argwhere(~np.isnan(use)).tolist():
            ink = _ON_DARK if use[row, column] < 55 else _ON_BRIGHT
            ax.text(
                column + 0.5,
                row + 0.5,
                f"{use[row, column]:.0f}",
                ha="center",
                va="center",
                size=9,
                color=ink,
            )
    ax.invert_yaxis()
    ax.set_yticks(np.arange(len(levels)) + 0.5, [drawable(name, 24) for name in levels])
    step = max(1, len(numbers) // 12)
    ticks = list(range(0, len(numbers), step))
    ax.set_xticks([tick + 0.5 for tick in ticks], ["–" if numbers[i] < 0 else str(numbers[i]) for i in ticks])
    ax.set_xlabel("plane or rail")
    ax.grid(visible=False)
    _scale_beside(ax, cells)
    return ax


def _scale_beside(ax: Axes, cells: QuadMesh) -> None:
    scale = ax.figure.colorbar(cells, ax=ax)
    assert scale.solids is not None
    scale.solids.set_rasterized(False)  # a page holds no pictures of pixels
    scale.outline.set_visible(False)
    scale.set_label("busy share [%]", color=INK, size=10)
    scale.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)
