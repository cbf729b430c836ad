"""Patterns that take a line or two: who sends to whom, by position.

Random choices use only NumPy's uniform doubles, whose stream is the same in all its versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import FaultList, close_match
from fabricsim.schedule import IntArray, Round
from fabricsim.traffic.draw import MAX_MESSAGES, Draw, fault
from fabricsim.units import PS_PER_S, format_time


def permutation(draw: Draw) -> tuple[Round, ...]:
    """Return one message from each position, each position receiving one of another: a random derangement.

    Permutations are drawn until one has no fixed point, which makes all derangements equally likely and takes e
    draws on average.
    """
    stream, src = draw.random("permutation"), np.arange(draw.n)
    dst = src
    while np.any(dst == src):
        dst = np.argsort(stream.random(draw.n), kind="stable")
    return draw.once(src, dst)


def incast(draw: Draw) -> tuple[Round, ...]:
    """Return one message from each of the `fan_in` positions after `target` to it; from all others to 0 by default."""
    target = draw.choices.get("target") or 0
    fan_in = draw.choices.get("fan_in")
    fan_in = draw.n - 1 if fan_in is None else fan_in
    faults = FaultList()
    if not 0 <= target < draw.n:
        faults.add(
            f"there is no target {target}", f"it counts within the ranks: 0 to {draw.n - 1}", ("target",)
        )
    if not 1 <= fan_in < draw.n:
        faults.add(f"{fan_in} ranks cannot send to one of {draw.n}", f"write 1 to {draw.n - 1}", ("fan_in",))
    faults.raise_if_any()
    return draw.once((target + np.arange(1, fan_in + 1)) % draw.n, np.full(fan_in, target))


def shift(draw: Draw) -> tuple[Round, ...]:
    """Return one message from each position to the one `offset` after it, cyclically; 1 by default."""
    offset = draw.choices.get("offset")
    offset = 1 if offset is None else offset
    if offset % draw.n == 0:
        what = f"a shift of {draw.n} ranks by {offset} sends each to itself"
        raise fault("offset", what, f"write 1 to {draw.n - 1}")
    src = np.arange(draw.n)
    return draw.once(src, (src + offset) % draw.n)


def tornado(draw: Draw) -> tuple[Round, ...]:
    """Return a shift by ⌈n/2⌉ − 1, which loads a ring in one direction only.

    Dally and Towles, Principles and Practices of Interconnection Networks, table 3.1, with all ranks as one ring.
    """
    if draw.n < 3:
        raise fault("ranks", f"a tornado of {draw.n} ranks sends each to itself", "name three ranks or more")
    src = np.arange(draw.n)
    return draw.once(src, (src + (draw.n + 1) // 2 - 1) % draw.n)


def uniform(draw: Draw) -> tuple[Round, ...]:
    """Return open-loop traffic: Poisson arrivals at each position for `duration`, receivers uniform over the others.

    The rate of each position is load · injection / size messages per second; `sizes` says how each size comes about.
    Messages are in order of release.
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
    size = SIZES[draw.choices.get("sizes") or "fixed"](draw, len(src))
    return (Round(src[order], ((src + step) % draw.n)[order], size, delay=delay[order]),)


def _exponential(draw: Draw, count: int) -> IntArray:
    """Return sizes with the mean `size` and an exponential distribution, in whole bytes, at least one."""
    share = -np.log(1 - draw.random("sizes").random(count))
    sizes: IntArray = np.maximum(1, np.rint(draw.size * share)).astype(np.int64)
    return sizes


SIZES: Final[Mapping[str, Callable[[Draw, int], IntArray]]] = {
    "fixed": lambda draw, count: np.full(count, draw.size),
    "exponential": _exponential,
}
"""How large open-loop messages are, by name: all of one size, or drawn one by one."""


def _arrival_rate(draw: Draw) -> tuple[float, float]:
    """Return messages per second of each position, and the duration [s]."""
    load, duration, injection = _stated(draw)
    rate = load * injection / draw.size
    if draw.n * rate * duration > MAX_MESSAGES:
        right = f"shorten it, or send larger messages: up to {MAX_MESSAGES} are planned"
        raise fault("duration", f"about {draw.n * rate * duration:.2g} messages fall into it", right)
    return rate, duration


