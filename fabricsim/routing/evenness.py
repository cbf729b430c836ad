"""How evenly hashed flows use the candidates they choose among: whether a hash polarises.

A hash that asks the same of a flow at every switch picks the same index at each of them: all flows that reach a second
tier by candidate 3 then leave it by candidate 3 again, and the others stay idle. The hash of `ecmp` takes the node in,
so that its choices are independent; this counts whether they are.

Of a node that m flows choose at among n candidates, independent choices leave n · (1 − 1/n)^m unused in the mean. The
entropy of how the flows divide is compared with ln n: 1 for all alike, 0 for one candidate that takes them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fabricsim.fabric import Fabric
from fabricsim.routing.front import Walkers
from fabricsim.routing.lanes import heights
from fabricsim.routing.paths import arithmetic, finders
from fabricsim.routing.policies import POLICIES, Choice, Routing, choice_state

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class TierUse:
    """How the nodes of one height (hops from the nearest rank) are left, where flows have a choice.

    nodes, choices: how many nodes, and flows at all of them together. candidates: of each node, in the mean. used: the
    share of all candidates that some flow takes; expected: what independent choices would use. entropy: 0 … 1, the mean
    over choices.
    """

    height: int
    nodes: int
    choices: int
    candidates: float
    used: float
    expected: float
    entropy: float

    @property
    def polarised(self) -> bool:
        """Whether far fewer candidates are used than independent choices would use."""
        return self.used < 0.8 * self.expected

    def told(self) -> dict[str, float | bool]:
        """Return it in the words of a plan."""
        return {
            "tier": self.height,
            "choices": self.choices,
            "candidates": self.candidates,
            "candidates_used": self.used,
            "used_if_independent": self.expected,
            "entropy": self.entropy,
            "polarised": self.polarised,
        }


def hash_use(
    fabric: Fabric,
    src: IntArray,
    dst: IntArray,
    routing: Routing,
    seed: int = 0,
    message: IntArray | None = None,
) -> tuple[TierUse, ...]:
    """Return how evenly flows use their candidates, tier by tier, lowest first; tiers without a choice are left out.

    src, dst: (flows,) ranks. message: (flows,) ids; the positions if None.
    """
    ids = np.arange(len(src)) if message is None else message
    height = heights(fabric)
    node, n, index = _choices(fabric, src, dst, routing, seed, ids)
    found = []
    for level in np.unique(height[node]).tolist():
        own = height[node] == level
        found.append(_use(level, node[own], n[own], index[own]))
    return tuple(found)


def _choices(
    fabric: Fabric, src: IntArray, dst: IntArray, routing: Routing, seed: int, message: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Return node, candidates and index taken of every choice among more than one."""
    seen: list[tuple[IntArray, IntArray, IntArray]] = []

    def noted(pick: Callable[[Choice], IntArray]) -> Callable[[Choice], IntArray]:
        def picked(choice: Choice) -> IntArray:
            index = pick(choice)
            n = np.broadcast_to(np.asarray(choice.n, np.int64), index.shape)
            several = n > 1
            seen.append((choice.node[several], n[several], index[several]))
            return index

        return picked

    pick = POLICIES[routing.policy].pick
    assert pick is not None
    state = choice_state(routing, seed, src, dst, message)
    front = Walkers(np.arange(len(src)), src, dst, 1, state, np.zeros(len(src), np.int64), noted(pick))
    for rows, finder in finders(fabric, src, dst, arithmetic(fabric)):
        for _ in finder.steps(front.taken(rows)):
            pass
    none = np.zeros(0, np.int64)
    node, n, index = (
        (np.concatenate([none, *column]) for column in zip(*seen, strict=True)) if seen else (none,) * 3
    )
    return node, n, index


def _use(height: int, node: IntArray, n: IntArray, index: IntArray) -> TierUse:
    place, group = np.unique(np.stack([node, n]), axis=1, return_inverse=True)
    width, flows = place[1], np.bincount(group)
    taken, count = np.unique(group * (int(n.max()) + 1) + index, return_counts=True)
    share = count / flows[taken // (int(n.max()) + 1)]
    entropy = -float(count @ np.log(share)) / float(flows @ np.log(width))
    expected = width * (1 - (1 - 1 / width) ** flows)
    return TierUse(
        height,
        len(np.unique(node)),
        len(node),
        float(np.mean(width)),
        len(taken) / float(width.sum()),
        float(expected.sum() / width.sum()),
        entropy,
    )
