"""Parts of an explanation add up to the time, and where there is a formula they are its terms."""

import json

import numpy as np
import pytest

import fabricsim as fs
import fabricsim.engines.flow.progress
import fabricsim.run
from fabricsim.errors import UsageError
from fabricsim.report.explanation_tables import explanation_tables
from fabricsim.report.page import page_html
from fabricsim.result import load_result
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
PARTS = ["transmit_s", "latency_s", "waiting_s", "overhead_s", "stated_s"]
B, L, MTU = 50e9, 500e-9, 4096


def shape(**spec: object) -> fs.Fabric:
    return resolve({"link": LINK, **spec})


def held(result: fs.Result, part: str) -> float:
    return float(sum(row[part] for row in result.explain().time))


def test_a_ring_is_latency_and_transmission_of_every_step() -> None:
    result = fs.simulate(shape(shape="ring", size=8), fs.all_reduce("1 MiB", algorithm="ring"))
    path = result.explain().path
    assert len(path) == 14
    assert held(result, "latency_s") == pytest.approx(14 * L)
    assert held(result, "transmit_s") == pytest.approx(14 * 2**17 / B)
    assert held(result, "waiting_s") == 0
    (binding,) = result.explain().rounds
    assert (binding["first_round"], binding["last_round"], binding["channels"]) == (0, 13, 8)
    assert binding["busy_s"] == pytest.approx(14 * 2**17 / B)


def test_a_star_adds_a_packet_and_a_delay_for_each_hop() -> None:
    fabric = shape(shape="star", size=4, switch={"delay": "100 ns"})
    result = fs.simulate(fabric, fs.send_recv("64 KiB", ranks=range(2)))
    assert held(result, "latency_s") == pytest.approx(2 * L + 100e-9)
    assert held(result, "transmit_s") == pytest.approx((2**16 + MTU) / B, rel=1e-5)


def test_the_last_of_an_incast_waits_for_all_others() -> None:
    fabric = shape(shape="star", size=9)
    result = fs.simulate(fabric, fs.incast("4096 B", fan_in=8, target=0))
    assert held(result, "waiting_s") == pytest.approx(7 * MTU / B)
    (binding,) = result.explain().rounds
    assert binding["channel"] == "sw0 -> npu0"
    assert binding["busy_s"] == pytest.approx(8 * MTU / B)


def test_a_slow_link_binds_its_round() -> None:
    fabric = shape(shape="ring", size=6)
    slow = fs.LinkDegraded("0 s", ("npu2", "npu3"), factor=0.25)
    result = fs.simulate(fabric, fs.ring_exchange("1 MB"), failures=[slow])
    (binding,) = result.explain().rounds
    assert binding["channel"] == "npu2 -> npu3"
    assert binding["busy_s"] == pytest.approx(1e6 / (0.25 * B))
    assert held(result, "waiting_s") == pytest.approx(0, abs=1e-12)


def test_more_bandwidth_and_less_latency_are_solved_for() -> None:
    result = fs.simulate(shape(shape="ring", size=8), fs.all_reduce("1 MiB", algorithm="ring"), explain=True)
    times = {row["change"]: row["completion_time_s"] for row in result.explain().what_if}
    assert times["bandwidth +10%"] == pytest.approx(14 * (L + 2**17 / (1.1 * B)), rel=1e-5)
    assert times["latency -10%"] == pytest.approx(14 * (0.9 * L + 2**17 / B), rel=1e-6)


FAT_TREE = {"shape": "fat-tree", "k": 4, "switch": {"delay": "100 ns"}}
CREDITS = fs.Model(buffer=16384, endpoint=fs.Endpoint(send_overhead=1e-6, recv_overhead=2e-7, gap=1e-7))
CASES = {
    "tree": (FAT_TREE, [fs.all_reduce("256 KiB", algorithm="tree")], {}),
    "direct": (FAT_TREE, [fs.all_to_all("256 KiB", algorithm="direct")], {}),
    "spray": (FAT_TREE, [fs.permutation("1 MB")], {"routing": "spray"}),
    "ecmp": (FAT_TREE, [fs.permutation("1 MB")], {"routing": "ecmp", "seed": 3}),
    "credits": (FAT_TREE, [fs.permutation("300 kB")], {"model": CREDITS}),
    "open loop": (FAT_TREE, [fs.uniform("4 KiB", load=0.3, duration="20 us")], {}),
    "cut-through": (FAT_TREE, [fs.permutation("1 MB")], {"model": fs.Model(switching="cut-through")}),
    "fault": (
        {"shape": "ring", "size": 6},
        [fs.all_reduce("1 MiB", algorithm="ring")],
        {"failures": [fs.LinkDown("10 us", ("npu1", "npu2"), repair_after="30 us")]},
    ),
}


