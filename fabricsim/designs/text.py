"""What studies of a design found, as lines for a terminal."""

from __future__ import annotations

from fabricsim.designs.sensitivity import Effect, Sensitivity
from fabricsim.regression.text import table
from fabricsim.regression.verdicts import Verdict


def sensitivity_lines(found: Sensitivity) -> list[str]:
    """Return a table for each expectation: what each number does to it, and where the verdict flips."""
    lines = []
    head = ("number", "confidence", "range", "change at low", "at high", "verdict")
    for name in dict.fromkeys(effect.expectation for effect in found.effects):
        effects = [effect for effect in found.effects if effect.expectation == name]
        nominal = effects[0].nominal
        lines.append(f"{name}: {'holds' if nominal.ok else 'fails'}, {nominal.why}")
        lines += [f"  {line}" for line in table([_effect_cells(effect) for effect in effects], head)]
    return lines


def _effect_cells(effect: Effect) -> tuple[str, ...]:
    low, high = effect.number.ends
    flips = f"flips at x{effect.flips_at:.4g}" if effect.flips_at else "stays"
    return (
        effect.number.key,
        effect.number.confidence,
        f"x{low:g} .. x{high:g}",
        *(_moved(effect.nominal, verdict) for verdict in (effect.low, effect.high)),
        flips,
    )


def _moved(nominal: Verdict, verdict: Verdict) -> str:
    if verdict.actual is None or not nominal.actual:
        return "-"
    return f"{100 * (verdict.actual / nominal.actual - 1):+.3g} %"
