"""The command line as a user meets it: output, exit codes, and what it leaves on disk."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

RING = """schema: fabricsim/1
name: ring
topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}
workload:
  - {name: ar, collective: all-reduce, algorithm: ring, size: 64 KiB}
"""


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    path = tmp_path / "ring.yaml"
    path.write_text(RING)
    return path


def test_a_run_prints_the_table_and_writes_nothing(cli: Cli, ring: Path) -> None:
    code, out, err = cli("run", ring)
    assert (code, err) == (0, "")
    assert "busbw" in out
    assert sorted(ring.parent.iterdir()) == [ring]


def test_a_run_with_a_folder_leaves_a_whole_report(cli: Cli, ring: Path, tmp_path: Path) -> None:
    code, _, err = cli("run", ring, "-o", tmp_path / "out")
    assert code == 0
    assert "report.html" in err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "result.json", "flows.csv", "links.csv", "rounds.csv", "timeline.csv"} <= names
    code, _, err = cli("run", ring, "-o", tmp_path / "out")
    assert code == 2
    assert "not empty" in err
    assert cli("run", ring, "-o", tmp_path / "out", "--force")[0] == 0
    code, out, _ = cli("report", tmp_path / "out")
    assert code == 0
    assert Path(out.strip()).name == "report.html"


def test_json_is_what_result_json_holds(cli: Cli, ring: Path, tmp_path: Path) -> None:
    code, out, _ = cli("run", ring, "--json", "-o", tmp_path / "out")
    assert code == 0
    printed, saved = json.loads(out), json.loads((tmp_path / "out" / "result.json").read_text())
    assert printed == saved
    assert printed["schema"] == "fabricsim.result/1"
    assert {"engine", "kernel", "digest", "provenance", "cost", "metrics", "operations"} <= set(printed)
    assert {"wall_s", "cpu_s", "peak_rss_bytes", "events"} <= set(printed["cost"])
    assert printed["provenance"]["scenario"] == RING
    # 2(N−1) steps of α + chunk/B, each chunk rounded up to whole picoseconds a packet
    assert printed["metrics"]["completion_time_s"] == pytest.approx(6 * (500e-9 + 2**14 / 50e9), rel=1e-9)


def test_a_sweep_prints_a_list_and_a_folder_a_point(cli: Cli, ring: Path, tmp_path: Path) -> None:
    ring.write_text(RING + "sweep: {workload.ar.size: [64 KiB, 1 MiB]}\n")
    code, out, _ = cli("run", ring, "--json", "-o", tmp_path / "out")
    assert code == 0
    points = json.loads(out)
    assert [point["metrics"]["size_B"] for point in points] == [2**16, 2**20]
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == points
    assert json.loads((tmp_path / "out" / "point-001" / "result.json").read_text()) == points[1]


def test_settings_and_seed_change_the_run(cli: Cli, ring: Path) -> None:
    _, out, _ = cli(
        "run", ring, "--json", "--set", "workload.ar.size=1 MiB", "--set", "model.mtu=8 KiB", "--seed", "5"
    )
    result = json.loads(out)
    assert result["metrics"]["size_B"] == 2**20
    assert result["metrics"]["packets"] == 2 * 3 * 4 * (2**18 // 8192)
    assert result["seed"] == 5


def test_the_plan_says_what_would_run_and_runs_nothing(cli: Cli, ring: Path) -> None:
    code, out, _ = cli("run", ring, "-n", "--json")
    plan = json.loads(out)
    assert code == 0
    assert plan["packet_hops"] == 2 * 3 * 4 * 4
    assert plan["operations"][0]["algorithm"] == "ring"
    assert plan["operations"][0]["order"] == "0-3"
    assert sum(plan["operations"][0]["payload_by_level_B"].values()) == 2 * 3 * 2**16
    code, out, _ = cli("run", ring, "-n")
    assert code == 0
    assert "ring" in out


def test_a_violated_expectation_exits_with_1(cli: Cli, ring: Path) -> None:
    ring.write_text(RING + 'expect: {ar.busbw: ">= 60 GB/s"}\n')
    code, out, _ = cli("run", ring)
    assert code == 1
    assert "60 GB/s" in out
    assert cli("check", ring)[0] == 1
    ring.write_text(RING + 'expect: {ar.busbw: ">= 10 GB/s"}\n')
    assert cli("check", ring.parent)[0] == 0


def test_an_absent_metric_fails(cli: Cli, ring: Path) -> None:
    two = (
        RING
        + "  - {name: ag, collective: all-gather, algorithm: ring, size: 64 KiB}\nexpect: {busbw: '>= 1 GB/s'}\n"
    )
    ring.write_text(two)
    code, out, _ = cli("run", ring)
    assert code == 1, "with two collectives there is no busbw of the whole"
    assert "busbw" in out


def test_a_fault_after_completion_is_said(cli: Cli, ring: Path) -> None:
    ring.write_text(RING + "failures:\n  - {at: 1 s, link: [npu0, npu1]}\n")
    code, out, _ = cli("run", ring)
    assert code == 0
    assert "lies after completion" in out


def test_bad_input_is_located_and_exits_with_3(cli: Cli, ring: Path) -> None:
    ring.write_text(RING.replace("64 KiB", "64").replace("topology", "topolgy"))
    code, out, err = cli("run", ring)
    assert (code, out) == (3, "")
    assert f"{ring}:3: topolgy: " in err
    assert "did you mean 'topology'" in err
    assert f"{ring}:5: workload.0.size: 64 has no unit" in err
    assert "Traceback" not in err


def test_a_run_over_budget_is_refused_before_it_starts(cli: Cli, ring: Path) -> None:
    ring.write_text(RING.replace("64 KiB", "64 GiB") + "engine: packet\n")
    code, out, err = cli("run", ring, "--budget", "10s,1GiB")
    assert (code, out) == (5, "")
    assert "10 s are allowed" in err
    assert "1 GiB are allowed" in err
    assert "would fit" in err
    ring.write_text(RING)
    assert cli("run", ring, "--budget", "10s,1GiB")[0] == 0
    code, _, err = cli("run", ring, "--budget", "much")
    assert code == 3
    assert "neither a time nor a size" in err


def test_a_kernel_that_does_not_fit_is_located(cli: Cli, ring: Path) -> None:
    ring.write_text(RING + "kernel: numpy\nfailures:\n  - {at: 1 us, link: [npu0, npu1], factor: 0.5}\n")
    code, _, err = cli("run", ring)
    assert code == 3
    assert f"{ring}:6: kernel: the numpy kernel does not apply: " in err


def test_a_stall_exits_with_4(cli: Cli, ring: Path) -> None:
    ring.write_text(RING + "failures:\n  - {at: 1 us, link: [npu0, npu1]}\n")
    code, _, err = cli("run", ring)
    assert code == 4
    assert "npu0 -> npu1, which is down since 1 us" in err


@pytest.mark.parametrize(
    "words",
    [["run"], ["fly"], ["run", "x.yaml", "--speed"], ["list", "planets"], ["run", "a", "--seed", "x"]],
)
def test_wrong_usage_exits_with_2(cli: Cli, words: list[str]) -> None:
    code, out, err = cli(*words)
    assert (code, out) == (2, "")
    assert err


def test_inspect_prints_one_or_several(cli: Cli) -> None:
    code, out, _ = cli("inspect", "hgx-h100", "--json")
    assert code == 0
    assert json.loads(out)["npus"] == 8
    code, out, _ = cli("inspect", "hgx-h100", "gb200-nvl72")
    assert code == 0
    assert "hgx-h100" in out
    assert "gb200-nvl72" in out


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("topologies", "cloudmatrix384"),
        ("scenarios", "cloudmatrix384-allreduce"),
        ("collectives", "all-reduce"),
        ("routing", "spray"),
        ("traffic", "incast"),
        ("parts", "example"),
    ],
)
def test_list(cli: Cli, what: str, name: str) -> None:
    code, out, _ = cli("list", what)
    assert code == 0
    assert any(line.startswith(name) for line in out.splitlines())


@pytest.mark.parametrize("what", ["scenario", "topology", "parts"])
def test_schema_is_a_json_schema(cli: Cli, what: str) -> None:
    import jsonschema

    code, out, _ = cli("schema", what)
    assert code == 0
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def test_help_and_import_load_nothing_heavy() -> None:
    """What makes a start slow is what it imports; counted, not timed."""
    heavy = {"numpy", "pandas", "matplotlib", "networkx", "simpy", "pydantic", "rich.console", "yaml"}
    program = "import sys, fabricsim, fabricsim.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fabricsim", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().count(".") == 2


def test_cables_are_written_once_and_verified(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "cables.csv"
    code, _, err = cli("inspect", "gb200-nvl72", "--cables", file)
    assert code == 0
    assert "cables: 1296 in" in err
    assert cli("inspect", "gb200-nvl72", "--cables", file)[0] == 2
    assert cli("inspect", "gb200-nvl72", "--cables", file, "--force")[0] == 0
    code, out, _ = cli("inspect", "gb200-nvl72", "--verify-cables", file)
    assert (code, out) == (0, "all 1296 cables are as planned\n")
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]) + "\n")
    code, out, _ = cli("inspect", "gb200-nvl72", "--verify-cables", file)
    assert code == 1
    assert out.startswith("missing: cable 1295 from ")
    assert cli("inspect", "gb200-nvl72", "hgx-h100", "--cables", file, "--force")[0] == 2
    code, _, err = cli("inspect", "gb200-nvl72", "--verify-cables", file, "--json")
    assert (code, "leave --json to a call of its own" in err) == (2, True)
    assert cli("inspect", "gb200-nvl72", "--force")[0] == 2


def test_diff_compares_names_files_and_revisions(cli: Cli, tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "pod.yaml"
    text = "schema: fabricsim.topology/1\nname: pod\nparameters: {npus: 4}\nlevels:\n"
    level = "  - {name: box, members: npus, rule: full-mesh, link: nvlink5}\n"
    file.write_text(text + level)
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    monkeypatch.chdir(tmp_path)
    file.write_text(text.replace("4", "5") + level)
    code, out, _ = cli("diff", "git:HEAD:pod.yaml", "pod.yaml", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["parameters"] == [{"name": "npus", "a": 4, "b": 5}]
    assert (found["links"]["same"], found["links"]["added"]) == (6, 4)
    code, out, _ = cli("diff", "pod.yaml", "pod.yaml")
    assert (code, "the two are the same" in out) == (0, True)
    assert "| npus | 4 | 5 | 1.25 |" in cli("diff", "git:HEAD:pod.yaml", "pod.yaml", "--markdown")[1]
    for words, status, said in (
        (["git:HEAD", "pod.yaml"], 2, "is not git:REV:FILE"),
        (["git:nowhere:pod.yaml", "pod.yaml"], 2, "has no revision 'nowhere'"),
        (["git:HEAD:absent.yaml", "pod.yaml"], 3, "git:HEAD:absent.yaml: there is no such file"),
        (["pod.yaml", "pod.yaml", "--json", "--markdown"], 2, "exclude each other"),
    ):
        code, out, err = cli("diff", *words)
        assert (code, out) == (status, "")
        assert said in err


def test_a_terminal_follows_a_long_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of what it will cost, if that is much; one of simulated time and packets, twice a second at most."""
    from fabricsim.cli.runs import announce_line, watch_line

    assert (watch_line(), announce_line()) == (None, None), "nothing where standard error is no terminal"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    clock = iter([0.0, 0.3, 1.0])
    monkeypatch.setattr("fabricsim.progress.monotonic", lambda: next(clock))
    show, announce = watch_line(), announce_line()
    assert show
    assert announce
    show(1_000_000, 100, 10)
    assert capsys.readouterr().err == ""
    show(2_000_000, 1000, 250)
    assert "2 us simulated, 250 of 1,000 packets, about 3 s left" in capsys.readouterr().err
    announce({"estimated_cpu_s": 9.0, "estimated_memory_B": 1e6, "packets": 5})
    assert capsys.readouterr().err == ""
    announce({"estimated_cpu_s": 60.0, "estimated_memory_B": 2e9, "packets": 5_000_000})
    assert "5,000,000 packets: about " in capsys.readouterr().err
