"""`fabricsim check`: what turns red, what the table says, and who is said to have moved."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.regression.lab import RANKS, scenarios, write_designs, write_machine


@pytest.fixture
def designs(tmp_path: Path, cli: Cli) -> Path:
    write_designs(tmp_path)
    assert cli("check", "--update", *scenarios(tmp_path))[0] == 0
    return tmp_path


def red(output: str) -> set[str]:
    return {Path(path).stem for path in re.findall(r"^FAIL (\S+):", output, re.MULTILINE)}


def rows(output: str) -> dict[str, list[str]]:
    """Return the cells of each row of the tables, by metric."""
    found = {}
    for line in output.splitlines():
        cells = re.split(r"\s{2,}", line.strip())
        if len(cells) == 5 and cells[0] != "metric":
            found[cells[0]] = cells[1:]
    return found


def test_nothing_moved_is_green(designs: Path, cli: Cli) -> None:
    code, out, err = cli("check", *scenarios(designs))
    assert (code, err) == (0, "")
    assert out.count("ok  ") == len(RANKS)
    assert "note" not in out


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ({"inner": "48.5 GB/s"}, {"inner", "both"}),
        ({"outer": "97 GB/s"}, {"outer"}),  # around all four, the slower inner links decide
    ],
)
def test_three_percent_in_one_link_class_turns_its_scenarios_red(
    designs: Path, cli: Cli, change: dict[str, str], affected: set[str]
) -> None:
    write_machine(designs, **change)
    code, out, _ = cli("check", *scenarios(designs))
    assert code == 1
    assert red(out) == affected
    table = rows(out)
    # sending is all but the latency of a few steps, so it takes 1/0.97 as long
    assert 2.5 <= float(table["completion_time"][2].split()[0]) <= 3.1
    assert -3.1 <= float(table["busbw"][2].split()[0]) <= -2.5
    assert (table["completion_time"][3], table["busbw"][3]) == ("+1 %", "-1 %")
    assert re.search(r"moved: the design \(topology \w{8} → \w{8}\); the scenario and the tool did not", out)


def test_within_tolerance_nothing_is_red(designs: Path, cli: Cli) -> None:
    write_machine(designs, inner="49.7 GB/s", outer="99.4 GB/s")
    code, out, _ = cli("check", *scenarios(designs))
    assert (code, red(out)) == (0, set())
    assert "inner.baseline.json: stale, made for another design or scenario" in out


def test_an_improvement_is_a_note(designs: Path, cli: Cli) -> None:
    write_machine(designs, inner="60 GB/s")
    code, out, _ = cli("check", designs / "inner.yaml")
    assert code == 0
    assert re.search(r"note .*better: completion_time .* → .* \(-1\d(\.\d)? %\)", out)


def test_a_change_of_the_scenario_is_laid_at_its_door(designs: Path, cli: Cli) -> None:
    path = designs / "inner.yaml"
    path.write_text(path.read_text().replace("1 MiB", "2 MiB"))
    code, out, _ = cli("check", path)
    assert code == 1
    assert rows(out)["size"] == ["1 MiB", "2 MiB", "+100 %", "exact"]
    assert re.search(r"moved: the scenario \(\w{8} → \w{8}\); the design and the tool did not", out)


def test_words_and_limits_of_a_scenario_are_no_change(designs: Path, cli: Cli) -> None:
    path = designs / "inner.yaml"
    path.write_text(
        "# a remark\n" + path.read_text().replace("name: inner", "name: other").replace("1 s", "2 s")
    )
    code, out, _ = cli("check", path)
    assert code == 0
    assert "stale" not in out


def change_baseline(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_change_of_the_tool_is_laid_at_its_door(designs: Path, cli: Cli) -> None:
    def older(content):
        content["code"], content["fabricsim"] = "0" * 64, "0.0.1"
        content["points"][0]["kernel"] = "numpy-of-old"
        content["points"][0]["metrics"]["completion_time_s"]["value"] *= 0.9

    change_baseline(designs / "inner.baseline.json", older)
    code, out, _ = cli("check", designs / "inner.yaml")
    assert code == 1
    assert "moved: the tool (fabricsim 0.0.1 → " in out
    assert "kernel numpy-of-old → " in out
    assert "the design and the scenario did not" in out


def test_a_baseline_edited_by_hand_is_no_ones_change(designs: Path, cli: Cli) -> None:
    def lower(content):
        content["points"][0]["metrics"]["completion_time_s"]["value"] *= 0.9

    change_baseline(designs / "inner.baseline.json", lower)
    code, out, _ = cli("check", designs / "inner.yaml")
    assert code == 1
    assert "moved: nothing that is recorded of design, scenario and tool" in out


def test_a_number_that_is_gone_is_a_loss(designs: Path, cli: Cli) -> None:
    def more(content):
        content["points"][0]["metrics"]["recovered.busbw_Bps"] = {"value": 1e9, "rel": 0.1}

    change_baseline(designs / "inner.baseline.json", more)
    code, out, _ = cli("check", designs / "inner.yaml")
    assert code == 1
    assert rows(out)["recovered.busbw"] == ["1 GB/s", "absent", "-", "-10 %"]


def test_an_update_writes_what_moved_as_the_reason_and_then_all_is_green(designs: Path, cli: Cli) -> None:
    write_machine(designs, inner="40 GB/s")
    before = (designs / "outer.baseline.json").read_text()
    assert cli("check", *scenarios(designs))[0] == 1
    assert cli("check", "--update", *scenarios(designs))[0] == 0
    assert json.loads((designs / "inner.baseline.json").read_text())["reason"].startswith("moved: the design")
    assert json.loads((designs / "outer.baseline.json").read_text())["points"] != json.loads(before)["points"]
    code, out, _ = cli("check", *scenarios(designs))
    assert code == 0
    assert "note" not in out


def test_an_update_takes_a_reason_and_leaves_what_has_not_moved(designs: Path, cli: Cli) -> None:
    path = designs / "inner.baseline.json"
    before = path.read_text()
    assert cli("check", "--update", "--reason", "no news", designs / "inner.yaml")[0] == 0
    assert path.read_text() == before
    write_machine(designs, inner="40 GB/s")
    assert cli("check", "--update", "--reason", "cheaper boards", designs / "inner.yaml")[0] == 0
    assert json.loads(path.read_text())["reason"] == "cheaper boards"


def test_a_reason_without_an_update_is_refused(designs: Path, cli: Cli) -> None:
    code, _, err = cli("check", "--reason", "why not", designs / "inner.yaml")
    assert code == 2
    assert "add --update" in err


def test_an_update_replaces_a_baseline_of_another_schema(designs: Path, cli: Cli) -> None:
    path = designs / "inner.baseline.json"
    change_baseline(path, lambda content: content.update(schema="fabricsim.baseline/0"))
    code, out, err = cli("check", designs / "inner.yaml")
    assert code == 3
    assert "FAIL" in out
    assert "'fabricsim.baseline/0' is not a baseline that this version reads" in err
    assert cli("check", "--update", designs / "inner.yaml")[0] == 0
    assert cli("check", designs / "inner.yaml")[0] == 0


def test_missing_stale_and_unused_baselines_are_said(designs: Path, cli: Cli) -> None:
    (designs / "inner.baseline.json").unlink()
    code, out, _ = cli("check", *scenarios(designs))
    assert code == 0
    assert f"inner.yaml has no baseline; make one: fabricsim check --update {designs / 'inner.yaml'}" in out
    assert cli("check", "--require-baselines", *scenarios(designs))[0] == 1
    (designs / "machine.yaml").rename(designs / "machine.txt")
    for name in ("inner", "both"):
        (designs / f"{name}.yaml").unlink()
    (designs / "outer.yaml").write_text(
        (designs / "outer.yaml").read_text().replace("machine.yaml", "machine.txt")
    )
    code, out, _ = cli("check", designs)
    assert code == 0
    assert f"note {designs / 'both.baseline.json'}: unused, its scenario is gone; delete it" in out


def test_points_come_and_go(designs: Path, cli: Cli) -> None:
    path = designs / "inner.yaml"
    plain = path.read_text()
    path.write_text(plain + "sweep: {workload.ar.size: [1 MiB, 2 MiB]}\n")
    assert cli("check", "--update", path)[0] == 0
    path.write_text(plain + "sweep: {workload.ar.size: [2 MiB, 4 MiB]}\n")
    code, out, _ = cli("check", path)
    assert code == 0
    assert "no baseline where workload.ar.size = 4 MiB" in out
    assert "unused, the scenario has no point where workload.ar.size = 1 MiB" in out
    assert cli("check", "--update", path)[0] == 0
    code, out, _ = cli("check", path)
    assert (code, "note" in out) == (0, False)


def test_one_bad_scenario_does_not_hide_the_others(designs: Path, cli: Cli) -> None:
    (designs / "inner.yaml").write_text("schema: fabricsim/1\nname: bad\n")
    write_machine(designs, outer="80 GB/s")
    code, out, err = cli("check", *scenarios(designs))
    assert code == 3
    assert red(out) == {"inner", "outer"}
    assert "topology" in err


def test_a_violated_expectation_and_a_regression_are_both_said(designs: Path, cli: Cli) -> None:
    path = designs / "inner.yaml"
    path.write_text(path.read_text().replace("<= 1 s", "<= 1 us"))
    write_machine(designs, inner="40 GB/s")
    code, out, _ = cli("check", path)
    assert code == 1
    assert "0 of 1 expectations hold" in out
    assert "completion_time <= 1 us: is" in out
    assert "busbw" in rows(out)
