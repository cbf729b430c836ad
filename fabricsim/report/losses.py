"""What losing parts of a machine costs, as tables and figures: which part hurts most, how many faults are borne."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from fabricsim.errors import UsageError
from fabricsim.report.figures import COLOURS, INK, MUTED, axes_for, legend
from fabricsim.report.names import drawable
from fabricsim.report.tables import TextTable
from fabricsim.result import Result
from fabricsim.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS: Final = 40
_MOST_BARS: Final = 16


def losses_table(result: Result) -> TextTable:
    """Return one row per class of parts, those that hurt most first."""
    head = (
        "part",
        "level",
        "link",
        "count",
        "simulated",
        "kept, worst",
        "kept, mean",
        "ranks cut off",
        "name",
    )
    table = result.tables.get("losses")
    if table is None:
        return TextTable("One part lost", head, ())
    rows = tuple(
        (
            str(table["part"][i]), str(table["level"][i]), str(table["record"][i]), f"{table['count'][i]:,}",
            f"{table['simulated'][i]:,}", _kept(table["kept"][i]), _kept(table["kept_mean"][i]),
            f"{table['cut_off'][i]:,}", str(table["example"][i]),
        )
        for i in range(min(len(table), _MOST_ROWS))
    )  # fmt: skip
    more = len(table) - len(rows)
    note = f"{more:,} more classes are in the result folder." if more else ""
    return TextTable("One part lost", head, rows, note)


def draws_table(result: Result) -> TextTable:
    """Return one row per number of parts lost at once: draws, the least and the mean share kept, ranks cut off."""
    head = ("parts lost at once", "draws", "kept, worst", "kept, mean", "ranks cut off, most")
    table = result.tables.get("draws")
    if table is None:
        return TextTable("Several parts lost", head, ())
    rows = tuple(
        (f"{faults:,}", f"{len(kept):,}", _kept(kept.min()), _kept(kept.mean()), f"{cut.max():,}")
        for faults, kept, cut in _by_faults(table)
    )
    return TextTable("Several parts lost", head, rows)


def ranking(result: Result, ax: Axes | None = None) -> Axes:
    """Draw by how much losing one part of each class lowers what is compared [%], the worst on top.

    A hollow bar is a part without which the workload stops. Raises UsageError where no parts were lost.
    """
    table = result.tables.get("losses")
    if table is None or not len(table):
        raise UsageError("the result has no losses of parts to draw; add survive: {} to its scenario")
    count = min(len(table), _MOST_BARS)
    ax = axes_for(ax, "Which part hurts most", [result], height=1.6 + 0.34 * count)
    lost = 100 * (1 - np.asarray(table["kept"][:count], np.float64))
    stops = np.isnan(np.asarray(table["value"][:count], np.float64))
    for row in range(count):
        fill = "none" if stops[row] else COLOURS[0]
        ax.barh(row, max(float(lost[row]), 0.0), height=0.6, color=fill, ec=COLOURS[0], lw=1, zorder=2)
        cut = int(table["cut_off"][row])
        text = "stops" if stops[row] else f"{max(lost[row], 0):.3g} %"
        text += f", {cut:,} rank{'s' * (cut > 1)} cut off" if cut else ""
        ax.annotate(
            text,
            (max(float(lost[row]), 0.0), row),
            (4, 0),
            textcoords="offset points",
            va="center",
            size=8.5,
            color=INK,
        )
    ax.set_yticks(range(count), [_label(table, row) for row in range(count)], fontsize=8.5)
    ax.set_ylim(count - 0.4, -0.6)
    ax.set_xlim(0, max(1e-3, 1.45 * float(lost.max())))
    ax.set_xlabel("performance lost with one part lost [%]")
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    return ax


def survivability(result: Result, ax: Axes | None = None) -> Axes:
    """Draw what is kept [%] against how many parts are lost at once: every draw, and their mean.

    Raises UsageError where no draws were made.
    """
    table = result.tables.get("draws")
    if table is None or not len(table):
        raise UsageError("the result has no draws of several parts; add survive: {faults: [2, 4, 8]}")
    ax = axes_for(ax, "Kept with several parts lost", [result])
    found = list(_by_faults(table))
    x = np.array([0, *(faults for faults, _, _ in found)], np.float64)
    mean = np.array([1.0, *(kept.mean() for _, kept, _ in found)])
    worst = np.array([1.0, *(kept.min() for _, kept, _ in found)])
    ax.plot(
        np.asarray(table["faults"]),
        100 * np.asarray(table["kept"]),
        ".",
        color=MUTED,
        alpha=0.6,
        label="each draw",
    )
    ax.plot(x, 100 * mean, "o-", color=COLOURS[0], lw=1.8, ms=5, label="mean")
    ax.plot(x, 100 * worst, "v--", color=COLOURS[1], lw=1.5, ms=5, label="worst")
    ax.set_ylim(0, 103)
    ax.set_xlim(0, 1.04 * float(x.max()))
    ax.set_xlabel("parts lost at once")
    ax.set_ylabel("performance kept [%]")
    legend(ax, loc="lower left")
    return ax


def _by_faults(table: Table) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Return (faults, kept, ranks cut off) of the draws of each number of parts, ascending."""
    faults, kept, cut = (np.asarray(table[name]) for name in ("faults", "kept", "cut_off"))
    return [(int(n), kept[faults == n].astype(np.float64), cut[faults == n]) for n in np.unique(faults)]


def _label(table: Table, row: int) -> str:
    part, level, record = (str(table[name][row]) for name in ("part", "level", "record"))
    where = f"{part} of {level}" if level and level != part else part
    return drawable(f"{where}, {record}" if record else where, 40) + f" (×{int(table['count'][row]):,})"


def _kept(share: float) -> str:
    return f"{100 * share:.4g} %"
