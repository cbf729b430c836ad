"""Ratios between operations, settings, topologies and scenarios; rules of the design."""

from pathlib import Path

import pytest

from fabricsim.errors import InputError
from fabricsim.regression import RunsBeside, Verdict, judge
from fabricsim.run import run
from fabricsim.scenario import load_scenario
from tests.conftest import Cli

HEAD = """schema: fabricsim/1
name: a ring and a slower one
topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 0 ns}}
workload:
  - {name: a, collective: all-reduce, algorithm: ring, size: 1 MiB}
  - {name: b, collective: all-reduce, algorithm: ring, size: 2 MiB, after: [a], barrier: true}
"""


def verdict_of(tmp_path: Path, expect: str, head: str = HEAD) -> Verdict:
    path = tmp_path / "x.yaml"
    path.write_text(head + f"expect:\n  {expect}\n")
    scenario = load_scenario(path)
    beside = RunsBeside(scenario)
    (verdict,) = judge(run(scenario), scenario.expectations, beside)
    return verdict


def test_a_ratio_between_operations(tmp_path: Path) -> None:
    # without latency, time is in proportion to size: b takes twice as long, at the same busbw
    assert verdict_of(tmp_path, "b.completion_time: {is: '== 2', of: a.completion_time}").ok
    verdict = verdict_of(tmp_path, "b.completion_time: {is: '<= 150 %', of: a.completion_time}")
    assert not verdict.ok
    assert verdict.actual == pytest.approx(2)
    assert verdict.text == "b.completion_time <= 150 % of a.completion_time"
    assert "is 200 %, 33.3 % above the limit" in verdict.why


def test_a_ratio_to_the_same_under_other_settings(tmp_path: Path) -> None:
    # half of the bandwidth, twice the time
    of = "{set: {topology.link.bandwidth: 100 GB/s}}"
    assert verdict_of(tmp_path, f"completion_time: {{is: '== 2', of: {of}}}").ok
    assert verdict_of(tmp_path, f"a.busbw: {{is: '50 % .. 50 %', of: {of}}}").ok


def test_losing_a_link_against_losing_none(tmp_path: Path) -> None:
    head = HEAD + "failures: [{at: 0 s, link: [npu0, npu1], factor: 0.5}]\n"
    # from the start one edge of the ring runs at half of its rate, and a ring moves at the pace of its slowest
    verdict = verdict_of(tmp_path, "a.busbw: {is: '>= 90 %', of: {set: {failures: []}}}", head)
    assert not verdict.ok
    assert verdict.actual == pytest.approx(0.5, rel=0.01)
    assert "a.busbw with failures = []" in verdict.text


def test_a_ratio_to_another_topology_is_relative_to_the_file(tmp_path: Path) -> None:
    topology = "{shape: ring, size: 4, link: {bandwidth: 25 GB/s, latency: 0 ns}}"
    assert verdict_of(tmp_path, f"completion_time: {{is: '== 50 %', of: {{topology: {topology}}}}}").ok
    (tmp_path / "fast.yaml").write_text(
        "schema: fabricsim.topology/1\nname: fast\n"
        "levels: [{name: r, members: 4, rule: ring, link: {bandwidth: 100 GB/s, latency: 0 ns}}]\n"
        "device: {ports: 2, forwards: true}\n"
        "evidence: {levels: {confidence: assumed, source: made for a test}}\n"
    )
    assert verdict_of(tmp_path, "completion_time: {is: '== 200 %', of: {topology: fast.yaml}}").ok


