"""When a failure was noticed and when other paths were in force: the stages of a recovery, counted from the fault."""

from __future__ import annotations

import numpy as np

from fabricsim.engines.record import Record, seconds
from fabricsim.failures import Failures
from fabricsim.units import to_ps


def stages(failures: Failures, record: Record) -> dict[str, float]:
    """Return the metrics of a packet run's failures; what did not come about before its end is left out.

    A loss is noticed even where the link is up again before that is.
    """
    out: dict[str, float] = {}
    lost = record.dropped if record.extras is None else 0  # where buffers are full, they drop packets too
    if record.extras is None:
        out["bytes_lost_in_flight"] = lost
    fault, end = first_down_ps(failures), record.end_ps
    if fault is None:
        return out
    known = min((time for time, _, down in failures.known if down), default=end)
    noticed = min(known, fault + failures.detect_ps if lost else known)
    if noticed < end:
        out["detection_time_s"] = float(seconds(noticed - fault))
    switched = known + to_ps(float(failures.recovery.converge))
    if failures.recovery.reroute != "none" and switched < end:
        out["reroute_time_s"] = float(seconds(switched - fault))
    return out


def first_down_ps(failures: Failures) -> int | None:
    """Return when a link first went down [ps]; None if none ever did."""
    down = np.flatnonzero(failures.factor == 0)
    return int(failures.time_ps[down[0]]) if len(down) else None
