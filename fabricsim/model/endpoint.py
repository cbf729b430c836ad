"""What a rank adds to each message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """What a rank adds to each message, in seconds.

    send_overhead: from a message's release to its entry in the source queue; overheads overlap.
    recv_overhead: from the last bit's arrival to delivery. gap: least time between two entries of one
    rank (the LogP message gap; Culler et al., PPoPP 1993). reduce_rate [B/s]: at which a rank adds what arrives into
    what it holds, after recv_overhead and message by message; None takes no time.
    """

    send_overhead: float = 0.0
    recv_overhead: float = 0.0
    gap: float = 0.0
    reduce_rate: int | None = None
