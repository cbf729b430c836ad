"""Which channels a message takes, and which virtual lanes.

Nothing passes through a node that does not forward. Where a policy follows shortest paths, the candidates at a node are
the channels that come one hop nearer, in order of their ids; it picks one of n:

    minimal          the first
    ecmp             splitmix64(seed, src, dst, message, node) mod n, per message; `hash: pair` leaves the message out
    spray            (number // stride + (number mod stride) · n // stride) mod n, per packet; stride is the product of
                     the candidates at the nodes before, number = src + splitmix64(seed, place) // 2^16 + index: the
                     place of the message among those of src, the index of the packet in the message
    dimension-order  as ecmp, among the candidates of the innermost level only
    valiant          as ecmp, first to a node drawn by hash, then on
    all-path         all paths up to some hops longer than the shortest, packets dealt by a split
    adaptive         the one with the least queued, which the packet engine knows

So a message's packets take all its paths in turn, and ranks side by side begin side by side (`turns`).

Candidates come from arithmetic on tiers of switches (`tiers`) and products (`products`), else from a search of the part
of the fabric that the paths can use (`search`); `next_hops` looks at every node of a fabric. `routes` gives packets
their paths, `Router` finds single ones block after block, `shares` says which part of a flow crosses which channel.
`lanes_of` gives hops their lanes, `deadlock` proves that they suffice.
"""

from fabricsim.routing.deadlock import Verdict, deadlock
from fabricsim.routing.deal import Relaying, relaying
from fabricsim.routing.evenness import TierUse, hash_use
from fabricsim.routing.hashing import splitmix64
from fabricsim.routing.lanes import heights, lanes_of
from fabricsim.routing.load import channel_busy_ps, channel_wire, packets_on, path_ps
from fabricsim.routing.meetings import carried_once, routes, tree_paths
from fabricsim.routing.paths import Router, Routes, unreachable
from fabricsim.routing.policies import (
    LANES,
    OPTIONS,
    POLICIES,
    SPLITS,
    Choice,
    Policy,
    Routing,
    default_routing,
    routing_of,
)
from fabricsim.routing.search import UNREACHABLE
from fabricsim.routing.shares import Shares, shares
from fabricsim.routing.shortest import NextHops, distances, next_hops
from fabricsim.routing.turns import first_numbers, turn_of

__all__ = [
    "LANES",
    "OPTIONS",
    "POLICIES",
    "SPLITS",
    "UNREACHABLE",
    "Choice",
    "NextHops",
    "Policy",
    "Relaying",
    "Router",
    "Routes",
    "Routing",
    "Shares",
    "TierUse",
    "Verdict",
    "carried_once",
    "channel_busy_ps",
    "channel_wire",
    "deadlock",
    "default_routing",
    "distances",
    "first_numbers",
    "hash_use",
    "heights",
    "lanes_of",
    "next_hops",
    "packets_on",
    "path_ps",
    "relaying",
    "routes",
    "routing_of",
    "shares",
    "splitmix64",
    "tree_paths",
    "turn_of",
    "unreachable",
]
