"""A collective bound to ranks: every argument checked, the size rounded, the rounds made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Unpack

from fabricsim.collectives.catalogue import ALGORITHMS, DEFAULT_ALGORITHM, Algorithm, bus_factor
from fabricsim.collectives.grid import Grid
from fabricsim.collectives.levels import MESHED, levels_of
from fabricsim.collectives.move import GRAIN, rounds_of
from fabricsim.collectives.options import Options, option_faults
from fabricsim.collectives.ranks import NONE, Ranks, checked_ranks
from fabricsim.collectives.switches import shared_switches
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.schedule import IntArray, Operation

MAX_PAIRED: Final = 10_000
"""Ranks an algorithm may have that sends between every pair: 1e8 messages take some 2.4 GB of columns."""


def collective(
    name: str,
    kind: str,
    algorithm: str | None,
    ranks: Ranks,
    size: int,
    *,
    fabric: Fabric | None = None,
    start: float = 0.0,
    after: Iterable[str] = (),
    barrier: bool = False,
    **options: Unpack[Options],
) -> Operation:
    """Return a collective over fabric ranks, in the order in which they are given.

    algorithm: one of ALGORITHMS[kind]; None takes DEFAULT_ALGORITHM[kind]. size [B] as nccl-tests counts it
    (for all-gather, reduce-scatter and all-to-all a rank's total, its own block included); it is rounded
    down to a multiple of 16 B per rank, and the operation keeps both. fabric: what the ranks belong to, for algorithms
    that go along its levels. start [s], after, barrier: see Operation; the other arguments: see Options, None
    stands for not stated. Raises InputError with every fault found, keyed by the argument's name (`collective` for
    kind).
    """
    faults = FaultList()
    label, chosen, order, used = "", None, NONE, 0
    stated = {key: value for key, value in options.items() if value is not None}
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
        faults.faults += _misfits(chosen, label, kind, len(order))
        faults.faults += option_faults(stated, chosen.options, len(order), f"{label} {kind}")
    faults.raise_if_any()
    assert chosen is not None  # or there was a fault
    given, order = _settled(chosen, stated, fabric, order)
    moves = chosen.moves(len(order), used, **given)
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


def _misfits(chosen: Algorithm, label: str, kind: str, n: int) -> list[Fault]:
    """Return what does not fit together: an algorithm and the number of its ranks."""
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
    return faults


def _settled(
    chosen: Algorithm, stated: Mapping[str, Any], fabric: Fabric | None, order: IntArray
) -> tuple[dict[str, Any], IntArray]:
    """Return what an algorithm is called with, and the ranks in the order it takes them."""
    given = {key: stated.get(key, 0 if key == "root" else None) for key in chosen.takes}
    if "grid" in chosen.takes:
        given["grid"], order = _grid(chosen, stated, fabric, order)
    if "switches" in chosen.takes:
        if fabric is None:
            what = "without a fabric there are no switches that could take part"
            raise InputError([Fault(what, "bind it to a fabric", ("algorithm",))])
        given["switches"] = shared_switches(fabric, order)
    return given, order


def _grid(
    chosen: Algorithm, stated: Mapping[str, Any], fabric: Fabric | None, order: IntArray
) -> tuple[Grid, IntArray]:
    """Return the grid an algorithm goes along, the stage of each side, and the ranks in its order."""
    if "grid" in stated:
        if "levels" in stated:
            raise InputError([Fault("both a grid and levels are stated", "leave one out", ("levels",))])
        sides: tuple[int, ...] = tuple(stated["grid"])
        stages = [chosen.stages[0]] * len(sides)
        names: tuple[str, ...] = tuple(f"side {side}" for side in sides)
    elif fabric is None:
        right = "bind it to a fabric, or state the sides of a grid, innermost first, as in grid: [8, 4]"
        raise InputError([Fault("there are no levels to go along", right, ("grid",))])
    else:
        levels = levels_of(fabric, order, stated.get("levels"))
        order, sides, names = levels.order, levels.sides, levels.names
        direct = [meshed and side <= MESHED for meshed, side in zip(levels.meshed, sides, strict=True)]
        stages = ["direct" if mesh else chosen.stages[0] for mesh in direct]
    stages = _stages(stated["stages"], chosen, names) if "stages" in stated else stages
    for side, stage, name in zip(sides, stages, names, strict=True):
        if stage == "halving-doubling" and side & (side - 1):
            what = f"halving-doubling takes a power of two of members, not the {side} along {name}"
            raise InputError([Fault(what, "take another stage there", ("stages",))])
    return Grid(sides, tuple(stages)), order


def _stages(value: Any, chosen: Algorithm, names: tuple[str, ...]) -> list[str]:
    """Return the stage of each level as stated: one for all, or one each."""
    stages = [value] * len(names) if isinstance(value, str) else list(value)
    for stage in stages:
        if stage not in chosen.stages:
            raise InputError(
                [Fault(f"{stage!r} is not a stage", close_match(stage, chosen.stages), ("stages",))]
            )
    if len(stages) != len(names):
        what = f"{len(stages)} stages are stated for {len(names)} levels"
        raise InputError([Fault(what, f"write one each for {', '.join(names)}, or one for all", ("stages",))])
    return stages
