"""What jobs on one machine cost each other: each is run again as if the machine were its own.

Alone a job has the same ranks, arrives at the same time, and its messages keep their ids, so that what is hashed or
drawn falls as it did beside the others; what breaks breaks as before. The slowdown is then theirs and nothing else's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fabricsim.result import JobResult, OperationResult, Result
from fabricsim.schedule import Schedule, Tenant


def with_jobs(result: Result, schedule: Schedule, run: Callable[[Schedule], Result]) -> Result:
    """Return a result with `jobs`, and with the slowdown of each operation. run: what runs one job's part alone."""
    jobs, operations = [], {op.name: op for op in result.operations}
    for tenant in schedule.tenants:
        alone = {op.name: op for op in run(schedule.alone(tenant)).operations}
        together = {name: operations[name] for name in tenant.operations}
        for name, op in together.items():
            factor = op.metrics["completion_time_s"] / alone[name].metrics["completion_time_s"]
            operations[name] = replace(op, metrics={**op.metrics, "slowdown": factor})
        jobs.append(_job(tenant, _end(together), _end(alone)))
    slowdowns = [job.metrics["slowdown"] for job in jobs]
    numbers = {
        **result.metrics,
        "slowdown_max": max(slowdowns),
        "slowdown_mean": sum(slowdowns) / len(slowdowns),
    }
    return replace(result, metrics=numbers, operations=tuple(operations.values()), jobs=tuple(jobs))


def _end(operations: dict[str, OperationResult]) -> float:
    return max(op.start_s + op.metrics["completion_time_s"] for op in operations.values())


def _job(tenant: Tenant, end: float, alone: float) -> JobResult:
    taken, least = end - tenant.start, alone - tenant.start
    numbers = {"completion_time_s": taken, "alone_time_s": least, "slowdown": taken / least}
    return JobResult(tenant.name, len(tenant.ranks), tenant.start, numbers)
