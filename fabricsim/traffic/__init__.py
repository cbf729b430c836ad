"""Traffic patterns: who sends to whom without a common purpose, as rounds of messages.

`size` is per message (incast: per sender; a mixture of experts: per token). Random choices come from the seed and the
operation's name, so that two entries of a workload differ and each is the same on every run; the experts that tokens
choose come from the seed and the layer, so that what is dispatched comes back.
"""

from fabricsim.collectives.matrix import read_matrix
from fabricsim.traffic.binding import injection, pattern
from fabricsim.traffic.catalogue import PATTERNS
from fabricsim.traffic.draw import Choices
from fabricsim.traffic.memory import COMMAND, MEMORY, Loop, memory
from fabricsim.traffic.value import (
    Pattern,
    bit_reversal,
    hotspot,
    incast,
    moe_combine,
    moe_dispatch,
    permutation,
    ring_exchange,
    shift,
    tornado,
    traffic_matrix,
    uniform,
)

__all__ = [
    "COMMAND",
    "MEMORY",
    "PATTERNS",
    "Choices",
    "Loop",
    "Pattern",
    "bit_reversal",
    "hotspot",
    "incast",
    "injection",
    "memory",
    "moe_combine",
    "moe_dispatch",
    "pattern",
    "permutation",
    "read_matrix",
    "ring_exchange",
    "shift",
    "tornado",
    "traffic_matrix",
    "uniform",
]
