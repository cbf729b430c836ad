"""One HTML page per result or sweep, self-contained: the verdict first, where the numbers come from last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fabricsim.explanation import explanation_in
from fabricsim.report import markup, tables
from fabricsim.report.explanation_tables import explanation_tables
from fabricsim.report.figures import COLOURS, GRID, INK, MUTED
from fabricsim.report.gallery import draw_all
from fabricsim.report.images import svg_text
from fabricsim.report.losses import draws_table, losses_table
from fabricsim.report.nccl import nccl_table
from fabricsim.report.verdicts import Judged, headline, reason
from fabricsim.result import Result
from fabricsim.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TILES: Final[Mapping[str, str]] = {
    "completion_time_s": "completion time",
    "busbw_Bps": "bus bandwidth",
    "algbw_Bps": "algorithm bandwidth",
    "efficiency": "ideal over completion time",
    "latency_p99_s": "message latency, p99",
    "link_utilization_max": "busiest link",
}
_STEP_TILES: Final[Mapping[str, str]] = {
    "step_time_s": "step time",
    "mfu": "MFU",
    "bubble_time_s": "bubble",
    "exposed_time_s": "exposed communication",
    "token_rate": "tokens/s",
}
"""What stands first where a training step was run: the times of its exchanges, each made once, are not the step's."""
_SERVING_TILES: Final[Mapping[str, str]] = {
    "first_token_time_s": "first token",
    "token_time_s": "each further token",
    "layer_p99_s": "layer, p99",
    "cache_transfer_s": "caches moved",
    "served_rate": "tokens/s",
}
"""The same where a served model was run."""
_CHANNELS: Final = 40
"""Channels that the page lists, busiest first."""
# white is the edge of markers, so it is the paper's colour
_SCHEME: Final[Mapping[str, str]] = {
    INK: "--ink", MUTED: "--muted", GRID: "--rule", "#ffffff": "--paper",
    **{colour: f"--c{index + 1}" for index, colour in enumerate(COLOURS)},
}  # fmt: skip


def write_page(
    results: Result | Sequence[Result], folder: Path | str, verdict: Sequence[Judged] | None = None
) -> Path:
    """Write report.html of one result or a sweep into an existing folder, and return its path."""
    path = Path(folder, "report.html")
    # a lone surrogate in a name must not keep the report from being written
    path.write_text(page_html(results, verdict), encoding="utf-8", errors="xmlcharrefreplace")
    return path


def page_html(results: Result | Sequence[Result], verdict: Sequence[Judged] | None = None) -> str:
    """Return the page: verdict, key numbers, figures, tables, effective plan, provenance, notes.

    Of a sweep every point has a row, and the figures and tables of one run are those of the last point.
    """
    points = [results] if isinstance(results, Result) else list(results)
    parts = (
        _head(points), _verdict(verdict), _tiles(points), _figures(points),
        _explanation(points[-1]), _tables(points),
        _plan(points[-1]), _provenance(points[-1]), _notes(points), _foot(points[-1]),
    )  # fmt: skip
    return document(points[0].name, parts)


