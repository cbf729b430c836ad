"""Finite fields, as tables: elements 0 … q−1, written to base p, are polynomials over the integers mod p."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def prime_power(q: int) -> tuple[int, int] | None:
    """Return (p, k) with q = p^k and p prime, None where q is no prime power."""
    if q < 2:
        return None
    p = next((n for n in range(2, int(q**0.5) + 1) if q % n == 0), q)
    k = 0
    while q % p == 0:
        q, k = q // p, k + 1
    return (p, k) if q == 1 else None


@dataclass(frozen=True, eq=False)
class Galois:
    """powers: (q − 1,) of a primitive element, from the zeroth. differences, products: (q, q), a − b and a·b."""

    powers: IntArray
    differences: IntArray
    products: IntArray

    @staticmethod
    @cache
    def of(q: int) -> Galois:
        """Return the field of q elements; q is a prime power."""
        found = prime_power(q)
        assert found is not None
        p, k = found
        weights = p ** np.arange(k)
        digits = np.arange(q)[:, None] // weights % p
        differences = (digits[:, None] - digits[None]) % p @ weights
        powers = _primitive(p, k)
        log = np.zeros(q, np.int64)
        log[powers] = np.arange(q - 1)
        products = powers[(log[:, None] + log[None]) % (q - 1)]
        products[0] = products[:, 0] = 0
        return Galois(powers, differences, products)


def _primitive(p: int, k: int) -> IntArray:
    """Return all powers of x modulo the first monic polynomial of degree k for which they are all of the field."""
    for code in range(1, p**k):
        tail = [code // p**i % p for i in range(k)]
        powers = _powers(tail, p)
        if len(powers) == p**k - 1:
            return np.array(powers, np.int64)
    raise AssertionError("every finite field has a primitive polynomial")


def _powers(tail: list[int], p: int) -> list[int]:
    """Return 1, x, x², … where x^k = tail, each once, until 1 comes again or they vanish."""
    found: list[int] = []
    state = [1, *[0] * (len(tail) - 1)]
    seen: set[tuple[int, ...]] = set()
    while tuple(state) not in seen and any(state):
        seen.add(tuple(state))
        found.append(sum(digit * p**i for i, digit in enumerate(state)))
        top = state[-1]
        state = [(low + top * t) % p for low, t in zip([0, *state[:-1]], tail, strict=True)]
    return found
