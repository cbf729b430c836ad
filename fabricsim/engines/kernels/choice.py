"""Which of the array kernels can run a job, and why the other, or none, cannot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels import compiled
from fabricsim.engines.kernels.feedback import with_feedback
from fabricsim.engines.kernels.levels import channel_levels, in_levels
from fabricsim.engines.kernels.sending import SENDING
from fabricsim.engines.kernels.streams import in_streams
from fabricsim.engines.kernels.ticks import Ticks
from fabricsim.engines.kernels.windows import in_windows
from fabricsim.engines.packet import MINIMAL, simulate_packets
from fabricsim.engines.record import Record
from fabricsim.engines.watch import Watch
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes, Routing
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
    if any(op.meets for op in schedule.operations):
        return Choice("", "messages meet in switches")
    if paths.adaptive:
        return Choice("", "packets choose their paths by the queues that they find")
    if model.feedback and paths.lanes > 1:
        return Choice("", "lanes share a channel")
    waits = model.feedback or waiting(schedule, model)
    level = None if waits else channel_levels(fabric, paths)
    if level is not None:
        return Choice(
            "levels", "nothing waits for what happens, and no paths form a circle of channels", level
        )
    why = waits or "the paths form a circle of channels"
    if channel := _without_reach(fabric, paths, model):
        return Choice("", f"{why}, and {channel} passes a head on in no time")
    if model.buffer is not None and (what := _mixed(fabric, schedule, paths, model)):
        return Choice("", f"{why}, and {what}")
    return Choice("windows", why)


def misfit(failures: Failures, model: Model) -> str:
    """Return why no array kernel can run a job, as far as that is known without its routes; empty if one can."""
    if len(failures):
        return "links fail or degrade"
    if model.endpoint.reduce_rate is not None:
        return "ranks take time to add up what arrives"
    if model.buffer is not None and model.flow_control != "credits":
        return f"flow control is {model.flow_control}, and credits are the kind that windows know"
    if model.sender.kind not in SENDING:
        return f"the sender is {model.sender.kind}, and windows know {', '.join(SENDING)}"
    if model.queueing != "output" or model.arbiter != "oldest":
        return "windows know one queue for each outgoing channel, and the oldest packet first"
    if model.lanes > 1:
        return "lanes share a channel"
    return "channels repeat packets that bit errors hit" if model.bit_error_rate else ""


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


def _mixed(fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> str:
    """Return why a packet may overtake one that waits for credits; empty if none may.

    What a rank sends and what passes it wait apart: the younger may start where it needs fewer credits.
    """
    last = np.unique(schedule.messages.size % model.mtu)
    cells = {-(-model.wire(int(payload) or model.mtu) // model.cell) for payload in last} | {
        -(-model.full_wire // model.cell)
    }
    own = np.zeros(fabric.channels, np.bool_)
    own[paths.channels[paths.starts[:-1]]] = True
    inner = np.ones(len(paths.channels), np.bool_)
    inner[paths.starts[:-1]] = False
    if len(cells) > 1 and own[paths.channels[inner]].any():
        return "packets of several sizes, of a rank and through it, wait for the credits of one channel"
    return ""


def simulate_arrays(
    fabric: Fabric,
    schedule: Schedule,
    paths: Routes,
    failures: Failures,
    model: Model,
    seed: int = 0,
    watch: Watch | None = None,
    routing: Routing = MINIMAL,
) -> Record:
    """Return what happened when `schedule` ran over `fabric`: the Record of the SimPy kernel, to the picosecond.

    Raises InputError where no array kernel applies, saying why.
    """
    choice = choose(fabric, schedule, paths, failures, model)
    if not choice.name:
        what = f"the numpy kernel does not apply: {choice.why}"
        raise InputError([Fault(what, "write auto or simpy", ("kernel",))])
    job = (choice, fabric, schedule, paths, model, seed, watch)
    large = packet_hops(schedule, paths, model) >= compiled.WORTHWHILE
    record = _in_loops(*job) if large and compiled.installed() else None
    record = record or _in_arrays(*job)
    # a stall is told by the kernel that knows what waits for what
    return record or simulate_packets(fabric, schedule, paths, failures, model, seed, None, routing)


def _in_loops(
    choice: Choice,
    fabric: Fabric,
    schedule: Schedule,
    paths: Routes,
    model: Model,
    seed: int,
    watch: Watch | None,
) -> Record | None:
    """Return the Record of a job by compiled loops; None if they do not fit it, or everything stands still."""
    if choice.level is not None:
        record = in_streams(fabric, schedule, paths, model, choice.level, watch)
        if record is not None or _without_reach(fabric, paths, model):
            return record
    ticks = Ticks(fabric, schedule, paths, model, seed)
    return ticks.run(watch) if ticks.fits else None


def _in_arrays(
    choice: Choice,
    fabric: Fabric,
    schedule: Schedule,
    paths: Routes,
    model: Model,
    seed: int,
    watch: Watch | None,
) -> Record | None:
    """Return the Record of a job by NumPy; None if everything stands still."""
    if model.feedback:
        return with_feedback(fabric, schedule, paths, model, seed, watch)
    if choice.level is not None:
        return in_levels(fabric, schedule, paths, model, choice.level, watch=watch)
    return in_windows(fabric, schedule, paths, model, watch=watch)


def packet_hops(schedule: Schedule, paths: Routes, model: Model) -> int:
    """Return how many packets pass how many channels, to within a packet for each path."""
    packets = -(-schedule.messages.size // model.mtu)
    hops = np.add.reduceat(paths.hops, paths.first) if len(packets) else packets
    return int((packets / paths.count) @ hops)
