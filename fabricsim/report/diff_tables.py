"""How two topologies differ, as tables for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from fabricsim.report.inspection_tables import LABELS
from fabricsim.report.markdown import escaped, table_markdown
from fabricsim.report.names import plain
from fabricsim.report.tables import TextTable, quantity
from fabricsim.units import format_bandwidth, format_time

if TYPE_CHECKING:
    from rich.console import Console


_WORDS: Final = {"added": "added", "removed": "removed", "rerated": "re-rated"}
_NAMED: Final = 2
"""Links of each kind that the note names."""


def diff_tables(found: Mapping[str, Any]) -> list[TextTable]:
    """Return the tables of a difference; those without rows are left out."""
    rows = ("name", "A", "B", "B over A")
    tables = [
        TextTable("Parameters", rows, tuple(_row(row["name"], row) for row in found["parameters"])),
        TextTable("Records", rows, tuple(_row(row["name"], row, row["name"]) for row in found["records"])),
        TextTable("Counts", rows, tuple(_row(row["name"], row) for row in found["counts"])),
        _links_table(found["links"]),
        TextTable(
            "Figures",
            rows,
            tuple(_row(LABELS.get(row["name"], row["name"]), row, row["name"]) for row in found["bounds"]),
        ),
    ]
    return [table for table in tables if table.rows]


def headline(found: Mapping[str, Any]) -> str:
    """Return in one line what was compared, and whether anything differs."""
    links = found["links"]
    told = (
        "the two are the same"
        if found["same"]
        else f"links: {links['same']:,} the same, {links['added']:,} added, {links['removed']:,} removed, "
        f"{links['rerated']:,} re-rated"
    )
    apart = "" if links["common_nodes"] else "; no node has the same name on both sides"
    return f"A: {found['a']}   B: {found['b']}   {told}{apart}"


def print_diff(found: Mapping[str, Any], console: Console) -> None:
    """Print how two topologies differ."""
    from fabricsim.report.terminal import print_table

    console.print(plain(headline(found), 400), markup=False, soft_wrap=True)
    for table in diff_tables(found):
        print_table(console, table)


def diff_markdown(found: Mapping[str, Any]) -> str:
    """Return how two topologies differ as Markdown tables."""
    return "\n\n".join([escaped(headline(found)), *map(table_markdown, diff_tables(found))])


def _links_table(links: Mapping[str, Any]) -> TextTable:
    rows = tuple(
        (row["level"], _WORDS[row["change"]], f"{row['count']:,}", _rate(row["a"]), _rate(row["b"]))
        for row in links["by_level"]
    )
    shown = [
        f"{word}: {', '.join(named[:_NAMED])}"
        for kind, word in _WORDS.items()
        if (named := [row["link"] for row in links["examples"] if row["change"] == kind])
    ]
    head = ("level", "kind", "links", "A", "B")
    return TextTable("Links", head, rows, f"Such as {'; '.join(shown)}" if shown else "")


def _row(label: str, row: Mapping[str, Any], key: str = "") -> tuple[str, ...]:
    a, b = row["a"], row["b"]
    return label, _cell(key, a), _cell(key, b), _over(a, b)


def _cell(key: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and not key.endswith(("_Bps", "_B")):
        return f"{value:,}"
    return "–" if value is None else quantity(key, value)


def _over(a: Any, b: Any) -> str:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in (a, b)) or not a:
        return "–"
    return f"{b / a:.4g}"


def _rate(rate: Mapping[str, float] | None) -> str:
    return (
        "–"
        if rate is None
        else f"{format_bandwidth(rate['bandwidth_Bps'])}, {format_time(rate['latency_s'])}"
    )