def test_a_ratio_to_another_scenario(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(HEAD.replace("50 GB/s", "25 GB/s").replace("name: a,", "name: other,")
                                         .replace("after: [a]", "after: [other]"))  # fmt: skip
    of = "{scenario: other.yaml, metric: other.busbw}"
    assert verdict_of(tmp_path, f"a.busbw: {{is: '== 2', of: {of}}}").ok
    verdict = verdict_of(tmp_path, "a.busbw: {is: '>= 1', of: {scenario: other.yaml}}")
    assert not verdict.ok
    assert verdict.why == "cannot be judged: of a.busbw in other.yaml: the result has no operation 'a'"


def test_points_of_a_sweep_meet_their_like(tmp_path: Path) -> None:
    sweep = "sweep: {workload.a.size: [1 MiB, 4 MiB]}\n"
    (tmp_path / "other.yaml").write_text(HEAD.replace("50 GB/s", "25 GB/s") + sweep)
    expect = "a.completion_time: {is: '== 50 %', of: {scenario: other.yaml}}"
    assert verdict_of(tmp_path, expect, HEAD + sweep).ok
    verdict = verdict_of(tmp_path, expect, HEAD + sweep.replace("4 MiB", "8 MiB"))
    assert not verdict.ok
    assert "other.yaml has no point like point 1" in verdict.why


BOOK = """schema: fabricsim.parts/1
unit: EUR
devices:
  npu: {price: 1000, watts: 500, evidence: {price: &e {confidence: assumed, source: a test}, watts: *e}}
switches:
  chip: {price: 300, evidence: {price: *e}}
links:
  cable: {price: 5, evidence: {price: *e}}
"""
MACHINE = """schema: fabricsim.topology/1
name: box
device: {ports: 3}
switches: {chip: {ports: 4}}
links: {cable: {bandwidth: 50 GB/s, latency: 0 ns, medium: copper}}
levels: [{name: box, members: 4, rule: switched, planes: 3, switch: chip, link: cable}]
evidence: {levels: &e {confidence: assumed, source: made for a test}, device: *e, switches: *e, links: *e}
"""
BOX = HEAD.replace("{shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 0 ns}}", "box.yaml")


def test_rules_of_cost(tmp_path: Path) -> None:
    (tmp_path / "book.yaml").write_text(BOOK)
    (tmp_path / "box.yaml").write_text(MACHINE)
    head = BOX + "parts: book.yaml\n"
    price = 4 * 1000 + 3 * 300 + 12 * 5
    assert verdict_of(tmp_path, f"topology.cost: '== {price}'", head).ok
    assert verdict_of(tmp_path, f"topology.cost_per_npu: '== {price / 4}'", head).ok
    # minimal routing takes one of the three planes of 50 GB/s, spray takes all
    assert verdict_of(tmp_path, f"topology.cost_per_GBps: '== {price / (4 * 50)}'", head).ok
    (tmp_path / "box.yaml").write_text(MACHINE + "routing: {policy: spray}\n")
    assert verdict_of(tmp_path, f"topology.cost_per_GBps: '== {price / (4 * 150)}'", head).ok
    verdict = verdict_of(tmp_path, "topology.cost: '<= 4000'", head)
    assert (verdict.ok, verdict.why) == (False, "is 4,960, 24 % above the limit")
    # watts of chips and cables are not in the book, so a rule on them is on a part of the machine
    assert (
        "the book knows only 21.1 % of the pieces"
        in verdict_of(tmp_path, "topology.watts: '<= 1e9'", head).why
    )
    assert "name one, as in parts: example" in verdict_of(tmp_path, "topology.cost: '<= 1e9'", BOX).why
    with pytest.raises(InputError, match=r"x\.yaml:7: parts: .*no parts book 'bock' ships"):
        verdict_of(tmp_path, "topology.cost: '<= 1'", BOX + "parts: bock\n")


def test_rules_of_the_design(tmp_path: Path) -> None:
    # a ring of four: two hops across, two links of 50 GB/s cut by halving, two links up from each NPU
    assert verdict_of(tmp_path, "topology.diameter: '== 2'").ok
    assert verdict_of(tmp_path, "topology.bisection: '== 100 GB/s'").ok
    assert verdict_of(tmp_path, "topology.scale_up_injection: '== 100 GB/s'").ok
    verdict = verdict_of(tmp_path, "topology.diameter: '<= 1'")
    assert not verdict.ok
    assert verdict.why == "is 2, 100 % above the limit"
    double = "{set: {topology.link.bandwidth: 100 GB/s}}"
    assert verdict_of(tmp_path, f"topology.bisection: {{is: '== 50 %', of: {double}}}").ok
    assert verdict_of(tmp_path, "a.busbw: {is: '<= 50 %', of: topology.scale_up_injection}").ok


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("a.busbw: {is: '>= 9 GB/s', of: b.busbw}", "'9 GB/s'"),
        ("a.busbw: {is: '>= 2 x', of: b.busbw}", "'2 x'"),
        ("a.busbw: {is: '>= 90 %', of: b.completion_time}", "a.busbw is a bandwidth and b.completion_time a time"),
        ("a.busbw: {is: '>= 90 %', of: c.busbw}", "there is no workload entry 'c'"),
        ("a.busbw: {is: '>= 90 %', of: b.busbandwidth}", "unknown metric 'busbandwidth'"),
        ("a.busbw: {is: '>= 90 %', of: 5}", "5 is no reference"),
        ("a.busbw: {is: '>= 90 %', of: {}}", "name a metric, as in of: b.busbw"),
        ("a.busbw: {is: '>= 90 %', of: {scenari: x.yaml}}", "did you mean 'scenario'?"),
        ("a.busbw: {is: '>= 90 %', of: {scenario: 5}}", "5 is not a scenario"),
        ("a.busbw: {is: '>= 90 %', of: {scenario: gone.yaml}}", "there is no such file"),
        ("a.busbw: {is: '>= 90 %', of: {scenario: gone}}", "no scenario 'gone' ships"),
        ("a.busbw: {is: '>= 90 %', of: {set: [1]}}", "[1] is not a mapping"),
        ("a.busbw: {is: '>= 90 %', of: {set: {model.mut: 1 KiB}}}", "did you mean 'mtu'?"),
        ("a.busbw: {is: '>= 90 %', of: {set: {model.mtu: 0 B}}}", "0 B"),
        ("topology.diametre: '<= 3'", "did you mean 'topology.diameter'?"),
        ("diameter: '<= 3'", "did you mean 'topology.diameter'?"),
        ("topology.diameter: '<= 3 GB/s'", "counts are plain numbers"),
        ("topology.bisection: '>= 3'", "3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line_before_anything_runs(
    tmp_path: Path, expect: str, words: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + f"expect:\n  {expect}\n")
    with pytest.raises(InputError) as caught:
        RunsBeside(load_scenario(path))
    assert words in str(caught.value)
    place = f"x.yaml:{HEAD.count(chr(10)) + 2}: expect." if "gone" not in expect else "gone"
    assert place in str(caught.value)


def test_without_the_scenario_what_needs_another_run_is_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        HEAD + "expect: {a.busbw: {is: '> 0', of: {set: {seed: 1}}}, topology.diameter: '<= 3'}\n"
    )
    scenario = load_scenario(path)
    verdicts = judge(run(scenario), scenario.expectations)
    assert [verdict.ok for verdict in verdicts] == [False, False]
    assert all("`fabricsim run` and `check`" in verdict.why for verdict in verdicts)


def test_run_and_check_judge_ratios(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(HEAD + "expect: {b.completion_time: {is: '<= 1', of: a.completion_time}}\n")
    assert cli("run", path)[0] == 1
    code, out, _ = cli("check", path)
    assert code == 1
    assert "b.completion_time <= 1 of a.completion_time: is 200 %" in out
