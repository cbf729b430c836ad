"""Speed of the packet kernels: packet-hops per CPU-second on a permutation over a fat tree.

Run it with `python benchmarks/packet.py`. It prints the machine, the work and the median of several runs,
in CPU-seconds (user + system) of the kernel alone and of the whole call with routing and result tables.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy

import fabricsim as fs
from fabricsim.engines import PACKET_KERNELS
from fabricsim.failures import compile_failures
from fabricsim.routing import Routes, Routing, routes
from fabricsim.run import schedule_of
from fabricsim.topology import resolve

LINK = {"bandwidth": "400 Gbit/s", "latency": "350 ns"}


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU-seconds that one call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print the machine, the work and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--k", type=int, default=8, help="ports of a switch of the fat tree")
    parser.add_argument("--size", default="1 MB", help="payload of a flow")
    parser.add_argument("--runs", type=int, default=5, help="runs to take the median of")
    parser.add_argument("--kernels", default="simpy,numpy", help="which kernels, with commas")
    options = parser.parse_args()

    fabric = resolve({"shape": "fat-tree", "k": options.k, "link": LINK})
    schedule = schedule_of(fabric, fs.permutation(options.size), seed=1)
    failures = compile_failures(fabric, ())
    print(f"machine  {platform.machine()}, Python {platform.python_version()}, NumPy {numpy.__version__}")
    print(
        f"work     permutation of {options.size} on {fabric.ranks} hosts, 4 KiB packets, 400 Gbit/s, 350 ns"
    )
    for policy in ("spray", "ecmp"):
        paths = routes(fabric, schedule.messages, Routing(policy), fabric.model, 1)
        for kernel in options.kernels.split(","):
            simulate = PACKET_KERNELS[kernel]
            hops = int(simulate(fabric, schedule, paths, failures, fabric.model).channel_packets.sum())

            def alone(simulate: Any = simulate, paths: Routes = paths) -> object:
                return simulate(fabric, schedule, paths, failures, fabric.model)

            def whole(policy: str = policy, kernel: str = kernel) -> object:
                return fs.simulate(fabric, schedule, routing=policy, seed=1, kernel=kernel)

            for name, work in (("kernel", alone), ("whole call", whole)):
                median = statistics.median(cpu_seconds(work) for _ in range(options.runs))
                figures = f"{hops:>10,} packet-hops  {median:7.3f} CPU-s  {hops / median:>10,.0f} hops/CPU-s"
                print(f"{policy:<6} {kernel:<6} {name:<11} {figures}")


if __name__ == "__main__":
    main()
