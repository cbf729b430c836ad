"""Which channels a packet takes.

Among shortest paths, and never through a node that does not forward. At each node the candidates are the
channels that come one hop nearer, in order of their ids; a policy picks one of n:

    minimal   the first
    ecmp      splitmix64(seed, src, dst, message, node) mod n, per message; `hash: pair` leaves the message out
    spray     (splitmix64(seed, message, node) + packet index // stride) mod n, per packet, where stride is the
              product of the candidates there were at the nodes before

With the stride a message's packets take all their paths in turn. Without it, packets that meet in a second-tier
switch would agree in their index mod n, and all take one of its n channels.

Routes of messages come from a search of the part of the fabric that their shortest paths can use (`search`);
`next_hops` looks at every node of a fabric, for figures.
"""

from fabricsim.routing.hashing import splitmix64
from fabricsim.routing.load import channel_busy_ps, path_ps
from fabricsim.routing.paths import Router, Routes, routes, unreachable
from fabricsim.routing.policies import PER_PACKET, POLICIES, Choice, Routing
from fabricsim.routing.search import UNREACHABLE
from fabricsim.routing.shares import Shares, shares
from fabricsim.routing.shortest import NextHops, distances, next_hops

__all__ = [
    "PER_PACKET",
    "POLICIES",
    "UNREACHABLE",
    "Choice",
    "NextHops",
    "Router",
    "Routes",
    "Routing",
    "Shares",
    "channel_busy_ps",
    "distances",
    "next_hops",
    "path_ps",
    "routes",
    "shares",
    "splitmix64",
    "unreachable",
]
