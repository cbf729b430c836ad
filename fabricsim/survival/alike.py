"""Which parts of a machine are alike, so that losing one costs what losing another does.

Colours of nodes are refined over links and over who sends what to whom, so that a symmetry of the machine counts only
where the workload has it too. A link is known by its class, its level, the colours of its ends and what they send each
other; other parts by the links or nodes that they take along. On machines with a line, a circle or unequal members in
them, where colours alone see too little, links are also told apart by the symmetry that their levels state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.classes import is_even
from fabricsim.engines.flow.colours import Surroundings, Words, colours, kinds, marked, surroundings
from fabricsim.fabric import Fabric
from fabricsim.inspection.symmetry import symmetry_of
from fabricsim.routing import splitmix64
from fabricsim.schedule import EveryPair, Operation, Round, Schedule

IntArray = NDArray[np.int64]
MOST_MESSAGES: Final = 10_000_000
"""Messages of all rounds, repeats not counted, that are looked at: some 60 B each."""


def words_of(fabric: Fabric, schedule: Schedule, dead: IntArray) -> tuple[Words, IntArray]:
    """Return (links,) words and (nodes,) colours, equal where links and nodes are alike; dead: links that are down.

    With too many messages to look at, every link and every node is one of its own.
    """
    if sum(_looked_at(r) for op in schedule.operations for r in op.rounds) > MOST_MESSAGES:
        return np.arange(fabric.link_count).astype(np.uint64), np.arange(fabric.nodes)
    gone = np.zeros(fabric.link_count, np.int64)
    gone[dead] = 1
    src, dst, word = _messages(schedule)
    colour = colours(_around(fabric, gone, src, dst, word), _first(fabric, schedule))
    both = _either(splitmix64(colour[fabric.src]), splitmix64(colour[fabric.dst]))
    between = _between(fabric, src, dst, word)
    words = splitmix64(
        both.view(np.int64), between.view(np.int64), fabric.link_class, fabric.level, gone, _stated(fabric)
    )
    return words, colour


def _looked_at(r: Round) -> int:
    return 0 if isinstance(r, EveryPair) else r.messages


def _messages(schedule: Schedule) -> tuple[IntArray, IntArray, Words]:
    """Return source, target and a word of every message of every round, repeats not counted."""
    none = np.zeros(0, np.int64)
    columns = [(none, none, none.astype(np.uint64)), *(c for op in schedule.operations for c in _columns(op))]
    src, dst, word = (np.concatenate(column) for column in zip(*columns, strict=True))
    return src, dst, word


def _columns(op: Operation) -> Iterator[tuple[IntArray, IntArray, Words]]:
    for number, r in enumerate(op.rounds):
        if isinstance(r, EveryPair):
            continue
        parts = [(r.src, r.dst, r.size)]
        if r.meetings is not None:
            parts.append((r.meetings.legs.src, r.meetings.legs.dst, r.meetings.legs.size))
        for src, dst, size in parts:
            yield src, dst, splitmix64(size, number + 1)
    if op.graph is not None:
        sent = np.flatnonzero(op.graph.src != op.graph.dst)
        yield op.graph.src[sent], op.graph.dst[sent], splitmix64(op.graph.size[sent], 0)


def _first(fabric: Fabric, schedule: Schedule) -> IntArray:
    """Return what each node is before anything is known of its surroundings: its group, and what it takes part in."""
    colour = kinds(fabric)
    for op in schedule.operations:
        colour = marked(colour, op.ranks)
    return colour


def _around(fabric: Fabric, gone: IntArray, src: IntArray, dst: IntArray, word: Words) -> Surroundings:
    """Return channels and messages as one graph; a message is seen by both its ends."""
    links = surroundings(fabric)
    channel = fabric.out[1]
    near = np.concatenate([fabric.channel_src[channel], src, dst])
    far = np.concatenate([links.far, dst, src])
    kind = np.concatenate([
        np.where(gone[channel >> 1] > 0, splitmix64(links.kind.view(np.int64)), links.kind),
        word | np.uint64(1), splitmix64(word.view(np.int64)) | np.uint64(1),
    ])  # fmt: skip
    order = np.argsort(near, kind="stable")
    starts = np.searchsorted(near[order], np.arange(fabric.nodes + 1))
    return Surroundings(starts, far[order], kind[order])


def _between(fabric: Fabric, src: IntArray, dst: IntArray, word: Words) -> Words:
    """Return (links,) the words of the messages between the two ends of each link, added up."""
    code = np.minimum(fabric.src, fabric.dst) * fabric.nodes + np.maximum(fabric.src, fabric.dst)
    known, place = np.unique(code, return_inverse=True)
    message = np.minimum(src, dst) * fabric.nodes + np.maximum(src, dst)
    at = np.searchsorted(known, message)
    here = at < len(known)
    here[here] = known[at[here]] == message[here]
    found = np.zeros(len(known), np.uint64)
    with np.errstate(over="ignore"):
        np.add.at(found, at[here], word[here])
    return found[place.reshape(-1)]


def _stated(fabric: Fabric) -> IntArray:
    """Return (links,) classes by the symmetry that the levels state; 0 where colours see all that there is."""
    levels = fabric.about.levels
    symmetry = None if levels and all(map(is_even, levels)) else symmetry_of(fabric)
    if symmetry is None:
        return np.zeros(fabric.link_count, np.int64)
    ways = splitmix64(symmetry.channel_class)
    return _either(ways[::2], ways[1::2]).view(np.int64)


def _either(a: Words, b: Words) -> Words:
    with np.errstate(over="ignore"):
        return a + b