def document(title: str, parts: Sequence[str]) -> str:
    """Return a whole page of parts, which are markup: with its style, its script and nothing from elsewhere."""
    shown = markup.text(title, 80).replace("<bdi>", "").replace("</bdi>", "")
    style, script = (
        files("fabricsim.report").joinpath(name).read_text(encoding="utf-8")
        for name in ("page.css", "page.js")
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{shown} · fabricsim</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + f"\n</main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )


def inline_figure(name: str, ax: Axes) -> str:
    """Return a drawn figure as an element of a page, in the colours of its scheme; `name` keeps its ids apart."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.suptitle("")  # the page has said whose figure it is
    svg = markup.inline_svg(svg_text(figure, "none"), name, ax.get_title(loc="left"), _SCHEME)
    return f"<figure>{svg}</figure>"


def _head(points: Sequence[Result]) -> str:
    last = points[-1]
    kinds = dict.fromkeys(f"{op.kind}, {op.algorithm}, {op.ranks:,} ranks" for op in last.operations)
    shown = "; ".join(list(kinds)[:4]) + (f" and {len(kinds) - 4} more" if len(kinds) > 4 else "")
    many = f"Sweep of {len(points)} points. " if len(points) > 1 else ""
    line = f"{many}{shown}. Engine {last.engine}, kernel {last.kernel}, seed {last.seed}."
    return f'<h1>{markup.text(points[0].name)}</h1>\n<p class="sub">{markup.text(line, 500)}</p>'


def _verdict(verdict: Sequence[Judged] | None) -> str:
    if verdict is None:
        return ""
    style = "" if not verdict else "good" if all(entry.ok for entry in verdict) else "bad"
    lines = "".join(_verdict_line(entry) for entry in sorted(verdict, key=lambda entry: bool(entry.ok)))
    return f'<section class="verdict {style}"><strong>{headline(verdict)}</strong><ul>{lines}</ul></section>'


def _verdict_line(entry: Judged) -> str:
    style, sign, word = ("good", "✓", "holds") if entry.ok else ("bad", "✗", "violated")
    mark = f'<span class="mark {style}" title="{word}">{sign}</span>'
    return (
        f'<li>{mark}{markup.text(entry.text)} <span class="sub">{markup.text(reason(entry), 400)}</span></li>'
    )


def _tiles_of(metrics: Mapping[str, float]) -> Mapping[str, str]:
    if "layer_p99_s" in metrics:
        return _SERVING_TILES
    return _STEP_TILES if "step_time_s" in metrics else _TILES


def _tiles(points: Sequence[Result]) -> str:
    if len(points) > 1:
        return ""
    metrics = points[0].metrics
    tiles = [
        f"<div><dt>{name}</dt><dd>{markup.text(tables.metric_text(key, metrics[key]))}</dd></div>"
        for key, name in _tiles_of(metrics).items()
        if key in metrics
    ]
    return f'<dl class="tiles">{"".join(tiles)}</dl>' if tiles else ""


def _figures(points: Sequence[Result]) -> str:
    drawn = draw_all(points)
    if not drawn:
        return ""
    pictures = [inline_figure(name, ax) for name, ax in drawn.items()]
    note = f'<p class="note">{_of_last(points)}</p>' if len(points) > 1 else ""
    return f'<h2>Figures</h2>{note}<div class="figures">{"".join(pictures)}</div>'


def _of_last(points: Sequence[Result]) -> str:
    last = len(points) - 1
    return (
        f"Bandwidth is over all points; what concerns one run is of the last, point {last}. "
        "Each point has a folder of its own, and a report of that folder shows the same for it."
    )


def _explanation(result: Result) -> str:
    if not result.explanation:
        return ""
    found = explanation_in(result)
    notes = "".join(f'<p class="note">{markup.text(note, 400)}</p>' for note in found.left_out)
    shown = "".join(
        f"<section>{markup.table(one)}</section>" for one in explanation_tables(found) if one.rows
    )
    return f"<h2>Why it takes this long</h2><p>{markup.text(found.headline, 400)}</p>{shown}{notes}"


def _tables(points: Sequence[Result]) -> str:
    last = points[-1]
    nccl = nccl_table(points)
    parts = [
        markup.table(tables.points_table(points)) if len(points) > 1 else "",
        f"<h3>As nccl-tests prints it</h3>{markup.block(nccl)}" if nccl else "",
        markup.table(tables.jobs_table(last)),
        *(markup.table(table) for table in (losses_table(last), draws_table(last)) if table.rows),
        markup.table(tables.layers_table(last)),
        markup.table(tables.operations_table(last)),
        markup.table(tables.metrics_table(last)),
        markup.table(tables.levels_table(last)),
        markup.table(tables.channels_table(last, _CHANNELS)),
        markup.table(tables.cost_table(last)),
    ]
    return "<h2>Tables</h2>" + "".join(f"<section>{part}</section>" for part in parts if part)


def _plan(result: Result) -> str:
    return f'<h2>Effective plan</h2><div class="wide">{markup.tree(result.plan)}</div>' if result.plan else ""


def _provenance(result: Result) -> str:
    texts = {
        key: value for key, value in result.provenance.items() if isinstance(value, str) and "\n" in value
    }
    rest = {key: value for key, value in result.provenance.items() if key not in texts}
    facts = {"digest": result.digest, "seed": result.seed, **rest}
    blocks = "".join(f"<h3>{markup.text(key)}</h3>{markup.block(value)}" for key, value in texts.items())
    return f'<h2>Where this comes from</h2><div class="wide">{markup.tree(facts)}</div>{blocks}'


def _notes(points: Sequence[Result]) -> str:
    notes = list(dict.fromkeys(note for point in points for note in point.notes))
    shown = "".join(f"<li>{markup.text(note, 1000)}</li>" for note in notes[: markup.MOST_ROWS])
    return f"<h2>Notes</h2><ul>{shown}</ul>" if notes else ""


def _foot(result: Result) -> str:
    digest = f"<code>{markup.text(result.digest)}</code>"
    return f"<footer>fabricsim {markup.text(__version__)} · digest {digest}</footer>"
