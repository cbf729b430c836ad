"""What a scenario comes down to."""

from __future__ import annotations

from dataclasses import dataclass

from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model
from fabricsim.routing import Routing
from fabricsim.schedule import Schedule
from fabricsim.serving import Serving
from fabricsim.training import Training


@dataclass(frozen=True, eq=False)
class Job:
    """Everything an engine needs, decided."""

    name: str
    fabric: Fabric
    schedule: Schedule
    routing: Routing
    model: Model
    failures: Failures
    seed: int
    engine: str
    kernel: str
    why: str
    """Why this engine."""
    quantum: float = 0.0
    verified: bool = False
    """Of the flow engine: the least time between two solutions [s], and whether each one is checked."""
    training: Training | None = None
    """The step whose exchanges the schedule has, where it is one."""
    serving: Serving | None = None
    """The served model whose exchanges it has, where it is one."""
