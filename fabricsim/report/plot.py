"""`result.plot` and `fabric.plot`: the figures of one result, and the pictures of one machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fabricsim.report import figures, inside, losses, machines
from fabricsim.report.jobs import draw_jobs
from fabricsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from fabricsim.fabric import Fabric


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

    def recovery(self, ax: Axes | None = None) -> Axes:
        """Draw the payload rate [B/s] through a failure, with the stages of the recovery shaded."""
        return figures.recovery(self._result, ax or _notebook_axes())

    def jobs(self, ax: Axes | None = None) -> Axes:
        """Draw when each job ran, and how long it takes alone [s]."""
        return draw_jobs(self._result, ax or _notebook_axes())

    def rounds(self, ax: Axes | None = None) -> Axes:
        """Draw when each rank is in which round [s]."""
        return inside.rounds(self._result, ax or _notebook_axes())

    def planes(self, ax: Axes | None = None) -> Axes:
        """Draw the mean busy share of the channels of every level and plane."""
        return inside.planes(self._result, ax or _notebook_axes())

    def ranking(self, ax: Axes | None = None) -> Axes:
        """Draw which lost part hurts most."""
        return losses.ranking(self._result, ax or _notebook_axes())

    def survivability(self, ax: Axes | None = None) -> Axes:
        """Draw what is kept against how many parts are lost at once."""
        return losses.survivability(self._result, ax or _notebook_axes())


class MachinePlot:
    """The pictures of one machine; each draws into `ax`, or into a new figure, and returns the Axes."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    def __call__(self) -> Figure:
        """Return one figure with a panel for each level that has links, and the whole where it is small."""
        return machines.draw_machine(self._fabric)

    def level(self, name: str, ax: Axes | None = None) -> Axes:
        """Draw one copy of a level: its members, switches and links."""
        return machines.draw_level(self._fabric, name, ax or _notebook_axes((4.4, 4.8)))

    def whole(self, ax: Axes | None = None) -> Axes:
        """Draw every node and link; of up to 512 nodes."""
        return machines.draw_whole(self._fabric, ax or _notebook_axes((4.4, 4.8)))


def _notebook_axes(size: tuple[float, float] = figures.FIGURE_SIZE) -> Axes | None:
    """Return Axes that a notebook will show, or None outside of one."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        return None
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size, layout="constrained").subplots()
