"""Tables and results as Markdown, for pull requests and notes: names are shown as they are, never as markup."""

from __future__ import annotations

from collections.abc import Sequence

from fabricsim.report import tables
from fabricsim.report.names import plain
from fabricsim.report.nccl import nccl_table
from fabricsim.report.tables import TextTable
from fabricsim.report.verdicts import Judged, headline, reason
from fabricsim.result import Result


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return "".join(f"\\{c}" if c in "\\`*_|<>[]#" else c for c in plain(text, 2000))


def table_markdown(table: TextTable) -> str:
    """Return a table with its title above and its note below."""
    lines = [f"**{escaped(table.title)}**", "", _line(table.head), "|".join(["", *_rules(table), ""])]
    lines += [_line(row) for row in table.rows]
    return "\n".join([*lines, *(["", escaped(table.note)] if table.note else [])])


def results_markdown(results: Sequence[Result], verdict: Sequence[Judged] | None = None) -> str:
    """Return one result, or the points of a sweep, as Markdown: verdict, tables, notes, digests."""
    last = results[-1]
    nccl = nccl_table(results)
    shown = (
        [tables.points_table(results)]
        if len(results) > 1
        else [
            tables.metrics_table(last),
            tables.operations_table(last, tables.HEADLINE),
            tables.levels_table(last),
        ]
    )
    parts = [
        f"### {escaped(results[0].name)}",
        *_verdict(verdict),
        *([f"```\n{nccl.rstrip()}\n```"] if nccl else []),
        *(table_markdown(table) for table in shown if table.rows),
        *(f"> {escaped(note)}" for note in dict.fromkeys(note for point in results for note in point.notes)),
        "\n".join(f"- {_origin(point)}" for point in results),
    ]
    return "\n\n".join(parts) + "\n"


def _verdict(verdict: Sequence[Judged] | None) -> list[str]:
    if verdict is None:
        return []
    lines = [f"- {'✅' if one.ok else '❌'} {escaped(one.text)}: {escaped(reason(one))}" for one in verdict]
    return [f"**{escaped(headline(verdict))}**", *(["\n".join(lines)] if lines else [])]


def _origin(result: Result) -> str:
    return f"{escaped(result.engine)}/{escaped(result.kernel)}, seed {result.seed}, digest `{result.digest}`"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"


def _rules(table: TextTable) -> list[str]:
    return ["---" if table.aligned_left(column) else "---:" for column in range(len(table.head))]
