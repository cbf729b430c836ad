"""The patterns: who sends to whom, by position, as functions in a dict.

Random choices use only NumPy's uniform doubles, whose stream is the same in all its versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import Fault, FaultList, InputError
from fabricsim.schedule import IntArray
from fabricsim.units import PS_PER_S, format_time

MAX_MESSAGES: Final = 100_000_000
"""Messages a pattern may have: some 3 GB of columns."""


@dataclass(frozen=True)
class Shape:
    """What the patterns leave open; each takes some of it, and has a default or asks for it.

    fan_in: senders of an incast. target: its receiver, as a position in the ranks. load: a share of injection.
    duration [s]: how long messages are released. offset: how far a shift goes. injection [B/s]: of each rank.
    """

    fan_in: int | None = None
    target: int | None = None
    load: float | None = None
    duration: float | None = None
    offset: int | None = None
    injection: float | None = None


@dataclass(frozen=True)
class Draw:
    """What a pattern is made from: n positions, bytes per message, its shape, and a generator per purpose."""

    n: int
    size: int
    shape: Shape
    random: Callable[[str], np.random.Generator]


Messages = tuple[IntArray, IntArray, NDArray[np.float64] | None]
"""(messages,) positions of senders and receivers, and the delay [s] of each message's release or None."""


def permutation(draw: Draw) -> Messages:
    """Return one message from each position, each position receiving one of another: a random derangement.

    Permutations are drawn until one has no fixed point, which makes all derangements equally likely and takes e
    draws on average.
    """
    stream, src = draw.random("permutation"), np.arange(draw.n)
    dst = src
    while np.any(dst == src):
        dst = np.argsort(stream.random(draw.n), kind="stable")
    return src, dst, None


def incast(draw: Draw) -> Messages:
    """Return one message from each of the `fan_in` positions after `target` to it; from all others to 0 by default."""
    target = 0 if draw.shape.target is None else draw.shape.target
    fan_in = draw.n - 1 if draw.shape.fan_in is None else draw.shape.fan_in
    faults = FaultList()
    if not 0 <= target < draw.n:
        faults.add(
            f"there is no target {target}", f"it counts within the ranks: 0 to {draw.n - 1}", ("target",)
        )
    if not 1 <= fan_in < draw.n:
        faults.add(f"{fan_in} ranks cannot send to one of {draw.n}", f"write 1 to {draw.n - 1}", ("fan_in",))
    faults.raise_if_any()
    return (target + np.arange(1, fan_in + 1)) % draw.n, np.full(fan_in, target), None


def shift(draw: Draw) -> Messages:
    """Return one message from each position to the one `offset` after it, cyclically; 1 by default."""
    offset = 1 if draw.shape.offset is None else draw.shape.offset
    if offset % draw.n == 0:
        what = f"a shift of {draw.n} ranks by {offset} sends each to itself"
        raise fault("offset", what, f"write 1 to {draw.n - 1}")
    src = np.arange(draw.n)
    return src, (src + offset) % draw.n, None


def tornado(draw: Draw) -> Messages:
    """Return a shift by ⌈n/2⌉ − 1, which loads a ring in one direction only.

    Dally and Towles, Principles and Practices of Interconnection Networks, table 3.1, with all ranks as one ring.
    """
    if draw.n < 3:
        raise fault("ranks", f"a tornado of {draw.n} ranks sends each to itself", "name three ranks or more")
    src = np.arange(draw.n)
    return src, (src + (draw.n + 1) // 2 - 1) % draw.n, None


def uniform(draw: Draw) -> Messages:
    """Return open-loop traffic: Poisson arrivals at each position for `duration`, receivers uniform over the others.

    The rate of each position is load · injection / size messages per second. Messages are in order of release.
    """
    rate, duration = _arrival_rate(draw)
    # whole picoseconds, as engines count: a logarithm's last bit is not the same on every processor
    times = np.rint(_arrivals(draw.random("arrivals"), draw.n, rate, duration) * PS_PER_S) / PS_PER_S
    src, column = np.nonzero(times < duration)
    delay = times[src, column]
    if not len(src):
        wanted = f"about {draw.n * rate * duration:.2g} are expected"
        raise fault("duration", f"no message falls into {format_time(duration)}: {wanted}", "make it longer")
    # one of the n − 1 others: counted from the next position on, so that none is its own
    step = 1 + np.floor(draw.random("receivers").random(len(src)) * (draw.n - 1)).astype(np.int64)
    order = np.lexsort((src, delay))
    return src[order], ((src + step) % draw.n)[order], delay[order]


def _arrival_rate(draw: Draw) -> tuple[float, float]:
    """Return messages per second of each position, and the duration [s]."""
    load, duration, injection = _stated(draw.shape)
    rate = load * injection / draw.size
    if draw.n * rate * duration > MAX_MESSAGES:
        right = f"shorten it, or send larger messages: up to {MAX_MESSAGES} are planned"
        raise fault("duration", f"about {draw.n * rate * duration:.2g} messages fall into it", right)
    return rate, duration


def _stated(shape: Shape) -> tuple[float, float, float]:
    """Return load, duration and injection. Raises InputError with all that is missing or out of range."""
    faults = FaultList()
    for key in ("load", "duration", "injection"):
        if getattr(shape, key) is None and (key != "injection" or shape.load is not None):
            faults.add(f"uniform traffic needs {key}", f"add {key}", (key,))
    load, duration, injection = shape.load or 0.0, shape.duration or 0.0, shape.injection or 0.0
    if shape.load is not None and not 0 < load <= 1:
        faults.add(f"a load of {load} is not above 0 and at most 1", "write a share such as 0.5", ("load",))
    if shape.duration is not None and duration <= 0:
        faults.add(
            f"a duration of {duration} s is not above zero", "write a time such as '1 ms'", ("duration",)
        )
    if shape.injection is not None and injection <= 0:
        faults.add("the ranks have no injection bandwidth", "join them to something", ("injection",))
    faults.raise_if_any()
    return load, duration, injection


def _arrivals(stream: np.random.Generator, n: int, rate: float, duration: float) -> NDArray[np.float64]:
    """Return (n, many) arrival times [s] of n Poisson processes, ascending in each row, all rows beyond duration."""
    mean = rate * duration
    batch = int(mean + 4 * np.sqrt(mean)) + 4  # four standard deviations: a second batch is rare
    times = np.zeros((n, 0))
    while not times.size or times[:, -1].min() < duration:
        # 1 − u lies in (0, 1], whose logarithm is finite
        gaps = -np.log(1 - stream.random((n, batch))) / rate
        times = np.concatenate(
            [times, np.cumsum(gaps, axis=1) + (times[:, -1:] if times.size else 0.0)], axis=1
        )
    return times


def fault(key: str, what: str, right: str) -> InputError:
    """Return an InputError about one argument."""
    return InputError([Fault(what, right, (key,))])


@dataclass(frozen=True)
class Kind:
    """A kind of pattern: how its messages are made, and which parts of a Shape it takes."""

    messages: Callable[[Draw], Messages]
    takes: tuple[str, ...] = ()


PATTERNS: Final[Mapping[str, Kind]] = MappingProxyType({
    "permutation": Kind(permutation),
    "incast": Kind(incast, ("fan_in", "target")),
    "uniform": Kind(uniform, ("load", "duration", "injection")),
    "shift": Kind(shift, ("offset",)),
    "tornado": Kind(tornado),
})  # fmt: skip
"""The patterns, by name."""
