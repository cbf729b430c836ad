"""Figures of what happens inside one run: rounds of every rank over time, and use of every level and plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from fabricsim.errors import UsageError
from fabricsim.report.figures import COLOURS, INK, axes_for, legend
from fabricsim.report.names import drawable
from fabricsim.report.scales import time_scale
from fabricsim.report.series import spread
from fabricsim.report.tables import levels_of, weights
from fabricsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

MOST_RANKS: Final = 64
"""Ranks that are drawn; of more, these are spread evenly."""


def rounds(result: Result, ax: Axes | None = None) -> Axes:
    """Draw a bar for each rank and round, from the first release of its messages to the last delivery [s].

    Rounds that follow each other alternate in shade; each operation has its colour. Raises UsageError where rows stand
    for several rounds, or there are no messages.
    """
    flows = result.tables.get("flows")
    if flows is None or not len(flows) or np.any(flows.columns.get("count", np.ones(1)) != 1):
        raise UsageError("the rounds of ranks can be drawn where the result has a row for each message")
    ranks = spread(np.unique(flows["src"]).astype(np.float64), MOST_RANKS).astype(np.int64)
    ax = axes_for(ax, "Rounds by rank", [result])
    time = time_scale(float(flows["delivered_s"].max()))
    names = list(dict.fromkeys(flows["operation"].tolist()))
    for index, name in enumerate(names):
        own = np.flatnonzero((flows["operation"] == name) & np.isin(flows["src"], ranks))
        key = np.stack([flows["src"][own], flows["round"][own]])
        pair, at = np.unique(key, axis=1, return_inverse=True)
        begin, end = np.full(pair.shape[1], np.inf), np.zeros(pair.shape[1])
        np.minimum.at(begin, at.reshape(-1), flows["release_s"][own])
        np.maximum.at(end, at.reshape(-1), flows["delivered_s"][own])
        place = np.searchsorted(ranks, pair[0])
        for shade in (0, 1):
            some = pair[1] % 2 == shade
            ax.barh(
                place[some], time.of(end[some] - begin[some]), left=time.of(begin[some]), height=0.8,
                color=COLOURS[index % len(COLOURS)], alpha=0.9 - 0.45 * shade,
                label="" if shade else drawable(name, 24),
            )  # fmt: skip
    _rank_axis(ax, ranks)
    ax.set_xlabel(time.label("time"))
    ax.set_ylabel("rank" if len(np.unique(flows["src"])) <= MOST_RANKS else f"rank ({MOST_RANKS} of all)")
    ax.grid(visible=False, axis="y")
    if len(names) > 1:
        legend(ax)
    return ax


def _rank_axis(ax: Axes, ranks: NDArray[np.int64]) -> None:
    shown = np.unique(np.linspace(0, len(ranks) - 1, min(len(ranks), 9)).round().astype(np.int64))
    ax.set_yticks(shown.tolist(), [f"{rank:,}" for rank in ranks[shown].tolist()])
    ax.set_ylim(len(ranks) - 0.4, -0.6)


def planes(result: Result, ax: Axes | None = None) -> Axes:
    """Draw the mean busy share [%] of the channels that carried traffic as a map, levels down and planes across.

    A level without planes has the one column `–`.
    """
    levels = levels_of(result)
    if not levels:
        raise UsageError("the result has no channels whose utilisation could be drawn")
    links = result.tables["links"]
    numbers = np.unique(links["plane"])
    use = np.full((len(levels), len(numbers)), np.nan)
    weight = weights(links.columns)
    for row, members in enumerate(levels.values()):
        for column, plane in enumerate(numbers.tolist()):
            some = members[links["plane"][members] == plane]
            if len(some):
                use[row, column] = 100 * np.average(links["utilization"][some], weights=weight[some])
    ax = axes_for(ax, "Mean utilisation by level and plane", [result], height=1.6 + 0.5 * len(levels))
    image = ax.imshow(use, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    if len(numbers) <= 12:
        for row, column in np.argwhere(~np.isnan(use)).tolist():
            ink = "white" if use[row, column] < 55 else INK
            ax.text(column, row, f"{use[row, column]:.0f}", ha="center", va="center", size=9, color=ink)
    ax.set_yticks(range(len(levels)), [drawable(name, 24) for name in levels])
    step = max(1, len(numbers) // 12)
    ticks = list(range(0, len(numbers), step))
    ax.set_xticks(ticks, ["–" if numbers[i] < 0 else str(numbers[i]) for i in ticks])
    ax.set_xlabel("plane or rail")
    ax.grid(visible=False)
    ax.figure.colorbar(image, ax=ax, label="busy share [%]")
    return ax
