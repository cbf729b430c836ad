"""What the flow engine costs: CPU-seconds and peak memory of whole processes, from a scenario's text to its result.

Run it with `python benchmarks/flow.py`, or with the numbers of some rows. It prints the machine, and for every row its
median over `--runs`, and at the end the exponent of cost against flows: from the all-to-alls on fat trees, by least
squares.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass

import numpy

HEAD = "import sys, time, json\nimport numpy as np\nimport fabricsim as fs\nfrom fabricsim.run import run\n"
SCENARIO = """
from fabricsim.scenario import parse_scenario
result, = run(parse_scenario('''schema: fabricsim/1
engine: flow
{text}'''))
"""
FAT_TREE = "{{shape: fat-tree, k: {k}, link: {{bandwidth: 50 GB/s, latency: 500 ns}}}}"
MISSING = """
from fabricsim.topology import load_topology
whole = load_topology("atlas950-superpod")
down = np.random.default_rng(1).choice(whole.link_count, {count}, replace=False)
result = fs.simulate(whole.without(down), fs.all_to_all("512 MiB"), engine="flow")
"""
POISSON = """
from fabricsim.schedule import Operation, Round
from fabricsim.topology import resolve
fabric = resolve({{"shape": "fat-tree", "k": 16, "link": {{"bandwidth": "50 GB/s", "latency": "500 ns"}}}})
n, mean, rng = {count}, 1e6, np.random.default_rng(1)
at = np.cumsum(rng.exponential(mean / (0.5 * fabric.ranks * 50e9), n))
size = np.maximum(1, rng.exponential(mean, n)).astype(int)
src = rng.integers(fabric.ranks, size=n)
dst = (src + rng.integers(1, fabric.ranks, size=n)) % fabric.ranks
op = Operation("p", "uniform", "", np.arange(fabric.ranks), (Round(src, dst, size, delay=at),), 10**6, 10**6)
result = fs.simulate(fabric, op, engine="flow", routing="ecmp", kernel="{kernel}", quantum="{quantum}")
"""


@dataclass(frozen=True)
class Row:
    """One line of the table: what runs, the Python that runs it, and what it may cost."""

    name: str
    code: str
    most_cpu_s: float | None = None
    flows: int | None = None


def scenario(name: str, text: str, most: float | None = None, flows: int | None = None) -> Row:
    return Row(name, HEAD + SCENARIO.format(text=text), most, flows)


def all_to_all(k: int, most: float | None = None, kernel: str = "numpy") -> Row:
    hosts = k**3 // 4
    text = (
        f"topology: {FAT_TREE.format(k=k)}\nrouting: {{policy: ecmp}}\nkernel: {kernel}\n"
        f"workload: [{{name: a, collective: all-to-all, algorithm: direct, size: {hosts} MiB}}]"
    )
    return scenario(f"all-to-all, fat tree, {hosts} hosts, ECMP, {kernel}", text, most, hosts * (hosts - 1))


def every_flow_listed(kernel: str, most: float) -> Row:
    text = (
        f"topology: atlas950-superpod\nrouting: {{policy: ecmp}}\nkernel: {kernel}\n"
        "workload: [{name: a, collective: all-to-all, algorithm: direct, size: 512 MiB}]"
    )
    return scenario(f"all-to-all, atlas950-superpod, 67,100,672 flows, ECMP, {kernel}", text, most)


def poisson(kernel: str, quantum: str, most: float, count: int = 100_000) -> Row:
    code = HEAD + POISSON.format(count=count, kernel=kernel, quantum=quantum)
    return Row(f"{count:,} Poisson flows, load 0.5, {kernel}, quantum {quantum}", code, most)


RING = "workload: [{{name: a, collective: all-reduce, algorithm: ring, size: {size}}}]"
HIERARCHICAL = "workload: [{name: a, collective: all-reduce, algorithm: hierarchical, size: 16 GiB}]"
CHOICE = "tokens: 4096, top_k: 8, group: 7744, experts: 7744, level: cabinet"
EXPERTS = f"""workload:
  - {{name: there, pattern: moe-dispatch, size: 7 KiB, {CHOICE}}}
  - {{name: back, after: [there], pattern: moe-combine, size: 14 KiB, {CHOICE}}}"""
DOWN = """
failures:
  - {at: 0 s, link: [cluster/pod5/row1/cabinet7/leaf0, cluster/pod5/row1/agg0-7]}
  - {at: 0 s, node: cluster/pod9/row0/agg1-20}
