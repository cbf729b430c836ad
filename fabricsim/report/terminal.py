"""Results, plans and topologies on a terminal.

Names are shown as text, never as markup. What a pipe may read line by line, the nccl-tests table, is not wrapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fabricsim.explanation import Explanation
from fabricsim.report import inspection_tables, tables
from fabricsim.report.explanation_tables import explanation_tables
from fabricsim.report.losses import draws_table, losses_table
from fabricsim.report.names import plain
from fabricsim.report.nccl import nccl_table
from fabricsim.report.verdicts import Judged, reason
from fabricsim.result import Result

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.tree import Tree

_MOST_ROWS = 40


def print_result(
    results: Result | Sequence[Result], verdict: Sequence[Judged] | None, console: Console
) -> None:
    """Print results: the nccl-tests table where it applies, metrics, notes, verdict, digest and cost."""
    points = [results] if isinstance(results, Result) else list(results)
    nccl = nccl_table(points)
    if nccl:
        _line(console, nccl.rstrip("\n"))
    if len(points) > 1:
        print_table(console, tables.points_table(points))
    else:
        _print_one(console, points[0])
    for note in dict.fromkeys(note for point in points for note in point.notes):
        _line(console, f"note: {plain(note)}")
    for entry in verdict or ():
        sign, style = ("ok", "green") if entry.ok else ("FAIL", "bold red")
        _line(console, f"{sign:<4} {plain(entry.text)}: {plain(reason(entry))}", style)
    for index, point in enumerate(points):
        _line(console, (f"point {index}: " if len(points) > 1 else "") + _origin(point))


def print_explanation(found: Explanation, console: Console) -> None:
    """Print why a run took as long as it did: one sentence, then the tables, then what could not be said."""
    _line(console, f"{plain(found.name)}: {plain(found.headline)}", "bold")
    print_tables(explanation_tables(found), console)
    for text in found.left_out:
        _line(console, f"note: {plain(text)}", "dim")


def print_tables(content: Sequence[tables.TextTable], console: Console) -> None:
    """Print tables one below the other."""
    for table in content:
        print_table(console, table)


def print_plan(plans: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print effective plans as trees, one per point of a sweep."""
    from rich.tree import Tree

    for index, plan in enumerate(plans):
        tree = Tree(_text("plan" if len(plans) == 1 else f"plan of point {index}", "bold"))
        _grow(tree, plan, "")
        console.print(tree)


_FIRST_COLUMN, _OTHER_COLUMNS = 32, 24


def print_inspection(figures: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print what topologies are, as many side by side as fit, then their tiers, remarks and findings."""
    beside = max(1, (console.width - _FIRST_COLUMN) // _OTHER_COLUMNS)
    shown = [figures[first : first + beside] for first in range(0, len(figures), beside)]
    for table in (
        inspection_tables.figures_table,
        inspection_tables.cables_table,
        inspection_tables.parts_table,
    ):
        for part in shown:
            print_table(console, table(part))
    print_table(console, inspection_tables.tiers_table(figures))
    for line in inspection_tables.remarks(figures):
        _line(console, plain(line))


def _print_one(console: Console, result: Result) -> None:
    print_table(console, tables.metrics_table(result))
    print_table(console, tables.jobs_table(result))
    if len(result.operations) > 1:
        print_table(console, tables.operations_table(result, tables.HEADLINE))
    print_tables((tables.levels_table(result), losses_table(result), draws_table(result)), console)


def _origin(result: Result) -> str:
    cost = ", ".join(f"{name} {value}" for name, value in tables.cost_table(result).rows)
    return f"{result.engine}/{result.kernel}, seed {result.seed}, digest {result.digest}" + (
        f"; {cost}" if cost else ""
    )


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(_text(text, style), soft_wrap=True)


def _text(text: str, style: str = "") -> Any:
    from rich.text import Text

    return Text(text, style=style)


def print_table(console: Console, content: tables.TextTable) -> None:
    """Print a table with its title and note; nothing where it has no rows."""
    if not content.rows:
        return
    table = _grid(content)
    for cells in content.rows[:_MOST_ROWS]:
        table.add_row(*(_text(plain(cell, 120)) for cell in cells))
    console.print()
    console.print(table)
    rest = len(content.rows) - _MOST_ROWS
    for note in (content.note, f"{rest} more rows" if rest > 0 else ""):
        if note:
            _line(console, note, "dim")


def _grid(content: tables.TextTable) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=_text(content.title, "bold") if content.title else None, title_justify="left", box=SIMPLE_HEAD
    )
    for index, name in enumerate(content.head):
        table.add_column(_text(plain(name, 60)), justify="left" if content.aligned_left(index) else "right")
    return table


def _grow(tree: Tree, value: Any, around: str) -> None:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    for key, item in items:
        name = tables.unit_key(str(key), around)
        if isinstance(item, Mapping) or (
            isinstance(item, list) and any(isinstance(i, Mapping) for i in item)
        ):
            label = item.get("name", key) if isinstance(item, Mapping) and isinstance(key, int) else key
            _grow(tree.add(_text(plain(label, 120))), item, name)
        else:
            tree.add(_text(f"{plain(key)}: {_compact(name, item)}"))


def _compact(key: str, value: Any) -> str:
    """Return plain data as one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_compact(str(name), item)}" for name, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(_compact(key, item) for item in value) or "none"
    return plain(tables.quantity(key, value), 400)
