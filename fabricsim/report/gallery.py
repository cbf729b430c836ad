"""The figures that a report shows, by name: drawn where the results have what they need, saved as PNG and SVG."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fabricsim.errors import UsageError
from fabricsim.report import figures, inside, losses
from fabricsim.report.images import png_bytes, svg_text
from fabricsim.report.jobs import draw_jobs
from fabricsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURES: Final[Mapping[str, Callable[..., Axes]]] = {
    "bandwidth": figures.bandwidth,
    "latency": figures.latency,
    "utilization": figures.utilization,
    "planes": inside.planes,
    "throughput": figures.throughput,
    "rounds": inside.rounds,
    "jobs": draw_jobs,
    "ranking": losses.ranking,
    "survivability": losses.survivability,
}
"""The figures by name; `bandwidth` takes a whole sweep, the others one result."""


def draw_all(results: Result | Sequence[Result]) -> dict[str, Axes]:
    """Return every figure that the results have data for: bandwidth of all points, the others of the last."""
    points = [results] if isinstance(results, Result) else list(results)
    drawn = {}
    for name, draw in FIGURES.items():
        with suppress(UsageError):  # a figure without data is left out
            drawn[name] = draw(points if name == "bandwidth" else points[-1])
    return drawn


def save_figures(results: Result | Sequence[Result], folder: Path | str) -> list[Path]:
    """Write every figure that the results have data for as PNG and SVG into `folder`; return the paths."""
    paths = []
    for name, ax in draw_all(results).items():
        figure = ax.get_figure(root=True)
        assert figure is not None
        paths += [Path(folder, f"{name}.png"), Path(folder, f"{name}.svg")]
        paths[-2].write_bytes(png_bytes(figure))
        paths[-1].write_text(svg_text(figure), encoding="utf-8")
    return paths
