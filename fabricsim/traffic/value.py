"""A pattern as a user writes it in Python: what it does and how much, before it is known where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from fabricsim.collectives.ranks import Ranks, bound_ranks
from fabricsim.fabric import Fabric
from fabricsim.schedule import Operation
from fabricsim.traffic.binding import injection, pattern
from fabricsim.traffic.patterns import Shape
from fabricsim.units import parse_bandwidth, parse_share, parse_size, parse_time


@dataclass(frozen=True, eq=False)
class Pattern:
    """A pattern that is not yet bound to ranks; bytes and seconds, as in `pattern`."""

    kind: str
    size: int
    shape: Shape = field(default_factory=Shape)
    ranks: Ranks | None = None
    name: str | None = None
    start: float = 0.0
    after: tuple[str, ...] = ()
    barrier: bool = False

    def on(self, where: Fabric | Ranks | int, *, seed: int = 0, name: str | None = None) -> Operation:
        """Return the operation on a machine, on a list of ranks, or on the first so many ranks.

        On a machine it uses the ranks the pattern names, or all, and load is a share of their scale-up injection
        unless the pattern states one. It is called `name`, else as the pattern is, else by its kind. Raises
        InputError for anything that does not fit.
        """
        ranks, shape = bound_ranks(where, self.ranks), self.shape
        if isinstance(where, Fabric) and shape.load is not None and shape.injection is None:
            shape = replace(shape, injection=injection(where, ranks))
        return pattern(
            name or self.name or self.kind, self.kind, ranks, self.size, seed=seed,
            fan_in=shape.fan_in, target=shape.target, load=shape.load, duration=shape.duration,
            offset=shape.offset, injection=shape.injection,
            start=self.start, after=self.after, barrier=self.barrier,
        )  # fmt: skip


def permutation(
    size: str,
    *,
    ranks: Ranks | None = None,
    name: str | None = None,
    start: str = "0 s",
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Pattern:
    """Return a pattern in which each rank sends one message of `size`, and receives one: a random derangement.

    The choice depends on the seed and the name.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    shape = Shape()
    return Pattern(
        "permutation", parse_size(size), shape, ranks, name, parse_time(start), tuple(after), barrier
    )


def incast(
    size: str,
    *,
    fan_in: int | None = None,
    target: int = 0,
    ranks: Ranks | None = None,
    name: str | None = None,
    start: str = "0 s",
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Pattern:
    """Return a pattern in which `fan_in` ranks send one message of `size` each to one rank.

    fan_in: all others by default. target: position in `ranks`.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    shape = Shape(fan_in=fan_in, target=target)
    return Pattern("incast", parse_size(size), shape, ranks, name, parse_time(start), tuple(after), barrier)


def shift(
    size: str,
    *,
    offset: int = 1,
    ranks: Ranks | None = None,
    name: str | None = None,
    start: str = "0 s",
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Pattern:
    """Return a pattern in which each rank sends one message of `size` to the rank `offset` after it.

    The ranks count as a ring.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    shape = Shape(offset=offset)
    return Pattern("shift", parse_size(size), shape, ranks, name, parse_time(start), tuple(after), barrier)


def tornado(
    size: str,
    *,
    ranks: Ranks | None = None,
    name: str | None = None,
    start: str = "0 s",
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Pattern:
    """Return a pattern in which each rank sends one message of `size` almost half way around all ranks.

    That loads a ring in one direction only.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    shape = Shape()
    return Pattern("tornado", parse_size(size), shape, ranks, name, parse_time(start), tuple(after), barrier)


def uniform(
    size: str,
    *,
    load: float | str,
    duration: str,
    injection: str | None = None,
    ranks: Ranks | None = None,
    name: str | None = None,
    start: str = "0 s",
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Pattern:
    """Return a pattern in which each rank sends messages of `size` at random times to random others.

    load: share of injection, which is what the machine's ranks can send unless stated. duration: how long
    messages are released, at Poisson intervals.
    The other arguments are those of `pattern`, the start as text with a unit. Raises InputError.
    """
    shape = Shape(
        load=parse_share(load),
        duration=parse_time(duration),
        injection=None if injection is None else parse_bandwidth(injection),
    )
    return Pattern("uniform", parse_size(size), shape, ranks, name, parse_time(start), tuple(after), barrier)
