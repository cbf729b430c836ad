"""What a look at a machine costs: CPU seconds (median of three) and peak memory of inspect, cable lists and diff.

Each task runs in a process of its own, so that its peak memory is its own; building the machine is not counted in the
seconds. Run: python benchmarks/inspection.py
"""

import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPEATS = 3
TASKS = [
    ("inspect", "cloudmatrix384"),
    ("inspect", "atlas950-superpod"),
    ("cables", "atlas950-superpod"),
    ("verify", "atlas950-superpod"),
    ("diff", "atlas950-superpod"),
    ("inspect", "atlas960-superpod"),
    ("inspect", "atlas960-supercluster"),
]


def task(what: str, fabric: Any, file: Path) -> Callable[[], object]:
    """Return the call that is measured."""
    from fabricsim.inspection import inspect
    from fabricsim.inspection.cabling import miscabled, read_ends, write_cables
    from fabricsim.inspection.diff import Side, diff

    if what == "verify":
        write_cables(fabric, file)
    side = Side("A", fabric, {})
    return {
        "inspect": lambda: inspect(fabric),
        "cables": lambda: write_cables(fabric, file),
        "verify": lambda: miscabled(fabric, read_ends(file)),
        "diff": lambda: diff(side, side),
    }[what]


def measure(what: str, name: str) -> str:
    """Run one task here; return a row: NPUs, links, CPU seconds, peak memory [MiB]."""
    from fabricsim.topology import load_topology

    fabric = load_topology(name)
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        call = task(what, fabric, Path(folder, "cables.csv"))
        for _ in range(1 if fabric.ranks > 100_000 else REPEATS):
            start = time.process_time()
            call()
            seconds.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = f"{fabric.ranks:>9} {fabric.link_count:>9}"
    return f"{what:<8} {name:<22} {counts} {statistics.median(seconds):>7.2f} {peak:>8.0f}"


def main() -> None:
    """Print the machine this runs on, and one row for each task."""
    print(f"Python {platform.python_version()} on {platform.machine()}, {platform.system()}")
    print(f"{'task':<8} {'machine':<22} {'NPUs':>9} {'links':>9} {'CPU s':>7} {'peak MiB':>8}", flush=True)
    for words in TASKS:
        subprocess.run([sys.executable, __file__, *words], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(*sys.argv[1:]))
    else:
        main()
