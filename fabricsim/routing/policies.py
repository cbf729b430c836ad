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
from fabricsim.routing.hashing import splitmix64

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
    """What a policy may look at, one row per packet or message standing at a node before n candidates."""

    seed: int
    hash: str
    src: IntArray
    dst: IntArray
    message: IntArray
    packet: IntArray
    stride: IntArray
    node: IntArray
    n: IntArray


def _minimal(choice: Choice) -> IntArray:
    """Take the first of the shortest paths."""
    return np.zeros(len(choice.n), np.int64)


def _ecmp(choice: Choice) -> IntArray:
    """Take one of the shortest paths for each message, by hash."""
    message = choice.message if choice.hash == "message" else 0
    value = splitmix64(choice.seed, choice.src, choice.dst, message, choice.node)
    return (value % choice.n.astype(np.uint64)).astype(np.int64)


def _spray(choice: Choice) -> IntArray:
    """Take all shortest paths in turn, packet by packet."""
    value = splitmix64(choice.seed, choice.message, choice.node)
    with np.errstate(over="ignore"):
        turn = value + (choice.packet // choice.stride).astype(np.uint64)
    return (turn % choice.n.astype(np.uint64)).astype(np.int64)


POLICIES: Final[Mapping[str, Callable[[Choice], IntArray]]] = {
    "minimal": _minimal,
    "ecmp": _ecmp,
    "spray": _spray,
}
"""The index of the candidate that each row takes, by name of policy."""

PER_PACKET: Final = frozenset({"spray"})
"""Policies whose choice depends on the packet, not only on the message."""
