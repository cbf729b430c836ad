"""A pattern bound to ranks: every argument checked, its messages drawn, as one round."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Final

import numpy as np

from fabricsim.collectives.ranks import NONE, Ranks, checked_ranks
from fabricsim.errors import FaultList, close_match
from fabricsim.fabric import Fabric
from fabricsim.random_streams import generator
from fabricsim.schedule import IntArray, Operation, Round
from fabricsim.traffic.patterns import PATTERNS, Draw, Shape, fault


def pattern(
    name: str,
    kind: str,
    ranks: Ranks,
    size: int,
    *,
    seed: int,
    fan_in: int | None = None,
    target: int | None = None,
    load: float | None = None,
    duration: float | None = None,
    offset: int | None = None,
    injection: float | None = None,
    start: float = 0.0,
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Operation:
    """Return a pattern over fabric ranks, in the order in which they are given.

    kind: one of PATTERNS. size [B] of each message, used as it is. target: position in `ranks`, from 0. load: share
    of injection [B/s, per rank], which only open-loop traffic looks at. duration, start [s]. after, barrier: see
    Operation. Raises InputError with the faults found, keyed by the argument's name (`pattern` for kind).
    """
    shape = Shape(fan_in, target, load, duration, offset, injection)
    faults, order = FaultList(), NONE
    with faults.at("ranks"):
        order = checked_ranks(ranks)
    if size < 1:
        faults.add(f"{size} B is no message", "write 1 B or more", ("size",))
    if start < 0:
        faults.add(f"{start} s is before the beginning", "write 0 s or more", ("start",))
    with faults.at():
        _check_kind(kind, shape)
    faults.raise_if_any()
    draw = Draw(len(order), size, shape, lambda purpose: generator(seed, f"traffic/{kind}/{name}/{purpose}"))
    src, dst, delay = PATTERNS[kind].messages(draw)
    rounds = (Round(order[src], order[dst], np.full(len(src), size), delay=delay),)
    return Operation(name, kind, kind, order, rounds, size, size, None, start, tuple(after), barrier)


def _check_kind(kind: str, shape: Shape) -> None:
    if kind not in PATTERNS:
        raise fault("pattern", f"{kind!r} is not a pattern", close_match(kind, PATTERNS))
    takes, faults = PATTERNS[kind].takes, FaultList()
    right = f"it takes {', '.join(takes)}" if takes else "leave it out"
    for key in _CHOICES:
        if getattr(shape, key) is not None and key not in takes:
            faults.add(f"{kind} does not take {key}", right, (key,))
    faults.raise_if_any()


_CHOICES: Final = [field.name for field in fields(Shape) if field.name != "injection"]
"""What a user chooses of a Shape; the injection is a fact of the machine, and harmless where nobody asks for it."""


def injection(fabric: Fabric, ranks: IntArray) -> int:
    """Return what each of `ranks` can send into the scale-up network [B/s]: its channels together, the least of all."""
    scale_up = np.array([fabric.about.networks.get(name, "scale-up") == "scale-up" for name in fabric.levels])
    counted = scale_up[np.repeat(fabric.level, 2)]
    total = np.zeros(fabric.nodes, np.int64)
    np.add.at(total, fabric.channel_src[counted], fabric.bandwidth[counted])
    return int(total[ranks].min())
