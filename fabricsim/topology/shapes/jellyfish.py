"""Jellyfish: switches joined at random, each to as many others (Singla et al., NSDI 2012)."""

from __future__ import annotations

from typing import Annotated, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fabricsim.random_streams import generator
from fabricsim.topology.grammar import Count, Whole
from fabricsim.topology.network import Network, Strand, check_size
from fabricsim.topology.shapes.routers import routers
from fabricsim.topology.shapes.shape import Shape, Switched, link_of, refuse, switch_of

IntArray = NDArray[np.int64]
_DRAWS: Final = 100
_SWAPS: Final = 1000
MAX_SWITCH_LINKS: Final = 5_000_000
"""Links between switches: each is looked at by itself."""


class Jellyfish(Switched):
    """The keys of a Jellyfish."""

    switches: Count = Field(description="how many switches")
    degree: Annotated[int, Field(ge=3)] = Field(description="links of each switch to others")
    hosts: Count = Field(description="how many NPUs each switch has")
    seed: Whole = Field(0, description="which random graph")


def _jellyfish(part: Jellyfish) -> tuple[Network, str]:
    n, degree = part.switches, part.degree
    if degree >= n or n * degree % 2:
        what = f"no {n} switches each have {degree} others as neighbours"
        raise refuse("degree", what, "take fewer than switches, and switches × degree even")
    # a dense graph is made by what it leaves out, which may be as large as all pairs
    check_size(n * part.hosts, n * (n if 2 * degree >= n else degree), "switches")
    if n * degree // 2 > MAX_SWITCH_LINKS:
        raise refuse(
            "switches", f"{n * degree // 2} links between switches", f"at most {MAX_SWITCH_LINKS} are drawn"
        )
    a, b = random_regular(n, degree, part.seed)
    link = link_of(part.link)
    strands = [Strand("between", a, b, link)]
    plan = routers(n, part.hosts, switch_of(part.switch), link, strands)
    return plan, f"{n}x{part.hosts}d{degree}s{part.seed}"


def random_regular(n: int, degree: int, seed: int) -> tuple[IntArray, IntArray]:
    """Return the ends of a connected random graph without parallels, `degree` neighbours each, in order.

    Stubs are paired at random; pairs that cannot be are undone by swapping an end with a random other pair, which
    keeps all degrees (McKay & Wormald, J. Algorithms 1990). The same for the same seed, everywhere. Raises
    InputError where no connected one is found.
    """
    stream = generator(seed, f"jellyfish/{n}/{degree}")
    for _ in range(_DRAWS):
        dense = 2 * degree >= n  # the complement of a sparse graph, which is found at once
        a, b = _paired(n, n - 1 - degree if dense else degree, stream)
        if len(a) == 0 and not dense:
            continue
        if dense:
            a, b = _complement(n, a, b)
        if len(a) == n * degree // 2 and nx.is_connected(nx.Graph(zip(a.tolist(), b.tolist(), strict=True))):
            return a, b
    raise refuse("seed", "no connected graph was found", "take another seed, or a larger degree")


def _paired(n: int, degree: int, stream: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return the ends of a random regular graph, or of nothing where the swaps did not end."""
    stubs = stream.permutation(np.repeat(np.arange(n), degree))
    pairs = [(min(p), max(p)) for p in stubs.reshape(-1, 2).tolist()]
    known: set[tuple[int, int]] = set()
    wrong = []
    for index, pair in enumerate(pairs):
        if pair[0] == pair[1] or pair in known:
            wrong.append(index)
        else:
            known.add(pair)
    for index in wrong:
        if not _swapped(pairs, index, known, stream):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
    ends = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]


def _swapped(
    pairs: list[tuple[int, int]], index: int, known: set[tuple[int, int]], stream: np.random.Generator
) -> bool:
    """Exchange an end of a wrong pair with one of a right pair, so that both are right; return whether it went."""
    a, b = pairs[index]
    for _ in range(_SWAPS):
        other = int(stream.integers(len(pairs)))
        c, d = pairs[other]
        if (c, d) not in known or other == index:
            continue
        first, second = (min(a, c), max(a, c)), (min(b, d), max(b, d))
        if a == c or b == d or first == second or first in known or second in known:
            continue
        known.remove((c, d))
        known.update((first, second))
        pairs[index], pairs[other] = first, second
        return True
    return False


def _complement(n: int, a: IntArray, b: IntArray) -> tuple[IntArray, IntArray]:
    absent = np.triu(np.ones((n, n), np.bool_), 1)
    absent[a, b] = False
    low, high = np.nonzero(absent)
    return low, high


JELLYFISH = Shape("switches joined at random, `degree` others each", Jellyfish, _jellyfish)
