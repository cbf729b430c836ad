"""Search: the optimum that counting gives, the same designs whoever runs them, and every slip in what is asked."""

import csv
import io
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from fabricsim.designs import Search, search
from fabricsim.designs.text import search_lines
from fabricsim.errors import InputError, UsageError
from fabricsim.report.front import draw_front
from fabricsim.scenario import Scenario, parse_scenario
from tests.conftest import Cli

# Price: an NPU 10, a chip 2, a cable 1. A plane is one chip, a cable to each of four NPUs: 6 for 10 GB/s of each NPU.
BOOK = """schema: fabricsim.parts/1
unit: cables
devices: {npu: {price: 10, evidence: {price: &e {confidence: assumed, source: a test}}}}
switches: {chip: {price: 2, evidence: {price: *e}}}
links: {cable: {price: 1, evidence: {price: *e}}}
"""
POD = """schema: fabricsim/1
name: the cheapest box
engine: flow
parts: book.yaml
topology:
  name: box
  parameters: {planes: 2}
  device: {ports: 64}
  switches: {chip: {ports: 4}}
  links: {cable: {bandwidth: 10 GB/s, latency: 0 ns, medium: copper}}
  levels: [{name: box, members: 4, rule: switched, planes: planes, switch: chip, link: cable}]
  routing: {policy: spray}
  evidence: {levels: &e {confidence: assumed, source: a test}, device: *e, switches: *e, links: *e, parameters: *e}
workload:
  - {name: a2a, collective: all-to-all, size: 64 MiB}
expect:
  a2a.busbw: ">= 95 GB/s"
search:
  over: {topology.parameters.planes: 1 .. 16}
  against: a2a.busbw
"""


def pod(tmp_path: Path, **changes: object) -> Scenario:
    (tmp_path / "book.yaml").write_text(BOOK)
    return parse_scenario({**yaml.safe_load(POD), **changes}, base=tmp_path)


def price(planes: int) -> int:
    return 4 * 10 + planes * (2 + 4)


def test_a_small_space_is_gone_through_and_the_optimum_is_the_formula_s(tmp_path: Path) -> None:
    found = search(pod(tmp_path))
    assert (found.whole, len(found.trials)) == (True, 16)
    # n planes give n · 10 GB/s, less the edge of a last packet: 10 are enough, 9 are not
    assert found.best is not None
    assert found.best.values == {"topology.parameters.planes": 10}
    assert found.best.objectives[0] == price(10)
    assert [trial.meets for trial in found.trials] == [planes >= 10 for planes in range(1, 17)]
    # more planes are dearer and quicker, so no design beats another
    assert [trial.objectives[0] for trial in found.front] == [price(planes) for planes in range(1, 17)]


def test_a_large_space_is_sampled_and_the_known_optimum_found(tmp_path: Path) -> None:
    over = {"topology.parameters.planes": "1 .. 48", "model.mtu": ["4 KiB", "8 KiB"]}
    given = {"over": over, "trials": 48, "seed": 3}
    found = search(pod(tmp_path), **given)  # type: ignore[arg-type]
    assert not found.whole
    assert found.best is not None
    assert found.best.objectives[0] == price(10)
    again = search(pod(tmp_path), **given)  # type: ignore[arg-type]
    with ThreadPoolExecutor(2) as executor:
        beside = search(pod(tmp_path), **given, executor=executor)  # type: ignore[arg-type]
    assert found.csv == again.csv == beside.csv


def test_designs_that_cannot_be_built_are_rows_with_their_reason(tmp_path: Path) -> None:
    found = search(
        pod(tmp_path), over={"topology.device.ports": [1, 4], "topology.parameters.planes": [1, 2]}
    )
    assert [bool(trial.error) for trial in found.trials] == [False, True, False, False]
    rows = list(csv.DictReader(io.StringIO(found.csv)))
    assert "port" in rows[1]["error"]
    assert rows[1]["topology.cost"] == ""
    assert rows[0]["meets"] == "0"
    assert found.best is None
    assert any("no design meets every expectation; nearest:" in line for line in search_lines(found))


def test_the_front_leaves_out_what_another_beats(tmp_path: Path) -> None:
    # half of the rate for the same price is beaten
    rates = {"topology.links.cable.bandwidth": ["10 GB/s", "5 GB/s"], "topology.parameters.planes": [1, 2]}
    found = search(pod(tmp_path), over=rates)
    assert [tuple(trial.values.values()) for trial in found.front] == [("10 GB/s", 1), ("10 GB/s", 2)]


def test_metrics_can_be_minimised_too(tmp_path: Path) -> None:
    found = search(pod(tmp_path), minimise="completion_time", against="topology.cost")
    assert found.best is not None
    assert found.best.values == {"topology.parameters.planes": 16}
    assert found.signs == (1, 1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"over": {"topologie.x": [1]}}, "search.over.topologie.x: 'topologie.x' leads nowhere"),
        ({"over": {"seed": "3 .. 1"}}, "search.over.seed: the range from 3 to 1 is empty"),
        ({"minimise": "topology.price"}, "unknown metric"),
        ({"minimise": "a3a.busbw"}, "there is no workload entry 'a3a'; did you mean 'a2a'?"),
        ({"over": {"topology.parameters.planes": [-1, 0]}}, "no design of the space can be run; the first: "),
        ({"minimise": "recovery_time"}, "recovery_time"),
    ],
)
def test_slips_in_what_is_asked(tmp_path: Path, given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        search(pod(tmp_path), **given)  # type: ignore[arg-type]


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="has no expectation to meet"):
        search(pod(tmp_path, expect={}))
    scenario = parse_scenario(
        {key: v for key, v in yaml.safe_load(POD).items() if key != "search"}, base=tmp_path
    )
    with pytest.raises(UsageError, match="has no search; add one"):
        search(scenario)
    with pytest.raises(InputError, match="name one, as in parts: example"):
        search(
            parse_scenario(
                {key: v for key, v in yaml.safe_load(POD).items() if key != "parts"}, base=tmp_path
            )
        )
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"pip install 'fabricsim\[search\]'"):
        search(pod(tmp_path), trials=3)


def test_the_command_writes_designs_and_picture(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(BOOK)
    path = tmp_path / "pod.yaml"
    path.write_text(POD)
    code, out, _ = cli("search", str(path), "-o", str(tmp_path / "out"))
    assert code == 0
    assert "least topology.cost: 100 with topology.parameters.planes = 10" in out
    assert (tmp_path / "out" / "front.png").stat().st_size > 5_000
    assert len((tmp_path / "out" / "search.csv").read_text().splitlines()) == 17
    code, out, _ = cli("search", str(path), "--set", "expect.a2a.busbw='>= 1 TB/s'")
    assert (code, "no design meets every expectation" in out) == (1, True)


def test_the_picture_shows_both_kinds_and_the_best(tmp_path: Path) -> None:
    found: Search = search(pod(tmp_path))
    ax = draw_front(found)
    misses, meets, front, best = ax.get_lines()
    assert (len(misses.get_xdata()), len(meets.get_xdata()), len(front.get_xdata())) == (9, 7, 16)
    assert list(best.get_ydata()) == [price(10)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a2a.busbw", "topology.cost")
    assert ax.xaxis.get_major_formatter()(2e10, 0) == "20 GB/s"
