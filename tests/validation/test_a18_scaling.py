"""A18: bytes in are bytes out; with all bandwidths doubled and all times of the model halved, a run takes half as long.

Conditions: any; here random messages on a torus and a tree, both kernels, both ways of switching, with endpoints,
delays, credits, PFC, drops that a timeout makes good, bit errors, marks and senders that wait. All numbers are whole
picoseconds in both runs, so that nothing rounds. Tolerance: exact.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fabricsim.engines import PACKET_KERNELS
from fabricsim.engines.kernels.choice import choose
from fabricsim.engines.record import Record
from fabricsim.fabric import Fabric
from fabricsim.failures import compile_failures
from fabricsim.model import Ecn, Endpoint, Model, Sender
from fabricsim.routing import Routing, routes
from fabricsim.schedule import Schedule
from fabricsim.topology import resolve
from tests.engines.lab import messages

SHAPES = [{"shape": "torus", "size": [3, 3]}, {"shape": "fat-tree", "k": 4, "switch": {"delay": "100 ns"}}]
MARKS = Ecn(4096, 20_480, 0.5)
MODELS = {
    "plain": Model(endpoint=Endpoint(2e-7, 4e-8, 2e-7)),
    "cut-through": Model("cut-through", header=512),
    "credits": Model(buffer=12_288, cell=512, credit_delay=2e-7),
    "pfc": Model(buffer=12_288, flow_control="pfc", headroom=81_920),
    "drops": Model(buffer=12_288, flow_control="none", sender=Sender(timeout=2e-5)),
    "bit errors": Model(bit_error_rate=3e-6, retry_delay=2e-7),
    "window": Model(sender=Sender("window", 12_288, ack_size=512)),
    "dctcp": Model(ecn=MARKS, sender=Sender("dctcp", 12_288, ack_size=512)),
    "pull": Model(sender=Sender("pull", 8192, ack_size=512)),
}


def at_twice_the_speed(model: Model) -> Model:
    """Return the model with every time halved."""
    ends, sender = model.endpoint, model.sender
    return replace(
        model,
        credit_delay=model.credit_delay / 2,
        retry_delay=model.retry_delay / 2,
        endpoint=Endpoint(ends.send_overhead / 2, ends.recv_overhead / 2, ends.gap / 2),
        sender=replace(sender, timeout=sender.timeout / 2) if model.flow_control == "none" else sender,
    )


def run(fabric: Fabric, model: Model, kernel: str) -> Record | None:
    """Return the run of random messages, None where the kernel does not apply."""
    rng = np.random.default_rng(5)
    src = rng.integers(0, fabric.ranks, 24)
    dst = (src + rng.integers(1, fabric.ranks, 24)) % fabric.ranks
    size = 512 * rng.integers(1, 100, 24)
    work = Schedule((messages(*zip(src.tolist(), dst.tolist(), size.tolist(), strict=True)),))
    paths, healthy = routes(fabric, work.messages, Routing("spray"), model, 1), compile_failures(fabric, ())
    if kernel == "numpy" and not choose(fabric, work, paths, healthy, model).name:
        return None
    record = PACKET_KERNELS[kernel](fabric, work, paths, healthy, model, 1)
    assert np.array_equal(np.bincount(record.arrival_message, record.arrival_bytes), size)
    return record


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["shape"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kernel", ["simpy", "numpy"])
def test_twice_the_speed_takes_half_the_time(kernel: str, name: str, shape: dict) -> None:
    if name in ("credits", "pfc") and shape["shape"] == "torus":
        pytest.skip("finite buffers around a ring of one lane may wait for each other")
    half = {"switch": {"delay": "50 ns"}} if "switch" in shape else {}
    slow = resolve({**shape, "link": {"bandwidth": "25.6 GB/s", "latency": "400 ns"}})
    fast = resolve({**shape, **half, "link": {"bandwidth": "51.2 GB/s", "latency": "200 ns"}})
    one, other = run(slow, MODELS[name], kernel), run(fast, at_twice_the_speed(MODELS[name]), kernel)
    if one is None or other is None:
        assert kernel == "numpy"
        return
    for column in ("release_ps", "sent_ps", "delivered_ps", "arrival_ps", "channel_busy_ps"):
        assert np.array_equal(getattr(one, column), 2 * getattr(other, column)), column
    assert (one.dropped, one.retransmitted) == (other.dropped, other.retransmitted)
