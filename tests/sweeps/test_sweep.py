"""Sweeps: what is run, in which table, by whom, and what is kept."""

import csv
import errno
import io
import json
import os
import signal
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import fabricsim as fs
from fabricsim.errors import InputError, SimulationError, UsageError
from fabricsim.metrics import METRICS
from fabricsim.scenario import load_scenario, parse_scenario
from fabricsim.sweeps import workers
from fabricsim.sweeps.identity import Addresses
from tests.conftest import Cli
from tests.sweeps.lab import GRID, RING, SLOW, finish, points_in, start, write


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    return write(tmp_path, GRID)


# -- the table -------------------------------------------------------------------------------------------


def test_every_point_is_a_row_with_what_running_it_gives(grid: Path) -> None:
    made = fs.sweep(grid)
    points = load_scenario(grid).points()
    assert len(made.rows) == 6
    for row, point in zip(made.rows, points, strict=True):
        result = point.run()
        assert {key: row[key] for key in point.varied} == point.varied
        assert {name: row[name] for name in result.numbers} == result.numbers
        assert (row["digest"], row["error"]) == (result.digest, "")


def test_a_frame_has_units_and_written_order(grid: Path) -> None:
    frame = fs.sweep(grid).frame
    assert list(frame.columns[:6]) == [
        "workload.ar.size", "topology.size", "engine", "kernel", "digest", "error",
    ]  # fmt: skip
    own = [name for name in frame.columns if name in METRICS]
    assert own == [name for name in METRICS if name in own]
    assert frame.attrs["units"]["ar.busbw_Bps"] == "B/s"
    assert frame.index.tolist() == list(range(6))
    # 2(N-1)(α + S/N/B), each chunk a whole number of picoseconds here
    row = frame.loc[0]
    assert row["completion_time_s"] == pytest.approx(6 * (500e-9 + 2**14 / 50e9), rel=1e-9)


def test_the_space_may_come_with_the_call() -> None:
    scenario = parse_scenario(RING)
    assert len(fs.sweep(scenario, {"seed": [1, 2], "model.mtu": ["1 KiB", "4 KiB"]}).rows) == 4
    made = fs.sweep(scenario, [{"seed": 1}, {"seed": 2, "model.mtu": "1 KiB"}])
    assert [(row["seed"], row["model.mtu"]) for row in made.rows] == [(1, None), (2, "1 KiB")]
    with pytest.raises(InputError, match="did you mean 'mtu'"):
        fs.sweep(scenario, {"model.mut": ["1 KiB"]})


def test_csv_reads_back_exactly(grid: Path) -> None:
    made = fs.sweep(grid)
    for row, read in zip(made.rows, csv.DictReader(io.StringIO(made.csv)), strict=True):
        assert list(read) == list(row)
        assert float(read["completion_time_s"]) == row["completion_time_s"]
        assert int(read["packet_hops"]) == row["packet_hops"]


def test_xarray_has_a_dimension_for_each_key_of_a_grid(grid: Path) -> None:
    pytest.importorskip("xarray")
    cube = fs.sweep(grid).to_xarray()
    assert dict(cube.sizes) == {"workload.ar.size": 3, "topology.size": 2}
    assert cube["busbw_Bps"].attrs["units"] == "B/s"
    one = cube["completion_time_s"].sel({"workload.ar.size": "1 MiB", "topology.size": 6})
    assert float(one) == fs.sweep(grid).rows[5]["completion_time_s"]
    line = fs.sweep(parse_scenario(RING), [{"seed": 1}, {"model.mtu": "1 KiB"}]).to_xarray()
    assert dict(line.sizes) == {"point": 2}


def test_a_point_that_fails_is_a_row_with_its_error(tmp_path: Path, cli: Cli) -> None:
    path = write(
        tmp_path,
        RING.replace("size: 64 KiB", "size: 64 KiB, ranks: 0-5") + "sweep: {topology.size: [6, 4, 8]}\n",
    )
    made = fs.sweep(path)
    assert [bool(row["error"]) for row in made.rows] == [False, True, False]
    assert "there is no rank 5" in made.failed[1]
    assert made.rows[1]["completion_time_s"] is None
    code, out, err = cli("sweep", path, "--workers", 1)
    assert code == 4
    assert out == made.csv
    assert err.startswith("point 1 failed: ")


# -- who runs it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, pytest.param(8, marks=pytest.mark.campaign)])
def test_one_and_many_workers_give_the_same_bytes(grid: Path, tmp_path: Path, count: int) -> None:
    finish(grid, "--workers", count, "-o", tmp_path / "out")
    assert (tmp_path / "out" / "sweep.csv").read_text() == fs.sweep(grid).csv


