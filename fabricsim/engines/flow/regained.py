"""What a failure did to a run: when goodput fell, how far, when it was back at what the damaged fabric can carry.

One computation for packets and fluids, on what arrived when. Definitions: docs/model.md, "Recovery".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.capacity import Course, Remaining, carrying, rates_at

Floats = NDArray[np.float64]
IntArray = NDArray[np.int64]

WINDOWS: Final = 50
"""Windows in the healthy run, unless the window is stated."""
PACKETS: Final = 40
"""Packets of the healthy run that a window holds at least, unless it is stated: fewer are no rate."""
STEPS: Final = 8
"""Windows that begin within the length of one."""
BEFORE: Final = 8
"""Windows before the fault that tell how much of what can be carried usually arrives."""
COUNTS: Final = 3
"""Windows that a lack of goodput lasts that counts although it comes late."""
SLACK: Final = 2
"""Full packets that a window may lack: it holds a whole number of them."""
LEAST: Final = 0.05
"""Goodput rises again when it has gained this share of what it had lost."""


@dataclass(frozen=True, eq=False)
class Goodput:
    """(instants,) time_s, from the fault on; rate: goodput over the window that begins then [B/s].

    kept: whether it is enough of what can be carried. window: its length [s]. before: goodput over the window before
    the fault [B/s], None where nothing came before it.
    """

    time_s: Floats
    rate: Floats
    kept: NDArray[np.bool_]
    window: float
    before: float | None


def recovery_metrics(course: Course, healthy_s: float) -> dict[str, float]:
    """Return the metrics of a recovery; healthy_s: what the run takes when nothing fails.

    Nothing but the delay where no fault comes before the end.
    """
    found = {"delay_s": course.end_s - course.start_s - healthy_s}
    if course.fault_s >= course.end_s:
        return found
    window = window_of(course, healthy_s)
    goodput = goodput_after(course, window)
    answer = course.failures.recovery
    last = _recovered_at(goodput, course.fault_s + float(answer.detect) + float(answer.converge))
    recovered = last < len(goodput.time_s)
    stop = float(goodput.time_s[last]) if recovered else course.end_s
    found |= {"fault_time_s": course.fault_s, "recovered": float(recovered), "recovery_window_s": window}
    if recovered:
        found["recovery_time_s"] = stop - course.fault_s
    found |= _rates(course, goodput, last) | _stalled(course, window, stop)
    return found | _capacity(course, stop)


def window_of(course: Course, healthy_s: float) -> float:
    """Return the time over which goodput is taken [s]: as stated, or long enough to be a rate."""
    stated = course.failures.recovery.window
    if stated is not None:
        return float(stated)
    total = float(course.arrived.size.sum())
    return max(healthy_s / WINDOWS, PACKETS * course.packet * healthy_s / total)


def goodput_after(course: Course, window: float) -> Goodput:
    """Return goodput from the fault on and whether it is enough; windows that reach beyond the end stop there."""
    curve, begin = course.arrived.curve, max(course.start_s, course.fault_s - BEFORE * window)
    carry, left = carrying(course, begin, window / STEPS), Remaining(course)
    edges = carry.edge_s
    after = np.searchsorted(edges, edges[:-1] + window * (1 - 1e-9))
    after = np.minimum(np.maximum(after, np.arange(1, len(edges))), len(edges) - 1)
    spans = edges[after] - edges[:-1]
    did = (curve.at(edges[after]) - curve.at(edges[:-1])) / spans
    could = np.array([
        carry.within(first, last, left.at(float(edges[first]))) for first, last in enumerate(after.tolist())
    ]) / spans  # fmt: skip
    fault = int(np.searchsorted(edges, course.fault_s))
    whole = np.flatnonzero(edges[after[:fault]] <= course.fault_s * (1 + 1e-9))
    # what usually arrives of what could be carried: all of it where the fault comes too early to tell
    total = float(could[whole].sum()) if len(whole) else 0.0
    usual = min(1.0, float(did[whole].sum()) / total) if total else 1.0
    busy = np.array([len(some) > 0 for some in carry.messages])
    enough = did >= float(course.failures.recovery.share) * usual * could - SLACK * course.packet / spans
    # where nothing can be carried of what is under way, nothing is enough
    kept = (enough & ((did > 0) | ~busy)) | (spans < window * (1 - 1e-9))
    before = float(did[whole[-1]]) if len(whole) else None
    return Goodput(edges[fault:-1], did[fault:], kept[fault:], window, before)


def _recovered_at(goodput: Goodput, answered_s: float) -> int:
    """Return the first instant after the last time that counts in which goodput was not enough.

    What begins within `COUNTS` windows of the fault, or of `answered_s`, when other ways were to come into force,
    counts however short; of the rest only what lasts as long as that, for rates waver where messages end or begin.
    """
    bounds = np.flatnonzero(np.diff(np.concatenate([[True], goodput.kept, [True]]).astype(np.int8)))
    begins, ends = bounds[::2], bounds[1::2]
    times = np.append(goodput.time_s, np.inf)
    counts = times[ends] - times[begins] >= COUNTS * goodput.window
    counts |= times[begins] <= max(goodput.time_s[0], answered_s) + COUNTS * goodput.window
    return int(ends[counts][-1]) if counts.any() else 0


def _rates(course: Course, goodput: Goodput, last: int) -> dict[str, float]:
    """Return goodput before, at its least and after, and when it rose again; last: where it has recovered."""
    found = {} if goodput.before is None else {"throughput_before_Bps": goodput.before}
    dip = float(goodput.rate[: max(last, 1)].min())
    found["throughput_dip_Bps"] = dip
    if last:
        lost = (goodput.before or float(goodput.rate.max())) - dip
        low = np.flatnonzero(goodput.rate[:last] <= dip + LEAST * max(lost, 0.0))
        found["progress_time_s"] = float(goodput.time_s[low[-1]]) + goodput.window - course.fault_s
    if last < len(goodput.time_s):
        found["throughput_after_Bps"] = float(goodput.rate[last])
    return found


def _capacity(course: Course, stop: float) -> dict[str, float]:
    """Return what could be carried of the messages under way at the fault: as the fabric is at `stop`, over before."""
    under_way = np.flatnonzero((course.begin_s <= course.fault_s) & (course.fault_s < course.until_s))
    ((before,), (after,)) = (
        rates_at(course, time, [under_way]) for time in (course.fault_s * (1 - 1e-12) - 1e-15, stop)
    )
    return {"capacity_after_over_before": float(after.sum() / before.sum())} if before.sum() > 0 else {}


def _stalled(course: Course, window: float, stop: float) -> dict[str, float]:
    """Return how many ranks had nothing delivered, of theirs or to them, for a window between the fault and `stop`."""
    pieces, fault = course.arrived, course.fault_s
    some = pieces.size > 0
    begin, end = np.tile(pieces.begin_s[some], 2), np.tile(pieces.end_s[some], 2)
    message = pieces.message[some]
    rank = np.concatenate([course.src[message], course.dst[message]])
    order = np.lexsort((begin, rank))
    rank, begin, end = rank[order], begin[order], end[order]
    # the latest end so far, rank by rank: ranks follow each other in time if each is moved on by the whole run
    shift = rank * (2 * course.end_s)
    reached = np.maximum.accumulate(end + shift) - shift
    same = rank[1:] == rank[:-1]
    since, until = np.maximum(reached[:-1], fault), np.minimum(begin[1:], stop + window)
    silent = same & (until - since >= window) & (since < stop)
    return {"stalled_ranks": len(np.unique(rank[1:][silent]))}
