"""What it costs to build a machine: CPU seconds and peak memory against NPUs, for three machines and a shape.

Each build runs in a process of its own, so that its peak memory is its own. Run: python benchmarks/topology_build.py
"""

import platform
import resource
import subprocess
import sys
import time
from ast import literal_eval

MACHINES = {
    "atlas960-supercluster": [{"pods": pods} for pods in (1, 4, 16, 64)],
    "atlas950-superpod": [{"cabinets": cabinets} for cabinets in (16, 32, 64, 128)],
    "fat-tree": [{"k": k} for k in (16, 32, 64)],
    "tpu-v4": [{"x": side, "y": side, "z": side} for side in (8, 16, 32, 64)],
}


def measure(name: str, settings: dict[str, int]) -> str:
    """Build one machine here; return a row: NPUs, switches, links, CPU seconds, peak memory [MiB]."""
    from fabricsim.topology import SHAPES, load_topology, resolve

    start = time.process_time()
    if name in SHAPES:
        fabric = resolve({"shape": name, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}, **settings})
    else:
        fabric = load_topology(name, **settings)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = f"{fabric.ranks:>9} {fabric.switches:>9} {fabric.link_count:>9}"
    return f"{name:<22} {counts} {seconds:>7.2f} {peak:>8.0f}"


def main() -> None:
    """Print the machine this runs on, and one row for each build."""
    print(f"Python {platform.python_version()} on {platform.machine()}, {platform.system()}")
    print(f"{'machine':<22} {'NPUs':>9} {'switches':>9} {'links':>9} {'CPU s':>7} {'peak MiB':>8}")
    for name, steps in MACHINES.items():
        for settings in steps:
            subprocess.run([sys.executable, __file__, name, repr(settings)], check=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(sys.argv[1], literal_eval(sys.argv[2])))
    else:
        main()
