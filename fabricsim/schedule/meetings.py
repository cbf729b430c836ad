"""Meetings: transfers that a switch takes part in, by adding up what arrives and copying what leaves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.schedule.columns import IntArray, column, distinct, owners


@dataclass(frozen=True, eq=False)
class Meetings:
    """What meets in switches in one round; columns with one entry per meeting, and ranks in CSR form.

    at: the switch where a meeting takes place, as a node of the fabric. size [B]: what each source sends, and each
    sink gets. sources, sinks: ranks; meeting m has sources[source_starts[m] : source_starts[m + 1]].
    What the sources send is added up on the way to `at`, so that each channel carries it once; the sum goes from
    there to every sink, again once a channel. One source makes a multicast. A source may be a sink as well.
    """

    at: IntArray
    size: IntArray
    source_starts: IntArray
    sources: IntArray
    sink_starts: IntArray
    sinks: IntArray

    def __post_init__(self) -> None:
        at = column(self.at)
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "size", column(np.broadcast_to(np.asarray(self.size, np.int64), at.shape)))
        for name in ("source_starts", "sources", "sink_starts", "sinks"):
            object.__setattr__(self, name, column(getattr(self, name)))
        if np.any(self.size < 1):
            raise InputError("a meeting has no bytes")
        _check_ranks("source", self.source_starts, self.sources, len(at))
        _check_ranks("sink", self.sink_starts, self.sinks, len(at))

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def legs(self) -> Legs:
        """The meetings' legs: for each its way up from every source, then its way down to every sink."""
        up, down = owners(self.source_starts), owners(self.sink_starts)
        meeting = np.concatenate([up, down])
        order = np.argsort(meeting, kind="stable")
        src = np.concatenate([self.sources, self.at[down]])[order]
        dst = np.concatenate([self.at[up], self.sinks])[order]
        is_down = np.repeat([False, True], [len(up), len(down)])[order]
        return Legs(src, dst, self.size[meeting[order]], meeting[order], is_down)

    def over(self, ranks: IntArray) -> Meetings:
        """Return the same meetings, position p among sources and sinks being rank ranks[p]."""
        return Meetings(
            self.at, self.size, self.source_starts, ranks[self.sources], self.sink_starts, ranks[self.sinks]
        )

    @property
    def payload(self) -> int:
        """How many payload bytes the sources send in all."""
        return int((self.size * np.diff(self.source_starts)).sum())


@dataclass(frozen=True, eq=False)
class Legs:
    """Legs of meetings: (legs,) ends, one of them a switch, bytes, the meeting, and whether it leads down to a sink."""

    src: IntArray
    dst: IntArray
    size: IntArray
    meeting: IntArray
    down: NDArray[np.bool_]


def _check_ranks(what: str, starts: IntArray, ranks: IntArray, meetings: int) -> None:
    if len(starts) != meetings + 1 or starts[0] != 0 or starts[-1] != len(ranks):
        raise InputError(
            f"the {what}s of {meetings} meetings need {meetings + 1} starts, from 0 to their number"
        )
    if np.any(np.diff(starts) < 1):
        raise InputError(f"a meeting has no {what}")
    pairs = owners(starts) * (int(ranks.max(initial=0)) + 1) + ranks
    if len(distinct(pairs)) != len(pairs):
        raise InputError(f"a meeting names a {what} twice")
