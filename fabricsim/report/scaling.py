"""How well a training step scales: linearity out of the table of a sweep over machines, and its picture.

Linearity is the rate of tokens of each rank over that of each rank of the smallest machine on the same curve, the base
(UB-Mesh, arXiv 2503.20377, section 6: performance per NPU at the target scale over that at the base scale). Whether a
rank's work stays the same or the batch of all does is what the sweep sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from fabricsim.errors import UsageError
from fabricsim.report.figures import COLOURS, MUTED, axes_for, legend
from fabricsim.report.names import drawable
from fabricsim.report.studies import MARKS, ranks_axis

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

RANKS: Final = "step_ranks"
RATE: Final = "token_rate"


def linearity_of(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return linearity [1] of every training step of a frame: a row for each number of ranks, a column for each curve.

    by: the columns that tell curves apart, such as `name` and `workload.step.train`. Points that could not be run are
    left out. Raises UsageError for a column that is not there, and for two points of a curve with as many ranks.
    """
    for name in (*by, RANKS, RATE):
        if name not in frame.columns:
            shown = ", ".join(map(str, frame.columns[:12]))
            raise UsageError(f"the frame has no column {name!r}; it begins with {shown}")
    known = frame[frame[RANKS].notna()]
    curve = known[list(by)].astype(str).agg(", ".join, axis=1)
    if not len(known):
        raise UsageError("no point of the frame is a training step")
    ranks = known[RANKS].astype(np.int64)
    again = [
        f"{name} at {count:,}" for name, count in zip(curve, ranks, strict=True)
        if ((curve == name) & (ranks == count)).sum() > 1
    ]  # fmt: skip
    if again:
        raise UsageError(f"two points are {again[0]} ranks: name a column in `by` that tells them apart")
    each = (known[RATE] / known[RANKS]).to_numpy()
    table = known.assign(curve=curve, ranks=ranks, each=each).pivot_table(
        "each", "ranks", "curve", sort=False
    )
    table = table.sort_index()
    return table / table.bfill().iloc[0]


def scale_linearity(frame: pd.DataFrame, by: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw linearity [%] against the number of ranks, a line for each curve; see `linearity_of`."""
    table = 100 * linearity_of(frame, by)
    ax = axes_for(ax, "Scale linearity", [])
    ax.axhline(100, ls=":", color=MUTED, lw=1.5)
    for place, (name, column) in enumerate(table.items()):
        own = column.dropna()
        last = f"{own.iloc[-1]:.0f} % of {own.index[0]:,} at {own.index[-1]:,}"
        ax.plot(
            own.index, own, "-" if place < len(COLOURS) else "--", marker=MARKS[place % len(MARKS)], ms=5, lw=1.8,
            color=COLOURS[place % len(COLOURS)], label=f"{drawable(str(name), 40)}: {last}",
        )  # fmt: skip
    ranks_axis(ax, np.asarray(table.index, np.float64))
    ax.set_ylim(0, max(105.0, 1.05 * float(np.nanmax(table.to_numpy()))))
    ax.set_ylabel("tokens/s of each rank, over those of the base [%]")
    legend(ax)
    return ax
