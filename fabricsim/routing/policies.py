"""Policies: which of the candidates at a node a packet takes, by name.

A choice depends on names alone, never on load or on the order in which things happen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError, close_match
from fabricsim.routing.hashing import Words, mixed, splitmix64

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Routing:
    """How paths are chosen. hash: what an ECMP choice depends on, the `message` or only the `pair` of ranks."""

    policy: str = "minimal"
    hash: str = "message"

    def __post_init__(self) -> None:
        if self.policy == "adaptive":
            what = "'adaptive' needs queues that routing can see, and no engine offers them"
            raise InputError(what, "use spray, which loads all shortest paths evenly")
        if self.policy not in POLICIES:
            raise InputError(f"{self.policy!r} is not a routing policy", close_match(self.policy, POLICIES))
        if self.hash not in ("message", "pair"):
            raise InputError(f"{self.hash!r} is not a hash", "known: message, pair")


@dataclass(frozen=True, eq=False)
class Choice:
    """What a policy may look at, one row per packet or message standing at a node before n candidates.

    state: the hash of what its choice depends on beside the node. stride: how many ways there were so far, the
    candidates at the nodes before multiplied. n: (rows,), or one number for all.
    """

    state: Words | None
    packet: IntArray | None
    stride: IntArray | int
    node: IntArray
    n: IntArray | int


def _modulo(value: Words, n: IntArray | int) -> IntArray:
    return (value % (np.uint64(n) if isinstance(n, int) else n.astype(np.uint64))).astype(np.int64)


def _minimal(choice: Choice) -> IntArray:
    """Take the first of the shortest paths."""
    return np.zeros(len(choice.node), np.int64)


def _ecmp(choice: Choice) -> IntArray:
    """Take one of the shortest paths for each message, by hash."""
    if isinstance(choice.n, int) and choice.n == 1:
        return np.zeros(len(choice.node), np.int64)
    assert choice.state is not None
    return _modulo(mixed(choice.state, choice.node), choice.n)


def _spray(choice: Choice) -> IntArray:
    """Take all shortest paths in turn, packet by packet."""
    assert choice.state is not None
    assert choice.packet is not None
    with np.errstate(over="ignore"):
        turn = mixed(choice.state, choice.node) + (choice.packet // choice.stride).astype(np.uint64)
    return _modulo(turn, choice.n)


POLICIES: Final[Mapping[str, Callable[[Choice], IntArray]]] = {
    "minimal": _minimal,
    "ecmp": _ecmp,
    "spray": _spray,
}
"""The index of the candidate that each row takes, by name of policy."""

PER_PACKET: Final = frozenset({"spray"})
"""Policies whose choice depends on the packet, not only on the message."""


def choice_state(
    routing: Routing, seed: int, src: IntArray, dst: IntArray, message: IntArray
) -> Words | None:
    """Return the hash of all that the choices of each message depend on, whichever the node."""
    if routing.policy == "ecmp":
        return splitmix64(seed, src, dst, message if routing.hash == "message" else 0)
    return splitmix64(seed, message) if routing.policy in PER_PACKET else None
