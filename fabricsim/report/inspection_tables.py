"""What topologies are, as tables that fit beside one another: figures, tiers, cables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fabricsim.report.tables import TextTable, quantity
from fabricsim.units import format_time

Figures = Mapping[str, Any]

LABELS: Final[Mapping[str, str]] = {
    "npus": "NPUs",
    "packages": "packages",
    "switches": "switches",
    "circuit_switches": "circuit switches",
    "cpus": "CPUs",
    "nics": "NICs",
    "spares": "spare NPUs",
    "links": "links, full duplex",
    "channels": "channels, directed",
    "diameter_hops": "diameter [hops]",
    "mean_hops": "mean distance [hops]",
    "hops_sampled": "hops: NPUs looked at",
    "vendor_port_sum_Bps": "port sum an NPU, its record",
    "port_sum_raw_Bps": "port sum an NPU, raw",
    "port_sum_Bps": "port sum an NPU, wire",
    "port_sum_payload_Bps": "port sum an NPU, payload",
    "scale_up_injection_raw_Bps": "scale-up an NPU, raw",
    "scale_up_injection_Bps": "scale-up an NPU, wire",
    "scale_up_injection_payload_Bps": "scale-up an NPU, payload",
    "scale_out_injection_raw_Bps": "scale-out an NPU, raw",
    "scale_out_injection_Bps": "scale-out an NPU, wire",
    "scale_out_injection_payload_Bps": "scale-out an NPU, payload",
    "package_Bps": "inside a package, wire",
    "ports": "ports of an NPU",
    "ports_used": "ports wired here",
    "spare_ports": "spare ports",
    "spare_Bps": "spare rate by its record",
    "dual_use_ports": "dual-use ports",
    "bisection_Bps": "bisection, wire",
    "bisection_payload_Bps": "bisection, payload",
    "bisection_exact": "bisection proven",
    "all_to_all_bound_wire_Bps": "all-to-all bound, wire",
    "all_to_all_bound_Bps": "all-to-all bound, payload",
    "all_to_all_sampled": "bound: NPUs looked at",
    "default_routing": "default routing",
    "optical_modules": "optical modules",
}
"""Rows of the table: rates are per direction, those of NPUs per NPU (a rank: a die where a package has several)."""

_APART: Final = frozenset(
    {
        "name",
        "title",
        "vendor_sum",
        "tiers",
        "cables",
        "cable_lanes",
        "layout",
        "parts",
        "notes",
        "lint",
        "evidence",
    }
)
_MEDIA: Final[Mapping[str, str]] = {
    "pcb": "links on boards",
    "copper": "passive copper",
    "active-copper": "active copper",
    "optical": "optical",
    "unstated": "medium not stated",
}
_NO_CABLE: Final = "pcb"


def figures_table(figures: Sequence[Figures]) -> TextTable:
    """Return one row per figure and one column per topology; rows that nobody has are left out."""
    keys = [*LABELS, *(key for column in figures for key in column if key not in LABELS)]
    rows = []
    for key in dict.fromkeys(keys):
        values = [column.get(key) for column in figures]
        if key not in _APART and any(value is not None for value in values):
            rows.append((LABELS.get(key, key), *(_cell(key, value) for value in values)))
    note = (
        "Rates are per direction. Raw is signalling, wire is after coding, payload is without headers; "
        "a dash is not known, or not stated."
    )
    return TextTable("", ("", *_names(figures)), tuple(rows), note)


def tiers_table(figures: Sequence[Figures]) -> TextTable:
    """Return one row per switched tier of each topology, with down over up bandwidth."""
    rows = [
        (str(column["name"]), str(tier["name"]), f"{tier['count']:,}", _taper(tier["oversubscription"]))
        for column in figures
        for tier in column.get("tiers", ())
    ]
    return TextTable(
        "Switched tiers, inner first", ("topology", "name", "switches", "down : up"), tuple(rows)
    )


def cables_table(figures: Sequence[Figures]) -> TextTable:
    """Return one row per medium with the cables of each topology and their share; links on boards are no cables."""
    media = [medium for medium in _MEDIA if any(medium in column["cables"] for column in figures)]
    rows = [(_MEDIA[medium], *(_share(column["cables"], medium) for column in figures)) for medium in media]
    lanes = [column["cable_lanes"] for column in figures]
    rows += [
        (f"lanes, {_MEDIA[medium]}", *(_share(column or {}, medium) for column in lanes))
        for medium in media
        if medium != _NO_CABLE and any(column and medium in column for column in lanes)
    ]
    return TextTable("Cables by medium", ("", *_names(figures)), (*rows, *_layout_rows(figures)))


def _layout_rows(figures: Sequence[Figures]) -> list[tuple[str, ...]]:
    """Return lengths by medium, racks and bundles; none where no topology has a layout."""
    layouts = [column.get("layout") for column in figures]
    media = [medium for medium in _MEDIA if any(layout and medium in layout["metres"] for layout in layouts)]
    rows = [
        (f"longest, {_MEDIA[m]} [m]", *(_metres(layout, "longest_m", m) for layout in layouts)) for m in media
    ]
    rows += [
        (f"in all, {_MEDIA[m]} [m]", *(_metres(layout, "metres", m) for layout in layouts)) for m in media
    ]
    if any(layouts):
        rows += [
            (key, *("–" if layout is None else f"{layout[key]:,}" for layout in layouts))
            for key in ("racks", "bundles")
        ]
    return rows


def _metres(layout: Mapping[str, Any] | None, key: str, medium: str) -> str:
    return "–" if layout is None or medium not in layout[key] else f"{layout[key][medium]:,.7g}"


def parts_table(figures: Sequence[Figures]) -> TextTable:
    """Return cost, power and failures of each topology by a parts book, with the share of pieces that is known."""
    books = [column["parts"] for column in figures if "parts" in column]
    if not books:
        return TextTable("", ("",), ())
    rows: list[tuple[str, ...]] = [("pieces", *(f"{book['pieces']:,.10g}" for book in books))]
    for label, key, share in _PARTS:
        rows.append((label, *(_known(book, key, share) for book in books)))
    rows.append(("time between failures", *(_mtbf(book) for book in books)))
    first = books[0]
    book = f"Prices in {first['unit']}, by: {first['title'] or 'a book without a title'}."
    note = f"{book} In brackets is the share of pieces that the book knows."
    return TextTable("Parts", ("", *_names(figures)), tuple(rows), note)


_PARTS: Final = (
    ("price", "price", "priced_share"),
    ("power [W]", "watts", "watts_share"),
    ("failures a year", "failures_per_year", "failures_share"),
)


def _known(book: Mapping[str, Any], key: str, share: str) -> str:
    return "–" if book[key] is None else f"{book[key]:,.6g} ({100 * book[share]:.1f} %)"


def _mtbf(book: Mapping[str, Any]) -> str:
    if book["mtbf_s"] is None:
        return "–"
    return f"{'' if book['failures_share'] == 1 else 'at most '}{format_time(book['mtbf_s'])}"


def remarks(figures: Sequence[Figures]) -> list[str]:
    """Return what is said below the tables: titles, vendors' sums in their words, evidence, mixed bases, findings."""
    lines = []
    for column in figures:
        name, confidence = column["name"], column.get("evidence") or {}
        if column.get("title"):
            lines.append(f"{name}: {column['title']}")
        if column.get("vendor_sum"):
            lines.append(f"{name}, in the vendor's words: {column['vendor_sum']}")
        if confidence:
            lines.append(f"{name}, numbers: " + ", ".join(f"{n} {word}" for word, n in confidence.items()))
        if column.get("parts"):
            told = ", ".join(f"{n} {word}" for word, n in column["parts"]["confidence"].items())
            lines.append(f"{name}, parts: {told or 'no piece is in the book'}")
        lines += [f"{name}: {line}" for line in (*column.get("notes", ()), *column.get("lint", ()))]
    return [*lines, *_mixed_bases(figures)]


