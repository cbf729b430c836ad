"""Speed of the SimPy packet kernel: packet-hops per CPU-second on a permutation over a k = 8 fat tree.

Run it with `python benchmarks/packet_simpy.py`. It prints the machine, the work and the median of several runs,
in CPU-seconds (user + system) of the kernel alone and of the whole call with routing and result tables.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import numpy

import fabricsim as fs
from fabricsim.engines.packet import simulate_packets
from fabricsim.failures import compile_failures
from fabricsim.routing import Routing, routes
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
        hops = int(simulate_packets(fabric, schedule, paths, failures, fabric.model).channel_packets.sum())

        def kernel(paths: object = paths) -> object:
            return simulate_packets(fabric, schedule, paths, failures, fabric.model)  # type: ignore[arg-type]

        def whole(policy: str = policy) -> object:
            return fs.simulate(fabric, schedule, routing=policy, seed=1)

        for name, work in (("kernel", kernel), ("whole call", whole)):
            median = statistics.median(cpu_seconds(work) for _ in range(options.runs))
            print(
                f"{policy:<6} {name:<11} {hops:>9,} packet-hops  {median:6.3f} CPU-s  {hops / median:>9,.0f} hops/CPU-s"
            )


if __name__ == "__main__":
    main()
