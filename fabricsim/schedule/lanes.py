"""Traffic classes of messages against those that a channel has."""

from __future__ import annotations

from fabricsim.errors import FaultList
from fabricsim.schedule.schedule import Schedule


def check_lanes(schedule: Schedule, lanes: int) -> None:
    """Raise InputError, keyed (`workload`, index, `lane`), for messages on a lane that is not among `lanes`."""
    faults = FaultList()
    for index, operation in enumerate(schedule.operations):
        most = operation.highest_lane
        if most >= lanes:
            what = f"there is no lane {most}: model.lanes is {lanes}"
            faults.add(what, f"write model: {{lanes: {most + 1}}}", ("workload", index, "lane"))
    faults.raise_if_any()
