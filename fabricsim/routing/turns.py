"""How `spray` counts: every packet has a number, and its digits say which candidates it takes in turn.

The number of a packet is its source's rank, a hash of the place of its message among those of its source, and its index
in the message. The first choice is the number's lowest digit, to the base of the candidates there; the next one is the
next digit, and so on. So the packets of a message take all its paths in turn, and so do, at any one index, the ranks
side by side: those under one switch leave it by channels of their own, those of one pod by paths of their own, and what
goes up meets nobody. Down, packets of ranks that are far from each other meet by chance.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fabricsim.routing.hashing import splitmix64
from fabricsim.schedule import Messages

IntArray = NDArray[np.int64]
Number = TypeVar("Number", int, IntArray)
"""One number, or one for each row."""


def first_numbers(messages: Messages, seed: int) -> IntArray:
    """Return (messages,) the number of each message's first packet; the following ones count on from there."""
    place = splitmix64(seed, messages.place) >> np.uint64(16)  # with rank and index added it stays below 2^63
    return messages.src + place.astype(np.int64)


def turn_of(number: Number, stride: Number | int, n: Number | int) -> Number:
    """Return which of n candidates a packet takes, with `stride` ways behind it: candidates so far, multiplied.

    That is the digit of the number above those that are used up. The share of these is added, which changes nothing
    among packets that came the same way, and sends ranks side by side apart where their numbers differ in low digits
    only: on parallel links that lead down, say.
    """
    share: Number = number % stride * n // stride
    return (number // stride + share) % n
