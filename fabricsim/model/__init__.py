"""What a channel, a switch and an endpoint do to a message: the numbers of one run, and the formulas of the wire.

One formula each, used by every engine and by theory. A message of S payload bytes is cut into packets of
`mtu` payload bytes, the last may be short; a packet with p payload bytes is
ceil((p + header) / flit) · flit bytes on the wire, and takes ceil(wire / cell) credits; a channel of b bytes per second
transmits w wire bytes in ceil(w · 1e12 / b) picoseconds.
"""

from fabricsim.model.endpoint import Endpoint
from fabricsim.model.model import ARBITERS, FLOW_CONTROLS, QUEUEINGS, SWITCHING, Ecn, Model
from fabricsim.model.sender import LOSSES, SENDERS, Sender
from fabricsim.model.wire import transmit_ps, transmit_ps_of

__all__ = [
    "ARBITERS",
    "FLOW_CONTROLS",
    "LOSSES",
    "QUEUEINGS",
    "SENDERS",
    "SWITCHING",
    "Ecn",
    "Endpoint",
    "Model",
    "Sender",
    "transmit_ps",
    "transmit_ps_of",
]
