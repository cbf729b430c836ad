"""A14: reads of remote memory.

Formula: throughput = min(wire payload rate, outstanding · size / RTT), for reads and for whatever else is closed loop.
Conditions: one reader, one target, requests and responses on lanes of their own; RTT from a request's release to its
response's delivery, as the run counts it. Tolerance: 1 %.
"""

import pytest

import fabricsim as fs
from fabricsim.model import Model
from fabricsim.traffic import MEMORY, Loop, memory
from tests.validation.lab import ALPHA, BANDWIDTH, shape, within

HEADER = 32
MODEL = Model(header=HEADER, flit=16, lanes=2)


def run(kind: str, size: int, outstanding: int, requests: int = 4000) -> dict[str, float]:
    """Return the metrics of rank 0 asking for rank 1's memory."""
    work = memory(
        "m", kind, [0], size, Loop(requests, outstanding), seed=1, targets=[1], service=100e-9, warmup=5e-6
    )
    result = fs.simulate(shape("line", size=2), work, model=MODEL)
    return dict(result.operations[0].metrics)


def wire(payload: int) -> int:
    return -(-(payload + HEADER) // 16) * 16


@pytest.mark.parametrize("size", [8, 64, 256, 4096])
@pytest.mark.parametrize("kind", MEMORY)
def test_one_request_at_a_time_takes_the_idle_round_trip(kind: str, size: int) -> None:
    out, back = {"read": (16, size), "write": (16 + size, 16), "atomic": (16 + size, size)}[kind]
    packets = [wire(min(4096, out)), *([wire(out - 4096)] if out > 4096 else [])]
    trip = 2 * ALPHA + 100e-9 + (sum(packets) + wire(back)) / BANDWIDTH
    found = run(kind, size, 1, 400)
    assert found["round_trip_p50_s"] == found["round_trip_p999_s"] == within(trip, 1e-5)
    assert found["data_rate_Bps"] == within(size / trip, 1e-2)


@pytest.mark.parametrize(
    ("size", "outstanding"), [(64, 4), (64, 24), (256, 16), (256, 256), (4096, 4), (4096, 64)]
)
def test_throughput_of_reads(size: int, outstanding: int) -> None:
    found = run("read", size, outstanding, requests=max(1500, min(200 * outstanding, 5000)))
    rate = BANDWIDTH * size / max(wire(size), wire(16))
    limited = outstanding * size / found["round_trip_mean_s"]
    assert found["data_rate_Bps"] == within(min(rate, limited), 1e-2)
    # what limits is what the formula says for an idle round trip
    idle = 2 * ALPHA + 100e-9 + (wire(16) + wire(size)) / BANDWIDTH
    assert found["data_rate_Bps"] == within(min(rate, outstanding * size / idle), 1e-2)
