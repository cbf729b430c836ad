"""A training step on a machine: its exchanges as a schedule, and its result out of what they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.schedule import Lines, Operation, Schedule
from fabricsim.training.blocks import blocks_of
from fabricsim.training.outcome import Outcome
from fabricsim.training.parallel import Layout
from fabricsim.training.probes import Probe, probes_of
from fabricsim.training.step import Step


@dataclass(frozen=True, eq=False)
class Training:
    """A step called `name` on a machine. Get one with `training_of`."""

    name: str
    step: Step
    layout: Layout
    probes: tuple[Probe, ...]
    levels: tuple[str, ...] = ()
    """The levels of the machine, innermost first; none where it has none that ranks follow."""

    @property
    def schedule(self) -> Schedule:
        """Every exchange once, one after another, so that a plan shows them all."""
        found: list[Operation] = []
        for probe in self.probes:
            before = (found[-1].name,) if found else ()
            found.append(replace(self.named(probe), after=before, barrier=bool(before)))
        return Schedule(tuple(found), by_class=all(isinstance(r, Lines) for op in found for r in op.rounds))

    def named(self, probe: Probe) -> Operation:
        """Return the operation of one exchange, under the name that results have for it."""
        return replace(probe.operation, name=f"{self.name}/{probe.demand.name}")


def training_of(
    name: str,
    step: Step,
    layout: Layout,
    fabric: Fabric,
    algorithms: Mapping[str, str],
    *,
    copies: bool = True,
    lines: bool = True,
) -> Training:
    """Return a step on a machine. Raises InputError for algorithms that do not fit.

    copies: whether one of several equal copies of a level may stand for all, as it may where nothing is broken. lines:
    whether many messages may be rounds along lines, as they may where routing treats equal channels alike.
    """
    probes = probes_of(step, layout, fabric, algorithms, copies=copies, lines=lines)
    return Training(name, step, layout, probes, tuple(level for level, _ in blocks_of(fabric)))


def metrics_of(outcome: Outcome) -> dict[str, float]:
    """Return what a step took, by the names of METRICS."""
    step = outcome.step
    return {
        "step_time_s": outcome.step_time,
        "compute_time_s": outcome.compute_time,
        "bubble_time_s": outcome.bubble_time,
        "exposed_time_s": sum(outcome.exposed.values()),
        **{f"exposed_{name}_s": seconds for name, seconds in outcome.exposed.items()},
        "mfu": outcome.mfu,
        "kernel_efficiency": step.efficiency,
        "communication_factor": outcome.communication_factor,
        "availability": step.availability,
        "step_ranks": float(step.parallel.ranks),
        "token_rate": step.tokens / outcome.step_time * step.availability,
        "model_flops": step.model_flops,
    }


def passes_of(outcome: Outcome, name: str) -> dict[str, NDArray[np.generic]]:
    """Return the passes of every stage as columns: what a pipeline did when."""
    times = outcome.timeline
    way, stage, batch = (index.reshape(-1) for index in np.indices(times.start.shape))
    order = np.lexsort((times.start.reshape(-1), stage))
    return {
        "operation": np.array([name] * len(order), dtype=object),
        "stage": stage[order],
        "micro_batch": batch[order],
        "way": np.array(["forward", "backward"], dtype=object)[way[order]],
        "start_s": times.start.reshape(-1)[order],
        "end_s": times.end.reshape(-1)[order],
    }


def exposed_of(outcome: Outcome, name: str) -> dict[str, NDArray[np.generic]]:
    """Return the exposed time by dimension and level as columns."""
    rows = outcome.exposed_by_level
    return {
        "operation": np.array([name] * len(rows), dtype=object),
        "dimension": np.array([dimension for dimension, _ in rows], dtype=object),
        "level": np.array([level for _, level in rows], dtype=object),
        "exposed_s": np.array(list(rows.values()), dtype=np.float64),
    }
