"""A pattern as a user writes it in Python: what it does and how much, before it is known where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack, cast

from numpy.typing import NDArray

from fabricsim.collectives.options import check_names
from fabricsim.collectives.ranks import Ranks, bound_ranks
from fabricsim.fabric import Fabric
from fabricsim.schedule import Operation
from fabricsim.signatures import takes
from fabricsim.traffic.binding import injection, pattern
from fabricsim.traffic.draw import Choices, ExpertChoices
from fabricsim.units import parse_bandwidth, parse_share, parse_size, parse_time


@dataclass(frozen=True, eq=False)
class Pattern:
    """A pattern that is not yet bound to ranks; bytes and seconds, as in `pattern`."""

    kind: str
    size: int
    choices: Choices = field(default_factory=Choices)
    ranks: Ranks | None = None
    name: str | None = None
    start: float = 0.0
    after: tuple[str, ...] = ()
    barrier: bool = False
    injection: float | None = None

    def on(self, where: Fabric | Ranks | int, *, seed: int = 0, name: str | None = None) -> Operation:
        """Return the operation on a machine, on a list of ranks, or on the first so many ranks.

        On a machine it uses the ranks the pattern names, or all, and load is a share of their scale-up injection
        unless the pattern states one. It is called `name`, else as the pattern is, else by its kind. Raises
        InputError for anything that does not fit.
        """
        ranks, rate = bound_ranks(where, self.ranks), self.injection
        if isinstance(where, Fabric) and self.choices.get("load") is not None and rate is None:
            rate = injection(where, ranks)
        return pattern(
            name or self.name or self.kind, self.kind, ranks, self.size, seed=seed,
            fabric=where if isinstance(where, Fabric) else None, injection=rate,
            start=self.start, after=self.after, barrier=self.barrier, **self.choices,
        )  # fmt: skip


class Stated(TypedDict, total=False):
    """What may be said of any pattern; the names and defaults are those of `pattern`. start: text with a unit."""

    ranks: Ranks | None
    name: str | None
    start: str
    after: Iterable[str]
    barrier: bool


class StatedOfExperts(Stated, ExpertChoices, total=False):
    """What may be said of a mixture of experts: as of any pattern, and ExpertChoices."""


def _pattern(
    kind: str,
    size: str,
    choices: Choices,
    *,
    ranks: Ranks | None = None,
    name: str | None = None,
    start: str = "0 s",
    after: Iterable[str] = (),
    barrier: bool = False,
    injection: float | None = None,
    **experts: Unpack[ExpertChoices],
) -> Pattern:
    """Return a pattern of text with units. Raises InputError."""
    check_names(
        experts, StatedOfExperts.__annotations__ if kind.startswith("moe") else Stated.__annotations__, kind
    )
    chosen = cast(Choices, {**choices, **experts})
    return Pattern(
        kind, parse_size(size), chosen, ranks, name, parse_time(start), tuple(after), barrier, injection
    )


@takes(Stated)
def permutation(size: str, **stated: Unpack[Stated]) -> Pattern:
    """Return a pattern in which each rank sends one message of `size`, and receives one: a random derangement.

    The choice depends on the seed and the name.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("permutation", size, Choices(), **stated)


@takes(Stated)
def incast(size: str, *, fan_in: int | None = None, target: int = 0, **stated: Unpack[Stated]) -> Pattern:
    """Return a pattern in which `fan_in` ranks send one message of `size` each to one rank.

    fan_in: all others by default. target: position in `ranks`.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("incast", size, Choices(fan_in=fan_in, target=target), **stated)


@takes(Stated)
def shift(size: str, *, offset: int = 1, **stated: Unpack[Stated]) -> Pattern:
    """Return a pattern in which each rank sends one message of `size` to the rank `offset` after it.

    The ranks count as a ring.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("shift", size, Choices(offset=offset), **stated)


@takes(Stated)
def tornado(size: str, **stated: Unpack[Stated]) -> Pattern:
    """Return a pattern in which each rank sends one message of `size` almost half way around all ranks.

    That loads a ring in one direction only.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("tornado", size, Choices(), **stated)


@takes(Stated)
def bit_reversal(size: str, **stated: Unpack[Stated]) -> Pattern:
    """Return a pattern in which each rank sends `size` to the one whose number has its bits in reverse.

    The number of ranks is a power of two; a rank whose number reads the same stays silent.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("bit-reversal", size, Choices(), **stated)


@takes(Stated)
def ring_exchange(size: str, **stated: Unpack[Stated]) -> Pattern:
    """Return a pattern in which each rank sends `size` to the next one and to the one before.

    The ranks count as a ring.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("ring-exchange", size, Choices(), **stated)


@takes(Stated)
def hotspot(size: str, *, share: float | str = 0.5, target: int = 0, **stated: Unpack[Stated]) -> Pattern:
    """Return a pattern in which each rank sends `size`, a share of them to one rank, the others anywhere else.

    share: the probability that a rank is one of those. target: position in `ranks`.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("hotspot", size, Choices(share=parse_share(share), target=target), **stated)


@takes(Stated)
def traffic_matrix(
    size: str, *, matrix: Sequence[Sequence[int]] | NDArray[Any], **stated: Unpack[Stated]
) -> Pattern:
    """Return a pattern in which rank i sends rank j one message of matrix[i][j] times `size`.

    The diagonal is not sent.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    return _pattern("matrix", size, Choices(matrix=matrix), **stated)


@takes(StatedOfExperts)
def moe_dispatch(size: str, *, tokens: int, top_k: int, **stated: Unpack[StatedOfExperts]) -> Pattern:
    """Return the pattern of a mixture of experts in which each token, of `size`, goes to the experts it needs.

    tokens: of each rank. top_k: experts of each token. The other arguments are those of `pattern` and of
    ExpertChoices, the start as text with a unit. Raises InputError.
    """
    return _pattern("moe-dispatch", size, Choices(tokens=tokens, top_k=top_k), **stated)


@takes(StatedOfExperts)
def moe_combine(size: str, *, tokens: int, top_k: int, **stated: Unpack[StatedOfExperts]) -> Pattern:
    """Return the pattern of a mixture of experts in which each token, of `size`, goes back from its experts, summed up.

    tokens: of each rank. top_k: experts of each token. The other arguments are those of `pattern` and of
    ExpertChoices, the start as text with a unit. Raises InputError.
    """
    return _pattern("moe-combine", size, Choices(tokens=tokens, top_k=top_k), **stated)


@takes(Stated)
def uniform(
    size: str,
    *,
    load: float | str,
    duration: str,
    sizes: str = "fixed",
    injection: str | None = None,
    **stated: Unpack[Stated],
) -> Pattern:
    """Return a pattern in which each rank sends messages of `size` at random times to random others.

    load: share of injection, which is what the machine's ranks can send unless stated. duration: how long
    messages are released, at Poisson intervals. sizes: fixed, or exponential with the mean `size`.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    choices = Choices(load=parse_share(load), duration=parse_time(duration), sizes=sizes)
    rate = None if injection is None else parse_bandwidth(injection)
    return _pattern("uniform", size, choices, injection=rate, **stated)
