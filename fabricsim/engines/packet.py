"""The packet engine's SimPy kernel: legible, exact, the oracle of every faster one.

Where a packet's departure is known when it arrives at a port, ports plan ahead (`kernel`, `ports`); where something
comes back to hold packets up, they wait in queues (`feedback`, `queues`). Both give the same picoseconds where
nothing is held up, and a plain network runs several times faster on the first.
"""

from __future__ import annotations

from fabricsim.engines.feedback import FeedbackKernel
from fabricsim.engines.kernel import Kernel
from fabricsim.engines.record import Record
from fabricsim.errors import Fault, InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule


def simulate_packets(
    fabric: Fabric, schedule: Schedule, routes: Routes, failures: Failures, model: Model, seed: int = 0
) -> Record:
    """Return what happened when `schedule` ran over `fabric`, packet by packet, in picoseconds."""
    if len(failures) and model.bit_error_rate:
        what = "bit errors and links that fail are not built together"
        raise InputError([Fault(what, "leave one of them out", ("model", "bit_error_rate"))])
    if model.feedback:
        return FeedbackKernel(fabric, schedule, routes, failures, model, seed).run()
    return Kernel(fabric, schedule, routes, failures, model, seed).run()
