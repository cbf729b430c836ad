"""Break-even: thresholds that a formula gives, several of them, none, and every slip in a question."""

import json
import re
from pathlib import Path

import pytest

from fabricsim.designs import solve
from fabricsim.designs.text import solve_lines
from fabricsim.errors import InputError, UsageError
from fabricsim.report.break_even import draw_break_even
from fabricsim.scenario import Scenario, parse_scenario
from tests.conftest import Cli

RING = """schema: fabricsim/1
name: a ring
topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}
model: {mtu: 64 MiB}
workload:
  - {name: ar, collective: all-reduce, algorithm: ring, size: 1 MiB}
failures: [{at: 0 s, link: [npu0, npu1], factor: 0.5}]
"""
SPINES = """schema: fabricsim/1
name: a pod
topology: {shape: leaf-spine, leaves: 4, hosts: 4, spines: 4, link: {bandwidth: 50 GB/s, latency: 0 ns}, taper: 2}
engine: flow
routing: {policy: spray}
workload:
  - {name: a2a, collective: all-to-all, size: 64 MiB}
"""


def ring(**changes: object) -> Scenario:
    return parse_scenario(RING).replace(**changes)


def test_the_size_at_which_a_ring_reaches_half_of_its_rate() -> None:
    # a step takes α + (S/N)/B: the rate is half where the two are equal, S = N·α·B = 100 kB
    found = solve(ring(failures=[]), "workload.ar.size", "ar.busbw >= 25 GB/s", over="1 kB .. 10 MB")
    (turn,) = found.thresholds
    assert not turn.holds_below
    assert turn.below.number <= 100_000 <= turn.above.number <= 100_000 * 1.002 + 64  # sizes round to 64 B
    assert found.probes[0].number == 1_000


def test_the_taper_that_a_pod_bears() -> None:
    # of each host's traffic 12 of 15 parts leave the leaf, so uplinks bind from a taper of 15/12 on (identity A16)
    found = solve(parse_scenario(SPINES), "taper", "completion_time <= 1.05 * nonblocking", over="1.0 .. 8.0")
    (turn,) = found.thresholds
    assert turn.holds_below
    assert turn.below.number == pytest.approx(1.05 * 15 / 12, rel=2e-3)
    assert turn.above.number - turn.below.number <= 1e-3 * turn.above.number
    assert turn.above.busiest[0].startswith("spine")
    assert found.key == "topology.taper"


def test_whole_numbers_are_told_apart_and_those_that_make_no_machine_are_said() -> None:
    found = solve(
        parse_scenario(SPINES), "topology.taper", "completion_time <= 2 * nonblocking", over="1 .. 8"
    )
    (turn,) = found.thresholds
    assert (turn.below.value, turn.above.value) == (2, 3)  # 2 · 12/15 = 1.6 times, 3 · 12/15 = 2.4
    text = RING.replace("size: 4", "size: 8").replace("algorithm: ring", "algorithm: direct")
    odd = parse_scenario(
        text.replace("{shape: ring, size: 8,", "{shape: fat-tree, k: 4,").split("failures")[0]
    )
    found = solve(odd, "k", "ar.completion_time <= 10 ms", over="2 .. 9")
    assert set(found.refused) >= {3, 5, 7}
    assert not any(probe.value % 2 for probe in found.probes)


def test_what_is_compared_with() -> None:
    slow = solve(ring(), "failures.0.factor", "completion_time <= 1.5 * healthy", over="0.1 .. 1.0")
    (turn,) = slow.thresholds
    # the slow edge sends without a break, six times c/(f·B) and once α; a healthy ring takes six times α + c/B
    a, c = 500e-9, 2**18 / 50e9
    assert turn.above.number == pytest.approx(c / ((1.5 * 6 * (a + c) - a) / 6), rel=2e-3)
    assert not turn.holds_below
    today = solve(ring(failures=[]), "topology.link.bandwidth", "completion_time <= 0.5 * today")
    # twice as fast needs α + c/b = (α + c/B)/2
    assert today.thresholds[0].above.number == pytest.approx(2**18 / ((a + c) / 2 - a), rel=2e-3)
    itself = solve(ring(failures=[]), "workload.ar.size", "ar.algbw >= 0.9 * ar.busbw")
    assert not itself.thresholds  # 2·3/4 at any size
    assert "never holds from workload.ar.size = 128 KiB to 8 MiB" in solve_lines(itself)[0]


