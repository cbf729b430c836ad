"""Which uncertain numbers decide a verdict: against the formula of a ring."""

from pathlib import Path

import pytest

from fabricsim.designs.sensitivity import sensitivity
from fabricsim.errors import UsageError
from fabricsim.report.tornado import draw_tornado
from fabricsim.scenario import load_scenario
from tests.conftest import Cli

MACHINE = """schema: fabricsim.topology/1
name: ring-of-four
links:
  wire:
    bandwidth: 50 GB/s
    latency: 400 ns
    evidence:
      bandwidth: {confidence: published, source: made for a test}
      latency: {confidence: assumed, source: made for a test}
device: {ports: 2, forwards: true}
levels: [{name: r, members: 4, rule: ring, link: wire}]
evidence:
  levels: {confidence: inferred, source: made for a test}
"""
SCENARIO = """schema: fabricsim/1
name: ring
topology: machine.yaml
workload: [{name: ar, collective: all-reduce, algorithm: ring, size: 64 KiB}]
model: {switching: store-and-forward, mtu: 4 KiB}
"""
# 2(N-1) steps of α + S/N/b: with S/N/b = 16 KiB / 50 GB/s = 327.68 ns
STEP, ALPHA = 327.68e-9, 400e-9


def scenario(folder: Path, limit: str, machine: str = MACHINE):
    (folder / "machine.yaml").write_text(machine)
    (folder / "x.yaml").write_text(
        SCENARIO + f"expect: {{completion_time: '{limit}', topology.diameter: '<= 2'}}\n"
    )
    return load_scenario(folder / "x.yaml")


def test_a_number_moves_what_the_formula_says_and_flips_where_it_says(tmp_path: Path) -> None:
    limit = 6 * (1.5 * ALPHA + STEP)
    (effect,) = sensitivity(scenario(tmp_path, f"<= {limit * 1e6!r} us")).effects
    assert effect.number.key == "links.wire.latency"
    assert effect.nominal.actual == pytest.approx(6 * (ALPHA + STEP), rel=1e-9)
    assert effect.low.actual == pytest.approx(6 * (0.5 * ALPHA + STEP), rel=1e-9)
    assert effect.high.actual == pytest.approx(6 * (2 * ALPHA + STEP), rel=1e-9)
    assert (effect.nominal.ok, effect.low.ok, effect.high.ok) == (True, True, False)
    assert effect.flips_at == pytest.approx(1.5, rel=1e-3)
    assert effect.swing == pytest.approx(1.5 * ALPHA / (ALPHA + STEP), rel=1e-9)


def test_the_picture_has_a_bar_for_each_end_of_a_range(tmp_path: Path) -> None:
    limit = 6 * (1.5 * ALPHA + STEP)
    found = sensitivity(scenario(tmp_path, f"<= {limit * 1e6!r} us"))
    (ax,) = draw_tornado(found).axes
    low, high = (bar.get_width() for bar in ax.patches)
    assert low == pytest.approx(-50 * ALPHA / (ALPHA + STEP), rel=1e-6)
    assert high == pytest.approx(100 * ALPHA / (ALPHA + STEP), rel=1e-6)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["links.wire.latency (flips)"]
    assert ax.get_title(loc="left").endswith("(holds)")


def test_a_verdict_that_no_number_changes_stays(tmp_path: Path) -> None:
    found = sensitivity(scenario(tmp_path, "<= 1 ms"))
    assert [effect.flips_at for effect in found.effects] == [None]
    assert any(text.startswith("levels (inferred)") for text in found.left_out)
    assert any("topology.diameter" in text for text in found.left_out)


