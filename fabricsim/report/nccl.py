"""The table that nccl-tests prints, so that tools made for measured runs read simulated ones.

Widths and rounding after nccl-tests 2.19 (src/util.cu): a row is `%12li  %12li  %8s  %6s  %6s` (size, count,
type, redop, root) and, per placement, `  %7s  %6s  %6s  %6s` (time, algbw, busbw, #wrong). GB is 10^9 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fabricsim.formats.measured import TESTS
from fabricsim.report.names import plain
from fabricsim.result import OperationResult, Result

ELEMENT_BYTES: Final = 4
"""Bytes per element of the type the table states, `float`; the nccl-tests default."""

_COUNT_PER_RANK: Final = frozenset({
    "all-gather", "reduce-scatter", "all-to-all", "all-to-all-v", "gather", "scatter",
})  # fmt: skip
_REDUCING: Final = frozenset({"all-reduce", "reduce-scatter", "reduce"})
_ROOTED: Final = frozenset({"broadcast", "reduce", "gather", "scatter"})
_NEEDED: Final = ("size_B", "completion_time_s", "algbw_Bps", "busbw_Bps")


def collective_of(result: Result) -> OperationResult | None:
    """Return the result's collective where it has exactly one operation and that is one, else None."""
    if len(result.operations) != 1:
        return None
    (operation,) = result.operations
    return operation if all(name in operation.metrics for name in _NEEDED) else None


def nccl_table(results: Result | Sequence[Result]) -> str | None:
    """Return the nccl-tests table of one result or a sweep, one row each; None if not all are one collective.

    A simulated collective has no buffers, so both placements show the same run, and nothing was checked
    for wrong values (`N/A`); a comment line says so.
    """
    points = [results] if isinstance(results, Result) else list(results)
    found = [collective_of(result) for result in points]
    rows = [operation for operation in found if operation is not None]
    if not rows or len(rows) < len(points) or len({row.kind for row in rows}) > 1:
        return None
    test = TESTS.get(rows[0].kind, rows[0].kind.replace("-", "_")) + "_perf"
    body = [*_preamble(points[0], rows, test), *_HEAD, *(_row(row) for row in rows), *_footer(rows, test)]
    return "\n".join(body) + "\n"


_WIDTHS: Final = (12, 12, 8, 6, 6, *(7, 6, 6, 6) * 2)


def _line(cells: Sequence[object]) -> str:
    return "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))


_PLACEMENT: Final = ("time", "algbw", "busbw", "#wrong")
_HEAD: Final = (
    "#",
    f"#{'out-of-place':>74}{'in-place':>31}",
    "#" + _line(("size", "count", "type", "redop", "root", *_PLACEMENT * 2))[1:],
    "#" + _line(("(B)", "(elements)", "", "", "", *("(us)", "(GB/s)", "(GB/s)", "") * 2))[1:].rstrip(),
)


def _preamble(result: Result, rows: Sequence[OperationResult], test: str) -> list[str]:
    sizes = [int(row.metrics["size_B"]) for row in rows]
    ranks = [str(count) for count in sorted({row.ranks for row in rows})]
    algorithms = list(dict.fromkeys(plain(row.algorithm, 40) for row in rows))
    version = plain(result.provenance.get("fabricsim", ""))
    return [
        f"# fabricsim {version} {result.engine}/{result.kernel}, simulated".replace("  ", " "),
        f"# Collective test starting: {test}",
        f"# minBytes {min(sizes)} maxBytes {max(sizes)} iters: 1 validation: 0",
        f"# {plain(result.name, 80)}: {', '.join(ranks)} ranks, {', '.join(algorithms)}",
        "# Simulated runs have no buffers: in-place repeats out-of-place, and #wrong is not checked.",
    ]


def _row(operation: OperationResult) -> str:
    size, kind = int(operation.metrics["size_B"]), operation.kind
    count = size // ELEMENT_BYTES // (operation.ranks if kind in _COUNT_PER_RANK else 1)
    redop, root = ("sum" if kind in _REDUCING else "none"), (0 if kind in _ROOTED else -1)
    placement = (
        number_text(operation.metrics["completion_time_s"] * 1e6, 7),
        number_text(operation.metrics["algbw_Bps"] / 1e9, 6),
        number_text(operation.metrics["busbw_Bps"] / 1e9, 6),
        "N/A",
    )
    return _line((size, count, "float", redop, root, *placement * 2))


def _footer(rows: Sequence[OperationResult], test: str) -> list[str]:
    average = sum(row.metrics["busbw_Bps"] for row in rows) / len(rows) / 1e9
    return [f"# {'Avg bus bandwidth':<20} : {average:g}", "#", f"# Collective test concluded: {test}"]


def number_text(value: float, width: int) -> str:
    """Return a number as nccl-tests prints it: two decimals if they fit in `width`, else one, none, %.1e."""
    texts = (f"{value:{width}.{digits}f}" for digits in (2, 1, 0))
    return next((text for text in texts if len(text) <= width), f"{value:.1e}")
