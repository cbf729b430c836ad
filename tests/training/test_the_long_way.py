"""A step put together from exchanges that are each solved once, against all of its exchanges run as one schedule."""

from dataclasses import replace

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.models import ModelShape
from fabricsim.schedule import Operation, Schedule
from fabricsim.training import Layout, Outcome, Parallel, Step
from fabricsim.training.probes import Probe, probes_of

FABRIC = fs.load_topology("server-stacking", servers=2, groups=2, blocks=2)  # 64 GPUs
MODEL = ModelShape(layers=3, hidden=1024, heads=16, kv_heads=16, head=64, ffn=4096, vocabulary=1000)
BATCHES = 2


def chained(probes: dict[str, Probe], step: Step, barrier: bool) -> list[Operation]:
    """Return every exchange of the step in its order; computation is the time before one.

    barrier: whether all ranks wait for the last one after each exchange.
    """
    found: list[Operation] = []

    def add(name: str, before: float) -> None:
        after = (found[-1].name,) if found else ()
        operation = replace(
            probes[name].operation,
            name=f"{len(found)} {name}",
            after=after,
            start=before,
            barrier=barrier and bool(after),
        )
        found.append(operation)

    layer = step.seconds(step.model.layer_flops(False, step.sequence))
    words = step.seconds(step.model.head_flops)
    parts = ("tp-gather", "tp-scatter", "tp-gather", "tp-scatter")  # of attention, and of the inner layer
    for _ in range(BATCHES):
        for number in range(2 * MODEL.layers):  # there and back; words are written and learnt in between
            back = number >= MODEL.layers
            computed = (2 * layer if back else layer) + (3 * words if number == MODEL.layers else 0.0)
            for place, part in enumerate(parts):
                add(part, computed if place == 0 else 0.0)
    (reduced,) = (name for name in probes if name.startswith("dp-"))
    add(reduced, 0.0)
    return found


@pytest.mark.parametrize("barrier", [True, False], ids=["together", "each rank by itself"])
def test_a_step_is_the_sum_of_its_exchanges_run_in_one_schedule(barrier: bool) -> None:
    parallel = Parallel(tp=8, dp=8)
    step = Step(MODEL, parallel, BATCHES, 1024, 989e12, 0.5)
    layout = Layout(parallel, np.arange(FABRIC.ranks))
    probes = {p.demand.name: p for p in probes_of(step, layout, FABRIC, {}, copies=False, lines=False)}
    assert set(probes) >= {"tp-gather", "tp-scatter"}
    alone = {
        name: fs.simulate(FABRIC, replace(p.operation, name=name), engine="flow").metrics["completion_time_s"]
        for name, p in probes.items()
    }
    assembled = Outcome(step, alone, {name: {"machine": 1.0} for name in alone}).step_time
    operations = chained(probes, step, barrier)
    whole = fs.simulate(FABRIC, Schedule(tuple(operations)), engine="flow").metrics["completion_time_s"]
    assert operations[0].start + whole == pytest.approx(
        assembled, rel=1e-9
    )  # a run counts from its first start
