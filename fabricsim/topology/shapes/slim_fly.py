"""Slim Fly: the MMS graphs of diameter two (Besta & Hoefler, SC 2014; McKay, Miller & Širáň, 1998)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fabricsim.topology.grammar import Count
from fabricsim.topology.network import Network, Strand, check_size
from fabricsim.topology.shapes.galois import Galois, prime_power
from fabricsim.topology.shapes.routers import routers
from fabricsim.topology.shapes.shape import Hosted, Shape, link_of, refuse, switch_of

IntArray = NDArray[np.int64]
MAX_Q: Final = 256
"""131,072 routers of 384 links: beyond it nothing could be held."""


class SlimFly(Hosted):
    """The keys of a Slim Fly."""

    q: Count = Field(description="a prime power other than 2: 2q² routers")


def _slim_fly(part: SlimFly) -> tuple[Network, str]:
    """Return the graph with ceil(degree / 2) NPUs on each router, as the paper proposes, if none are stated."""
    q = part.q
    if q > MAX_Q or q == 2 or prime_power(q) is None:
        fitting = [n for n in range(3, MAX_Q + 1) if prime_power(n) is not None]
        near = sorted(sorted(fitting, key=lambda n: (abs(n - q), n))[:3])
        raise refuse("q", f"{q} gives no such graph", f"write a prime power, such as {near}")
    links = len(generators(q)[0]) + q  # the degree: (3q − δ) / 2
    hosts = part.hosts or -(-links // 2)
    check_size(2 * q * q * hosts, q * q * links + 2 * q * q * hosts, "hosts")
    link, switch = link_of(part.link), switch_of(part.switch)
    strands = [Strand("group", *_inside(q), link), Strand("between", *_across(q), link)]
    return routers(2 * q * q, hosts, switch, link, strands), f"q{q}x{hosts}"


def generators(q: int) -> tuple[IntArray, IntArray]:
    """Return the differences that join routers of one group: of the first q groups, and of the last q.

    With q = 4w + δ and ξ primitive: even powers of ξ and odd ones; for δ = −1 the first half of the even powers and
    the negatives of them, and so for the odd (Hafner, J. Comb. Theory B, 2004).
    """
    power = Galois.of(q).powers
    if q % 4 != 3:
        exponents = np.arange(0, q - 1 if q % 2 else q, 2)
        return power[exponents % (q - 1)], power[(exponents + 1) % (q - 1)]
    half = (q - 1) // 2  # ξ^half is −1, and half is odd
    even = np.arange(0, half, 2)
    first = np.concatenate([even, even + half])
    return power[first % (q - 1)], power[(first + 1) % (q - 1)]


def _inside(q: int) -> tuple[IntArray, IntArray]:
    """Join (s, x, y) and (s, x, y') where y − y' is a difference of side s."""
    differ = Galois.of(q).differences
    ends = []
    for side, allowed in enumerate(generators(q)):
        low, high = np.nonzero(np.triu(np.isin(differ, allowed), 1))
        first = (side * q + np.arange(q)[:, None]) * q
        ends.append(np.stack([(first + low).reshape(-1), (first + high).reshape(-1)]))
    a, b = np.concatenate(ends, axis=1)
    return a, b


def _across(q: int) -> tuple[IntArray, IntArray]:
    """Join (0, x, y) and (1, m, c) where y = m·x + c."""
    field = Galois.of(q)
    x, m, y = (axis.reshape(-1) for axis in np.indices((q, q, q)))
    c = field.differences[y, field.products[m, x]]
    return x * q + y, (q + m) * q + c


SLIM_FLY = Shape("2q² routers at most two links apart, q a prime power", SlimFly, _slim_fly)
