"""An explanation as tables and text for people."""

from __future__ import annotations

from collections.abc import Sized

from fabricsim.explanation import Explanation
from fabricsim.report.names import plain
from fabricsim.report.tables import TextTable
from fabricsim.units import format_size, format_time

_TOP = 12
_WORDS = frozenset(("where", "operation", "level", "link", "channel", "until", "change"))


def explanation_tables(found: Explanation) -> list[TextTable]:
    """Return the tables of an explanation: time by level, binding links, what if, and the critical path."""
    return [_time(found), _rounds(found), _what_if(found), _path(found)]


def explanation_text(found: Explanation) -> str:
    """Return an explanation as plain text, its headline first."""
    lines = [found.headline]
    for table in explanation_tables(found):
        if table.rows:
            lines += ["", table.title, *_aligned(table)] + ([table.note] if table.note else [])
    return "\n".join([*lines, *(f"note: {plain(text)}" for text in found.left_out)])


def _time(found: Explanation) -> TextTable:
    rows = tuple(
        (
            plain(row["level"]) or "no level",
            *(_time_text(row[part]) for part in ("transmit_s", "latency_s", "waiting_s")),
            _time_text(row["overhead_s"] + row["stated_s"]),
            f"{row['share']:.1%}",
        )
        for row in found.time
    )
    head = ("where", "transmission", "latency", "waiting", "overheads, computation", "share")
    return TextTable("Where the critical path's time goes", head, rows, words=_WORDS)


def _rounds(found: Explanation) -> TextTable:
    rows = tuple(
        (
            plain(row["operation"], 40),
            _numbers(row["first_round"], row["last_round"]),
            format_time(row["end_s"] - row["start_s"]),
            row["level"],
            row["link"],
            f"{row['channels']:,}",
            plain(row["channel"], 60),
            format_time(row["busy_s"]),
            f"{row['share']:.0%}",
        )
        for row in found.rounds[:_TOP]
    )
    head = ("operation", "rounds", "time", "level", "link", "channels", "channel", "busy", "share")
    return TextTable("The links that are busy longest in each round", head, rows, _rest(found.rounds), _WORDS)


def _what_if(found: Explanation) -> TextTable:
    rows = tuple(
        (row["link"], row["change"], format_time(row["completion_time_s"]), f"{row['gain']:+.2%}")
        for row in found.what_if
    )
    head = ("link", "change", "completion time", "gain")
    return TextTable("What a faster class of links would give, solved anew", head, rows, words=_WORDS)


def _path(found: Explanation) -> TextTable:
    table = found.path_table
    count = len(table["start_s"]) if table else 0
    columns = [table[name].tolist() for name in _PATH] if table else []
    rows = tuple(_path_cells(*cells) for cells in list(zip(*columns, strict=True))[:_TOP])
    head = ("operation", "round", "from", "to", "size", "begins", "takes", "until", "level", "waiting")
    return TextTable("The critical path", head, rows, _rest(range(count)), _WORDS)


_PATH = ("operation", "round", "src", "dst", "bytes", "start_s", "end_s", "until", "level", "waiting_s")


def _path_cells(
    operation: str, number: int, src: int, dst: int, size: int, start: float, end: float, until: str,
    level: str, waiting: float,
) -> tuple[str, ...]:  # fmt: skip
    return (
        plain(operation, 40), f"{number:,}", f"{src:,}" if src >= 0 else "all", f"{dst:,}" if dst >= 0 else "all",
        format_size(size), format_time(start), format_time(end - start), until, level, _time_text(waiting),
    )  # fmt: skip


def _numbers(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _time_text(seconds: float) -> str:
    return format_time(seconds, 3) if seconds > 0 else "–"


def _rest(rows: Sized) -> str:
    count = len(rows)
    return f"{_TOP} of {count:,} shown; the rest is in the result folder." if count > _TOP else ""


def _aligned(table: TextTable) -> list[str]:
    lines = [table.head, *table.rows]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(table.head))]
    return [
        "  ".join(
            cell.ljust(width) if table.aligned_left(column) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
        for cells in lines
    ]
