"""A calendar of rows: things that happen at known times, taken out a window at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
NEVER: Final = int(np.iinfo(np.int64).max)
NOTHING: Final[IntArray] = np.zeros(0, np.int64)
_BATCHES: Final = 32
_WIDTHS: Final = 8


class Calendar:
    """Rows of (time [ps], item) in no order, of which those before some time can be taken.

    width: how much time is taken at once, about. Rows due within a few widths lie in one heap that each taking walks
    through; what is due later lies in sorted batches, and is fetched a few widths at a time.
    """

    def __init__(self, width: int) -> None:
        self.first = NEVER  # when the earliest row is due
        self._reach = _WIDTHS * width
        self._horizon = self._reach
        self._near: list[tuple[IntArray, IntArray]] = []
        self._far: list[tuple[IntArray, IntArray]] = []

    def add(self, time: IntArray, item: IntArray) -> None:
        """Enter rows."""
        if not len(time):
            return
        self.first = min(self.first, int(time.min()))
        late = time >= self._horizon
        if late.any():
            self._put_off(time[late], item[late])
            time, item = time[~late], item[~late]
        if len(time):
            self._near.append((time, item))

    def take(self, until: int) -> tuple[IntArray, IntArray]:
        """Remove and return the rows due before `until`: times and items."""
        if self.first >= until:
            return NOTHING, NOTHING
        if until > self._horizon or not self._near:
            self._fetch(max(until, self.first + self._reach))
        time, item = self._joined(self._near)
        due = time < until
        late = ~due
        rest = time[late]
        self._near = [(rest, item[late])] if len(rest) else []
        self.first = min(int(rest.min(initial=NEVER)), min((int(t[0]) for t, _ in self._far), default=NEVER))
        return time[due], item[due]

    def _put_off(self, time: IntArray, item: IntArray) -> None:
        if len(self._far) == _BATCHES:
            joined = self._joined(self._far)
            self._far = []
            time, item = np.concatenate([joined[0], time]), np.concatenate([joined[1], item])
        order = np.argsort(time, kind="stable")
        self._far.append((time[order], item[order]))

    def _fetch(self, horizon: int) -> None:
        self._horizon = horizon
        far, self._far = self._far, []
        for time, item in far:
            cut = int(np.searchsorted(time, horizon))
            if cut:
                self._near.append((time[:cut], item[:cut]))
            if cut < len(time):
                self._far.append((time[cut:], item[cut:]))

    @staticmethod
    def _joined(batches: list[tuple[IntArray, IntArray]]) -> tuple[IntArray, IntArray]:
        if len(batches) == 1:
            return batches[0]
        return np.concatenate([t for t, _ in batches]), np.concatenate([i for _, i in batches])
