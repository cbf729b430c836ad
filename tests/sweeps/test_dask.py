"""A sweep on a real Dask scheduler with worker processes, one of which is killed in the middle."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fabricsim as fs
from tests.sweeps.lab import GRID, SLOW, finish, points_in, start, write

pytest.importorskip("distributed")
pytestmark = pytest.mark.campaign


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and three workers, each a process of its own: the address, and the workers' process ids."""
    log = (tmp_path / "scheduler.log").open("w")
    command = [
        sys.executable,
        "-m",
        "dask",
        "scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
    ]
    processes = [subprocess.Popen(command, stdout=log, stderr=log)]
    try:
        address = _address(tmp_path / "scheduler.log")
        worker = [
            sys.executable,
            "-m",
            "dask",
            "worker",
            address,
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
        ]
        for index in range(3):
            local = ["--local-directory", str(tmp_path / f"worker{index}")]
            processes.append(subprocess.Popen([*worker, *local], stdout=log, stderr=log))
        yield address, [process.pid for process in processes[1:]]
    finally:
        for process in processes:
            process.kill()
            process.wait()
        log.close()


def _address(log: Path) -> str:
    for _ in range(600):
        found = re.search(r"tcp://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_dask_gives_the_same_bytes(cluster: tuple[str, list[int]], tmp_path: Path) -> None:
    path = write(tmp_path, GRID)
    assert finish(path, "--dask", cluster[0]) == fs.sweep(path).csv
    assert fs.sweep(path, dask=cluster[0]).csv == fs.sweep(path).csv


def test_a_worker_killed_in_the_middle_costs_nothing(cluster: tuple[str, list[int]], tmp_path: Path) -> None:
    address, workers = cluster
    path, folder = write(tmp_path, SLOW.replace("count: 24", "count: 60")), tmp_path / "out"
    process = start(path, "--dask", address, "-o", folder)
    while len(points_in(folder)) < 5 and process.poll() is None:
        time.sleep(0.01)
    os.kill(workers[0], signal.SIGKILL)
    kept = len(points_in(folder))
    _, err = process.communicate()
    assert kept < 60, "the sweep was over before the worker was killed"
    assert process.returncode == 0, err
    assert (folder / "sweep.csv").read_text() == fs.sweep(path).csv
