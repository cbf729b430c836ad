"""A Result as notebooks show it: a few lines of HTML, without scripts or style sheets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fabricsim.explanation import Explanation
from fabricsim.metrics import METRICS
from fabricsim.report.explanation_tables import explanation_tables
from fabricsim.report.markup import row, table, text
from fabricsim.report.tables import TOP, metric_name, metric_text, operations_table
from fabricsim.result import Result

_CELLS = ("text-align:left", "text-align:right", "text-align:left")


def result_html(result: Result) -> str:
    """Return a small table of the metrics with their meanings, the operations, and the notes."""
    metrics = "".join(_metric_row(name, value) for name, value in result.metrics.items())
    operations = operations_table(result)
    rows = "".join(row(cells) for cells in operations.rows) if len(operations.rows) > 1 else ""
    listing = (
        f"<table><thead>{row(operations.head, 'th')}</thead><tbody>{rows}</tbody></table>" if rows else ""
    )
    rest = f"<p>{text(operations.note)}</p>" if operations.note else ""
    notes = "".join(f"<li>{text(note, 400)}</li>" for note in result.notes[:TOP])
    listed = f"<ul>{notes}</ul>" if notes else ""
    origin = f"{result.engine}/{result.kernel}, seed {result.seed}, digest {result.digest[:12]}"
    head = f"<p><strong>{text(result.name)}</strong> <small>{text(origin)}</small></p>"
    return f"<div>{head}<table><tbody>{metrics}</tbody></table>{listing}{rest}{listed}</div>"


def repr_html(result: Result) -> Callable[[], str]:
    """Return what notebooks call as `_repr_html_` of `result`."""
    return partial(result_html, result)


def explanation_html(found: Explanation) -> Callable[[], str]:
    """Return what notebooks call as `_repr_html_` of an explanation: its headline and its tables."""
    tables = "".join(table(one) for one in explanation_tables(found))
    notes = "".join(f"<li>{text(note, 400)}</li>" for note in found.left_out)
    listed = f"<ul>{notes}</ul>" if notes else ""
    shown = f"<div><p><strong>{text(found.headline, 400)}</strong></p>{tables}{listed}</div>"
    return lambda: shown


def _metric_row(name: str, value: float) -> str:
    cells = metric_name(name), metric_text(name, value), METRICS.get(name, ("", ""))[1]
    shown = (f'<td style="{style}">{text(cell)}</td>' for cell, style in zip(cells, _CELLS, strict=True))
    return f"<tr>{''.join(shown)}</tr>"