def _stated(draw: Draw) -> tuple[float, float, float]:
    """Return load, duration and injection. Raises InputError with all that is missing or out of range."""
    faults = FaultList()
    load, duration, injection = draw.choices.get("load"), draw.choices.get("duration"), draw.injection
    for key, value in (("load", load), ("duration", duration), ("injection", injection)):
        if value is None and (key != "injection" or load is not None):
            faults.add(f"uniform traffic needs {key}", f"add {key}", (key,))
    sizes = draw.choices.get("sizes")
    if sizes is not None and sizes not in SIZES:
        faults.add(f"{sizes!r} is not known here", close_match(sizes, SIZES), ("sizes",))
    if load is not None and not 0 < load <= 1:
        faults.add(f"a load of {load} is not above 0 and at most 1", "write a share such as 0.5", ("load",))
    if duration is not None and duration <= 0:
        faults.add(
            f"a duration of {duration} s is not above zero", "write a time such as '1 ms'", ("duration",)
        )
    if injection is not None and injection <= 0:
        faults.add("the ranks have no injection bandwidth", "join them to something", ("injection",))
    faults.raise_if_any()
    return load or 0.0, duration or 0.0, injection or 0.0


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


def bit_reversal(draw: Draw) -> tuple[Round, ...]:
    """Return one message from each position to the one whose number has its bits in reverse, where that is another.

    Dally and Towles, Principles and Practices of Interconnection Networks, table 3.1. n is a power of two.
    """
    bits = draw.n.bit_length() - 1
    if draw.n != 1 << bits or bits < 2:
        what = f"the numbers of {draw.n} ranks have no bits to reverse"
        raise fault("ranks", what, "name 4, 8, 16, … ranks")
    src = np.arange(draw.n)
    dst = np.zeros(draw.n, np.int64)
    for bit in range(bits):
        dst |= (src >> bit & 1) << (bits - 1 - bit)
    return draw.once(src[src != dst], dst[src != dst])


def ring_exchange(draw: Draw) -> tuple[Round, ...]:
    """Return one message from each position to the next one and one to the one before: halos along a ring."""
    if draw.n < 3:
        raise fault(
            "ranks", f"a ring of {draw.n} ranks has no two neighbours for each", "name three ranks or more"
        )
    src = np.arange(draw.n)
    return draw.once(np.tile(src, 2), np.concatenate([(src + 1) % draw.n, (src - 1) % draw.n]))


def hotspot(draw: Draw) -> tuple[Round, ...]:
    """Return one message from each position but `target`: a `share` of them goes there, each other one anywhere else.

    Who sends to the target is drawn, each with probability `share`, half by default (Pfister and Norton, IEEE Trans.
    Computers C-34 (1985)); the others go to a position drawn evenly from those that are neither it nor the sender.
    """
    target, share = draw.choices.get("target") or 0, draw.choices.get("share")
    share = 0.5 if share is None else share
    if not 0 <= target < draw.n:
        raise fault(
            "target", f"there is no target {target}", f"it counts within the ranks: 0 to {draw.n - 1}"
        )
    if not 0 <= share <= 1:
        raise fault("share", f"a share of {share} is not between 0 and 1", "write a share such as 0.2")
    if draw.n < 3:
        raise fault(
            "ranks", f"{draw.n} ranks have nobody beside the hotspot to talk to", "name three ranks or more"
        )
    src = np.delete(np.arange(draw.n), target)
    hot = draw.random("senders").random(len(src)) < share
    # one of the n − 2 others: counted over all but the target, from the sender's next on
    step = 1 + np.floor(draw.random("receivers").random(len(src)) * (len(src) - 1)).astype(np.int64)
    cold = src[(np.arange(len(src)) + step) % len(src)]
    return draw.once(src, np.where(hot, target, cold))
