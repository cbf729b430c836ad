"""The hash behind every choice that looks random: SplitMix64 of names, never a generator with a state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]


def splitmix64(*words: int | NDArray[np.int64]) -> Words:
    """Return a 64-bit hash of the words, element by element.

    Each word is xored into the state, which then takes one step of SplitMix64
    (Steele, Lea, Flood, OOPSLA 2014).
    """
    state = np.zeros(np.broadcast_shapes(*(np.shape(word) for word in words)), np.uint64)
    for word in words:
        state = mixed(state, word)
    return state


def mixed(state: Words, word: int | NDArray[np.int64]) -> Words:
    """Return the hash of one word more, from the hash of those before it."""
    with np.errstate(over="ignore"):
        z = state ^ np.asarray(word).astype(np.uint64)
        z += np.uint64(0x9E3779B97F4A7C15)
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return z
