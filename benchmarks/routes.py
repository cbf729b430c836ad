"""What routes cost: machine, flows, CPU-seconds (median of three), flows per second, peak memory.

    python benchmarks/routes.py            # a few minutes and 7 GiB: the largest machine is among them
    python benchmarks/routes.py --small    # under a minute

Three tables: one path for each of about a million flows; blocks of an all-to-all by one `Router`; shares of sprayed
flows. Building the machine is not counted, finding out what kind of machine it is is.
"""

from __future__ import annotations

import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from fabricsim.fabric import Fabric
from fabricsim.routing import Router, Routing, shares
from fabricsim.routing.paths import arithmetic
from fabricsim.topology import load_topology, resolve

FLOWS = 1 << 20
FAT_TREE = {"shape": "fat-tree", "k": 64, "link": {"bandwidth": "50 GB/s", "latency": "500 ns"}}
SMALL = ["atlas950-superpod", FAT_TREE, "tpu-v4", "ub-mesh-pod"]
LARGE = ["atlas960-supercluster"]


def permutations(ranks: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    rounds = -(-FLOWS // ranks)
    src = np.tile(np.arange(ranks), rounds)
    dst = np.concatenate([(np.arange(ranks) + rng.integers(1, ranks)) % ranks for _ in range(rounds)])
    return src[:FLOWS], dst[:FLOWS]


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def row(fabric: Fabric, what: str, flows: int, work: Callable[[], object]) -> None:
    cpu = seconds(work)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    known = arithmetic(fabric)
    by = type(known).__name__.lower() if known else "search"
    machine = f"{fabric.name:<22} {fabric.ranks:>7}"
    print(f"{machine} {what:<26} {by:<8} {flows:>8} {cpu:>7.2f} {flows / cpu / 1e6:>7.2f} {peak:>6.2f}")


def measure(fabric: Fabric) -> None:
    src, dst = permutations(fabric.ranks)
    message = np.arange(FLOWS)
    for policy in ("minimal", "ecmp"):
        routing = Routing(policy)
        row(
            fabric,
            f"permutations, {policy}",
            FLOWS,
            lambda of=routing: Router(fabric, of).paths(src, dst, message),
        )
    if fabric.ranks > 1 << 16:
        return
    router = Router(fabric, Routing("ecmp"))
    pairs = np.arange(FLOWS) + fabric.ranks  # from rank 1 on
    a, b = pairs // fabric.ranks % fabric.ranks, pairs % fabric.ranks
    row(fabric, "block of all-to-all, ecmp", FLOWS, lambda: router.paths(a, b, message))
    few = min(fabric.ranks, 2048)
    row(fabric, "shares, spray", few, lambda: shares(fabric, src[:few], dst[:few], Routing("spray")))


def main() -> None:
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__} on {platform.machine()}, {platform.system()}"
    )
    print(
        f"{'machine':<22} {'NPUs':>7} {'work':<26} {'by':<8} {'flows':>8} {'CPU s':>7} {'M/s':>7} {'GiB':>6}"
    )
    for spec in SMALL + ([] if "--small" in sys.argv else LARGE):
        measure(load_topology(spec) if isinstance(spec, str) else resolve(spec))


if __name__ == "__main__":
    main()
