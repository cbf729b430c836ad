"""Speed and memory of the packet kernels: packet-hops per CPU-second, of the kernel alone and of the whole run.

Run it with `python benchmarks/kernels.py`: it prints the machine, each work, and the median of several runs in
CPU-seconds (user + system). By default the works are small enough for a minute; `--full` takes those of the table in
docs/kernels.md, which need some minutes and 2 GB. Every figure is taken in a process of its own, so that peak memory
is its own. `--kernels simpy` adds the event loop.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy

import fabricsim as fs
from fabricsim.engines import PACKET_KERNELS
from fabricsim.engines.kernels import compiled
from fabricsim.fabric import Fabric
from fabricsim.failures import compile_failures
from fabricsim.model import Ecn, Model, Sender
from fabricsim.provenance import peak_rss
from fabricsim.routing import Routing, routes
from fabricsim.run import Workload, schedule_of
from fabricsim.topology import resolve

LINK = {"bandwidth": "400 Gbit/s", "latency": "350 ns"}
CREDITS = Model(buffer=131_072, cell=64)
"""Finite buffers of 128 KiB at each channel's far end."""
MARKS = Model(ecn=Ecn(50_000, 200_000, 1.0), sender=Sender("dctcp", window=262_144))
"""Senders with a window of 256 KiB that marks make smaller, and acknowledgements."""


@dataclass(frozen=True)
class Work:
    """What is run: a shape, a workload of one size or, with --full, of another, and a routing policy."""

    name: str
    small: dict[str, Any]
    full: dict[str, Any]
    load: Callable[[str], Workload]
    sizes: tuple[str, str]
    policy: str
    model: Model = field(default_factory=Model)


def _fat_tree(k: int) -> dict[str, Any]:
    return {"shape": "fat-tree", "k": k}


def _torus(side: int) -> dict[str, Any]:
    return {"shape": "torus", "size": [side, side, side]}


def _ring(size: str) -> Workload:
    return fs.all_reduce(size, algorithm="ring")


WORKS = {
    work.name: work
    for work in (
        Work("reference", _fat_tree(8), _fat_tree(8), fs.permutation, ("1 MB", "1 MB"), "ecmp"),
        Work("permutation", _fat_tree(16), _fat_tree(32), fs.permutation, ("2 MB", "2 MB"), "spray"),
        Work("all-to-all", _fat_tree(8), _fat_tree(16), fs.all_to_all, ("8 MiB", "16 MiB"), "spray"),
        Work("torus", _torus(8), _torus(16), fs.permutation, ("1 MB", "2 MB"), "minimal"),
        Work("credits", _fat_tree(8), _fat_tree(16), fs.permutation, ("1 MB", "2 MB"), "spray", CREDITS),
        Work("windows", _fat_tree(8), _fat_tree(16), fs.permutation, ("1 MB", "2 MB"), "spray", MARKS),
        Work("ring", {"shape": "ring", "size": 64}, _fat_tree(8), _ring, ("8 MiB", "64 MiB"), "spray"),
    )
}


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU-seconds that one call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(work: Work, how: str, full: bool, runs: int) -> dict[str, float]:
    """Return the packet-hops, the median CPU-seconds of the kernel and of the whole run, and the peak memory [B]."""
    fabric = resolve({**(work.full if full else work.small), "link": LINK})
    schedule = schedule_of(fabric, work.load(work.sizes[full]), seed=1)
    kernel = "simpy" if how == "simpy" else "numpy"
    compiled.WORTHWHILE = 0 if how == "numba" else sys.maxsize  # type: ignore[misc]

    def whole() -> fs.Result:
        return fs.simulate(
            fabric, schedule, engine="packet", routing=work.policy, model=work.model, seed=1, kernel=kernel
        )

    if how == "numba":
        _warm_up(work)
    hops = int(whole().metrics["packet_hops"])
    memory = peak_rss()  # of one whole run, before the others
    total = statistics.median(cpu_seconds(whole) for _ in range(runs))
    paths = routes(fabric, schedule.messages, Routing(work.policy), work.model, 1)
    healthy = compile_failures(fabric, ())

    def alone() -> object:
        return PACKET_KERNELS[kernel](fabric, schedule, paths, healthy, work.model, 1)

    return {
        "hops": hops,
        "kernel": statistics.median(cpu_seconds(alone) for _ in range(runs)),
        "whole": total,
        "memory": memory,
    }


def _warm_up(work: Work) -> None:
    """Compile before the clock starts."""
    fabric: Fabric = resolve({"shape": "star", "size": 4, "link": LINK})
    fs.simulate(fabric, fs.permutation("64 kB"), routing=work.policy, model=work.model, kernel="numpy")


def main() -> None:
    """Print the machine, the works and the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--full", action="store_true", help="the works of the table, some 25 million packet-hops each"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs to take the median of")
    parser.add_argument("--works", default=",".join(WORKS), help="which works, with commas")
    parser.add_argument(
        "--kernels", help="simpy, numpy, numba, with commas; simpy too on the reference if absent"
    )
    parser.add_argument("--json", nargs=2, metavar=("WORK", "KERNEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.json:
        print(json.dumps(measure(WORKS[options.json[0]], options.json[1], options.full, options.runs)))
        return
    numba = version("numba") if compiled.installed() else "absent"
    print(
        f"machine  {platform.machine()}, Python {platform.python_version()}, NumPy {numpy.__version__}, Numba {numba}"
    )
    print("work     4 KiB packets, 400 Gbit/s, 350 ns a link, store-and-forward")
    print(f"{'':<28}{'packet-hops':>13}{'kernel':>10}{'whole run':>11}  million hops a CPU-second{'peak':>8}")
    for name in options.works.split(","):
        kernels = options.kernels or ("simpy,numpy" if name == "reference" else "numpy,numba")
        for how in kernels.split(","):
            _print_row(name, how, options.full, options.runs)


def _print_row(name: str, how: str, full: bool, runs: int) -> None:
    work = WORKS[name]
    command = [
        sys.executable,
        __file__,
        "--json",
        name,
        how,
        "--runs",
        str(runs),
        *(["--full"] if full else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    f = json.loads(done.stdout)
    shape = work.full if full else work.small
    label = f"{name}, {shape['shape']} {shape.get('k') or shape['size']}, {how}".replace("[", "").replace(
        "]", ""
    )
    rates = f"{f['hops'] / f['kernel'] / 1e6:8.2f} kernel {f['hops'] / f['whole'] / 1e6:6.2f} whole"
    print(
        f"{label:<36}{f['hops']:>13,}{f['kernel']:>8.2f} s{f['whole']:>8.2f} s {rates:>25}{f['memory'] / 1e9:>6.2f} GB",
        flush=True,
    )


if __name__ == "__main__":
    main()
