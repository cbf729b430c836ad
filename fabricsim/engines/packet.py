"""The packet engine's SimPy kernel: legible, exact, the oracle of every faster one."""

from __future__ import annotations

from fabricsim.engines.kernel import Kernel
from fabricsim.engines.record import Record
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule


def simulate_packets(
    fabric: Fabric, schedule: Schedule, routes: Routes, failures: Failures, model: Model, seed: int = 0
) -> Record:
    """Return what happened when `schedule` ran over `fabric`, packet by packet, in picoseconds."""
    if model.feedback:
        raise InputError(f"no kernel is built for a network in which {model.feedback}", "leave it out")
    return Kernel(fabric, schedule, routes, failures, model, seed).run()
