"""Traffic classes of messages against those that a channel has."""

from __future__ import annotations

from fabricsim.errors import FaultList
from fabricsim.schedule.schedule import Schedule


def check_lanes(schedule: Schedule, lanes: int) -> None:
    """Raise InputError for messages on a lane that is not among `lanes`.

    Keyed (`workload`, index, `lane`), or `response_lane` where only the answers of memory traffic are on such a lane.
    """
    faults = FaultList()
    for index, operation in enumerate(schedule.operations):
        most = operation.highest_lane
        if most >= lanes:
            what = f"there is no lane {most}: model.lanes is {lanes}"
            key = "lane" if operation.lanes.min() >= lanes else "response_lane"
            faults.add(what, f"write model: {{lanes: {most + 1}}}", ("workload", index, key))
    faults.raise_if_any()
