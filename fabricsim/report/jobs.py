"""The picture of several jobs on one machine: when each ran, and how long it takes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fabricsim.errors import UsageError
from fabricsim.report.figures import COLOURS, INK, axes_for, beside, legend
from fabricsim.report.names import drawable
from fabricsim.report.scales import time_scale
from fabricsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST: Final = 24
"""Jobs that a figure has room for."""

_BARS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("completion_time_s", "beside the others", {"height": 0.62, "color": COLOURS[0], "alpha": 0.3}),
    ("alone_time_s", "alone", {"height": 0.26, "color": COLOURS[0]}),
)


def draw_jobs(result: Result, ax: Axes | None = None) -> Axes:
    """Draw each job from its arrival to its end, and how long it takes alone; first job on top, slowdowns marked."""
    shown = result.jobs[:_MOST]
    if not shown:
        raise UsageError("the result has no jobs to draw")
    ax = axes_for(ax, "Jobs on the machine", [result], height=1.6 + 0.4 * len(shown))
    ends = [job.start_s + job.metrics["completion_time_s"] for job in shown]
    scale = time_scale(max(ends))
    for row, (job, end) in enumerate(zip(shown, ends, strict=True)):
        for metric, name, style in _BARS:
            left, width = scale.of(job.start_s), scale.of(job.metrics[metric])
            ax.barh(row, width, left=left, label="" if row else name, **style)
        beside(ax, f"{job.metrics['slowdown']:.3g}x", float(scale.of(end)), row, INK)
    ax.set_yticks(range(len(shown)), [drawable(job.name, 24) for job in shown])
    ax.set_ylim(len(shown) - 0.45, -0.55)
    ax.set_xlim(0, 1.12 * float(scale.of(max(ends))))
    rest = len(result.jobs) - len(shown)
    ax.set_xlabel(scale.label("time") + (f", {rest} more jobs are not drawn" if rest else ""))
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
    legend(ax, loc="lower right", bbox_to_anchor=(1.0, 0.99), ncols=2, columnspacing=1.2)
    return ax
