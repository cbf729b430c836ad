"""What training steps cost to simulate: Llama 3 405B in servers of eight GPUs, from 1,024 to 524,288 of them.

    python benchmarks/training.py [RUNS]

CPU-seconds and peak memory of whole processes, from a scenario's text to its result, median of RUNS (3).
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys

SIZES = ((8, 4, 4), (64, 8, 2), (64, 8, 16), (64, 8, 128))
"""Servers of a group, groups of a block, blocks."""

ONE = """
import resource, sys
from fabricsim.run import run
from fabricsim.scenario import parse_scenario
servers, groups, blocks = map(int, sys.argv[1:])
(result,) = run(parse_scenario({
    "schema": "fabricsim/1",
    "topology": {"name": "server-stacking", "set": {"servers": servers, "groups": groups, "blocks": blocks}},
    "engine": "flow",
    "workload": [{"name": "step", "train": "llama3-405b", "parallel": {"tp": 8, "pp": 16, "zero": 1},
                  "micro_batches": 16, "sequence": 8192, "efficiency": "50 %"}],
}))
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, result.metrics["messages"], result.metrics["mfu"])
"""


def main(runs: int) -> None:
    """Measure, and print a table."""
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, {runs} runs"
    )
    print(f"{'GPUs':>9} {'CPU-s':>8} {'peak MiB':>9} {'messages':>12} {'MFU':>7}")
    for size in SIZES:
        command = [sys.executable, "-c", ONE, *map(str, size)]
        rows = [
            subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(runs)
        ]
        cpu, peak, messages, mfu = zip(*(map(float, row.split()) for row in rows), strict=True)
        gpus = 8 * size[0] * size[1] * size[2]
        print(
            f"{gpus:>9,} {statistics.median(cpu):8.2f} {max(peak):9.0f} {messages[0]:>12,.0f} {mfu[0]:7.2%}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
