"""When a failure was noticed and when other paths were in force: the stages of a recovery, counted from the fault."""

from __future__ import annotations

import numpy as np

from fabricsim.failures import Failures
from fabricsim.units import PS_PER_S, to_ps


def stages(failures: Failures, end_ps: int, lost: int | None) -> dict[str, float]:
    """Return when failures were noticed and led around; what did not come about before the end is left out.

    lost: the payload that they lost [B]; None where that cannot be told from what full buffers drop. A loss is noticed
    even where the link is up again before that is.
    """
    out: dict[str, float] = {} if lost is None else {"bytes_lost_in_flight": lost}
    fault = first_down_ps(failures)
    if fault is None:
        return out
    known = min((time for time, _, down in failures.known if down), default=end_ps)
    noticed = min(known, fault + failures.detect_ps if lost else known)
    if noticed < end_ps:
        out["detection_time_s"] = (noticed - fault) / PS_PER_S
    switched = known + to_ps(float(failures.recovery.converge))
    if failures.recovery.reroute != "none" and switched < end_ps:
        out["reroute_time_s"] = (switched - fault) / PS_PER_S
    return out


def first_down_ps(failures: Failures) -> int | None:
    """Return when a link first went down [ps]; None if none ever did."""
    down = np.flatnonzero(failures.factor == 0)
    return int(failures.time_ps[down[0]]) if len(down) else None
