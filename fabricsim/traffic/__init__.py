"""Traffic patterns: who sends to whom without a common purpose, as one round of messages.

`size` is per message (incast: per sender). Random choices come from the seed and the operation's name, so that
two entries of a workload differ and each is the same on every run.
"""

from fabricsim.traffic.binding import injection, pattern
from fabricsim.traffic.patterns import PATTERNS
from fabricsim.traffic.value import Pattern, incast, permutation, shift, tornado, uniform

__all__ = [
    "PATTERNS",
    "Pattern",
    "incast",
    "injection",
    "pattern",
    "permutation",
    "shift",
    "tornado",
    "uniform",
]
