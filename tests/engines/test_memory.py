"""Memory traffic: what requests and responses are, open and closed loops, warm-up, and lanes beside bulk traffic."""

import numpy as np
import pytest

import fabricsim as fs
from fabricsim.errors import InputError
from fabricsim.model import Model
from fabricsim.scenario import parse_scenario
from fabricsim.traffic import Loop, memory
from tests.validation.lab import BANDWIDTH, shape, within


@pytest.mark.parametrize(
    ("payload", "flit", "cell", "wire", "cells"),
    [
        (1, 1, 1, 33, 33), (8, 16, 16, 48, 3), (64, 16, 160, 96, 1), (65, 16, 160, 112, 1), (256, 20, 160, 300, 2),
        (4096, 20, 160, 4140, 26), (4096, 1, 160, 4128, 26),
    ],
)  # fmt: skip
def test_wire_bytes_by_flit_and_cell(payload: int, flit: int, cell: int, wire: int, cells: int) -> None:
    model = Model(header=32, flit=flit, buffer=1 << 20, cell=cell)
    assert model.wire(payload) == wire
    assert model.cells(model.wire(payload)) == cells


def test_a_closed_loop_keeps_so_many_open() -> None:
    """At any time `outstanding` requests of each rank are issued and not answered, until the last are issued."""
    work = memory("m", "read", range(4), 256, Loop(requests=50, outstanding=3), seed=1)
    result = fs.simulate(shape("star", size=4), work, model=Model(lanes=2))
    flows = result.flows
    asked, answered = flows[0::2], flows[1::2].reset_index()
    assert len(asked) == len(answered) == 4 * 50
    assert (asked["bytes"] == 16).all()
    assert (answered["bytes"] == 256).all()
    for rank in range(4):
        mine = (asked["src"] == rank).to_numpy()
        issued = np.sort(asked["release_s"].to_numpy()[mine])
        done = np.sort(answered["delivered_s"].to_numpy()[mine])
        assert np.all(issued[:3] == 0)
        assert issued[3:] == pytest.approx(done[:-3], abs=1e-15), "each answer lets the next one out"
    assert (answered["dst"].to_numpy() == asked["src"].to_numpy()).all()
    assert (asked["dst"] != asked["src"]).all()


def test_an_open_loop_issues_its_load_and_says_when_it_piles_up() -> None:
    fabric = shape("star", size=4)
    model = Model(header=64, lanes=2)

    def at(load: float) -> dict[str, float]:
        loop = Loop(load=load, duration=60e-6, injection=BANDWIDTH)
        work = memory("m", "read", range(4), 1024, loop, seed=2, warmup=5e-6)
        return dict(fs.simulate(fabric, work, model=model).operations[0].metrics)

    calm, full = at(0.3), at(0.95)
    assert calm["data_rate_Bps"] == within(4 * 0.3 * BANDWIDTH, 7e-2), (
        "3200 requests at random times: four deviations"
    )
    assert not calm["saturated"]
    assert full["saturated"], "1024 of 1088 + 80 wire bytes are data: more than 88 % does not fit"
    assert full["round_trip_p99_s"] > 3 * calm["round_trip_p99_s"]
    assert calm["round_trip_p50_s"] <= calm["round_trip_p99_s"] <= calm["round_trip_p999_s"]


def test_reads_pass_bulk_traffic_on_lanes_of_their_own() -> None:
    """Reads wait for one bulk packet a hop where they have priority, and for the bulk's queues where not."""
    fabric = shape("star", size=8)
    bulk = fs.permutation("2 MiB", name="bulk")
    reads = memory("m", "read", range(8), 64, Loop(requests=20, outstanding=1), seed=1, lanes=(1, 2))

    def trip(model: Model, *work: object) -> float:
        return (
            fs.simulate(fabric, [*work, reads], model=model, seed=3)
            .operation("m")
            .metrics["round_trip_p99_s"]
        )

    first = Model(buffer=65536, lanes=3, priorities=(0, 1, 2))
    alone, beside, behind = trip(first), trip(first, bulk), trip(Model(buffer=65536, lanes=3), bulk)
    packet = 4096 / BANDWIDTH
    assert alone <= beside <= alone + 4 * packet + 1e-9, (
        "a packet of the bulk is on the wire at each of four channels"
    )
    assert behind > beside


def test_a_warm_up_leaves_out_what_is_issued_before() -> None:
    cold = memory("m", "read", [0], 64, Loop(requests=50, outstanding=50), seed=1, targets=[1])
    warm = memory("m", "read", [0], 64, Loop(requests=500, outstanding=50), seed=1, targets=[1], warmup=3e-6)
    fabric, model = shape("line", size=2), Model(lanes=2)
    one, other = (fs.simulate(fabric, work, model=model).operations[0].metrics for work in (cold, warm))
    assert one["round_trip_p50_s"] != other["round_trip_p50_s"]


BAD = [
    ({"outstanding": 4}, "requests: is missing"),
    ({"load": "10 %"}, "duration: is missing"),
    ({"outstanding": 4, "load": "10 %", "duration": "1 us"}, "needs either outstanding"),
    ({"outstanding": 4, "requests": 9, "duration": "1 us"}, "duration: has no effect"),
    ({"outstanding": 4, "requests": 9, "memory": "raed"}, "did you mean 'read'"),
    ({"outstanding": 4, "requests": 9, "response_lane": 5}, "there is no lane 5"),
    ({"outstanding": 4, "requests": 9, "ranks": [0], "targets": [0]}, "itself"),
]


@pytest.mark.parametrize(("keys", "words"), BAD)
def test_what_is_no_memory_traffic_is_refused(keys: dict, words: str) -> None:
    entry = {"memory": "read", "size": "64 B", **keys}
    star = {"shape": "star", "size": 4, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}}
    scenario = {"schema": "fabricsim/1", "topology": star, "model": {"lanes": 2}, "workload": [entry]}
    with pytest.raises(InputError, match=words):
        bind(scenario)


def bind(data: dict) -> None:
    scenario = parse_scenario(data)
    scenario.bind(scenario.fabric())
