"""The engine of theory: its times are the bounds that every other engine states, and nothing beats them."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import fabricsim as fs
from fabricsim.cli import app
from fabricsim.errors import InputError, UsageError
from fabricsim.topology import resolve

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
CASES = {
    "ring": ({"shape": "ring", "size": 6, "link": LINK}, fs.all_reduce("1 MiB", algorithm="ring"), "minimal"),
    "spray": (
        {"shape": "leaf-spine", "leaves": 3, "hosts": 2, "spines": 2, "link": LINK},
        fs.all_to_all("200 kB", algorithm="direct"),
        "spray",
    ),
    "ecmp": ({"shape": "fat-tree", "k": 4, "link": LINK}, fs.permutation("1 MB"), "ecmp"),
    "torus": (
        {"shape": "torus", "size": [3, 4], "link": LINK},
        fs.shift("70 kB", offset=5),
        "dimension-order",
    ),
}


@pytest.mark.parametrize("engine", ["packet", "flow"])
@pytest.mark.parametrize("name", CASES)
def test_its_time_is_the_ideal_time_of_the_others(name: str, engine: str) -> None:
    spec, work, routing = CASES[name]
    fabric = resolve(spec)
    bound = fs.simulate(fabric, work, routing=routing, engine="theory", seed=3)
    run = fs.simulate(fabric, work, routing=routing, engine=engine, seed=3)
    assert bound.metrics["completion_time_s"] == pytest.approx(run.metrics["ideal_time_s"], rel=1e-9)
    assert bound.metrics["efficiency"] == 1
    assert bound.metrics["bytes_injected"] == run.metrics["bytes_injected"]


@pytest.mark.parametrize("name", CASES)
def test_its_links_are_those_of_the_packets(name: str) -> None:
    spec, work, routing = CASES[name]
    fabric = resolve(spec)
    bound, run = (
        fs.simulate(fabric, work, routing=routing, engine=engine, seed=3).links.sort_values("channel")
        for engine in ("theory", "packet")
    )
    for column in ("channel", "level", "bandwidth_Bps", "bytes", "busy_s"):
        assert bound[column].tolist() == run[column].tolist()
    assert bound["utilization"].max() <= 1


def test_an_operation_has_a_bound_of_its_own_which_no_run_beats() -> None:
    fabric = resolve({"shape": "fat-tree", "k": 4, "link": LINK})
    work = [
        fs.all_reduce("1 MiB", name="ar", algorithm="ring", ranks=range(8), start="10 us"),
        fs.all_to_all("64 KiB", name="a2a", algorithm="direct", after=["ar"]),
        fs.permutation("1 MB", name="p"),
    ]
    bound = fs.simulate(fabric, work, routing="ecmp", engine="theory")
    run = fs.simulate(fabric, work, routing="ecmp", engine="packet")
    for least, took in zip(bound.operations, run.operations, strict=True):
        assert least.metrics["completion_time_s"] <= took.metrics["completion_time_s"]
        assert least.start_s <= took.start_s
    alone = fs.simulate(fabric, work[0], routing="ecmp", engine="theory")
    # the first operation's messages have the same ids alone, and so take the same paths
    assert bound.operation("ar").metrics["busbw_Bps"] == alone.metrics["busbw_Bps"]
    assert bound.metrics["completion_time_s"] >= max(
        op.metrics["completion_time_s"] for op in bound.operations
    )


def test_what_switches_add_up_is_carried_once() -> None:
    fabric = resolve({"shape": "star", "size": 8, "link": LINK})
    work = fs.all_reduce("1 MiB", algorithm="in-network", mode="push")
    bound = fs.simulate(fabric, work, engine="theory")
    assert bound.metrics["completion_time_s"] == pytest.approx(2**20 / 50e9, rel=1e-3)


def test_one_bandwidth_doubled_halves_the_bound() -> None:
    fast = {**LINK, "bandwidth": "100 GB/s", "latency": "0 ns"}
    slow = {**fast, "bandwidth": "50 GB/s"}
    times = [
        fs.simulate(resolve({"shape": "ring", "size": 6, "link": link}), fs.all_reduce("6 MiB", algorithm="ring"),
                    engine="theory").metrics["completion_time_s"]
        for link in (slow, fast)
    ]  # fmt: skip
    assert times[0] == pytest.approx(2 * times[1], rel=1e-9)
    assert times[0] == pytest.approx(2 * 5 / 6 * 6 * 2**20 / 50e9, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("leaf-spine-reroute", "links that fail during a run"),
        ("llama3-405b-step", "a training step is put together from times"),
        ("jobs-on-a-tapered-clos", "what they cost each other"),
        ("atlas960-supercluster-allreduce", "ideal_time is the same bound"),
    ],
)
def test_what_has_no_bound_is_refused(name: str, words: str) -> None:
    done = CliRunner().invoke(app, ["run", name, "--engine", "theory"])
    assert isinstance(done.exception, InputError)
    assert words in str(done.exception)


def test_packets_that_choose_their_paths_are_refused() -> None:
    fabric = resolve({"shape": "leaf-spine", "leaves": 3, "hosts": 2, "spines": 2, "link": LINK})
    with pytest.raises(InputError, match="choose their paths"):
        fs.simulate(fabric, fs.permutation("1 MB"), routing="adaptive", engine="theory")


def test_what_moves_is_not_told() -> None:
    fabric = resolve({"shape": "ring", "size": 4, "link": LINK})
    result = fs.simulate(fabric, fs.all_reduce("1 MiB", algorithm="ring"), engine="theory")
    with pytest.raises(InputError, match="theory engine has no table flows"):
        _ = result.flows
    with pytest.raises(UsageError, match="nothing moves in theory"):
        fs.simulate(fabric, fs.all_reduce("1 MiB", algorithm="ring"), engine="theory", explain=True)
    assert "latency_p50_s" not in result.metrics


def test_a_report_shows_bounds(tmp_path: Path) -> None:
    run = CliRunner()
    done = run.invoke(app, ["run", "ring-first-run", "--engine", "theory", "-o", str(tmp_path / "out")])
    assert "an expectation that fails here fails in every run" in done.stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "lower bounds" in page
    error = run.invoke(app, ["convert", str(tmp_path / "out"), str(tmp_path / "a.trace.json")]).exception
    assert isinstance(error, InputError)
    assert "nothing that a trace could show" in str(error)


def test_the_plan_says_that_nothing_moves() -> None:
    done = CliRunner().invoke(app, ["run", "cloudmatrix384-allreduce", "--engine", "theory", "-n"])
    assert done.exit_code == 0
    assert "busiest channel or longest path" in done.stdout
    assert np.all([f"point {index}" in done.stdout for index in range(4)])
