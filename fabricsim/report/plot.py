"""`result.plot`: the figures of one result."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fabricsim.report import figures, inside
from fabricsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Plot:
    """The figures of one result: each method draws into `ax`, or into a new figure, and returns the Axes.

    In a notebook a new figure is shown below the cell, as those of pyplot are; without a display
    nothing is shown and no state is left.
    """

    def __init__(self, result: Result) -> None:
        self._result = result

    def bandwidth(self, ax: Axes | None = None) -> Axes:
        """Draw algbw and busbw [B/s] of every collective against its size [B]."""
        return figures.bandwidth(self._result, ax or _notebook_axes())

    def latency(self, ax: Axes | None = None) -> Axes:
        """Draw the distribution of message latency [s] with its median and 99th percentile."""
        return figures.latency(self._result, ax or _notebook_axes())

    def utilization(self, ax: Axes | None = None) -> Axes:
        """Draw the busy share of every channel by level of the topology."""
        return figures.utilization(self._result, ax or _notebook_axes())

    def throughput(self, ax: Axes | None = None) -> Axes:
        """Draw the payload rate [B/s] over time [s]."""
        return figures.throughput(self._result, ax or _notebook_axes())

    def rounds(self, ax: Axes | None = None) -> Axes:
        """Draw when each rank is in which round [s]."""
        return inside.rounds(self._result, ax or _notebook_axes())

    def planes(self, ax: Axes | None = None) -> Axes:
        """Draw the mean busy share of the channels of every level and plane."""
        return inside.planes(self._result, ax or _notebook_axes())


def _notebook_axes() -> Axes | None:
    """Return Axes that a notebook will show, or None outside of one."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        return None
    import matplotlib.pyplot as plt

    return plt.figure(figsize=figures.FIGURE_SIZE, layout="constrained").subplots()
