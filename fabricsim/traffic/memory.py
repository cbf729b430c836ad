"""Memory traffic: reads, writes and atomics of remote memory, each a request and the response to it.

A request carries the command and what is written, a response what is read, or the command's echo. Closed loop: each
rank has so many requests open, and issues the next one when one of them is answered. Open loop: each rank issues at
Poisson intervals, whatever is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.collectives.ranks import NONE, Ranks
from fabricsim.errors import FaultList, InputError, close_match
from fabricsim.random_streams import generator
from fabricsim.schedule import Graph, IntArray, Operation
from fabricsim.units import PS_PER_S

COMMAND: Final = 16
"""Bytes of a command, address included, unless stated: our choice."""

MAX_REQUESTS: Final = 20_000_000
"""Requests of one entry; some 5 GB of columns."""


@dataclass(frozen=True)
class Kind:
    """Whether the data travels with the request, and with the response."""

    out: bool
    back: bool


MEMORY: Final[Mapping[str, Kind]] = MappingProxyType({
    "read": Kind(out=False, back=True),
    "write": Kind(out=True, back=False),
    "atomic": Kind(out=True, back=True),
})  # fmt: skip
"""What may be done to remote memory, by name."""


@dataclass(frozen=True)
class Loop:
    """How each rank issues requests.

    Closed: `outstanding` are open at once, until `requests` are done. Open: data of `load` times `injection` [B/s] is
    asked for, for `duration` [s].
    """

    requests: int | None = None
    outstanding: int | None = None
    load: float | None = None
    duration: float | None = None
    injection: float | None = None


def memory(
    name: str,
    kind: str,
    ranks: Ranks,
    size: int,
    loop: Loop,
    *,
    seed: int,
    targets: Ranks | None = None,
    service: float = 0.0,
    command: int = COMMAND,
    lanes: tuple[int, int] = (0, 1),
    start: float = 0.0,
    warmup: float = 0.0,
    after: Iterable[str] = (),
    barrier: bool = False,
) -> Operation:
    """Return requests of `size` bytes of data from each of `ranks` to random others among `targets`, and the responses.

    kind: one of MEMORY. targets: all of `ranks` unless stated. service [s]: from a request's delivery to the release
    of its response. lanes: traffic class of requests, and of responses. warmup [s]: what is issued before it does not
    count for latency. Raises InputError with the faults found, keyed by the argument's name (`memory` for kind).
    """
    faults, sources, goals = FaultList(), NONE, NONE
    if kind not in MEMORY:
        faults.add(f"{kind!r} is nothing to do to memory", close_match(kind, MEMORY), ("memory",))
    with faults.at("ranks"):
        sources = _distinct(ranks)
    with faults.at("targets"):
        goals = sources if targets is None else _distinct(targets)
    with faults.at():
        _check_loop(loop)
    faults.raise_if_any()
    if len(sources) == len(goals) == 1 and sources[0] == goals[0]:
        raise InputError("the only target of the only rank is itself", "name other targets")
    random = generator(seed, f"memory/{name}/arrivals")
    owner, delay = (
        _closed(loop, len(sources)) if loop.load is None else _open(loop, len(sources), size, random)
    )
    src = sources[owner]
    dst = _others(src, goals, generator(seed, f"memory/{name}/targets"))
    way = MEMORY[kind]
    sizes = (command + size * way.out, size if way.back else command)
    graph = _graph(owner, src, dst, sizes, delay, service, loop.outstanding, lanes)
    form = "open-loop" if loop.load is not None else "closed-loop"
    everyone = np.union1d(sources, goals)
    return Operation(
        name, f"memory-{kind}", form, everyone, (), size, size, None, start, tuple(after), barrier,
        graph=graph, warmup=warmup,
    )  # fmt: skip


def _distinct(ranks: Ranks) -> IntArray:
    """Return ranks as an array; one is enough, where it asks another."""
    order = np.asarray(list(ranks) if not isinstance(ranks, np.ndarray) else ranks, np.int64)
    if not len(order):
        raise InputError("there are no ranks", "name one or more")
    if len(np.unique(order)) < len(order):
        raise InputError("a rank is named twice", "name each once")
    return order


def _check_loop(loop: Loop) -> None:
    faults = FaultList()
    if (loop.outstanding is None) == (loop.load is None):
        faults.add("needs either outstanding, for a closed loop, or load, for an open one", "", ("memory",))
    elif loop.load is None:
        _needs(faults, loop.requests, "requests", "a closed loop ends after so many of each rank")
        _useless(faults, loop.duration, "duration", "a closed loop counts requests")
    else:
        _needs(faults, loop.duration, "duration", "an open loop issues for so long")
        _useless(faults, loop.requests, "requests", "an open loop has a duration")
        if not 0 < loop.load <= 1:
            faults.add(f"{loop.load} is not above 0 and at most 1", "write a share such as 30 %", ("load",))
    faults.raise_if_any()


def _needs(faults: FaultList, value: object, key: str, why: str) -> None:
    if not value:
        faults.add("is missing", f"add it: {why}", (key,))


def _useless(faults: FaultList, value: object, key: str, why: str) -> None:
    if value is not None:
        faults.add("has no effect", f"leave it out: {why}", (key,))


def _closed(loop: Loop, ranks: int) -> tuple[IntArray, NDArray[np.float64]]:
    """Return (requests,) the position of each request's rank, rank after rank, and no delay."""
    count = loop.requests or 0
    _check_count(count * ranks)
    return np.repeat(np.arange(ranks), count), np.zeros(count * ranks)


