"""What patterns are made from, and what they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, InputError
from fabricsim.schedule import IntArray, Round

MAX_MESSAGES: Final = 100_000_000
"""Messages a pattern may have: some 3 GB of columns."""


class ExpertChoices(TypedDict, total=False):
    """What a user may choose of a mixture of experts beside its tokens.

    experts: in each group of `group` ranks. choice of experts: expected or seeded; skew: of their popularity, the
    exponent of a Zipf distribution. copies: of a token, one for each rank or each expert. level, by name, or inside, a
    number of ranks: how far scale-up goes. layer: a number; other layers draw other experts.
    """

    experts: int | None
    group: int | None
    choice: str | None
    skew: float | None
    copies: str | None
    level: str | None
    inside: int | None
    layer: int | None


class Choices(ExpertChoices, total=False):
    """What a user may choose of the patterns; each takes some of it, and has a default or asks for it.

    fan_in: senders of an incast. target: receiver of an incast or hotspot, as a position in the ranks. load: a share of
    injection. duration [s]: how long messages are released. sizes: fixed or exponential. offset: how far a shift
    goes. share: of the ranks that send to a hotspot. matrix: (n, n) how many times `size` each position sends to each
    other one. tokens: of each rank; top_k: experts of each token; the rest of a mixture of experts: see ExpertChoices.
    """

    fan_in: int | None
    target: int | None
    load: float | None
    duration: float | None
    sizes: str | None
    offset: int | None
    share: float | None
    matrix: Sequence[Sequence[int]] | NDArray[Any] | None
    tokens: int | None
    top_k: int | None


@dataclass(frozen=True, eq=False)
class Draw:
    """What a pattern is made from: n positions, bytes per message, what was chosen, and a generator per purpose.

    injection [B/s]: what each rank can send, where it is known. shared: generators that all entries of a workload
    have in common; those of `random` are the entry's own.
    """

    n: int
    size: int
    choices: Choices
    injection: float | None
    random: Callable[[str], np.random.Generator]
    shared: Callable[[str], np.random.Generator]

    def once(self, src: IntArray, dst: IntArray) -> tuple[Round, ...]:
        """Return one message of `size` between each of these positions, as one round."""
        return (Round(src, dst, np.full(len(src), self.size)),)


def fault(key: str, what: str, right: str) -> InputError:
    """Return an InputError about one argument."""
    return InputError([Fault(what, right, (key,))])
