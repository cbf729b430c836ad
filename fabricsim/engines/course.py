"""The course of a packet run with failures, in the form that fluids have theirs."""

from __future__ import annotations

import numpy as np

from fabricsim.engines.curve import Pieces
from fabricsim.engines.flow.capacity import Course
from fabricsim.engines.flow.solver import Flows
from fabricsim.engines.flow.transfers import message_wire
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.failures import Failures
from fabricsim.model import Model, transmit_ps_of
from fabricsim.routing import Routes, Routing
from fabricsim.schedule import IntArray, Messages
from fabricsim.units import PS_PER_S


def course_of(
    fabric: Fabric, messages: Messages, paths: Routes, failures: Failures, model: Model, seed: int,
    routing: Routing, record: Record,
) -> Course:  # fmt: skip
    """Return what became of a run over known paths."""
    arrival = record.arrival_ps / PS_PER_S
    pieces = Pieces(record.arrival_message, arrival, arrival, record.arrival_bytes.astype(np.float64))
    flows, channels = _flows(fabric, paths)
    begin = (record.release_ps + _first_arrives_ps(fabric, paths, model)) / PS_PER_S
    return Course(
        fabric, failures, routing, seed, messages.src, messages.dst,
        messages.size / message_wire(messages.size, model), begin, record.delivered_ps / PS_PER_S, flows, channels,
        pieces, record.start_ps / PS_PER_S, record.end_ps / PS_PER_S, model.mtu,
    )  # fmt: skip


def _flows(fabric: Fabric, paths: Routes) -> tuple[Flows, IntArray]:
    """Return messages as flows that split evenly over their paths, and the channels that number their links."""
    owner = np.repeat(np.repeat(np.arange(len(paths.count)), paths.count), paths.hops)
    key, place = np.unique(owner * fabric.channels + paths.channels, return_inverse=True)
    share = np.bincount(place.reshape(-1), (1 / paths.count)[owner], len(key)).astype(np.float64)
    channels, links = np.unique(key % fabric.channels, return_inverse=True)
    starts = np.searchsorted(key // fabric.channels, np.arange(len(paths.count) + 1))
    return Flows(starts, links.reshape(-1), share), channels


def _first_arrives_ps(fabric: Fabric, paths: Routes, model: Model) -> IntArray:
    """Return (messages,) what a full packet takes on the first path of each, where it is idle."""
    wire = np.full(len(paths.channels), model.full_wire)
    took = fabric.latency_ps[paths.channels] + fabric.delay_ps[fabric.channel_dst[paths.channels]]
    took = took + transmit_ps_of(wire, fabric.bandwidth[paths.channels])
    each: IntArray = np.add.reduceat(took, paths.starts[:-1])[paths.first]
    return each
