"""What the solver sees of flows that leave their planned ways: rows of links, numbered as they come into use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.engines.flow.solver import Flows
from fabricsim.fabric import Fabric

IntArray = NDArray[np.int64]
Floats = NDArray[np.float64]


class Rows:
    """Links of flows: the planned ones of transfers, except for flows that have a row of their own.

    channels: by link. link_of: (channels of the fabric,) the link, −1 where nothing has used it. factor: the share of
    its bandwidth that is left of a channel, where it has ever changed.
    """

    def __init__(self, fabric: Fabric, planned: Flows, channels: IntArray) -> None:
        self.fabric, self.planned = fabric, planned
        self.channels: list[int] = channels.tolist()
        self.link_of = np.full(fabric.channels, -1, np.int64)
        self.link_of[channels] = np.arange(len(self.channels))
        self.factor: dict[int, float] = {}
        self._own: dict[int, Mapping[int, float]] = {}
        self._moved: dict[int, float] = {}

    def links_of(self, channels: set[int] | list[int]) -> IntArray:
        """Return the links of those channels that anything has used."""
        links: IntArray = self.link_of[np.array(sorted(channels), np.int64)]
        return links[links >= 0]

    def put(self, flow: int, row: Mapping[int, float], left: float, planned: Mapping[int, float]) -> None:
        """Give a flow a row, the share of it on each channel; planned: the row it had if it had none of its own.

        left: what it still sends [B], which the channels of its row carry in place of those before.
        """
        self._load(self._own.get(flow, planned), -left)
        self._own[flow] = row
        self._load(row, left)

    def add(self, flow: int, size: float, planned: Mapping[int, float]) -> None:
        """Note that a flow sends `size` [B] more than planned."""
        self._load(self._own.get(flow, planned), size)

    def _load(self, row: Mapping[int, float], size: float) -> None:
        for channel, share in row.items():
            self._moved[channel] = self._moved.get(channel, 0.0) + share * size

    def flows(self, count: int) -> Flows:
        """Return the rows of `count` flows, as the solver takes them."""
        base, lengths = self.planned, np.zeros(count, np.int64)
        lengths[: len(base)] = np.diff(base.starts)
        own = np.array(sorted(self._own), np.int64)
        lengths[own] = [len(self._own[flow]) for flow in own.tolist()]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        links, weights = np.zeros(int(starts[-1]), np.int64), np.zeros(int(starts[-1]))
        kept = np.ones(count, np.bool_)
        kept[own] = False
        entry, planned = kept[np.repeat(np.arange(count), lengths)], kept[base.flow]
        links[entry], weights[entry] = base.links[planned], base.weights[planned]
        for flow in own.tolist():
            row, at = self._own[flow], slice(int(starts[flow]), int(starts[flow + 1]))
            links[at], weights[at] = [self._link(channel) for channel in row], list(row.values())
        return Flows(starts, links, weights)

    def _link(self, channel: int) -> int:
        if self.link_of[channel] < 0:
            self.link_of[channel] = len(self.channels)
            self.channels.append(channel)
        return int(self.link_of[channel])

    def capacity(self) -> Floats:
        """Return (links,) the capacity that is left of each [B/s]."""
        capacity: NDArray[Any] = self.fabric.bandwidth[self.channels].astype(np.float64)
        for channel, factor in self.factor.items():
            if self.link_of[channel] >= 0:
                capacity[self.link_of[channel]] *= factor
        return capacity

    def carried(self, planned: Floats) -> tuple[IntArray, Floats]:
        """Return the channels that carried anything, ascending, and the wire bytes of each; planned: by link."""
        for channel in self._moved:
            self._link(channel)
        wire = np.append(planned, np.zeros(len(self.channels) - len(planned)))
        for channel, size in self._moved.items():
            wire[self._link(channel)] += size
        order = np.argsort(self.channels)
        order = order[wire[order] > 1e-6]  # a millionth of a byte is rounding
        return np.array(self.channels, np.int64)[order], wire[order]
