"""A calibration as an overlay file."""

from __future__ import annotations

from fabricsim.calibration.calibration import Calibration, as_good
from fabricsim.calibration.fit import Fit
from fabricsim.topology.overlay import SCHEMA
from fabricsim.units import format_bandwidth


def overlay_text(calibration: Calibration) -> str:
    """Return the overlay that lays a calibration over its machine, with what its numbers come from."""
    lines = [
        f"schema: {SCHEMA}",
        f"topology: {calibration.fabric.name}",
        "links:",
    ]
    for name, (latency, efficiency) in calibration.links.items():
        keys = [f"efficiency: {min(1.0, efficiency):.6f}"]
        if name not in calibration.kept:
            keys.append(f"latency: {latency * 1e9:.3f} ns")
        lines.append(f"  {name}: {{{', '.join(keys)}}}")
    lines.append("evidence:")
    for name in calibration.links:
        fits = [fit for fit in calibration.chosen if fit.link == name]
        lines += [
            f"  links.{name}:",
            "    confidence: inferred",
            f"    source: {_quoted('fitted to ' + '; '.join(fit.measurement.source for fit in fits))}",
            f"    note: {_quoted('; '.join(said(fit, calibration) for fit in fits))}",
        ]
    return "\n".join(lines) + "\n"


def said(fit: Fit, calibration: Calibration) -> str:
    """Return a fit in a sentence: algorithm, alpha and B, and its error on the sizes held out."""
    of_log = [f for f in calibration.fits if f.measurement is fit.measurement]
    others = [f.algorithm for f in as_good(of_log, fit.measurement.kind)[1:]]
    how = f" (not stated; {', '.join(others)} fit as well)" if others else ""
    held = "" if fit.held_error is None else f", held-out error {fit.held_error:.1%}"
    return (
        f"{fit.measurement.kind} by {fit.algorithm}{how}: alpha {fit.alpha * 1e6:.3g} us, B "
        f"{format_bandwidth(fit.rate)} of {format_bandwidth(fit.wire_rate)}{held}"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
