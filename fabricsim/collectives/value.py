"""A collective as a user writes it in Python: what it does and how much, before it is known where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Unpack

from fabricsim.collectives.binding import Custom, collective
from fabricsim.collectives.msccl import Program
from fabricsim.collectives.options import Options, check_names
from fabricsim.collectives.ranks import Ranks, bound_ranks
from fabricsim.fabric import Fabric
from fabricsim.schedule import Operation, Schedule
from fabricsim.signatures import takes
from fabricsim.units import parse_size, parse_time


@dataclass(frozen=True, eq=False)
class Collective:
    """A collective that is not yet bound to ranks; sizes in bytes, times in seconds, as in `collective`."""

    kind: str
    size: int
    algorithm: str | Custom | Program | None = None
    ranks: Ranks | None = None
    options: Options = field(default_factory=Options)
    name: str | None = None
    start: float = 0.0
    after: tuple[str, ...] = ()
    barrier: bool = False

    def on(self, where: Fabric | Ranks | int, *, name: str | None = None) -> Operation:
        """Return the operation on a machine, on a list of ranks, or on the first so many ranks.

        On a machine it uses the ranks the collective names, or all. It is called `name`, else as the
        collective is, else by its kind. Raises InputError for anything that does not fit.
        """
        return collective(
            name or self.name or self.kind, self.kind, self.algorithm, bound_ranks(where, self.ranks), self.size,
            fabric=where if isinstance(where, Fabric) else None,
            start=self.start, after=self.after, barrier=self.barrier, **self.options,
        )  # fmt: skip


class Stated(Options, total=False):
    """What may be said of any collective besides its size; the names and defaults are those of `collective`.

    algorithm: one of ALGORITHMS, auto, a function or a program. start: text with a unit. What else there is chooses
    among the forms of an algorithm: see Options.
    """

    algorithm: str | Custom | Program | None
    ranks: Ranks | None
    name: str | None
    start: str
    after: Iterable[str]
    barrier: bool


def _collective(
    kind: str,
    size: str,
    *,
    algorithm: str | Custom | Program | None = None,
    ranks: Ranks | None = None,
    name: str | None = None,
    start: str = "0 s",
    after: Iterable[str] = (),
    barrier: bool = False,
    **options: Unpack[Options],
) -> Collective:
    """Return a collective of text with units. Raises InputError."""
    check_names(options, Stated.__annotations__, kind)
    return Collective(
        kind, parse_size(size), algorithm, ranks, options, name, parse_time(start), tuple(after), barrier
    )


@takes(Stated)
def all_reduce(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the all-reduce of `size`: every rank ends with the sum of all ranks' data.

    size: of the data, such as "256 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("all-reduce", size, **stated)


@takes(Stated)
def all_gather(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the all-gather of `size`: every rank ends with every rank's block.

    size: of all blocks together, such as "256 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("all-gather", size, **stated)


@takes(Stated)
def reduce_scatter(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the reduce-scatter of `size`: every rank ends with its block of the sum.

    size: of a rank's input, such as "256 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("reduce-scatter", size, **stated)


@takes(Stated)
def all_to_all(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the all-to-all of `size`: every rank sends each other one a block of its own.

    size: of a rank's blocks, such as "64 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("all-to-all", size, **stated)


@takes(Stated)
def broadcast(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the broadcast of `size`: every rank ends with the root's data.

    size: of the data, such as "256 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("broadcast", size, **stated)


@takes(Stated)
def all_to_all_v(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the all-to-all in which rank i sends rank j matrix[i][j] times `size`.

    size: of a unit of the matrix, such as "1 KiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("all-to-all-v", size, **stated)


@takes(Stated)
def reduce(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the reduce of `size`: the root ends with the sum of all ranks' data.

    size: of the data, such as "256 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("reduce", size, **stated)


@takes(Stated)
def scatter(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the scatter of `size`: every rank ends with its block of the root's data.

    size: of all blocks together, such as "256 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("scatter", size, **stated)


@takes(Stated)
def gather(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the gather of `size`: the root ends with every rank's block.

    size: of all blocks together, such as "256 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("gather", size, **stated)


@takes(Stated)
def send_recv(size: str, **stated: Unpack[Stated]) -> Collective:
    """Return the exchange in which every rank sends `size` to the next one and receives from the one before.

    size: of each message, such as "64 MiB".
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("send-recv", size, **stated)


@takes(Stated)
def wait_for_all(size: str = "16 B", **stated: Unpack[Stated]) -> Collective:
    """Return the barrier: no rank goes on before all have come.

    size: of each word of arrival.
    The other arguments are those of `collective`, the start as text with a unit. Raises InputError.
    """
    return _collective("barrier", size, **stated)


def ring_all_reduce(ranks: Ranks | int, size: str) -> Schedule:
    """Return the Schedule of one ring all-reduce over `ranks`, a list or how many. Raises InputError."""
    return Schedule((all_reduce(size, algorithm="ring").on(ranks),))