def test_every_turn_is_found() -> None:
    # a link is slow for 20 us, which delays only what starts on it within them: steps of α + c/B from 100 us on
    entry = {
        "name": "ar",
        "collective": "all-reduce",
        "algorithm": "ring",
        "size": "4 MiB",
        "start": "100 us",
    }
    slow = {"at": "0 s", "link": ["npu0", "npu1"], "factor": 0.1, "repair_after": "20 us"}
    scenario = ring(workload=[entry], failures=[slow])
    found = solve(scenario, "failures.0.at", "completion_time <= 1.0001 * healthy", over="0 s .. 300 us")
    into, out = found.thresholds
    assert (into.holds_below, out.holds_below) == (True, False)
    assert into.below.number == pytest.approx(80e6, rel=1e-3)
    assert out.above.number == pytest.approx(100e6 + 5 * (0.5e6 + 2**20 / 0.05), rel=1e-3)


@pytest.mark.parametrize(
    ("vary", "until", "over", "said"),
    [
        ("workload.ar.sise", "busbw > 1 GB/s", None, "'workload.ar.sise' is neither a key"),
        ("latency", "busbw > 1 GB/s", None, "'latency' is neither a key of the scenario nor a parameter"),
        ("workload.ar.size", "busbw", None, "'busbw' is no condition; write one such as"),
        ("workload.ar.size", "bussbw > 1 GB/s", None, "did you mean 'busbw'"),
        ("workload.ar.size", "busbw > 1 s", None, "'1 s' is a time, not a bandwidth"),
        ("workload.ar.size", "busbw > 2 * helthy", None, "nothing to compare with; did you mean 'healthy'?"),
        ("workload.ar.size", "busbw > 2 * nonblocking", None, "states no taper that could be 1"),
        ("workload.ar.algorithm", "busbw > 1 GB/s", None, "is 'ring' to start from; give a range"),
        ("model.header", "busbw > 1 GB/s", None, "has no value to start from; give a range"),
        ("workload.ar.size", "busbw > 1 GB/s", "2 MB .. 1 MB", "is empty; the smaller end comes first"),
        ("workload.ar.size", "busbw > 1 GB/s", "1 s .. 2 s", "write a size such as"),
        ("workload.ar.start", "round_trip_p50 <= 1 s", "0 s .. 1 ms", "cannot be judged"),
    ],
)  # fmt: skip
def test_slips_in_a_question(vary: str, until: str, over: str | None, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        solve(ring(failures=[]), vary, until, over=over)


def test_a_sweep_and_a_strange_tolerance_are_refused() -> None:
    with pytest.raises(UsageError, match="has a sweep; fix its keys with --set"):
        solve(ring(sweep={"seed": [1, 2]}), "workload.ar.size", "busbw > 1 GB/s")
    with pytest.raises(UsageError, match="tolerance"):
        solve(ring(), "workload.ar.size", "busbw > 1 GB/s", tolerance=0)


def test_the_command_says_both_sides(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(SPINES)
    done = cli("solve", str(path), "--vary", "taper", "--until", "completion_time <= 1.05 * nonblocking",
               "--over", "1.0 .. 8.0", "-o", str(tmp_path / "out"))  # fmt: skip
    assert done[0] == 0
    assert "holds up to topology.taper = 1.31" in done[1]
    assert "spine (uplink)" in done[1]
    assert (tmp_path / "out" / "break-even.png").stat().st_size > 5_000
    none = cli("solve", str(path), "--vary", "taper", "--until", "completion_time <= 1 s")
    assert (none[0], "holds from" in none[1]) == (1, True)


def test_the_picture_shows_values_limit_and_threshold() -> None:
    found = solve(parse_scenario(SPINES), "taper", "completion_time <= 1.05 * nonblocking", over="1.0 .. 8.0")
    ax = draw_break_even(found)
    values, limit, turn = ax.get_lines()
    assert list(values.get_xdata()) == [probe.number for probe in found.probes]
    assert set(limit.get_ydata()) == {1.05}
    assert turn.get_xdata()[0] == pytest.approx(found.thresholds[0].above.number, rel=1e-3)
    assert ax.get_xlabel() == "topology.taper"
    assert (
        json.dumps([label.get_text() for label in ax.get_legend().get_texts()]) == '["judged value", "limit"]'
    )
