"""A collective bound to ranks: every argument checked, the size rounded, the rounds made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Unpack

import numpy as np

from fabricsim.collectives.catalogue import ALGORITHMS, DEFAULT_ALGORITHM, Algorithm, bus_factor
from fabricsim.collectives.checking import CHECKED_UP_TO, GOALS, check_data
from fabricsim.collectives.choice import AUTO
from fabricsim.collectives.choice import chosen as auto
from fabricsim.collectives.grid import Grid
from fabricsim.collectives.levels import MESHED, levels_of
from fabricsim.collectives.matrix import checked_matrix
from fabricsim.collectives.move import GRAIN, Move, rounds_of
from fabricsim.collectives.msccl import Program, check_fit, graph_of
from fabricsim.collectives.options import Options, option_faults
from fabricsim.collectives.ranks import NONE, Ranks, checked_ranks
from fabricsim.collectives.switches import shared_switches
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.schedule import Graph, IntArray, Operation
from fabricsim.units import MAX_AMOUNT

Custom = Callable[[int, int], tuple[Move, ...]]
"""An algorithm of a user's own: from the number of positions and the bytes to its moves."""

MAX_PAIRED: Final = 10_000
"""Ranks an algorithm may have that sends between every pair: 1e8 messages take some 2.4 GB of columns."""


def collective(
    name: str,
    kind: str,
    algorithm: str | Custom | Program | None,
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

    algorithm: one of ALGORITHMS[kind]; None takes DEFAULT_ALGORITHM[kind], auto the one that
    should be quickest on the fabric; or a function from n and the bytes to moves, whose data is checked up to
    CHECKED_UP_TO ranks; or an MSCCL program, whose data is checked where it is read. size [B] as nccl-tests counts it
    (for all-gather, reduce-scatter and all-to-all a rank's total, its own block included); it is rounded
    down to a multiple of 16 B per rank, and the operation keeps both. In a barrier it is the bytes of each word of
    arrival; in an all-to-all-v what the entries of the matrix count, and the operation's size is what the largest rank
    has. fabric: what the ranks belong to, for algorithms that go along its levels or meet in its switches. start [s],
    after, barrier: see Operation; the other arguments: see Options, None stands for not stated. Raises InputError with
    every fault found, keyed by the argument's name (`collective` for kind).
    """
    faults = FaultList()
    label, chosen, order, used = "", None, NONE, 0
    stated = {key: value for key, value in options.items() if value is not None}
    with faults.at("ranks"):
        order = checked_ranks(ranks)
    with faults.at():
        if algorithm == AUTO and kind in ALGORITHMS and len(order):
            algorithm = auto(kind, fabric, order, size)
        if not isinstance(algorithm, Program):
            label, chosen = _algorithm(kind, algorithm)
        elif len(order):
            check_fit(algorithm, kind, len(order))
    if start < 0:
        faults.add(f"{start} s is before the beginning", "write 0 s or more", ("start",))
    if len(order):
        with faults.at("size"):
            used = _used(kind, size, len(order))
    if chosen and len(order):
        faults.faults += _misfits(chosen, label, kind, len(order))
        faults.faults += option_faults(stated, chosen.options, len(order), f"{label} {kind}")
    if isinstance(algorithm, Program):
        faults.faults += option_faults(stated, (), len(order), f"the program {algorithm.name!r}")
        faults.raise_if_any()
        used, graph = _programmed(algorithm, order, used)
        return Operation(
            name, kind, algorithm.name, order, (), size, used, bus_factor(kind, len(order)), start,
            tuple(after), barrier, graph,
        )  # fmt: skip
    faults.raise_if_any()
    assert chosen is not None  # or there was a fault
    given, order = _settled(chosen, stated, fabric, order)
    if "matrix" in given:
        given["matrix"] = _entries(given["matrix"], size, len(order))
        size = used = int(given["matrix"].sum(axis=1).max())
    moves = chosen.moves(len(order), used, **given)
    if callable(algorithm):
        _check_own(kind, len(order), used, moves)
    rounds, factor = rounds_of(moves, order), bus_factor(kind, len(order))
    return Operation(name, kind, label, order, rounds, size, used, factor, start, tuple(after), barrier)


def _programmed(program: Program, order: IntArray, used: int) -> tuple[int, Graph]:
    """Return the bytes that a program's chunks make of `used`, and its tasks."""
    if used < program.chunks:
        what = f"{used} B are less than a byte for each of the program's {program.chunks} chunks"
        raise InputError([Fault(what, "write a larger size", ("size",))])
    used = used // program.chunks * program.chunks
    return used, graph_of(program, order, used)


def _used(kind: str, size: int, n: int) -> int:
    """Return the bytes that a collective of `size` works on."""
    if kind == "barrier":
        return rounded(size, 1)  # each word of arrival is as long
    if kind == "all-to-all-v" and size > 0:
        return size
    return rounded(size, n)


def _entries(matrix: Any, size: int, n: int) -> IntArray:
    """Return (n, n) bytes that each position has for each other one. Raises InputError, keyed `file`."""
    if matrix is None:
        right = "add file: and a file of n rows of n numbers"
        raise InputError([Fault("an all-to-all-v needs a matrix", right, ("file",))])
    entries = checked_matrix(matrix, n)
    if entries.sum(axis=1).max() > MAX_AMOUNT // size:
        raise InputError(
            [Fault(f"{size} B times the matrix is more than a rank can hold", "write less", ("size",))]
        )
    if not np.any(entries[~np.eye(n, dtype=np.bool_)]):
        what = "the matrix sends nothing from one rank to another"
        raise InputError([Fault(what, "write a number above 0", ("file",))])
    return entries * size


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


def _check_own(kind: str, n: int, size: int, moves: Sequence[Move]) -> None:
    """Raise InputError, keyed `algorithm`, where a user's own algorithm does not do its work."""
    if kind not in GOALS:
        what = f"an algorithm of your own cannot be a {kind}"
        raise InputError([Fault(what, f"it can be one of {', '.join(GOALS)}", ("algorithm",))])
    if n <= CHECKED_UP_TO:
        try:
            check_data(kind, n, size, moves)
        except InputError as error:
            raise InputError([replace(fault, key=("algorithm",)) for fault in error.faults]) from None


def _algorithm(kind: str, algorithm: str | Custom | None) -> tuple[str, Algorithm]:
    if kind not in ALGORITHMS:
        raise InputError(
            [Fault(f"{kind!r} is not a collective", close_match(kind, ALGORITHMS), ("collective",))]
        )
    if callable(algorithm):
        return getattr(algorithm, "__name__", "custom"), Algorithm(algorithm)
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
