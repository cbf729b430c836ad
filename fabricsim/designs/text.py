"""What studies of a design found, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from fabricsim.designs.break_even import BreakEven, Probe, Threshold
from fabricsim.designs.cheapest import Search, Trial
from fabricsim.designs.sensitivity import Effect, Sensitivity
from fabricsim.expectations import format_value, kind_of, quantity_of
from fabricsim.regression.text import table
from fabricsim.regression.verdicts import Verdict
from fabricsim.units import format_bandwidth, format_size, format_time


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


def solve_lines(found: BreakEven) -> list[str]:
    """Return where a condition turns, and for each threshold what both sides are like and what binds there."""
    lines = []
    for threshold in found.thresholds:
        lines += [_turn(found, threshold), *(f"  {line}" for line in table(_sides(threshold), _SIDE))]
    if not found.thresholds:
        first, last = found.probes[0], found.probes[-1]
        word = "holds" if first.verdict.ok else "never holds"
        lines.append(f"{found.condition}: {word} from {found.key} = {shown(first)} to {shown(last)}")
        lines += [f"  {line}" for line in table([_side(first), _side(last)], _SIDE)]
    count = len(found.probes)
    return [
        *lines,
        f"{count} values of {found.key} were run, from {shown(found.probes[0])} to {shown(found.probes[-1])}",
    ]


_SIDE = ("value", "verdict", "busiest channels", "utilisation")


def _turn(found: BreakEven, threshold: Threshold) -> str:
    last, first = threshold.below, threshold.above
    if not threshold.holds_below:
        return f"{found.condition}: holds from {found.key} = {shown(first)} on, not yet at {shown(last)}"
    return f"{found.condition}: holds up to {found.key} = {shown(last)}, no longer at {shown(first)}"


def _sides(threshold: Threshold) -> list[tuple[str, ...]]:
    return [_side(threshold.below), _side(threshold.above)]


def _side(probe: Probe) -> tuple[str, ...]:
    name, utilisation = probe.busiest
    return shown(probe), probe.verdict.why, name, f"{100 * utilisation:.3g} %"


def shown(probe: Probe) -> str:
    """Return a probe's value for people: numbers to six digits, quantities in a fitting unit."""
    value = probe.value
    if isinstance(value, str):
        return next(
            (show(probe.number) for unit, show in _SHOWN.items() if value.endswith(f" {unit}")), value
        )
    return f"{value:.6g}"


_SHOWN: Final[Mapping[str, Callable[[float], str]]] = {
    "ps": lambda number: format_time(number * 1e-12, 6),
    "B": lambda number: format_size(number, 6),
    "B/s": lambda number: format_bandwidth(number, 6),
}
"""How quantities are shown, by the unit that a range writes them in."""


def search_lines(found: Search) -> list[str]:
    """Return the best design, then the front: what is set, objectives, whether it meets everything."""
    keys = list(found.trials[0].values)
    count = len(found.trials)
    tried = f"all {count} designs" if found.whole else f"{count} designs, sampled,"
    bad = sum(bool(trial.error) for trial in found.trials)
    lines = [
        f"{found.name}: {tried} tried, {sum(t.meets for t in found.trials)} meet every expectation, {bad} cannot run"
    ]
    if found.best:
        settings = ", ".join(f"{key} = {found.best.values[key]}" for key in keys)
        lines.append(f"least {found.objectives[0]}: {_objective(found, found.best, 0)} with {settings}")
    else:
        lines.append(f"no design meets every expectation; nearest: {_nearest(found)}")
    head = (*keys, *found.objectives, "meets all")
    rows = [
        (*(str(t.values[key]) for key in keys), *_objectives(found, t), "yes" if t.meets else "no")
        for t in found.front
    ]
    title = "no other design beats these" + (" in both" if len(found.objectives) > 1 else "")
    return [*lines, f"{title}:", *(f"  {line}" for line in table(rows, head))]


def _nearest(found: Search) -> str:
    trial = min((t for t in found.trials if not t.error), key=lambda t: t.excess)
    return f"{', '.join(f'{key} = {value}' for key, value in trial.values.items())} misses {'; '.join(trial.misses)}"


def _objectives(found: Search, trial: Trial) -> list[str]:
    return [_objective(found, trial, index) for index in range(len(found.objectives))]


def _objective(found: Search, trial: Trial, index: int) -> str:
    return format_value(trial.objectives[index], kind_of(quantity_of(found.objectives[index], None).metric))