def test_numbers_are_ranked_by_effect(tmp_path: Path) -> None:
    machine = MACHINE.replace("bandwidth: {confidence: published", "bandwidth: {confidence: reported")
    effects = sensitivity(scenario(tmp_path, "<= 1 ms", machine)).effects
    assert [effect.number.key for effect in effects] == ["links.wire.latency", "links.wire.bandwidth"]
    # a tenth more or less of the rate: 1/0.9 and 1/1.1 of the time spent sending
    assert effects[1].swing == pytest.approx(STEP * (1 / 0.9 - 1 / 1.1) / (ALPHA + STEP), rel=1e-4)


STARS = """schema: fabricsim.topology/1
name: planes
parameters: {planes: 4, size: 8, rate: 100 GB/s}
device: {ports: 16}
switches: {chip: {ports: 8}}
links: {wire: {bandwidth: rate, latency: 0 ns}}
levels: [{name: s, members: size, rule: switched, planes: planes, switch: chip, link: wire}]
budget: {even: "planes % 2 == 0"}
routing: {policy: spray}
evidence:
  device: &e {confidence: published, source: made for a test}
  budget: *e
  switches: *e
  links: *e
  parameters: {confidence: assumed, source: made for a test}
  parameters.size: *e
"""


def planes(folder: Path, limit: str):
    (folder / "machine.yaml").write_text(STARS)
    (folder / "x.yaml").write_text(
        "schema: fabricsim/1\nname: planes\ntopology: machine.yaml\nengine: flow\n"
        "workload: [{name: a, collective: all-to-all, size: 64 MiB}]\n"
        f"expect: {{a.busbw: '{limit}'}}\n"
    )
    return load_scenario(folder / "x.yaml")


def test_parameters_of_the_file_are_varied_where_they_make_a_machine(tmp_path: Path) -> None:
    found = sensitivity(planes(tmp_path, ">= 350 GB/s"))
    assert {effect.number.key for effect in found.effects} == {"parameters.planes", "parameters.rate"}
    by_key = {effect.number.key: effect for effect in found.effects}
    even = by_key["parameters.planes"]
    assert even.number.steps == (0.5, 1.5, 2.0)  # 2, 6 and 8 planes of 4; odd ones break the budget
    assert (even.nominal.ok, even.low.ok, even.high.ok, even.flips_at) == (True, False, True, 0.5)
    # twice the planes, twice the rate: but for the fill of a packet
    assert even.high.actual == pytest.approx(2 * (even.nominal.actual or 0), rel=2e-3)
    rate = by_key["parameters.rate"]
    assert rate.flips_at == pytest.approx(350 / 400, rel=5e-3)


def test_a_parameter_that_the_scenario_sets_is_its_own_choice(tmp_path: Path) -> None:
    chosen = planes(tmp_path, ">= 350 GB/s").replace(**{"topology.set.planes": 6})
    assert {effect.number.key for effect in sensitivity(chosen).effects} == {"parameters.rate"}


def test_nothing_to_vary_and_nothing_to_judge(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no number of the machine of ring is uncertain"):
        sensitivity(
            scenario(tmp_path, "<= 1 ms", MACHINE.replace("confidence: assumed", "confidence: published"))
        )
    never = {"completion_time": {"is": "<= 1 ms", "when": {"ar.size": ">= 1 GiB"}}}
    unjudged = scenario(tmp_path, "<= 1 ms").replace(expect=never)
    with pytest.raises(UsageError, match=r"can be judged: .*never applied"):
        sensitivity(unjudged)
    (tmp_path / "x.yaml").write_text(SCENARIO)
    with pytest.raises(UsageError, match="has no expectation"):
        sensitivity(load_scenario(tmp_path / "x.yaml"))


def test_the_command_prints_a_table_and_draws(tmp_path: Path, cli: Cli) -> None:
    scenario(tmp_path, "<= 6 us")
    code, out, err = cli("sensitivity", tmp_path / "x.yaml", "-o", tmp_path / "out")
    assert code == 0
    assert "completion_time <= 6 us: holds" in out
    assert "links.wire.latency" in out
    assert "flips at x1." in out
    assert "not varied: levels (inferred)" in err
    assert (tmp_path / "out" / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