def test_any_executor_runs_it(grid: Path) -> None:
    with ThreadPoolExecutor(2) as executor:
        assert fs.sweep(grid, executor=executor).csv == fs.sweep(grid).csv


class Broken(Executor):
    """Runs two points and breaks."""

    def __init__(self) -> None:
        self.runs = 0

    def submit(self, function, /, *arguments, **named):
        from concurrent.futures import BrokenExecutor

        self.runs += 1
        if self.runs > 2:
            raise BrokenExecutor
        future: Future = Future()
        future.set_result(function(*arguments, **named))
        return future


def test_a_broken_executor_is_an_error_of_the_points_it_left(grid: Path, tmp_path: Path) -> None:
    made = fs.sweep(grid, executor=Broken(), folder=tmp_path / "out")
    assert made.failed == dict.fromkeys(range(2, 6), "the executor broke")
    again = fs.sweep(grid, folder=tmp_path / "out", resume=True)
    assert (again.reused, again.failed) == (2, {})


def test_a_worker_that_dies_costs_its_own_point_only(grid: Path, monkeypatch) -> None:
    class Deadly(workers.ProcessPoolExecutor):
        """Ends the process that is given the second point."""

        def submit(self, function, /, point, code):
            deadly = point.varied == {"workload.ar.size": "64 KiB", "topology.size": 6}
            return super().submit(os._exit, 1) if deadly else super().submit(function, point, code)

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Deadly)
    made = fs.sweep(grid, workers=2)
    assert made.failed == {1: "its process died; is there enough memory?"}
    whole = fs.sweep(grid)
    assert [row for row in made.rows if row["point"] != 1] == [row for row in whole.rows if row["point"] != 1]


def test_another_version_on_a_worker_is_said(grid: Path, monkeypatch) -> None:
    monkeypatch.setattr(workers, "code_version", lambda: "another")
    made = fs.sweep(grid)
    assert set(made.failed.values()) == {
        "the worker has another fabricsim than the sweep; install the same one"
    }


def test_a_silent_scheduler_and_a_wrong_address(grid: Path, cli: Cli, monkeypatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "_DASK_SECONDS", 0.5)
    code, _, err = cli("sweep", grid, "--dask", "tcp://127.0.0.1:9")
    assert code == 4
    assert "no Dask scheduler answers at tcp://127.0.0.1:9; start one with `dask scheduler`" in err
    code, _, err = cli("sweep", grid, "--dask", "nowhere://x")
    assert code == 2
    assert "'nowhere://x' is no address of a Dask scheduler" in err


# -- what is kept ----------------------------------------------------------------------------------------


def test_nothing_is_run_twice(grid: Path, tmp_path: Path) -> None:
    first = fs.sweep(grid, folder=tmp_path / "out")
    kept = points_in(tmp_path / "out")
    assert len(kept) == 6
    again = fs.sweep(grid, folder=tmp_path / "out", resume=True)
    assert (again.reused, again.csv) == (6, first.csv)
    assert points_in(tmp_path / "out") == kept


def test_a_sweep_may_grow(grid: Path, tmp_path: Path) -> None:
    fs.sweep(grid, folder=tmp_path / "out")
    grid.write_text(
        "# words that change nothing\n" + GRID.replace("[4, 6]", "[4, 6, 8]").replace("a ring", "b")
    )
    again = fs.sweep(grid, folder=tmp_path / "out", resume=True)
    assert (again.reused, len(again.rows)) == (6, 9)
    assert again.csv == fs.sweep(grid).csv


def test_a_damaged_point_is_run_again(grid: Path, tmp_path: Path) -> None:
    first = fs.sweep(grid, folder=tmp_path / "out")
    for path, text in zip(points_in(tmp_path / "out"), ("", "{", "[]", '{"numbers": {}}'), strict=False):
        path.write_text(text)
    again = fs.sweep(grid, folder=tmp_path / "out", resume=True)
    assert (again.reused, again.csv) == (2, first.csv)


