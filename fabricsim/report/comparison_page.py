"""One self-contained HTML page for a comparison: how far apart, the picture, then the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fabricsim.formats.comparison import Comparison
from fabricsim.report import markup
from fabricsim.report.page import document, inline_figure
from fabricsim.report.studies import comparison as draw_changes
from fabricsim.report.studies import sizes_beside
from fabricsim.report.tables import TextTable
from fabricsim.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_comparison(
    names: tuple[str, str],
    tables: Sequence[TextTable],
    path: Path,
    *,
    sizes: Comparison | None = None,
    results: tuple[Result, Result] | None = None,
) -> Path:
    """Write the page of what is compared: two logs by size, or two results by metric; and return its path."""
    ax = sizes_beside(sizes) if sizes else draw_changes(*results) if results else None
    path.write_text(comparison_html(names, tables, ax), encoding="utf-8", errors="xmlcharrefreplace")
    return path


def comparison_html(names: tuple[str, str], tables: Sequence[TextTable], ax: Axes | None) -> str:
    """Return the page: whose answers they are, the picture, and the tables, which sort and filter."""
    a, b = (markup.text(name) for name in names)
    picture = f'<h2>Figure</h2><div class="figures">{inline_figure("change", ax)}</div>' if ax else ""
    notes = "".join(f"<p>{markup.text(table.note, 400)}</p>" for table in tables[:1] if table.note)
    parts = [
        f'<h1>{a} against {b}</h1><p class="sub">A is {a}, B is {b}.</p>',
        f'<section class="verdict">{notes}</section>' if notes else "",
        picture,
        "<h2>Tables</h2>" + "".join(f"<section>{markup.table(table)}</section>" for table in tables),
    ]
    return document(f"{names[0]} against {names[1]}", parts)