@pytest.mark.parametrize("engine", ["packet", "flow"])
@pytest.mark.parametrize("name", CASES)
def test_the_parts_are_the_whole_time(name: str, engine: str) -> None:
    spec, workload, options = CASES[name]
    if engine == "flow" and name in ("credits", "open loop"):
        options = {key: value for key, value in options.items() if key != "model"}
    result = fs.simulate(shape(**spec), workload, engine=engine, **options)
    found = result.explain()
    whole = result.metrics["completion_time_s"]
    assert sum(row[part] for row in found.time for part in PARTS) == pytest.approx(whole, rel=1e-9)
    assert sum(row["share"] for row in found.time) == pytest.approx(1)
    path = found.path
    assert np.allclose(path.start_s[1:], path.end_s[:-1], rtol=1e-9, atol=1e-15)
    assert path.end_s.iloc[-1] - path.start_s.iloc[0] == pytest.approx(whole)
    assert np.allclose(path[PARTS].sum(axis=1), path.end_s - path.start_s, atol=1e-12)
    assert (path[PARTS] >= 0).all().all()


SCENARIO = """
schema: fabricsim/1
name: one after the other
topology: {shape: star, size: 8, link: {bandwidth: 50 GB/s, latency: 500 ns}, switch: {delay: 0 ns}}
workload:
  - {name: a, collective: all-gather, algorithm: ring, size: 64 KiB, start: 3 us}
  - {name: b, after: [a], barrier: true, pattern: shift, size: 8 KiB, start: 1 us}
"""


def test_stated_starts_and_earlier_operations_are_on_the_path() -> None:
    from fabricsim.scenario import parse_scenario

    result = parse_scenario(SCENARIO).run()
    path = result.explain().path
    assert held(result, "stated_s") == pytest.approx(1e-6)
    assert path.operation.tolist() == ["a"] * 7 + ["b"] * 2
    assert path.until.tolist()[-2:] == ["stated", "delivered"]


def test_meetings_in_switches_are_on_the_path() -> None:
    fabric = fs.load_topology("gb200-nvl72")
    result = fs.simulate(fabric, fs.all_reduce("1 MiB", algorithm="in-network", ranks=range(8)))
    found = result.explain()
    assert sum(row["share"] for row in found.time) == pytest.approx(1)
    assert found.path.src.iloc[0] < 8 <= found.path.dst.iloc[0]  # up to a switch first
    assert found.path.dst.iloc[-1] < 8


def test_rounds_alike_share_a_row_of_the_path(monkeypatch) -> None:
    monkeypatch.setattr(fabricsim.engines.flow.progress, "MOST_KEPT", 100)
    result = fs.simulate(
        shape(shape="ring", size=64), fs.all_reduce("64 MiB", algorithm="ring"), engine="flow"
    )
    found = result.explain()
    assert found.path["count"].tolist() == [126]
    assert held(result, "latency_s") == pytest.approx(126 * L)
    assert held(result, "transmit_s") == pytest.approx(126 * 2**20 / B)
    assert "share a row" in found.left_out[0]


def test_it_is_saved_and_shown(tmp_path) -> None:
    result = fs.simulate(shape(shape="ring", size=4), fs.all_reduce("1 MiB", algorithm="ring"), explain=True)
    loaded = load_result(result.save(tmp_path / "out"))
    assert loaded.explain().as_dict() == result.explain().as_dict()
    assert loaded.explain().path.equals(result.explain().path)
    assert json.loads((tmp_path / "out" / "result.json").read_text())["explanation"]["time"]
    text = str(loaded.explain())
    assert text.startswith("Of ")
    assert "bandwidth +10%" in text
    assert "transmission on level ring" in loaded.explain()._repr_html_()
    assert "Why it takes this long" in page_html(loaded)
    assert all(
        len(row) == len(table.head) for table in explanation_tables(loaded.explain()) for row in table.rows
    )


def test_a_large_run_is_explained_when_it_is_asked_for(monkeypatch) -> None:
    fabric = shape(shape="star", size=8)
    workload = fs.all_to_all("1 MiB", algorithm="direct")
    monkeypatch.setattr(fabricsim.run, "MOST_MESSAGES", 100)
    plain = fs.simulate(fabric, workload)
    with pytest.raises(UsageError, match="explain=True"):
        plain.explain()
    found = fs.simulate(fabric, workload, explain=True)
    assert found.digest == plain.digest
    assert sum(row["share"] for row in found.explain().time) == pytest.approx(1)


def test_the_command_says_why(cli) -> None:
    code, out, _ = cli("explain", "ring-first-run")
    assert code == 0
    assert "84% is transmission on level ring" in out
    code, out, _ = cli("explain", "ring-first-run", "--json")
    assert code == 0
    assert json.loads(out)["what_if"][0]["link"] == "link"


def test_a_misspelt_attribute_is_none() -> None:
    result = fs.simulate(shape(shape="ring", size=4), fs.all_reduce("1 MiB", algorithm="ring"))
    with pytest.raises(AttributeError, match="paht"):
        _ = result.explain().paht
