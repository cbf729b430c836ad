"""Recursive doubling and halving of any number of ranks in closed form, as the largest of the ways through them.

n = p + r ranks, p = 2^k ≤ n: places 0 … r − 1 are hosts, each of which stands for itself and a guest and so for two
blocks of S/n, the others for one. A way goes from a place c where something begins to a place h where it ends; in the
round of bit b it stays where c and h have that bit alike, and waits for the bytes that are sent, or else goes over to
the partner, for those bytes and α. Everything that a place waits for is such a way, so the time is that of the
longest. Times of a rank are those of `closed_forms`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def folded_all_gather_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of an all-gather by recursive doubling; `bruck_half_s` where n is a power of two.

    Hosts begin α + S/(n·B) late, with the block of their guest. In the round of bit b the way stands at a place whose
    higher bits are those of c, and that place sends the blocks of the b places around c: Σ_b blocks(c, b) in all.
    Guests get all of the data in the end.
    """
    places, hosts, block = _places(n), _hosts(n), size / n / bandwidth
    begin = np.where(hosts, alpha + block, 0.0)
    sent = sum((_blocks(n, places & -bit, bit) for bit in _bits(n)), np.zeros(len(places))) * block
    ways = (begin + sent)[:, None] + alpha * _apart(places)
    return _ended(ways, hosts, alpha + size / bandwidth)


def folded_reduce_scatter_s(n: int, size: float, bandwidth: float, alpha: float) -> float:
    """Return the time of a reduce-scatter by recursive halving; `bruck_half_s` where n is a power of two.

    Hosts begin α + S/B late, with all that their guest adds. After the round of bit b the way stands at a place whose
    higher bits are those of h; it went over with the blocks of the b places around h, or stayed while those of the
    other side were sent. Guests get their block in the end.
    """
    places, hosts, block = _places(n), _hosts(n), size / n / bandwidth
    ways = np.where(hosts, alpha + size / bandwidth, 0.0)[:, None] + alpha * _apart(places)
    for bit in _bits(n):
        stays = ((places[:, None] ^ places) & bit) == 0
        here, there = (_blocks(n, side, bit) for side in (places & -bit, (places & -bit) ^ bit))
        ways = ways + np.where(stays, there, here) * block
    return _ended(ways, hosts, alpha + block)


def _places(n: int) -> Places:
    return np.arange(1 << (n.bit_length() - 1))


def _hosts(n: int) -> NDArray[np.bool_]:
    """Return (p,) whether a place has a guest."""
    return _places(n) < n - len(_places(n))


def _bits(n: int) -> list[int]:
    return [1 << k for k in range(n.bit_length() - 1)]


def _blocks(n: int, first: Places, count: int) -> Floats:
    """Return how many blocks `count` places from `first` on stand for."""
    return count + np.clip(n - len(_places(n)) - first, 0, count).astype(np.float64)


def _apart(places: Places) -> Places:
    """Return (p, p) in how many bits two places differ."""
    differ = places[:, None] ^ places
    return sum(((differ >> k) & 1 for k in range(len(places).bit_length())), np.zeros_like(differ))


def _ended(ways: Floats, hosts: NDArray[np.bool_], more: float) -> float:
    """Return the time of the longest way, or of the longest to a host and then to its guest."""
    return float(max(ways.max(), (ways[:, hosts] + more).max(initial=0.0)))