recovery: {reroute: recompute}
"""
ROWS = [
    all_to_all(4),
    all_to_all(8, 1.5),
    all_to_all(10, 1.5),
    all_to_all(16, 5.0),
    all_to_all(16, 5.0, "numba"),
    scenario(
        "all-to-all by symmetry, atlas950-superpod, 8,192 NPUs",
        "topology: atlas950-superpod\nworkload: [{name: a, collective: all-to-all, algorithm: direct, size: 512 MiB}]",
        3.0,
    ),
    Row("the same, one random link down", HEAD + MISSING.format(count=1), 3.0),
    Row("the same, eight random links down", HEAD + MISSING.format(count=8), 3.0),
    scenario(
        "ring all-reduce, 4,096 ranks",
        "topology: {shape: ring, size: 4096, link: {bandwidth: 50 GB/s, latency: 500 ns}}\n"
        + RING.format(size="1 GiB"),
        2.0,
    ),
    scenario(
        "ring all-reduce, atlas960-supercluster, 991,232 ranks",
        "topology: atlas960-supercluster\n" + RING.format(size="16 GiB"),
        40.0,
    ),
    scenario(
        "hierarchical all-reduce, atlas960-supercluster, 991,232 NPUs",
        "topology: atlas960-supercluster\n" + HIERARCHICAL,
        60.0,
    ),
    scenario(
        "the same, one optical link and one switch down",
        "topology: atlas960-supercluster\n" + HIERARCHICAL + DOWN,
        60.0,
    ),
    scenario(
        "experts there and back, the same, the same down",
        "topology: atlas960-supercluster\n" + EXPERTS + DOWN,
        60.0,
    ),
    scenario(
        "hierarchical all-reduce, atlas950-supercluster, 524,288 NPUs",
        "topology: atlas950-supercluster\n" + HIERARCHICAL,
        60.0,
    ),
    poisson("numba", "0 s", 60.0),
    poisson("numpy", "0 s", 300.0),
    poisson("numba", "4.3 us", 12.0),
    poisson("numpy", "4.3 us", 60.0),
    every_flow_listed("numba", 20.0),
    every_flow_listed("numpy", 60.0),
]  # fmt: skip
"""4.3 us are 0.1 % of what the Poisson flows take. The rows of the Poisson flows and of 67 million take minutes."""


def measured(row: Row) -> tuple[float, float]:
    """Return CPU-seconds and peak resident MB of a process that runs one row."""
    process = subprocess.Popen([sys.executable, "-c", row.code], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{row.name} ended with status {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def exponent(points: list[tuple[int, float]]) -> float:
    """Return the slope of log cost against log flows, by least squares."""
    logs = numpy.log(numpy.array(points, float))
    return float(numpy.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def main() -> None:
    """Print the machine and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", type=int, help="numbers of the rows to run; all if none is named")
    parser.add_argument("--runs", type=int, default=1, help="runs to take the median of")
    options = parser.parse_args()
    versions = f"Python {platform.python_version()}, NumPy {numpy.__version__}"
    print(f"machine  {platform.machine()}, {os.cpu_count()} CPUs, {versions}")
    empty, _ = measured(Row("nothing", HEAD))
    print(f"a process that only imports takes {empty:.2f} CPU-s, which every figure contains")
    points = []
    for number, row in enumerate(ROWS):
        if options.rows and number not in options.rows:
            continue
        runs = [measured(row) for _ in range(options.runs)]
        cpu, memory = (statistics.median(column) for column in zip(*runs, strict=True))
        if row.flows and "numpy" in row.name:
            points.append((row.flows, cpu - empty))
        wanted = f" (at most {row.most_cpu_s:g})" if row.most_cpu_s else ""
        print(f"{number:>2}  {row.name:<62} {cpu:8.2f} CPU-s{wanted:<15} {memory:8.0f} MB", flush=True)
    big = [(flows, cpu) for flows, cpu in points if flows > 10_000 and cpu > 0]
    if len(big) > 1:
        low, high = big[0][0], big[-1][0]
        bound = 1 + math.log(math.log(high) / math.log(low)) / math.log(high / low)
        print(f"cost grows with flows to the power {exponent(big):.2f}; N log N would be {bound:.2f}")


if __name__ == "__main__":
    main()
