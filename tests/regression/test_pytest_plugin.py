"""The pytest plugin, run by a pytest inside of pytest."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from fabricsim.regression import check_scenario
from fabricsim.regression.changes import Comparison
from fabricsim.report.changes import write_changes
from fabricsim.scenario import load_scenario
from tests.regression.lab import scenarios, write_designs, write_machine

pytest_plugins = ["pytester"]

FIXTURE_TEST = """
import pytest
import fabricsim as fs

RING = {{"shape": "ring", "size": 4, "link": {{"bandwidth": "{bandwidth}", "latency": "500 ns"}}}}

def test_ring(fabric_regression):
    from fabricsim.topology import resolve
    result = fs.simulate(resolve(RING), fs.all_reduce("{size}", algorithm="ring"))
    fabric_regression.check(result)

@pytest.mark.fabric(rel=0.5, metrics=["completion_time_s"])
def test_loose(fabric_regression):
    from fabricsim.topology import resolve
    result = fs.simulate(resolve(RING), fs.all_reduce("{size}", algorithm="ring"))
    fabric_regression.check(result, name="first")
    fabric_regression.check(result, name="second", rel=0.25)
"""


@pytest.fixture(scope="module", autouse=True)
def _all_is_imported(tmp_path_factory) -> None:
    """Import once what runs and pictures need: an inner pytest forgets all that it imports itself."""
    folder = tmp_path_factory.mktemp("imports")
    write_designs(folder)
    check_scenario(load_scenario(folder / "inner.yaml"), update=True)
    write_changes(Comparison((), (), (), False, ()), "nothing changed", folder / "x.png")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch):
    """Return a call of pytest with the plugin, strict as this project is, in a folder of its own."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # of others, which cost time
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers --strict-config -p no:cacheprovider\nfilterwarnings = error\n"
    )

    def call(*words: object) -> pytest.RunResult:
        return pytester.runpytest_inprocess("-p", "fabricsim.pytest_plugin", *map(str, words))

    return call


@pytest.fixture
def designs(pytester: pytest.Pytester) -> Path:
    """A folder of scenarios with baselines."""
    folder = pytester.path / "scenarios"
    folder.mkdir()
    write_designs(folder)
    for path in scenarios(folder):
        check_scenario(load_scenario(path), update=True)
    return folder


def test_importing_the_plugin_is_quick_and_loads_nothing() -> None:
    program = (
        "import pytest, sys, time; start = time.process_time(); import fabricsim.pytest_plugin;"
        "spent = time.process_time() - start;"
        "print(spent, sorted({'numpy', 'pandas', 'matplotlib', 'yaml', 'pydantic', 'networkx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    spent, _, loaded = done.stdout.strip().partition(" ")
    assert loaded == "[]"
    assert float(spent) < 0.05


def test_scenario_files_are_tests_and_other_files_are_not(run, designs: Path, pytester) -> None:
    (designs / "compose.yaml").write_text("services: {web: {image: nginx}}\n")
    (designs / "notes.yml").write_text("# schema: fabricsim/1 is a remark here\n")
    result = run("scenarios", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["scenarios/both.yaml::both PASSED*"])
    assert "fabricsim ---" not in result.stdout.str()


def test_a_regression_fails_with_a_table_a_picture_and_its_cause(run, designs: Path) -> None:
    write_machine(designs, outer="97 GB/s")
    result = run("scenarios", "--fabric-report", "pictures")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*scenario outer*",
            "scenarios/outer.yaml:1: 1 of 1 expectations hold, * numbers hold their baseline",
            "metric * baseline * now *change *limit",
            "completion_time * us * us *+3* % *+1 %",
            "moved: the design (topology *); the scenario and the tool did not",
            "picture: pictures/outer.png",
            "FAILED scenarios/outer.yaml::outer*",
        ]
    )
    assert (designs.parent / "pictures" / "outer.png").read_bytes().startswith(b"\x89PNG")


def test_a_violated_expectation_has_its_line(run, designs: Path) -> None:
    path = designs / "inner.yaml"
    path.write_text("# one\n# two\n" + path.read_text().replace("<= 1 s", "<= 1 us"))
    result = run(path)
    result.assert_outcomes(failed=1)
    line = path.read_text().splitlines().index('  completion_time: "<= 1 us"') + 1
    result.stdout.fnmatch_lines(
        [f"scenarios/inner.yaml:{line}: 0 of 1 *", "completion_time <= 1 us: is * above the limit"]
    )


def test_a_faulty_scenario_fails_with_its_fault_and_no_traceback(run, designs: Path) -> None:
    (designs / "inner.yaml").write_text("schema: fabricsim/1\nworkload: []\n")
    result = run("scenarios")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*inner.yaml:*: topology: is missing*"])
    assert "Traceback" not in result.stdout.str()
    assert "check_scenario" not in result.stdout.str()


def test_baselines_are_made_missed_and_found_unused(run, designs: Path) -> None:
    (designs / "inner.baseline.json").unlink()
    (designs / "gone.baseline.json").write_text("{}")
    result = run("scenarios")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "*fabricsim*",
            "*inner.yaml has no baseline; make one: *",
            "*gone.baseline.json: unused, its scenario is gone; delete it",
        ]
    )
    run("scenarios", "--fabric-require-baselines").assert_outcomes(passed=2, failed=1)
    result = run("scenarios", "--fabric-update", "--fabric-reason", "born today")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*inner.baseline.json: written"])
    assert json.loads((designs / "inner.baseline.json").read_text())["reason"] == "born today"
    assert run("scenarios", "--fabric-reason", "x").ret == pytest.ExitCode.USAGE_ERROR


