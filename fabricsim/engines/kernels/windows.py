"""Windows: all channels at once, one window of time after another, each too short for its events to act on each other.

A packet that becomes ready for a channel is ready for its next one no earlier than the channel's reach later: its
latency, and the time that a header or the shortest packet takes. So all that becomes ready in a window as wide as the
least reach is known when the window begins, and is served at once (conservative time windows; Chandy & Misra, CACM
1981). One thing ends a window early: a message enters its source's queue whose leaving lets a rank go on. Then the
window ends when the quickest of such messages could have left.

What follows from a packet is worked out when it is served, not when it happens: when its last bit leaves and arrives,
and with that when a message is sent and delivered, and when a rank enters its next round.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.kernels.calendar import NEVER, Calendar
from fabricsim.engines.kernels.cargo import packets_of
from fabricsim.engines.kernels.progress import Progress, spread
from fabricsim.engines.kernels.service import Service, record_of
from fabricsim.engines.record import Record
from fabricsim.engines.watch import Watch
from fabricsim.fabric import Fabric
from fabricsim.model import Model
from fabricsim.routing import Routes
from fabricsim.schedule import Schedule
from fabricsim.units import to_ps

IntArray = NDArray[np.int64]


def in_windows(
    fabric: Fabric,
    schedule: Schedule,
    paths: Routes,
    model: Model,
    *,
    watch: Watch | None = None,
) -> Record:
    """Return the Record of a schedule whose channels all have a reach."""
    return _Windows(fabric, schedule, paths, model).record(watch)


class _Windows:
    """One run: what lives from window to window."""

    def __init__(self, fabric: Fabric, schedule: Schedule, paths: Routes, model: Model) -> None:
        self.fabric, self.paths, self.model = fabric, paths, model
        self.packets = packets_of(fabric, schedule, paths, model)
        self.service = Service(fabric, paths.channels, self.packets, model)
        self.width = int(self.service.channels.reach[np.unique(paths.channels)].min())
        self.transit = Calendar(self.width)
        self.progress = Progress(schedule, fabric.ranks, model.endpoint, self.width)
        self.leaving = self._quickest_leaving()
        self.recv_overhead = to_ps(model.endpoint.recv_overhead)
        self.done = 0
        # by message: packets that have not arrived, the last arrival and the last leaving so far
        self.missing = np.diff(self.packets.first)
        self.last_arrival, self.last_left = np.zeros((2, len(self.missing)), np.int64)

    def _quickest_leaving(self) -> int:
        """Return the least time [ps] from entry to leaving, of the messages whose leaving somebody waits for."""
        awaited = np.flatnonzero(self.progress.sent_awaited)
        if not len(awaited):
            return NEVER
        packet, following = self.packets.first[awaited], self.packets.first[awaited + 1]
        full = self.service.channels.transmit(packet, self.paths.channels[self.packets.start[packet]])
        # where all share one path, all but the last take as long as the first, one after another
        ahead = np.where(self.paths.count[awaited] == 1, following - packet - 1, 0) * full
        return int(np.maximum(full, ahead).min())

    def record(self, watch: Watch | None) -> Record:
        """Run window after window to the end, and return the Record."""
        while (now := min(self.progress.first, self.transit.first)) != NEVER:
            until = min(now + self.width, self.progress.first + self.leaving)
            self._serve(until)
            if watch:
                watch(now, len(self.packets), self.done)
        return record_of(
            self.fabric, self.model, self.packets, self.service, self.progress.entry, self.progress.release
        )

    def _serve(self, until: int) -> None:
        """Serve the packets that become ready for a channel before `until`."""
        ready, tie = self.transit.take(until)
        channel = self.service.next_channel(tie)
        entry, message = self.progress.entering(until)
        if len(message):
            own, owner = spread(self.packets.first, message)
            more = (entry[owner], *self.service.sources(own))
            ready, channel, tie = (
                np.concatenate(both) for both in zip((ready, channel, tie), more, strict=True)
            )
        if len(tie):
            done = self.service.serve(ready, channel, tie)
            self.transit.add(done.ready, done.packet)
            self.done += len(done.arrived)
            self._have_left(done.left)
            self._have_arrived(done.arrived)

    def _have_left(self, packet: IntArray) -> None:
        message = self.packets.message[packet]
        awaited = self.progress.sent_awaited[message]
        if awaited.any():
            packet, message = packet[awaited], message[awaited]
            np.maximum.at(self.last_left, message, self.service.left[packet])
            # a message's packets enter together, so what has left now is all of it
            message = np.unique(message)
            self.progress.sent(message, self.last_left[message])

    def _have_arrived(self, packet: IntArray) -> None:
        message = self.packets.message[packet]
        awaited = self.progress.delivered_awaited[message]
        if awaited.any():
            packet, message = packet[awaited], message[awaited]
            np.subtract.at(self.missing, message, 1)
            np.maximum.at(self.last_arrival, message, self.service.arrived[packet])
            whole = np.unique(message[self.missing[message] == 0])
            self.progress.delivered(whole, self.last_arrival[whole] + self.recv_overhead)
