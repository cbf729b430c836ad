"""What topologies are, as tables that fit beside one another: figures, tiers, cables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fabricsim.report.tables import TextTable, quantity

Figures = Mapping[str, Any]

LABELS: Final[Mapping[str, str]] = {
    "npus": "NPUs",
    "switches": "switches",
    "links": "links, full duplex",
    "channels": "channels, directed",
    "diameter_hops": "diameter [hops]",
    "mean_hops": "mean distance [hops]",
    "hops_sampled": "… from so many NPUs",
    "port_sum_raw_Bps": "port sum an NPU, raw",
    "port_sum_Bps": "port sum an NPU, wire",
    "scale_up_injection_Bps": "scale-up an NPU, wire",
    "scale_out_injection_Bps": "scale-out an NPU, wire",
    "bisection_Bps": "bisection, wire",
    "bisection_exact": "… proven",
    "all_to_all_bound_Bps": "all-to-all bound, payload",
    "all_to_all_sampled": "… from so many NPUs",
    "default_routing": "default routing",
}
"""Rows of the table: rates are per direction."""

_APART: Final = frozenset({"name", "title", "vendor_sum", "tiers", "cables", "lint", "evidence"})


def figures_table(figures: Sequence[Figures]) -> TextTable:
    """Return one row per figure and one column per topology; rows that nobody has are left out."""
    keys = [*LABELS, *(key for column in figures for key in column if key not in LABELS)]
    rows = []
    for key in dict.fromkeys(keys):
        values = [column.get(key) for column in figures]
        told = any(value is not None for value in values) or key not in ("hops_sampled", "all_to_all_sampled")
        if key not in _APART and told and any(key in column for column in figures):
            rows.append((LABELS.get(key, key), *(_cell(key, value) for value in values)))
    note = "Rates are per direction. Raw is signalling, wire is after coding, payload is without headers."
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
    """Return one row per medium with the links of each topology, and their share."""
    media = dict.fromkeys(medium for column in figures for medium in column.get("cables", {}))
    rows = [(medium, *(_share(column.get("cables", {}), medium) for column in figures)) for medium in media]
    return TextTable("Links by medium", ("", *_names(figures)), tuple(rows))


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
        lines += [f"{name}: {finding}" for finding in column.get("lint", ())]
    bases = {column.get("port_sum_raw_Bps") is None for column in figures if "port_sum_raw_Bps" in column}
    if len(bases) > 1:
        bare = ", ".join(str(column["name"]) for column in figures if column.get("port_sum_raw_Bps") is None)
        lines.append(f"not on one basis: {bare} states data rates where others state raw × coding")
    return lines


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


def _share(cables: Mapping[str, int], medium: str) -> str:
    if medium not in cables:
        return "–"
    return f"{cables[medium]:,} ({100 * cables[medium] / sum(cables.values()):.1f} %)"
