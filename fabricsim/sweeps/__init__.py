"""Many runs of one scenario: here, on many processes, on a cluster; interrupted and taken up again."""

from fabricsim.sweeps.run import Sweep, sweep

__all__ = ["Sweep", "sweep"]
