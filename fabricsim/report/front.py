"""The picture of a search: every design by its objectives, those that meet everything, and the front."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fabricsim.designs.cheapest import Search, Trial
from fabricsim.expectations import format_value, kind_of, quantity_of
from fabricsim.report.figures import COLOURS, GRID, INK
from fabricsim.report.images import png_bytes
from fabricsim.report.names import drawable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes


def draw_front(found: Search, ax: Axes | None = None) -> Axes:
    """Return axes with the first objective over the second, or over the number of the trial where there is one only."""
    ax = ax if ax is not None else _axes()
    ran = [trial for trial in found.trials if not trial.error]
    for meets, colour, label in ((False, COLOURS[1], "misses a target"), (True, COLOURS[0], "meets all")):
        x, y = _places(found, [trial for trial in ran if trial.meets == meets])
        ax.plot(x, y, "o", color=colour, ms=5, label=label)
    if len(found.objectives) > 1:
        ax.plot(*_places(found, found.front), "-", color=INK, lw=0.8, label="front")
    if found.best:
        ax.plot(*_places(found, [found.best]), "*", color=INK, ms=12, label="best")
    ax.set_xlabel(drawable(found.objectives[1] if len(found.objectives) > 1 else "trial", 60))
    ax.set_ylabel(drawable(found.objectives[0], 60))
    for axis, name in ((ax.yaxis, found.objectives[0]), (ax.xaxis, found.objectives[-1])):
        if axis is ax.yaxis or len(found.objectives) > 1:
            axis.set_major_formatter(_in_units(name))
    ax.set_title(drawable(found.name, 80), loc="left", fontsize=9, color=INK)
    ax.grid(color=GRID, lw=0.6)
    ax.legend(frameon=False)
    return ax


def write_front(found: Search, path: Path) -> Path:
    """Write the picture as a PNG file, and return its path."""
    figure = draw_front(found).get_figure(root=True)
    assert figure is not None
    path.write_bytes(png_bytes(figure))
    return path


def _places(found: Search, trials: Sequence[Trial]) -> tuple[list[float], list[float]]:
    if len(found.objectives) > 1:
        return [trial.objectives[1] for trial in trials], [trial.objectives[0] for trial in trials]
    return [float(found.trials.index(trial)) for trial in trials], [trial.objectives[0] for trial in trials]


def _in_units(name: str) -> Callable[[float, float], str]:
    kind = kind_of(quantity_of(name, None).metric)
    return lambda value, _: format_value(value, kind, 3)


def _axes() -> Axes:
    from matplotlib.figure import Figure

    return Figure(figsize=(6.5, 4), facecolor="white", layout="constrained").subplots()