def test_an_address_covers_all_that_a_result_depends_on(tmp_path: Path, monkeypatch) -> None:
    machine = (
        "schema: fabricsim.topology/1\nname: m\n"
        "levels: [{name: r, members: 4, rule: ring, link: {bandwidth: 50 GB/s, latency: 1 us}}]\n"
        "device: {ports: 2, forwards: true}\n"
        "evidence: {levels: {confidence: assumed, source: made for a test}}\n"
    )
    write(tmp_path, machine, "m.yaml")
    text = RING.replace("{shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}", "m.yaml")

    def address(text: str) -> str:
        return Addresses().of(load_scenario(write(tmp_path, text)))

    first = address(text)
    assert address(text) == first
    assert (
        address("# words\n" + text.replace("a ring", "b") + "expect: {completion_time: '<= 1 s'}\n") == first
    )
    assert address(text + "seed: 1\n") != first
    assert address(text.replace("64 KiB", "65 KiB")) != first
    write(tmp_path, machine.replace("1 us", "2 us"), "m.yaml")
    assert address(text) != first
    write(tmp_path, machine, "m.yaml")
    monkeypatch.setattr("fabricsim.sweeps.identity.code_version", lambda: "another")
    assert address(text) != first


def test_a_folder_with_other_things_is_left_alone(grid: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    write(folder, "mine", "precious.txt")
    for words in ((), ("--resume",)):
        code, _, err = cli("sweep", grid, "-o", folder, *words)
        assert code == 2
        assert "name another folder" in err
    assert [path.name for path in folder.iterdir()] == ["precious.txt"]
    assert cli("sweep", grid, "-o", grid)[0] == 2
    assert cli("sweep", grid, "--resume")[0] == 2


def test_points_of_another_version_are_not_mixed_in(grid: Path, tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "out"
    assert cli("sweep", grid, "-o", folder, "--workers", 1)[0] == 0
    code, _, err = cli("sweep", grid, "-o", folder)
    assert code == 2
    assert "go on with --resume" in err
    made = json.loads((folder / "sweep.json").read_text())
    write(folder, json.dumps({**made, "code": "0" * 64, "fabricsim": "0.0.1"}), "sweep.json")
    code, _, err = cli("sweep", grid, "-o", folder, "--resume")
    assert code == 2
    assert "was computed by fabricsim 0.0.1, code 00000000; this is " in err


def test_a_full_disk_is_said_and_what_is_done_is_kept(grid: Path, tmp_path: Path, monkeypatch) -> None:
    written = Path.write_text

    def full(path: Path, text: str, **named: object) -> int:
        if len(points_in(tmp_path / "out")) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return written(path, text, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(SimulationError, match="No space left on device; what is done is kept"):
            fs.sweep(grid, folder=tmp_path / "out")
    again = fs.sweep(grid, folder=tmp_path / "out", resume=True)
    assert (again.reused, again.csv) == (3, fs.sweep(grid).csv)


def test_wrong_use(grid: Path, tmp_path: Path, cli: Cli) -> None:
    code, _, err = cli("sweep", write(tmp_path, RING, "plain.yaml"))
    assert code == 2
    assert "has no sweep; add one" in err
    with pytest.raises(UsageError, match="-1 workers are too few"):
        fs.sweep(grid, workers=-1)


# -- killed ----------------------------------------------------------------------------------------------


def kill_after(folder: Path, kept: int, *words: object) -> None:
    """Start a sweep and kill it once `kept` points are there; workers must end by themselves."""
    process = start(*words)
    while len(points_in(folder)) < kept and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()  # the pipes close when the last of its processes is gone


def test_a_killed_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    path, folder = write(tmp_path, SLOW), tmp_path / "out"
    kill_after(folder, 3, path, "-o", folder, "--workers", 1)
    before = points_in(folder)
    assert 3 <= len(before) < 24
    kill_after(folder, len(before) + 2, path, "-o", folder, "--workers", 2, "--resume")
    assert len(points_in(folder)) < 24
    printed = finish(path, "-o", folder, "--workers", 1, "--resume")
    assert "of them from before" in printed
    assert before.items() <= points_in(folder).items()
    assert (folder / "sweep.csv").read_text() == fs.sweep(path).csv


@pytest.mark.campaign
def test_a_sweep_killed_at_twenty_random_moments(tmp_path: Path) -> None:
    import random

    moments = random.Random(9)
    path, folder = write(tmp_path, SLOW.replace("count: 24", "count: 400")), tmp_path / "out"
    for turn in range(20):
        resume = ["--resume"] if (folder / "sweep.json").exists() else []
        process = start(path, "-o", folder, "--workers", 2, *resume)
        if turn % 3 == 0:  # while it starts, or soon after
            time.sleep(moments.uniform(0.0, 1.5))
        else:  # counted in points, so that a quick machine does not get to the end
            until = len(points_in(folder)) + moments.randint(1, 15)
            while len(points_in(folder)) < until and process.poll() is None:
                time.sleep(0.002)
            time.sleep(moments.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
    finish(path, "-o", folder, "--workers", 2, *(["--resume"] if folder.exists() else []))
    assert (folder / "sweep.csv").read_text() == fs.sweep(path, workers=2).csv
