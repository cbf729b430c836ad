"""A pattern bound to ranks: every argument checked, its messages drawn, as rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Unpack, cast

import numpy as np

from fabricsim.collectives.levels import Levels, levels_of
from fabricsim.collectives.ranks import NONE, Ranks, checked_ranks
from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.random_streams import generator
from fabricsim.schedule import IntArray, Operation
from fabricsim.traffic.catalogue import PATTERNS
from fabricsim.traffic.draw import Choices, Draw, fault


def pattern(
    name: str,
    kind: str,
    ranks: Ranks,
    size: int,
    *,
    seed: int,
    fabric: Fabric | None = None,
    injection: float | None = None,
    start: float = 0.0,
    after: Iterable[str] = (),
    barrier: bool = False,
    **choices: Unpack[Choices],
) -> Operation:
    """Return a pattern over fabric ranks, in the order in which they are given.

    kind: one of PATTERNS. size [B] of each message, used as it is. fabric: what the ranks belong to, for patterns
    that look at its levels. injection [B/s, per rank]: what a load is a share of, which only open-loop traffic looks
    at. start [s], after, barrier: see Operation; the other arguments: see Choices, None stands for not stated.
    Raises InputError with the faults found, keyed by the argument's name (`pattern` for kind).
    """
    stated = {key: value for key, value in choices.items() if value is not None}
    faults, order = FaultList(), NONE
    with faults.at("ranks"):
        order = checked_ranks(ranks)
    if size < 1:
        faults.add(f"{size} B is no message", "write 1 B or more", ("size",))
    if start < 0:
        faults.add(f"{start} s is before the beginning", "write 0 s or more", ("start",))
    with faults.at():
        _check_kind(kind, stated)
    faults.raise_if_any()
    if "level" in PATTERNS[kind].takes:
        stated, order = _with_domains(stated, fabric, order)
    draw = Draw(
        len(order), size, cast(Choices, stated), injection,
        lambda purpose: generator(seed, f"traffic/{kind}/{name}/{purpose}"),
        lambda purpose: generator(seed, f"traffic/{purpose}"),
    )  # fmt: skip
    rounds = tuple(r.over(order) for r in PATTERNS[kind].rounds(draw))
    return Operation(name, kind, kind, order, rounds, size, size, None, start, tuple(after), barrier)


def _check_kind(kind: str, stated: Mapping[str, Any]) -> None:
    if kind not in PATTERNS:
        raise fault("pattern", f"{kind!r} is not a pattern", close_match(kind, PATTERNS))
    takes, faults = PATTERNS[kind].takes, FaultList()
    right = f"it takes {', '.join(takes)}" if takes else "leave it out"
    for key in stated:
        if key not in takes:
            faults.add(f"{kind} does not take {key}", right, (key,))
    faults.raise_if_any()


def _with_domains(
    stated: dict[str, Any], fabric: Fabric | None, order: IntArray
) -> tuple[dict[str, Any], IntArray]:
    """Return the choices with the size of a scale-up domain in place of its level, and the ranks domain by domain.

    The domain is a copy of the level stated, or else of the outermost one that still is scale-up, where the machine
    has scale-out above it.
    """
    if "inside" in stated:
        if "level" in stated:
            raise InputError([Fault("both a level and inside are stated", "leave one out", ("level",))])
        return stated, order
    if fabric is None:
        if "level" in stated:
            raise InputError(
                [Fault("there are no levels", "bind it to a fabric, or state inside", ("level",))]
            )
        return stated, order
    level = stated.get("level") or _scale_up_level(fabric)
    if level is None:
        return stated, order
    found = _levels(fabric, order, level)
    rest = {key: value for key, value in stated.items() if key != "level"}
    return rest | {"inside": found.sides[0] if found.names[0] == level else 1}, found.order


def _levels(fabric: Fabric, order: IntArray, level: str) -> Levels:
    """Return the ranks as a grid of a level and all above it; faults are about `level`."""
    top = [info.name for info in fabric.about.levels if not info.beside][-1:]
    try:
        return levels_of(fabric, order, list(dict.fromkeys([level, *top])))
    except InputError as error:
        raise InputError(
            [replace(f, key=("level",)) if f.key == ("levels",) else f for f in error.faults]
        ) from None


def _scale_up_level(fabric: Fabric) -> str | None:
    """Return the outermost level that is scale-up where the machine has scale-out above it, else None."""
    own = [info.name for info in fabric.about.levels if not info.beside]
    inner = [name for name in own if fabric.about.networks.get(name, "scale-up") != "scale-out"]
    return inner[-1] if inner and len(inner) < len(own) else None


def injection(fabric: Fabric, ranks: IntArray) -> int:
    """Return what each of `ranks` can send into the scale-up network [B/s]: its channels together, the least of all."""
    scale_up = np.array([fabric.about.networks.get(name, "scale-up") == "scale-up" for name in fabric.levels])
    counted = scale_up[np.repeat(fabric.level, 2)]
    total = np.zeros(fabric.nodes, np.int64)
    np.add.at(total, fabric.channel_src[counted], fabric.bandwidth[counted])
    return int(total[ranks].min())
