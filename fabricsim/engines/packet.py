"""The packet engine's SimPy kernel: legible, exact, the oracle of every faster one.

Where a packet's departure is known when it arrives at a port, ports plan ahead (`kernel`, `ports`); where something
comes back to hold packets up, they wait in queues (`feedback`, `queues`). Both give the same picoseconds where
nothing is held up, and a plain network runs several times faster on the first.
"""

from __future__ import annotations

from typing import Final

from fabricsim.engines.feedback import FeedbackKernel
from fabricsim.engines.kernel import Kernel
from fabricsim.engines.record import Record
from fabricsim.engines.rerouting import ReroutingKernel
from fabricsim.engines.watch import Watch
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes, Routing
from fabricsim.schedule import Schedule

MINIMAL: Final = Routing("minimal")


def simulate_packets(
    fabric: Fabric,
    schedule: Schedule,
    routes: Routes,
    failures: Failures,
    model: Model,
    seed: int = 0,
    watch: Watch | None = None,
    routing: Routing = MINIMAL,
) -> Record:
    """Return what happened when `schedule` ran over `fabric`, packet by packet, in picoseconds.

    routing: how packets that leave a dead link choose another way.
    """
    _refuse_unbuilt(schedule, failures, model)
    if len(failures) and failures.recovery.reroute != "none":
        _refuse_rerouting(routes, model)
        return ReroutingKernel(fabric, schedule, routes, failures, model, seed, routing).run(watch)
    if routes.adaptive and routes.lanes > 1:
        _refuse_escape(model)
    if model.feedback or routes.adaptive:
        return FeedbackKernel(fabric, schedule, routes, failures, model, seed).run(watch)
    return Kernel(fabric, schedule, routes, failures, model, seed).run(watch)


def _refuse_unbuilt(schedule: Schedule, failures: Failures, model: Model) -> None:
    """Raise InputError for what is built, but not together."""
    meets = any(op.meets for op in schedule.operations)
    lossy = model.buffer is not None and model.flow_control != "credits"
    right = "leave one of them out"
    if len(failures) and model.bit_error_rate:
        raise InputError([Fault("not built with links that fail", right, ("model", "bit_error_rate"))])
    if len(failures) and meets:
        raise InputError([Fault("not built with reduction and multicast in switches", right, ("failures",))])
    if lossy and meets:
        what = f"{model.flow_control} is not built with switches that add up or copy"
        raise InputError([Fault(what, "use credits or infinite buffers", ("model", "flow_control"))])


def _refuse_rerouting(routes: Routes, model: Model) -> None:
    """Raise InputError where packets that leave a dead link would meet queues that hold them up."""
    held = model.feedback or ("adaptive packets wait in queues" if routes.adaptive else "")
    if held:
        what = f"rerouting is built where nothing holds packets up, and {held}"
        raise InputError([Fault(what, "use reroute: none, or infinite buffers", ("recovery", "reroute"))])


def _refuse_escape(model: Model) -> None:
    """Raise InputError where packets could not be kept from waiting in a circle by escape lanes."""
    if model.buffer is not None and model.flow_control == "pfc":
        what = (
            "escape lanes need room that is certain, and a pause can come after a packet has chosen its lane"
        )
        raise InputError([Fault(what, "use credits", ("model", "flow_control"))])
    if model.queueing == "input":
        what = "in queues at the input a packet on its escape route waits behind those of other routes"
        raise InputError([Fault(what, "use output or voq with escape lanes", ("model", "queueing"))])
