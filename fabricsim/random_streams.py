"""Random numbers: one generator per purpose, all derived from one seed.

A purpose is a name such as `permutation/b`. Streams of different purposes are independent, so a draw added in
one place leaves every other place as it was, whatever the order of calls, the process or the hash seed.
"""

from __future__ import annotations

import hashlib

import numpy as np

from fabricsim.errors import InputError


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose, always the same for the same seed and name.

    The first 128 bits of SHA-256 over seed and name seed a PCG64 (O'Neill, HMC-CS-2014-0905), which is named
    here because NumPy may change its default. Raises InputError for a negative seed.
    """
    if seed < 0:
        raise InputError(f"the seed {seed} is negative", "write 0 or more")
    # the newline keeps (1, "2x") and (12, "x") apart
    word = hashlib.sha256(f"{seed}\n{purpose}".encode()).digest()[:16]
    return np.random.Generator(np.random.PCG64(int.from_bytes(word, "big")))
