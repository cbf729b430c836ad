"""A collective bound to ranks: every argument checked, the size rounded, the rounds made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fabricsim.collectives.catalogue import ALGORITHMS, DEFAULT_ALGORITHM, Algorithm, bus_factor
from fabricsim.collectives.move import GRAIN, rounds_of
from fabricsim.collectives.ranks import NONE, Ranks, checked_ranks
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.schedule import Operation

MAX_PAIRED: Final = 10_000
"""Ranks an algorithm may have that sends between every pair: 1e8 messages take some 2.4 GB of columns."""


def collective(
    name: str,
    kind: str,
    algorithm: str | None,
    ranks: Ranks,
    size: int,
    *,
    root: int = 0,
    chunks: int | None = None,
    start: float = 0.0,
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Operation:
    """Return a collective over fabric ranks, in the order in which they are given.

    algorithm: one of ALGORITHMS[kind]; None takes DEFAULT_ALGORITHM[kind]. size [B] as nccl-tests counts it
    (for all-gather, reduce-scatter and all-to-all a rank's total, its own block included); it is rounded
    down to a multiple of 16 B per rank, and the operation keeps both. root: position in `ranks`, from 0.
    chunks: into how many pieces a pipelined algorithm cuts what it sends; None makes pieces of at most 128
    KiB. start [s], after, barrier: see Operation. Raises InputError with every fault found, keyed by the
    argument's name (`collective` for kind).
    """
    faults = FaultList()
    label, chosen, order, used = "", None, NONE, 0
    with faults.at():
        label, chosen = _algorithm(kind, algorithm)
    with faults.at("ranks"):
        order = checked_ranks(ranks)
    if start < 0:
        faults.add(f"{start} s is before the beginning", "write 0 s or more", ("start",))
    if len(order):
        with faults.at("size"):
            used = rounded(size, len(order))
    if chosen and len(order):
        faults.faults += _misfits(chosen, label, kind, len(order), root, chunks)
    faults.raise_if_any()
    assert chosen is not None  # or there was a fault
    given = {"root": root, "chunks": chunks}
    moves = chosen.moves(len(order), used, **{key: given[key] for key in chosen.takes})
    rounds, factor = rounds_of(moves, order), bus_factor(kind, len(order))
    return Operation(name, kind, label, order, rounds, size, used, factor, start, tuple(after), barrier)


def rounded(size: int, n: int) -> int:
    """Return `size` [B] rounded down to a multiple of 16 B for each of n ranks, as nccl-tests does.

    Raises InputError if nothing is left.
    """
    used = size // (n * GRAIN) * (n * GRAIN)
    if used < 1:
        raise InputError(
            f"{size} B is less than {GRAIN} B for each of {n} ranks", f"write {n * GRAIN} B or more"
        )
    return used


def _algorithm(kind: str, algorithm: str | None) -> tuple[str, Algorithm]:
    if kind not in ALGORITHMS:
        raise InputError(
            [Fault(f"{kind!r} is not a collective", close_match(kind, ALGORITHMS), ("collective",))]
        )
    label = DEFAULT_ALGORITHM[kind] if algorithm is None else algorithm
    known = ALGORITHMS[kind]
    if label not in known:
        # a name that another collective has is no slip of the pen: show what this one has
        elsewhere = any(label in others for others in ALGORITHMS.values())
        right = "known: " + ", ".join(sorted(known)) if elsewhere else close_match(label, known)
        raise InputError([Fault(f"{label!r} is not an algorithm of {kind}", right, ("algorithm",))])
    return label, known[label]


def _misfits(chosen: Algorithm, label: str, kind: str, n: int, root: int, chunks: int | None) -> list[Fault]:
    """Return what does not fit together: an algorithm and its ranks, its root, its chunks."""
    faults = []
    what = f"{label} {kind}"
    if chosen.power_of_two and n & (n - 1):
        below = 1 << (n.bit_length() - 1)
        others = ", ".join(name for name, other in ALGORITHMS[kind].items() if not other.power_of_two)
        right = f"take {below} or {2 * below} ranks, or one of: {others}"
        faults.append(Fault(f"{what} takes a power of two of ranks, not {n}", right, ("algorithm",)))
    if chosen.pairs and n > MAX_PAIRED:
        pairs = f"{what} has a message for each pair of {n} ranks"
        faults.append(Fault(pairs, f"up to {MAX_PAIRED} ranks fit in memory", ("ranks",)))
    if "root" not in chosen.takes and root != 0:
        faults.append(Fault(f"{what} has no root", "leave it out", ("root",)))
    elif not 0 <= root < n:
        faults.append(
            Fault(f"there is no root {root}", f"it counts within the ranks: 0 to {n - 1}", ("root",))
        )
    if "chunks" not in chosen.takes and chunks is not None:
        faults.append(Fault(f"{what} does not cut its messages into chunks", "leave it out", ("chunks",)))
    elif chunks is not None and chunks < 1:
        faults.append(Fault(f"{chunks} chunks are none", "write 1 or more", ("chunks",)))
    return faults
