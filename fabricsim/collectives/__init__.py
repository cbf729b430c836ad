"""Collectives: what ranks do together, as rounds of messages.

    all_reduce("256 MiB", algorithm="ring").on(range(8)).rounds

Each algorithm is a pure function from the number of positions and the bytes to its moves, in `ALGORITHMS` by
collective and name; `collective` checks the arguments and binds the positions to ranks.
"""

from fabricsim.collectives.binding import collective, rounded
from fabricsim.collectives.catalogue import ALGORITHMS, DEFAULT_ALGORITHM, Algorithm, bus_factor
from fabricsim.collectives.checking import check_data
from fabricsim.collectives.move import Move, Parts
from fabricsim.collectives.msccl import read_program
from fabricsim.collectives.value import (
    Collective,
    all_gather,
    all_reduce,
    all_to_all,
    all_to_all_v,
    broadcast,
    gather,
    reduce,
    reduce_scatter,
    ring_all_reduce,
    scatter,
    send_recv,
    wait_for_all,
)

__all__ = [
    "ALGORITHMS",
    "DEFAULT_ALGORITHM",
    "Algorithm",
    "Collective",
    "Move",
    "Parts",
    "all_gather",
    "all_reduce",
    "all_to_all",
    "all_to_all_v",
    "broadcast",
    "bus_factor",
    "check_data",
    "collective",
    "gather",
    "read_program",
    "reduce",
    "reduce_scatter",
    "ring_all_reduce",
    "rounded",
    "scatter",
    "send_recv",
    "wait_for_all",
]
