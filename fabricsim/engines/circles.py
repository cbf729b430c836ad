"""Whether the routes of a run can deadlock in finite buffers: looked at before the run, and said with its result."""

from __future__ import annotations

import numpy as np

from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routes, Routing
from fabricsim.routing.cycles import shortest_circle
from fabricsim.routing.dependencies import dependencies
from fabricsim.schedule import IntArray, Schedule

SHOWN = 8
MOST_RANKS = 256
"""Ranks among which all ways of adaptive packets are followed: a second or two of work."""


def deadlock_notes(
    fabric: Fabric, schedule: Schedule, paths: Routes, routing: Routing, model: Model
) -> tuple[str, ...]:
    """Return what is to be said of deadlock: nothing where buffers are infinite or drop, or no circle is there.

    Buffers of lanes wait for each other as the hops of the run's own routes follow each other (Dally, Seitz, IEEE
    Transactions on Computers, 1987); legs of meetings take no room in them. Adaptive packets may take any way between
    the ranks that talk; where they may escape, what waits for room waits along the escape routes alone.
    """
    if model.buffer is None or model.flow_control == "none":
        return ()
    ranks = _talking(schedule)
    if paths.adaptive and len(ranks) > MOST_RANKS:
        what = f"packets choose among too many paths to follow them all ({len(ranks)} ranks, {MOST_RANKS} at most)"
        return (
            f"{what}: whether they can deadlock is not known; inspect --deadlock looks at the whole machine",
        )
    edges = dependencies(fabric, routing, ranks) if paths.adaptive else _dependencies(schedule, paths)
    circle = shortest_circle(edges)
    if not circle:
        return ()
    lanes = paths.lanes
    names = [
        fabric.channel_name(place // lanes) + (f" (lane {place % lanes})" if lanes > 1 else "")
        for place in circle
    ]
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    said = ", ".join(names[:SHOWN]) + more
    return (f"routes of this run can deadlock, though they did not: {said} wait for each other in a circle",)


def _talking(schedule: Schedule) -> IntArray:
    """Return the ranks that send or receive plain messages."""
    messages = schedule.messages
    plain = messages.meeting < 0
    return np.union1d(messages.src[plain], messages.dst[plain])


def _dependencies(schedule: Schedule, paths: Routes) -> IntArray:
    """Return (edges, 2) places channel · lanes + lane, of which the first waits for the second."""
    lane = np.zeros(len(paths.channels), np.int64) if paths.lane is None else paths.lane
    place = paths.channels * paths.lanes + lane
    owner = np.repeat(np.arange(len(paths.first)), paths.count)
    inner = np.repeat(schedule.messages.meeting[owner] < 0, paths.hops)
    inner[paths.starts[1:] - 1] = False  # the last hop of each path waits for nothing
    before = np.flatnonzero(inner)
    return np.unique(np.stack([place[before], place[before + 1]], axis=1), axis=0)
