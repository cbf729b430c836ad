"""What breaks when, and when it works again: a value that engines read, never a change of the fabric.

A user names parts: links, lanes, nodes with all that hangs on them, planes, bundles. Compiled, a failure is rows (time,
channel, factor), repairs included, in time order. A factor of 0 is down, 1 is healthy, between is degraded. Both
directions of a link fail together. Where faults of one channel overlap the worst one counts, and each repair ends its
own fault only.
"""

from fabricsim.failures.parts import (
    Failure,
    Flap,
    GroupDown,
    LaneDown,
    LinkDegraded,
    LinkDown,
    LinkEnds,
    NodeDown,
    PlaneDown,
)
from fabricsim.failures.response import REROUTES, Recovery
from fabricsim.failures.timeline import NO_FAILURES, Failures, compile_failures

__all__ = [
    "NO_FAILURES",
    "REROUTES",
    "Failure",
    "Failures",
    "Flap",
    "GroupDown",
    "LaneDown",
    "LinkDegraded",
    "LinkDown",
    "LinkEnds",
    "NodeDown",
    "PlaneDown",
    "Recovery",
    "compile_failures",
]