def _open(
    loop: Loop, ranks: int, size: int, random: np.random.Generator
) -> tuple[IntArray, NDArray[np.float64]]:
    """Return (requests,) the position of each request's rank, rank after rank, and when it is issued [s]."""
    rate = (loop.load or 0.0) * (loop.injection or 0.0) / size
    duration = loop.duration or 0.0
    _check_count(int(rate * duration * ranks))
    owner, times = [], []
    for rank in range(ranks):
        draws = int(rate * duration + 10 * np.sqrt(rate * duration) + 20)
        gaps = -np.log1p(-random.random(draws)) / rate
        due = np.cumsum(gaps)
        due = np.round(due[due < duration] * PS_PER_S) / PS_PER_S
        owner.append(np.full(len(due), rank))
        times.append(due)
    return np.concatenate(owner), np.concatenate(times)


def _check_count(count: int) -> None:
    if count > MAX_REQUESTS:
        raise InputError(f"{count} requests are more than {MAX_REQUESTS}", "ask for fewer, or for less time")


def _others(src: IntArray, goals: IntArray, random: np.random.Generator) -> IntArray:
    """Return for each request a target drawn evenly from all of `goals` but its own rank."""
    order = np.sort(goals)
    place = np.minimum(np.searchsorted(order, src), len(order) - 1)
    own = order[place] == src
    drawn = (random.random(len(src)) * (len(order) - own)).astype(np.int64)
    found: IntArray = order[drawn + (own & (drawn >= place))]
    return found


def _graph(
    owner: IntArray,
    src: IntArray,
    dst: IntArray,
    sizes: tuple[int, int],
    delay: NDArray[np.float64],
    service: float,
    outstanding: int | None,
    lanes: tuple[int, int],
) -> Graph:
    """Return the tasks: each request, then its response; closed loops need an earlier response for each request."""
    count = len(src)
    number = np.arange(count) - np.searchsorted(owner, owner)  # of a request among those of its rank
    waits = np.zeros(count, np.bool_) if outstanding is None else number >= outstanding
    starts = np.zeros(2 * count + 1, np.int64)
    starts[1:] = np.cumsum(np.stack([waits, np.ones(count, np.bool_)], axis=1).reshape(-1))
    needs = np.empty(starts[-1], np.int64)
    needs[starts[:-1][1::2]] = 2 * np.arange(count)
    first = np.flatnonzero(waits)
    needs[starts[:-1][0::2][first]] = 2 * (first - (outstanding or 0)) + 1
    return Graph(
        src=_paired(src, dst), dst=_paired(dst, src), size=np.tile(sizes, count),
        delay=_paired(delay, np.full(count, service)), need_starts=starts, needs=needs,
        after_sent=np.zeros(len(needs), np.bool_), lane=np.tile(lanes, count),
    )  # fmt: skip


def _paired(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return two columns in turn: a of the first, b of the first, a of the second, and so on."""
    return np.stack([a, b], axis=1).reshape(-1)
