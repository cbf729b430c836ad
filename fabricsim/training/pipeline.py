"""One forward, one backward: in which order the stages of a pipeline work through micro-batches, and when.

Stage s of p first does as many forward passes as it takes for the first gradients to come back, p − s − 1 at most,
then one forward and one backward in turn, and the backward passes that are left (PipeDream-flush, Narayanan et al.,
arXiv 2104.04473, section 2.2.1). With equal stages and nothing to send, m micro-batches take m + p − 1 times a forward
and a backward pass; the bubble is the share (p − 1) / (m + p − 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FORWARD, BACKWARD = 0, 1


@dataclass(frozen=True, eq=False)
class Timeline:
    """(2, stages, micro-batches) when each pass begins and ends [s], forward ones first."""

    start: Floats
    end: Floats

    @property
    def over(self) -> Floats:
        """(stages,) when each stage has done all its passes [s]."""
        over: Floats = self.end.max(axis=(0, 2))
        return over


def pipelined(forward: Floats, backward: Floats, send: float, batches: int) -> Timeline:
    """Return the timeline of `batches` micro-batches. forward, backward: (stages,) time of each pass [s].

    send [s]: from the end of a pass to the next stage having what it needs of it; the sender goes on meanwhile.
    """
    stages = len(forward)
    orders = [_order(stages, stage, batches) for stage in range(stages)]
    start, end = np.zeros((2, stages, batches)), np.full((2, stages, batches), np.nan)
    done = [0] * stages
    clock = [0.0] * stages
    waiting = list(range(stages))
    while waiting:
        stage = waiting.pop()
        before = done[stage]
        while done[stage] < 2 * batches:
            way, batch = orders[stage][done[stage]]
            ready = _ready(end, way, stage, batch, send)
            if np.isnan(ready):
                break
            begin = max(clock[stage], ready)
            clock[stage] = begin + float((forward, backward)[way][stage])
            start[way, stage, batch], end[way, stage, batch] = begin, clock[stage]
            done[stage] += 1
        if done[stage] > before:  # its neighbours may now go on
            waiting += [other for other in (stage - 1, stage + 1) if 0 <= other < stages]
    return Timeline(start, end)


def _ready(end: Floats, way: int, stage: int, batch: int, send: float) -> float:
    """Return when what a pass needs from another stage is there; NaN if it is not known yet."""
    stages = end.shape[1]
    if way == FORWARD:
        return 0.0 if stage == 0 else float(end[FORWARD, stage - 1, batch]) + send
    own = float(end[FORWARD, stage, batch])
    return own if stage == stages - 1 else float(end[BACKWARD, stage + 1, batch]) + send


def _order(stages: int, stage: int, batches: int) -> list[tuple[int, int]]:
    """Return the passes of a stage in their order: way and micro-batch."""
    ahead = min(stages - stage - 1, batches)
    order = [(FORWARD, batch) for batch in range(ahead)]
    for batch in range(batches - ahead):
        order += [(FORWARD, ahead + batch), (BACKWARD, batch)]
    return order + [(BACKWARD, batch) for batch in range(batches - ahead, batches)]
