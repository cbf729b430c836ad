"""What a channel does to a message: packets, wire bytes, transmit times, endpoint overheads.

One formula each, used by every engine and by theory. A message of S payload bytes is cut into packets of
`mtu` payload bytes, the last may be short; a packet with p payload bytes is
ceil((p + header) / flit) · flit bytes on the wire; a channel of b bytes per second transmits w wire bytes in
ceil(w · 1e12 / b) picoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.units import PS_PER_S

Switching = Literal["store-and-forward", "cut-through"]
SWITCHING: Final[tuple[Switching, ...]] = ("store-and-forward", "cut-through")


@dataclass(frozen=True)
class Endpoint:
    """What a rank adds to each message, in seconds.

    send_overhead: from a message's release to its entry in the source queue; overheads overlap.
    recv_overhead: from the last bit's arrival to delivery. gap: least time between two entries of one
    rank (the LogP message gap; Culler et al., PPoPP 1993).
    """

    send_overhead: float = 0.0
    recv_overhead: float = 0.0
    gap: float = 0.0


@dataclass(frozen=True)
class Model:
    """How packets are made and switched. Sizes in bytes."""

    switching: Switching = "store-and-forward"
    mtu: int = 4096
    header: int = 0
    flit: int = 1
    endpoint: Endpoint = field(default_factory=Endpoint)

    def __post_init__(self) -> None:
        if self.switching not in SWITCHING:
            raise InputError(f"{self.switching!r} is not a switching mode", "known: " + ", ".join(SWITCHING))
        if self.mtu < 1 or self.header < 0 or self.flit < 1:
            raise InputError("mtu and flit must be at least 1 B, header at least 0 B")

    def packets(self, size: int) -> int:
        """Return how many packets a message of `size` payload bytes is cut into."""
        return -(-size // self.mtu)

    def last_payload(self, size: int) -> int:
        """Return the payload bytes of the last packet of a message."""
        return size - (self.packets(size) - 1) * self.mtu

    def wire(self, payload: int) -> int:
        """Return the wire bytes of a packet with `payload` bytes."""
        return -(-(payload + self.header) // self.flit) * self.flit

    def message_wire(self, size: int) -> int:
        """Return the wire bytes of a whole message of `size` payload bytes."""
        return (self.packets(size) - 1) * self.wire(self.mtu) + self.wire(self.last_payload(size))


def transmit_ps(wire: int, bandwidth: int) -> int:
    """Return the picoseconds that `wire` bytes take at `bandwidth` [B/s], rounded up; 0 for no bytes."""
    return -(-wire * PS_PER_S // bandwidth)


def transmit_ps_of(wire: NDArray[np.int64], bandwidth: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `transmit_ps` element by element; exact, also where w · 1e12 exceeds 64 bits."""
    wires, row = np.unique(wire, return_inverse=True)
    rates, column = np.unique(bandwidth, return_inverse=True)
    table = np.array([[transmit_ps(w, b) for b in rates.tolist()] for w in wires.tolist()], np.int64)
    return table.reshape(len(wires), len(rates))[row, column]
