"""Policies: which of the candidates at a node a packet takes, by name.

A choice depends on names alone, never on load or on the order in which things happen; only `adaptive` looks at the
queues. Its routes are those of spray: where packets would go if all queues were equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.routing.hashing import Words, mixed, splitmix64
from fabricsim.routing.turns import turn_of

IntArray = NDArray[np.int64]


MAX_DETOUR: Final = 4
"""Hops beyond the shortest path; the number of paths grows with the ports of a node to this power."""

SPLITS: Final = ("optimal", "capacity", "equal")
"""How `all-path` divides a message over its paths."""

LANES: Final[Mapping[str, int]] = {"single": 1, "dateline": 2, "up-down": 2, "tfc": 2, "escape": 3}
"""Virtual lanes of each rule; the rules are in `lanes`. Of escape, lanes 0 and 1 are the escape network."""

MAX_LANES: Final = 16
"""Lanes of one channel: as many as InfiniBand has, more than any fabric here."""

OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    "hash": frozenset({"ecmp", "dimension-order", "valiant"}),
    "max_detour": frozenset({"all-path"}),
    "split": frozenset({"all-path"}),
    "per": frozenset({"valiant"}),
}
"""The policies under which an option has an effect."""


@dataclass(frozen=True)
class Routing:
    """How paths are chosen, and which virtual lane each of their hops uses.

    hash: what a hashed choice depends on, the `message` or only the `pair` of ranks. max_detour: hops that a path of
    `all-path` may have beyond the shortest; split: how it divides a message. per: whether `valiant` draws a way round
    for each `message` or each `packet`. lanes: a name of LANES, or the lane of each hop, the last one for all after it.
    """

    policy: str = "minimal"
    hash: str = "message"
    lanes: str | tuple[int, ...] = "single"
    max_detour: int = 1
    split: str = "optimal"
    per: str = "message"

    def __post_init__(self) -> None:
        if self.policy == "adaptive" and self.lanes not in ("single", "escape"):
            what = "adaptive packets choose on their way, so that no rule for lanes knows their hops"
            raise InputError(what, "leave lanes out, or use escape")
        if self.policy not in POLICIES:
            raise InputError(f"{self.policy!r} is not a routing policy", close_match(self.policy, POLICIES))
        if self.hash not in ("message", "pair"):
            raise InputError(f"{self.hash!r} is not a hash", "known: message, pair")
        if self.per not in ("message", "packet"):
            raise InputError(f"{self.per!r} is not what a way round is drawn for", "known: message, packet")
        if self.split not in SPLITS:
            raise InputError(f"{self.split!r} is not a split", "known: " + ", ".join(SPLITS))
        if not 0 <= self.max_detour <= MAX_DETOUR:
            raise InputError(f"a detour of {self.max_detour} hops", f"write 0 to {MAX_DETOUR}")
        if self.lanes == "escape" and self.policy != "adaptive":
            what = f"escape lanes are for packets that choose on their way, and those of {self.policy} do not"
            raise InputError(what, "use adaptive; or dateline on a torus, tfc on full meshes")
        object.__setattr__(self, "lanes", _known_lanes(self.lanes))

    @property
    def per_packet(self) -> bool:
        """Whether the packets of one message may take different paths."""
        return POLICIES[self.policy].per_packet or (self.policy == "valiant" and self.per == "packet")

    @property
    def lane_count(self) -> int:
        """How many virtual lanes the routes use on a channel, at most."""
        return LANES[self.lanes] if isinstance(self.lanes, str) else max(self.lanes) + 1

    @property
    def lanes_text(self) -> str:
        """The lanes as people write them: `dateline`, `0, 1, 1`."""
        return self.lanes if isinstance(self.lanes, str) else ", ".join(map(str, self.lanes))

    @property
    def text(self) -> str:
        """All that paths and lanes depend on, in one line; what has no effect is left out."""
        parts = [self.policy, self.hash]
        if self.policy == "all-path":
            parts += [f"max_detour={self.max_detour}", f"split={self.split}"]
        if self.policy == "valiant":
            parts.append(f"per={self.per}")
        if self.lanes != "single":
            parts.append(f"lanes={self.lanes_text}")
        return "/".join(parts)


def _known_lanes(lanes: str | tuple[int, ...]) -> str | tuple[int, ...]:
    if isinstance(lanes, str):
        if lanes not in LANES:
            raise InputError(f"{lanes!r} is not a rule for lanes", close_match(lanes, LANES))
        return lanes
    if not lanes or any(not 0 <= lane < MAX_LANES for lane in lanes):
        raise InputError(
            f"{list(lanes)} does not give each hop a lane", f"write a list of 0 to {MAX_LANES - 1}"
        )
    return tuple(lanes)


def default_routing(fabric: Fabric) -> Routing:
    """Return the routing that a topology states for itself."""
    return routing_of(fabric, {})


def routing_of(fabric: Fabric, stated: Mapping[str, Any]) -> Routing:
    """Return the routing of what somebody states, and of what the topology does where he keeps its policy.

    Raises InputError, keyed by option, for one that has no effect under the policy.
    """
    policy = stated.get("policy", fabric.policy)
    own = fabric.about.routing if policy == fabric.policy else {}
    options = {**own, **stated, "policy": policy}
    idle = {key: OPTIONS[key] for key in options if policy not in OPTIONS.get(key, {policy})}
    if idle:
        raise InputError(
            Fault(f"has no effect under {policy}", f"leave it out, or use {' or '.join(sorted(of))}", (key,))
            for key, of in idle.items()
        )
    return Routing(**options)


@dataclass(frozen=True)
class Policy:
    """A policy: what it does in one line, and whether packets of one message may part.

    pick: the index of the candidate that each row takes, for policies that go from candidate to candidate. numbered:
    whether `packet` is a packet's number (see `turns`) and not its index in the message.
    """

    about: str
    pick: Callable[[Choice], IntArray] | None = None
    per_packet: bool = False
    numbered: bool = False


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
    assert choice.packet is not None
    return turn_of(choice.packet, choice.stride, choice.n)


POLICIES: Final[Mapping[str, Policy]] = {
    "minimal": Policy("the first of the shortest paths, the same for all between two ranks", _minimal),
    "ecmp": Policy("one of the shortest paths for each message, by hash", _ecmp),
    "spray": Policy("all shortest paths in turn, packet by packet", _spray, per_packet=True, numbered=True),
    "adaptive": Policy(
        "the shortest path with the least queued, packet by packet, on its way",
        _spray,
        per_packet=True,
        numbered=True,
    ),
    "dimension-order": Policy("one coordinate after the other, the fastest varying first", _ecmp),
    "all-path": Policy("shortest paths and detours up to max_detour hops, split by weight", per_packet=True),
    "valiant": Policy("by way of a node drawn by hash, then on, each leg as ecmp", _ecmp),
}
"""What `routing: {policy: …}` may name."""


def choice_state(
    routing: Routing, seed: int, src: IntArray, dst: IntArray, message: IntArray
) -> Words | None:
    """Return the hash of all that the choices of each message depend on, whichever the node."""
    pick = POLICIES[routing.policy].pick
    if pick is _ecmp:
        return splitmix64(seed, src, dst, message if routing.hash == "message" else 0)
    return None