def _mixed_bases(figures: Sequence[Figures]) -> list[str]:
    """Return what is said where some topologies state raw × coding and others only a data rate."""
    stated = [str(column["name"]) for column in figures if column["scale_up_injection_raw_Bps"]]
    bare = [str(column["name"]) for column in figures if column["scale_up_injection_raw_Bps"] is None]
    if not stated or not bare:
        return []
    return [
        f"not on one basis: {', '.join(stated)} state raw × coding, {', '.join(bare)} plain data rates; what a data "
        "rate leaves out its vendor does not say, so compare wire or payload, never raw with a data rate"
    ]


def _names(figures: Sequence[Figures]) -> tuple[str, ...]:
    return tuple(str(column["name"]) for column in figures)


def _cell(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and not key.endswith("_Bps"):
        return f"{value:,}"
    return "–" if value is None else quantity(key, value)


def _taper(value: float | None) -> str:
    return "top" if value is None else f"{value:.4g} : 1"


def _share(counts: Mapping[str, float], medium: str) -> str:
    if medium not in counts:
        return "–"
    number = f"{counts[medium]:,.6g}" if counts[medium] % 1 else f"{int(counts[medium]):,}"
    cabled = sum(count for of, count in counts.items() if of != _NO_CABLE)
    return number if medium == _NO_CABLE else f"{number} ({100 * counts[medium] / cabled:.1f} %)"
