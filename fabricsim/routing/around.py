"""Shares of sprayed flows around a few dead channels, by arithmetic: no search through a machine of a million ranks.

As long as one of a flow's shortest paths is left, its shortest paths are those that are left: a node stays a candidate
if some way from it to the target is alive, and the candidates that stay share evenly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.routing.front import Parts
from fabricsim.routing.paths import Finder
from fabricsim.routing.shares import Shares, gathered

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


def shares_around(
    fabric: Fabric, finder: Finder, src: IntArray, dst: IntArray, dead: IntArray
) -> tuple[Shares, Shares]:
    """Return which share of each flow crosses which channel, and one path of each with its shares, hop by hop.

    src, dst: (flows,) ranks, no flow from one to itself. dead: channels that carry nothing. The path takes the first
    candidate that is alive at each node. Raises InputError where all shortest paths of a flow are dead.
    """
    row, channel, weight, hop = _ways(finder, src, dst)
    link, back = channel >> 1, channel & 1
    tail = np.where(back, fabric.dst[link], fabric.src[link])
    head = np.where(back, fabric.src[link], fabric.dst[link])
    at, into = row * fabric.nodes + tail, row * fabric.nodes + head
    if len(dead):
        goal = np.arange(len(src)) * fabric.nodes + dst
        useful = _useful(~np.isin(channel, dead), hop, at, into, goal)
        weight = _split(useful, hop, at, into, np.arange(len(src)) * fabric.nodes + src)
        kept = np.flatnonzero(weight > 0)
        row, channel, hop, at, into = (column[kept] for column in (row, channel, hop, at, into))
        weight = weight[kept]
        _refuse_cut_off(fabric, src, dst, row)
    path = _first_path(row, channel, weight, hop, at, into, np.arange(len(src)) * fabric.nodes + src)
    return gathered(len(src), row, channel, weight), path


def _ways(finder: Finder, src: IntArray, dst: IntArray) -> tuple[IntArray, IntArray, Floats, IntArray]:
    """Return (flow, channel, weight, hop) of all that flows cross where nothing is dead."""
    front = Parts(np.arange(len(src)), src, dst, np.ones(len(src)))
    found = [
        (going.row, channel, going.weight, np.full(len(channel), hop))
        for going, channel, hop in finder.steps(front)
    ]
    row, channel, weight, hops = (np.concatenate(column) for column in zip(*found, strict=True))
    return row, channel, weight, hops


def _useful(
    alive: NDArray[np.bool_], hop: IntArray, at: IntArray, into: IntArray, goal: IntArray
) -> NDArray[np.bool_]:
    """Return which crossings lead on to their target, from the last hop back. at, into, goal: flow and node as one."""
    reached = np.sort(goal)
    useful = np.zeros(len(hop), np.bool_)
    for number in range(int(hop.max()), -1, -1):
        here = np.flatnonzero((hop == number) & alive)
        here = here[_among(into[here], reached)]
        useful[here] = True
        reached = np.union1d(reached, at[here])
    return useful


def _among(values: IntArray, ordered: IntArray) -> NDArray[np.bool_]:
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[place] == values
    return found


def _split(
    useful: NDArray[np.bool_], hop: IntArray, at: IntArray, into: IntArray, origin: IntArray
) -> Floats:
    """Return (crossings,) the share of its flow on each, split evenly at every node; 0 on those of no use."""
    weight = np.zeros(len(hop))
    node, held = np.sort(origin), np.ones(len(origin))
    for number in range(int(hop.max()) + 1):
        here = np.flatnonzero((hop == number) & useful)
        here = here[_among(at[here], node)]
        place = np.searchsorted(node, at[here])
        weight[here] = held[place] / np.bincount(place, minlength=len(node))[place]
        node, item = np.unique(into[here], return_inverse=True)
        held = np.bincount(item, weight[here], len(node)).astype(np.float64)
    return weight


def _refuse_cut_off(fabric: Fabric, src: IntArray, dst: IntArray, row: IntArray) -> None:
    lost = np.flatnonzero(np.bincount(row, minlength=len(src)) == 0)
    if len(lost):
        a, b = (fabric.node_name(int(end[lost[0]])) for end in (src, dst))
        raise InputError(
            f"all shortest paths from {a} to {b} are down", "use fewer ranks: longer ways are found by search"
        )


def _first_path(
    row: IntArray, channel: IntArray, weight: Floats, hop: IntArray, at: IntArray, into: IntArray, node: IntArray
) -> Shares:  # fmt: skip
    """Return of each flow the path of the first candidate at each node, from `node` on."""
    picked = []
    for number in range(int(hop.max(initial=-1)) + 1):
        here = np.flatnonzero(hop == number)
        here = here[_among(at[here], np.sort(node))]
        here = here[np.lexsort((channel[here], at[here]))]
        here = here[np.append(True, at[here][1:] != at[here][:-1])] if len(here) else here
        picked.append(here)
        node = into[here]
        if not len(node):
            break
    chosen = np.concatenate(picked)
    chosen = chosen[np.lexsort((hop[chosen], row[chosen]))]
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[chosen], minlength=int(row.max()) + 1))])
    return Shares(starts, channel[chosen], weight[chosen])
