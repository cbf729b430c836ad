"""When packets enter their sources' queues: at once, or as far as a window of unacknowledged bytes lets them.

The senders of docs/model.md for many messages at once. What happens to one message goes in order; the first things that
happen to each message are taken together, then the second ones, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels.cargo import Packets
from fabricsim.engines.kernels.progress import spread
from fabricsim.model import Model

IntArray = NDArray[np.int64]


class Unlimited:
    """All packets of a message enter with it."""

    def __init__(self, packets: Packets, model: Model) -> None:
        self._first = packets.first

    def enter(
        self, time: IntArray, message: IntArray, heard: IntArray, about: IntArray, marked: NDArray[np.bool_]
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return the packets that enter, when, and where each stands among those of its message and instant.

        time, message: messages that enter. heard, about, marked: when which packets' answers come.
        """
        packet, owner = spread(self._first, message)
        return packet, time[owner], packet - self._first[message[owner]]


class Window(Unlimited):
    """At most a window of payload bytes of each message is in and not acknowledged."""

    def __init__(self, packets: Packets, model: Model) -> None:
        super().__init__(packets, model)
        count = len(packets.first) - 1
        self._packets, self._model = packets, model
        self._entered, self._open = np.zeros((2, count), np.int64)
        self._window = np.full(count, model.sender.window or 0)
        self._last = packets.payload[packets.first[1:] - 1]

    def enter(
        self, time: IntArray, message: IntArray, heard: IntArray, about: IntArray, marked: NDArray[np.bool_]
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Return the packets that enter, as `Unlimited.enter` does."""
        of = np.concatenate([message, self._packets.message[about]])
        when, about = np.concatenate([time, heard]), np.concatenate([np.full(len(time), -1), about])
        marked = np.concatenate([np.zeros(len(time), np.bool_), marked])
        order = np.lexsort((about, when, of))
        of, when, about, marked = of[order], when[order], about[order], marked[order]
        found: list[tuple[IntArray, ...]] = []
        for row in _in_rounds(of):
            answers = row[about[row] >= 0]
            self._hear(of[answers], about[answers], marked[answers])
            # one instant's answers are all heard before anything enters
            closing = row[(row + 1 == len(of)) | _differs(of, when, row)]
            found.append(self._take(of[closing], when[closing]))
        packet, entry, position = (np.concatenate(column) for column in zip(*found, strict=True))
        return packet, entry, position

    def _hear(self, message: IntArray, packet: IntArray, marked: NDArray[np.bool_]) -> None:
        """Make room for what acknowledged packets, one a message, had taken."""
        self._open[message] -= self._packets.payload[packet]

    def _take(self, message: IntArray, time: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        mtu, entered = self._model.mtu, self._entered[message]
        room = self._window[message] - self._open[message]
        full = self._first[message + 1] - self._first[message] - 1 - entered  # packets before the last one
        count = np.clip(room // mtu, 0, np.maximum(full, 0))
        count += (count == full) & (room - count * mtu >= self._last[message])
        ends = (count > 0) & (count == full + 1)
        self._open[message] += np.where(ends, (count - 1) * mtu + self._last[message], count * mtu)
        self._entered[message] += count
        owner = np.repeat(np.arange(len(message)), count)
        position = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        return self._first[message[owner]] + entered[owner] + position, time[owner], position


class Dctcp(Window):
    """A window that shrinks by the share of marked bytes once a window, and else grows by a packet (RFC 8257)."""

    def __init__(self, packets: Packets, model: Model) -> None:
        super().__init__(packets, model)
        count = len(packets.first) - 1
        self._alpha = np.ones(count)
        self._acknowledged, self._marked = np.zeros((2, count), np.int64)
        self._update_at = np.full(count, -1)

    def _hear(self, message: IntArray, packet: IntArray, marked: NDArray[np.bool_]) -> None:
        payload = self._packets.payload[packet]
        self._acknowledged[message] += payload
        self._marked[message] += np.where(marked, payload, 0)
        fresh = self._update_at[message] < 0
        # the first window is watched to its end
        self._update_at[message[fresh]] = self._entered[message[fresh]]
        self._update(message[~fresh & (packet - self._first[message] >= self._update_at[message])])
        super()._hear(message, packet, marked)

    def _update(self, message: IntArray) -> None:
        g, mtu = self._model.sender.g, self._model.mtu
        marked = self._marked[message]
        alpha = (1 - g) * self._alpha[message] + g * (marked / self._acknowledged[message])
        self._alpha[message] = alpha
        window = self._window[message]
        less = np.maximum(mtu, (window * (1 - alpha / 2)).astype(np.int64))
        self._window[message] = np.where(marked > 0, less, window + mtu)
        self._acknowledged[message] = self._marked[message] = 0
        self._update_at[message] = self._entered[message]


def _differs(of: IntArray, when: IntArray, row: IntArray) -> NDArray[np.bool_]:
    """Return whether the row after each is another message's or another instant's."""
    after = np.minimum(row + 1, len(of) - 1)
    differs: NDArray[np.bool_] = (of[after] != of[row]) | (when[after] != when[row])
    return differs


def _in_rounds(of: IntArray) -> Iterator[IntArray]:
    """Yield rows of a sorted column: the first of each value, then the second of each, and so on."""
    first = np.flatnonzero(np.diff(of, prepend=-1))
    count = np.diff(np.append(first, len(of)))
    for number in range(int(count.max(initial=0))):
        yield first[count > number] + number


SENDING = {"unlimited": Unlimited, "window": Window, "dctcp": Dctcp}
"""The senders that the array kernels know, by kind."""
