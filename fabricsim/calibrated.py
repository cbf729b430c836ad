"""Operations as software runs them: a fixed cost and an efficiency, from one measured row of each.

What a fabric is simulated to take is the wire's time. Kernels take longer, and one measured row says by how much. It
cannot say how: all of the rest may be a fixed cost, or all of it a lower rate. One of the two is stated, or the rate is
the wire's; and both ends are told, between which every prediction from that row lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fabricsim.errors import FaultList
from fabricsim.result import OperationResult, Result
from fabricsim.scenario import Scenario
from fabricsim.scenario.calibrate import RowPart


def calibrated(result: Result, scenario: Scenario, run: Callable[[Scenario], Result]) -> Result:
    """Return a result with what its calibrated operations take. run: what runs a scenario as the result was run.

    Raises InputError, located in the scenario, for a row that no machine could have had.
    """
    faults, wires = FaultList(), dict[str, float]()
    for name, row in scenario.measured_rows().items():
        (operation,) = run(row).operations
        wires[name] = operation.metrics["completion_time_s"]
        with faults.at("calibrate", name):
            scenario.parts.calibrate[name].split(wires[name])
    if faults.faults:
        raise scenario.located(faults.faults)
    operations = tuple(
        _with_row(op, scenario.parts.calibrate[op.name], wires[op.name]) if op.name in wires else op
        for op in result.operations
    )
    notes = [_said(name, scenario.parts.calibrate[name], wire) for name, wire in wires.items()]
    return replace(result, operations=operations, notes=(*result.notes, *notes))


def _with_row(operation: OperationResult, part: RowPart, wire: float) -> OperationResult:
    fixed, efficiency = part.split(wire)
    time = operation.metrics["completion_time_s"]
    ends = sorted((part.time - wire + time, part.time / wire * time))
    found = {
        "calibrated_time_s": fixed + time / efficiency,
        "calibrated_least_s": ends[0],
        "calibrated_most_s": ends[1],
        "fixed_time_s": fixed,
        "wire_efficiency": efficiency,
    }
    return replace(operation, metrics={**operation.metrics, **found})


def _said(name: str, part: RowPart, wire: float) -> str:
    fixed, efficiency = part.split(wire)
    source = f" ({part.source})" if part.source else ""
    return (
        f"{name} is calibrated by one row{source}: {part.time * 1e6:.4g} us measured, {wire * 1e6:.4g} us on the wire, "
        f"so {fixed * 1e6:.4g} us each time and {efficiency:.1%} of the wire's rate"
    )
