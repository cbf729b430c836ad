"""A calibration as tables for people: every fit, those that cannot be, and each size of what counts."""

from __future__ import annotations

from typing import Any, Final

from fabricsim.calibration import Calibration, Fit
from fabricsim.report.tables import TextTable
from fabricsim.units import format_bandwidth, format_size, format_time

_WORDS: Final = frozenset(("algorithm", "link", "verdict"))


def calibration_tables(calibration: Calibration) -> list[TextTable]:
    """Return a table of all fits, of the links they come to, and of each log's sizes."""
    return [
        _fits(calibration),
        _links(calibration),
        *(_sizes(fit, calibration) for fit in calibration.chosen),
    ]


def _fits(calibration: Calibration) -> TextTable:
    head = ("log", "algorithm", "link", "alpha", "B", "wire bound", "fit error", "held-out error", "verdict")
    chosen = {(fit.measurement.source, fit.algorithm) for fit in calibration.chosen}
    rows: list[tuple[str, ...]] = [
        (
            _source(fit), fit.algorithm, fit.link, format_time(fit.alpha),
            format_bandwidth(fit.rate) if fit.rate < 1e18 else "–", format_bandwidth(fit.wire_rate),
            f"{fit.fit_error:.1%}", _share(fit.held_error), _verdict(fit, chosen),
        )
        for fit in calibration.fits
    ]  # fmt: skip
    rows += [(source, name, *["–"] * 6, f"does not run: {why}") for source, name, why in calibration.misfits]
    note = (
        "alpha: the least size's time for each round; B: what a rank sends over the link. Held out: every "
        "second size"
    )
    return TextTable(f"{calibration.fabric.name}: fits", head, tuple(rows), note, _WORDS)


def _verdict(fit: Fit, chosen: set[tuple[str, str]]) -> str:
    if fit.rejected:
        return f"rejected: {fit.rejected}"
    return "counts" if (fit.measurement.source, fit.algorithm) in chosen else "possible"


def _source(fit: Fit) -> str:
    name = fit.measurement.source.rpartition("/")[2]
    return f"{name}: {fit.measurement.kind} of {len(fit.measurement.ranks)}"


def _share(error: float | None) -> str:
    return "–" if error is None else f"{error:.1%}"


def _links(calibration: Calibration) -> TextTable:
    rows = tuple(
        (
            name,
            f"{efficiency:.1%}",
            "as published" if name in calibration.kept else format_time(latency),
        )
        for name, (latency, efficiency) in calibration.links.items()
    )
    return TextTable("links", ("link", "efficiency", "latency"), rows)


def _sizes(fit: Fit, calibration: Calibration) -> TextTable:
    fabric = calibration.calibrated
    times = [fit.measurement.simulated(fabric, fit.algorithm, size) for size in fit.measurement.sizes]
    rows = tuple(
        (format_size(size), format_time(measured), format_time(time), f"{time / measured - 1:+.1%}", role)
        for size, measured, time, role in zip(
            fit.measurement.sizes, fit.measurement.times, times, fit.roles, strict=True
        )
    )
    head = ("size", "measured", "simulated", "error", "verdict")
    note = f"{fit.measurement.kind} by {fit.algorithm}; the wire alone: {format_time(fit.wire_time)} at the largest"
    return TextTable(fit.measurement.source, head, rows, note, _WORDS)


def calibration_json(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration as plain values, times in seconds and rates in bytes a second."""
    return {
        "topology": calibration.fabric.name,
        "links": {
            name: {"efficiency": efficiency, **({} if name in calibration.kept else {"latency_s": latency})}
            for name, (latency, efficiency) in calibration.links.items()
        },
        "fits": [_fit_json(fit) for fit in calibration.fits],
        "chosen": [_fit_json(fit) for fit in calibration.chosen],
        "misfits": [
            {"log": source, "algorithm": name, "why": why} for source, name, why in calibration.misfits
        ],
    }


def _fit_json(fit: Fit) -> dict[str, Any]:
    return {
        "log": fit.measurement.source, "kind": fit.measurement.kind, "ranks": len(fit.measurement.ranks),
        "algorithm": fit.algorithm, "link": fit.link, "alpha_s": fit.alpha,
        "efficiency": fit.efficiency if fit.rate < 1e18 else None, "latency_s": fit.latency,
        "B_Bps": fit.rate if fit.rate < 1e18 else None, "wire_Bps": fit.wire_rate,
        "fit_error": fit.fit_error, "held_out_error": fit.held_error, "worst_error": fit.worst,
        "rejected": fit.rejected,
    }  # fmt: skip
