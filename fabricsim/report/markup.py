"""Pieces of HTML. Every function escapes what it is given and returns markup."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fabricsim.report.names import plain
from fabricsim.report.tables import TextTable, quantity, unit_key

MOST_ROWS: Final = 100
MOST_CHARACTERS: Final = 200
_DEPTH = 8
_SHORT = 24


def text(value: object, limit: int = MOST_CHARACTERS) -> str:
    """Return a one-line text, clipped and escaped; `bdi` keeps its writing direction to itself."""
    shown = html.escape(plain(value, limit))
    return f"<bdi>{shown}</bdi>" if not shown.isascii() else shown


def block(value: str, most: int = 20_000) -> str:
    """Return text with its lines, escaped; what is beyond `most` characters is counted, not shown."""
    lines = "\n".join(" ".join(line.split("\t")) for line in value.splitlines())
    kept = "".join(c if c == "\n" or c.isprintable() else "�" for c in lines[:most])
    rest = f"\n… {len(value) - most:,} more characters" if len(lines) > most else ""
    return f"<pre>{html.escape(kept)}{rest}</pre>"


def table(content: TextTable) -> str:
    """Return a table with its title and note, or nothing where it has no rows."""
    if not content.rows:
        return ""
    numbers = [not content.aligned_left(column) for column in range(len(content.head))]
    body = "".join(row(cells, "td", numbers) for cells in content.rows[:MOST_ROWS])
    notes = [content.note, _rest(len(content.rows), "rows")]
    note = "".join(f'<p class="note">{text(line)}</p>' for line in notes if line)
    caption = f"<caption>{text(content.title)}</caption>"
    inner = f"{caption}<thead>{row(content.head, 'th', numbers)}</thead><tbody>{body}</tbody>"
    return f'<div class="wide"><table class="data">{inner}</table></div>{note}'


def row(cells: Sequence[str], tag: str = "td", numbers: Sequence[bool] = ()) -> str:
    """Return one row of a table; cells that `numbers` marks get the class of that name."""
    marks = [_mark(cell, number) for cell, number in zip(cells, numbers or [False] * len(cells), strict=True)]
    shown = (f"<{tag}{mark}>{text(cell)}</{tag}>" for cell, mark in zip(cells, marks, strict=True))
    return f"<tr>{''.join(shown)}</tr>"


def _mark(cell: str, number: bool) -> str:
    return ' class="number"' if number else ' class="short"' if len(cell) <= _SHORT else ""


def tree(value: Any, key: str = "", depth: int = 0) -> str:
    """Return nested plain data: a mapping as a two-column table, rows alike as a table, the rest as text.

    A number takes the unit that the suffix of its key, or of a key around it, states.
    """
    if depth == _DEPTH and isinstance(value, Mapping | list | tuple):
        return "…"
    if isinstance(value, Mapping) and value:
        pairs = list(value.items())
        rows = "".join(_entry(str(name), item, key, depth) for name, item in pairs[:MOST_ROWS])
        return f'<table class="plan">{rows}</table>{_rest_note(len(pairs), "entries")}'
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping | list) for item in value):
        return _sequence(value, depth)
    return text(", ".join(map(str, value)) if isinstance(value, list | tuple) else quantity(key, value), 1000)


def _entry(name: str, item: Any, around: str, depth: int) -> str:
    return f"<tr><th>{text(name)}</th><td>{tree(item, unit_key(name, around), depth + 1)}</td></tr>"


def inline_svg(document: str, prefix: str, label: str, colours: Mapping[str, str]) -> str:
    """Return an SVG document as an element of a page.

    Its ids get `prefix`, so that several can share a page; `colours` maps fixed colours to CSS variables, so
    that they follow the page's scheme.
    """
    body = document[document.index("<svg") :].replace("xlink:href", "href")
    body = re.sub(r'(<svg[^>]*?) (?:width="[^"]*" height="[^"]*")', r"\1", body, count=1)
    body = re.sub(r' xmlns(?::xlink)?="[^"]*"', "", body)
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{prefix}-", body)
    for colour, variable in colours.items():
        body = body.replace(colour, f"var({variable})")
    return body.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)


def _sequence(values: Sequence[Any], depth: int) -> str:
    keys = list(values[0]) if isinstance(values[0], Mapping) else []
    shown, note = values[:MOST_ROWS], _rest_note(len(values), "rows")
    if keys and all(isinstance(item, Mapping) and list(item) == keys for item in shown):
        head = row([str(key) for key in keys], "th")
        body = "".join(f"<tr>{_tree_cells(item, depth)}</tr>" for item in shown)
        return f'<table class="plan"><thead>{head}</thead><tbody>{body}</tbody></table>{note}'
    return "".join(f"<div>{tree(item, depth=depth + 1)}</div>" for item in shown) + note


def _tree_cells(item: Mapping[Any, Any], depth: int) -> str:
    return "".join(f"<td>{tree(value, str(key), depth + 1)}</td>" for key, value in item.items())


def _rest(count: int, what: str) -> str:
    return f"{MOST_ROWS:,} of {count:,} {what} shown." if count > MOST_ROWS else ""


def _rest_note(count: int, what: str) -> str:
    rest = _rest(count, what)
    return f'<p class="note">{rest}</p>' if rest else ""
