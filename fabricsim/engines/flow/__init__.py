"""The flow engine: rates instead of packets, max-min fair at every instant."""

from fabricsim.engines.flow.engine import flow
from fabricsim.engines.flow.solver import SOLVERS

__all__ = ["SOLVERS", "flow"]
