"""A7: Little's law on every queue: the mean number in it is the rate of arrivals times the mean time in it.

Formula: L = λ·W (Little, Operations Research 1961). L is the integral of the queue's length over time, W the mean over
the packets that passed; the two are counted apart, event by event and packet by packet.
Conditions: any; here uniform traffic on a leaf-spine network: no limits, credits, input and virtual output queues.
Tolerance: 0.5 %.
"""

from collections import defaultdict

import numpy as np
import pytest

from fabricsim.engines.feedback import FeedbackKernel
from fabricsim.engines.ports import Packet
from fabricsim.engines.queues import Queue, QueuedPort
from fabricsim.failures import compile_failures
from fabricsim.model import Model
from fabricsim.random_streams import generator
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Round, Schedule
from tests.engines.lab import operation
from tests.validation.lab import shape, within

MODELS = [Model(buffer=2**30), Model(buffer=16_384), Model(queueing="input"), Model(queueing="voq")]


class Watch:
    """Counts what enters and leaves the queues of each port."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.area, self.length, self.changed = defaultdict(int), defaultdict(int), defaultdict(int)
        self.waits, self.came = defaultdict(list), {}
        accept, start = QueuedPort.accept, QueuedPort._start

        def accepting(port: QueuedPort, packet: Packet, now: int) -> None:
            self.count(port, now, 1)
            self.came[port.wiring.channel, packet.id] = now
            accept(port, packet, now)

        def starting(port: QueuedPort, queue: Queue, now: int) -> None:
            channel = port.wiring.channel
            self.waits[channel].append(now - self.came.pop((channel, queue.packets[0].id)))
            self.count(port, now, -1)
            start(port, queue, now)

        monkeypatch.setattr(QueuedPort, "accept", accepting)
        monkeypatch.setattr(QueuedPort, "_start", starting)

    def count(self, port: QueuedPort, now: int, change: int) -> None:
        channel = port.wiring.channel
        self.area[channel] += self.length[channel] * (now - self.changed[channel])
        self.changed[channel] = now
        self.length[channel] += change


@pytest.mark.parametrize("model", MODELS, ids=["wide", "credits", "input", "voq"])
def test_every_queue(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    fabric = shape("leaf-spine", leaves=3, hosts=3, spines=2)
    random = generator(1, "little")
    count = 3_000
    src = (random.random(count) * 9).astype(np.int64)
    dst = (src + 1 + (random.random(count) * 8).astype(np.int64)) % 9
    delay = np.round(np.cumsum(random.random(count)) * 35e-9, 12)
    schedule = Schedule((operation(Round(src, dst, np.full(count, 8192), delay=delay)),))
    paths = routes(fabric, schedule.messages, Routing("spray"), model, 1)
    watch = Watch(monkeypatch)
    record = FeedbackKernel(fabric, schedule, paths, compile_failures(fabric, ()), model, 1).run()
    span = record.end_ps
    busy = [channel for channel, waits in watch.waits.items() if sum(waits)]
    assert len(busy) > 20, "the network is loaded, so there are queues to look at"
    for channel in busy:
        waits = watch.waits[channel]
        assert watch.length[channel] == 0
        mean_length = watch.area[channel] / span
        assert mean_length == within(len(waits) / span * np.mean(waits), 5e-3)
