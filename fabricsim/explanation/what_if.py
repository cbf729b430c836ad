"""What one faster link class would give: the job solved again for each, never estimated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from fabricsim.fabric import Fabric, rescaled
from fabricsim.job import Job
from fabricsim.result import Result

STEP: Final = 0.1
MOST_CLASSES: Final = 12
"""Link classes that are tried, those that are busy longest first."""


def what_if(job: Job, result: Result, solve: Callable[[Job], Result]) -> Result:
    """Return an explained result that also says what 10 % more bandwidth or 10 % less latency of a link class gives.

    solve: runs a job. Every class of link that carries traffic is tried, one at a time.
    """
    whole = result.metrics["completion_time_s"]
    classes = _classes(result)
    rows: list[dict[str, Any]] = []
    for name in classes[:MOST_CLASSES]:
        for field, factor in (("bandwidth", 1 + STEP), ("latency", 1 - STEP)):
            fabric = rescaled(job.fabric, name, **{field: factor})
            if _same(fabric, job.fabric):
                continue
            time = solve(replace(job, fabric=fabric)).metrics["completion_time_s"]
            change = f"{field} {factor - 1:+.0%}"
            rows.append({"link": name, "change": change, "completion_time_s": time, "gain": 1 - time / whole})
    rows.sort(key=lambda row: -row["gain"])
    known: Mapping[str, Any] = result.explanation
    left_out = list(known["left_out"])
    if len(classes) > MOST_CLASSES:
        left_out.append(
            f"{len(classes) - MOST_CLASSES} more link classes, which are less busy, were not changed"
        )
    return replace(result, explanation={**known, "what_if": rows, "left_out": left_out})


def _same(a: Fabric, b: Fabric) -> bool:
    return np.array_equal(a.bandwidth, b.bandwidth) and np.array_equal(a.latency_ps, b.latency_ps)


def _classes(result: Result) -> list[str]:
    """Return the names of the link classes that carried traffic, the one with the busiest channel first."""
    links = result.tables["links"]
    busiest: dict[str, float] = {}
    for name, use in zip(links["link"].tolist(), links["utilization"].tolist(), strict=True):
        busiest[name] = max(use, busiest.get(name, 0.0))
    return sorted(busiest, key=lambda name: (-busiest[name], name))
