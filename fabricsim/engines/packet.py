"""The packet engine's SimPy kernel: legible, exact, the oracle of every faster one.

Where a packet's departure is known when it arrives at a port, ports plan ahead (`kernel`, `ports`); where something
comes back to hold packets up, they wait in queues (`feedback`, `queues`). Both give the same picoseconds where
nothing is held up, and a plain network runs several times faster on the first.
"""

from __future__ import annotations

from fabricsim.engines.feedback import FeedbackKernel
from fabricsim.engines.kernel import Kernel
from fabricsim.engines.record import Record
from fabricsim.engines.watch import Watch
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule


def simulate_packets(
    fabric: Fabric,
    schedule: Schedule,
    routes: Routes,
    failures: Failures,
    model: Model,
    seed: int = 0,
    watch: Watch | None = None,
) -> Record:
    """Return what happened when `schedule` ran over `fabric`, packet by packet, in picoseconds."""
    _refuse_unbuilt(schedule, failures, model)
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
        what = (
            f"{model.flow_control} may drop packets, and switches that add up or copy do not make losses good"
        )
        raise InputError([Fault(what, "use credits or infinite buffers", ("model", "flow_control"))])


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
