"""What a sweep costs beside its points: a thousand small ones, on one process and on two.

    python benchmarks/sweep.py [POINTS]

CPU-seconds of all processes, so that other work on the machine does not count. `share` is the part of them that
one process spends on the same points without a sweep: what two cores can give at most, as a share of twice one.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path

import fabricsim as fs
from fabricsim.code_version import code_version
from fabricsim.sweeps.point import evaluate

SCENARIO = {
    "schema": "fabricsim/1",
    "topology": {"shape": "ring", "size": 16, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}},
    "workload": [{"name": "ar", "collective": "all-reduce", "algorithm": "ring", "size": "1 MiB"}],
}


def cpu() -> float:
    """Return the CPU-seconds of this process and of all that worked for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime + of_workers()


def of_workers() -> float:
    """Return the CPU-seconds of the server that workers are forked from, and of those that have ended (Linux)."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is None:
        return 0.0
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def main(points: int) -> None:
    """Measure, and print a table."""
    from fabricsim.scenario import parse_scenario

    scenario = parse_scenario(SCENARIO).replace(sweep={"seed": list(range(points))})
    evaluate(scenario.points()[0], code_version())  # imports and compiled code are paid for before
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, {points} points"
    )
    start = cpu()
    for point in scenario.points():
        evaluate(point, code_version())
    alone = cpu() - start
    print(f"{'points alone':<28} {alone:8.2f} CPU-s")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            start, wall = cpu(), time.perf_counter()
            fs.sweep(scenario, workers=workers, folder=Path(folder) / "out")
            spent, wall = cpu() - start, time.perf_counter() - wall
        name = f"sweep, {workers} worker{'s' * (workers > 1)}, stored"
        print(f"{name:<28} {spent:8.2f} CPU-s  share {alone / spent:5.1%}  ({wall:.1f} s on the clock)")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory of this process: {peak / 1024:.0f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
