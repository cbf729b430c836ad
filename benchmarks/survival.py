"""What an N−1 sweep costs: CPU-seconds for every link, switch, plane, NPU and cabinet of an Atlas 950 SuperPoD."""

import platform
import resource
import time

import numpy as np

import fabricsim as fs
from fabricsim.scenario import parse_scenario

SCENARIO = """
schema: fabricsim/1
topology: atlas950-superpod
engine: flow
workload:
  - {{name: a, collective: {kind}, algorithm: {algorithm}, size: 512 MiB}}
"""


def measure(kind: str, algorithm: str, parts: list[str]) -> None:
    scenario = parse_scenario(SCENARIO.format(kind=kind, algorithm=algorithm))
    begin = time.process_time()
    found = fs.survive(scenario, parts=parts, metric="a.busbw")
    cpu = time.process_time() - begin
    runs = sum(len(one.losses) for one in found.classes)
    print(
        f"{kind:>10}, {', '.join(parts)}: {found.metrics['n_minus_1_parts']:,} parts, {len(found.classes)} classes, "
        f"{runs:>3} runs {cpu:7.1f} CPU-s  worst {found.worst.worst.kept:.3f} ({found.worst.label})"
    )


if __name__ == "__main__":
    print(f"machine  {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    measure("all-to-all", "direct", ["link", "switch", "plane", "npu", "cabinet"])
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
