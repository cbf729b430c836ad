"""Which of the array kernels can run a job, and why the other, or none, cannot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels import compiled
from fabricsim.engines.kernels.levels import channel_levels, in_levels
from fabricsim.engines.kernels.windows import in_windows
from fabricsim.engines.record import Record
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule

IntArray = NDArray[np.int64]


class Choice(NamedTuple):
    """The array kernel for a job: `levels`, `windows`, or empty for none, and why. level: what `levels` needs."""

    name: str
    why: str
    level: IntArray | None = None


def choose(fabric: Fabric, schedule: Schedule, paths: Routes, failures: Failures, model: Model) -> Choice:
    """Return the fastest array kernel that can run a job."""
    if why := misfit(failures, model):
        return Choice("", why)
    waits = waiting(schedule, model)
    level = None if waits else channel_levels(fabric, paths)
    if level is not None:
        return Choice(
            "levels", "nothing waits for what happens, and no paths form a circle of channels", level
        )
    why = waits or "the paths form a circle of channels"
    if channel := _without_reach(fabric, paths, model):
        return Choice("", f"{why}, and {channel} passes a head on in no time")
    return Choice("windows", why)


def misfit(failures: Failures, model: Model) -> str:
    """Return why no array kernel can run a job, as far as that is known without its routes; empty if one can."""
    if model.feedback:
        return model.feedback
    return "links fail or degrade" if len(failures) else ""


def waiting(schedule: Schedule, model: Model) -> str:
    """Return why messages are released or enter at times that only the run shows; empty if they do not."""
    if model.endpoint.gap:
        return "endpoint.gap makes messages wait for each other"
    if any(op.after for op in schedule.operations):
        return "an operation waits for another"
    if any(op.graph is not None for op in schedule.operations):
        return "an operation is a graph of tasks, which wait for each other"
    if any(op.round_count > 1 for op in schedule.operations):
        return "an operation has several rounds, which wait for each other"
    return ""


def _without_reach(fabric: Fabric, paths: Routes, model: Model) -> str:
    """Return the name of a channel that takes no time for a head; empty if each takes some."""
    if model.switching == "store-and-forward" or model.wire(0):
        return ""
    instant = paths.channels[fabric.latency_ps[paths.channels] == 0]
    return fabric.channel_name(int(instant[0])) if len(instant) else ""


def simulate_arrays(
    fabric: Fabric, schedule: Schedule, paths: Routes, failures: Failures, model: Model, seed: int = 0
) -> Record:
    """Return what happened when `schedule` ran over `fabric`: the Record of the SimPy kernel, to the picosecond.

    Raises InputError where no array kernel applies, saying why.
    """
    choice = choose(fabric, schedule, paths, failures, model)
    if not choice.name:
        what = f"the numpy kernel does not apply: {choice.why}"
        raise InputError([Fault(what, "write auto or simpy", ("kernel",))])
    loops = compiled.installed() and packet_hops(schedule, paths, model) >= compiled.WORTHWHILE
    if choice.level is not None:
        return in_levels(fabric, schedule, paths, model, choice.level, compiled=loops)
    return in_windows(fabric, schedule, paths, model, compiled=loops)


def packet_hops(schedule: Schedule, paths: Routes, model: Model) -> int:
    """Return how many packets pass how many channels, to within a packet for each path."""
    packets = -(-schedule.messages.size // model.mtu)
    hops = np.add.reduceat(paths.hops, paths.first) if len(packets) else packets
    return int((packets / paths.count) @ hops)
