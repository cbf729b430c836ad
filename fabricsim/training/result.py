"""A run of every exchange of a step, one after another, with what the step comes to."""

from __future__ import annotations

from dataclasses import replace

from fabricsim.result import OperationResult, Result
from fabricsim.table import Table
from fabricsim.training.outcome import Outcome
from fabricsim.training.training import Training, exposed_of, metrics_of, passes_of

NOTE = (
    "completion_time is that of every exchange of the step made once, one after another; step_time is the step's. "
    "Each exchange counts as it is with nothing else on the network"
)


def with_step(result: Result, training: Training) -> Result:
    """Return the result of a training's schedule with the step's metrics, passes and exposed time added."""
    outcome = Outcome(training.step, _seconds(result, training), _levels(training))
    found = metrics_of(outcome)
    ranks = training.step.parallel.ranks
    step = OperationResult(training.name, "train", training.step.model.name, ranks, 0.0, found)
    tables = {
        "passes": Table(passes_of(outcome, training.name)),
        "exposed": Table(exposed_of(outcome, training.name)),
    }
    return replace(
        result,
        metrics={**result.metrics, **found},
        operations=(step, *result.operations),
        tables={**result.tables, **tables},
        notes=(*result.notes, NOTE),
    )


def _seconds(result: Result, training: Training) -> dict[str, float]:
    times = {op.name: op.metrics["completion_time_s"] for op in result.operations}
    return {probe.demand.name: times[training.named(probe).name] for probe in training.probes}


def _levels(training: Training) -> dict[str, dict[str, float]]:
    """Return the level that each exchange's time belongs to: the outermost that its messages cross."""
    return {probe.demand.name: {_outermost(training, probe.hops): 1.0} for probe in training.probes}


def _outermost(training: Training, hops: object) -> str:
    crossed = [level for level in training.levels if level in hops]  # type: ignore[operator]
    return crossed[-1] if crossed else "machine"