def test_junit_has_every_number(run, designs: Path) -> None:
    write_machine(designs, inner="40 GB/s")
    run(designs / "inner.yaml", "--junitxml", "junit.xml", "-o", "junit_family=xunit2")
    (case,) = ET.parse("junit.xml").getroot().iter("testcase")
    numbers = {entry.get("name"): json.loads(entry.get("value", "")) for entry in case.iter("property")}
    held = json.loads((designs / "inner.baseline.json").read_text())["points"][0]["metrics"]
    assert set(numbers) == set(held)
    time = numbers["completion_time_s"]
    assert time["baseline"] == held["completion_time_s"]["value"]
    assert time["allowed"] == pytest.approx(0.01 * time["baseline"])
    assert time["now"] > time["baseline"]


def test_github_is_told_where_it_is_there(run, designs: Path, monkeypatch, tmp_path: Path) -> None:
    write_machine(designs, outer="97 GB/s")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert "::error" not in run("scenarios").stdout.str()
    assert not (tmp_path / "summary.md").exists()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = run("scenarios")
    (line,) = [line for line in result.outlines if line.startswith("::error ")]
    assert line.startswith("::error file=scenarios/outer.yaml,line=1,title=1 of 1 expectations hold%2C ")
    assert "%0Acompletion_time" in line
    assert "+1 %25" in line
    summary = (tmp_path / "summary.md").read_text()
    assert "### fabricsim: 2 of 3 scenarios hold" in summary
    assert "**scenarios/outer.yaml**" in summary


def test_workers_of_xdist_give_the_same(run, designs: Path, pytester) -> None:
    write_machine(designs, outer="97 GB/s")
    (designs / "inner.baseline.json").unlink()
    result = pytester.runpytest_subprocess(
        "-p", "fabricsim.pytest_plugin", "-p", "xdist", "-n", "2", "scenarios"
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["completion_time *+3* %*", "*inner.yaml has no baseline*"])


def test_the_marker_selects(run, designs: Path, pytester) -> None:
    pytester.makepyfile(test_other="def test_nothing(): pass\n\ndef test_held(fabric_regression): pass\n")
    run("-m", "fabric").assert_outcomes(passed=4, deselected=1)
    run("-m", "not fabric").assert_outcomes(passed=1, deselected=4)


def test_the_fixture_holds_a_result_to_its_baseline(run, pytester) -> None:
    fast = FIXTURE_TEST.format(bandwidth="50 GB/s", size="1 MiB")
    pytester.makepyfile(test_ring=fast)
    result = run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*there is no baseline *test_ring/test_ring.baseline.json; make it: *"])
    run("--fabric-update").assert_outcomes(passed=2)
    run().assert_outcomes(passed=2)
    folder = pytester.path / "test_ring"
    assert {path.name for path in folder.iterdir()} == {
        "test_ring.baseline.json", "test_loose-first.baseline.json", "test_loose-second.baseline.json",
    }  # fmt: skip
    (point,) = json.loads((folder / "test_loose-second.baseline.json").read_text())["points"]
    assert {metric: held["rel"] for metric, held in point["metrics"].items()} == {"completion_time_s": 0.25}
    pytester.makepyfile(test_ring=fast.replace("50 GB/s", "42 GB/s"))
    result = run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["completion_time *+1* %", "moved: the design*", "picture: *.png"])


def test_baselines_that_no_test_asks_for_are_found_where_all_tests_ran(run, pytester) -> None:
    source = FIXTURE_TEST.format(bandwidth="50 GB/s", size="1 MiB")
    pytester.makepyfile(test_ring=source)
    run("--fabric-update").assert_outcomes(passed=2)
    assert "unused" not in str(run().stdout)
    pytester.makepyfile(test_ring=source.replace(', name="first"', "").replace("test_loose", "test_slack"))
    left = [f"*{name}: unused, no test asks for it*" for name in ("test_loose-first", "test_loose-second")]
    left = [words.replace(": unused", ".baseline.json: unused") for words in left]
    assert "unused" not in str(run().stdout), "a test failed: it may have more to ask for"
    run("--fabric-update").stdout.fnmatch_lines(left)
    run().stdout.fnmatch_lines(left)
    for some in (("-k", "slack"), ("test_ring.py::test_ring",)):
        assert "unused" not in str(run(*some).stdout), "the others may ask for them"
    workers = ("-p", "fabricsim.pytest_plugin", "-p", "xdist", "-n", "2")
    pytester.runpytest_subprocess(*workers).stdout.fnmatch_lines(left)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("check(None, rel=-0.1)", "rel is -0.1: a tolerance is 0 or more"),
        ("check(None, metrics=['busbandwidth_Bps'])", "unknown metric 'busbandwidth_Bps'; did you mean 'busbw_Bps'"),
    ],
)  # fmt: skip
def test_wrong_use_of_the_fixture(run, pytester, call: str, words: str) -> None:
    pytester.makepyfile(test_x=f"def test_x(fabric_regression): fabric_regression.{call}\n")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{words}*"])
