"""How far flow is from packets: completion times of both over a grid, as the table that docs/flow.md shows.

Run it with `python benchmarks/flow_against_packet.py`. It takes some ten seconds; the figures are the same on every
machine, and a test compares them with the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import fabricsim as fs
from fabricsim.collectives import Collective
from fabricsim.topology import resolve
from fabricsim.units import parse_size

LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}


@dataclass(frozen=True)
class Case:
    """One line: a machine, what runs on it, how it is routed, and the packets' model where it is not the plain one."""

    name: str
    shape: dict[str, Any]
    work: Any
    routing: str = "minimal"
    model: fs.Model | None = None


def collective(kind: str, algorithm: str, size: str) -> Collective:
    return Collective(kind, parse_size(size), algorithm)


def exchange(size: str) -> Collective:
    return collective("all-to-all", "direct", size)


def uniform(load: float) -> Any:
    return fs.uniform("64 KiB", load=load, duration="50 us")


RING, MESH, STAR = (
    {"shape": "ring", "size": 8},
    {"shape": "full-mesh", "size": 8},
    {"shape": "star", "size": 16},
)
TORUS, CLOS = {"shape": "torus", "size": [4, 4]}, {"shape": "fat-tree", "k": 4}
HALVING = collective("all-reduce", "halving-doubling", "64 MiB")
CREDITS = fs.Model(buffer=65_536, flow_control="credits", cell=64)
CASES = [
    Case("ring of 8, ring all-reduce, 4 MiB a message", RING, collective("all-reduce", "ring", "32 MiB")),
    Case("full mesh of 8, direct all-to-all, 4 MiB a message", MESH, exchange("32 MiB")),
    Case("star of 16, halving-doubling all-reduce, 64 MiB", STAR, HALVING),
    Case("star of 16, all-to-all, 256 KiB a message", STAR, exchange("4 MiB")),
    Case("star of 16, all-to-all, 4 KiB a message", STAR, exchange("64 KiB")),
    Case("star of 16, all-to-all, 256 B a message", STAR, exchange("4 KiB")),
    Case("star of 16, incast of 15, 256 KiB", STAR, fs.incast("256 KiB", fan_in=15, target=0)),
    Case("the same with 64 KiB of buffer and credits", STAR, fs.incast("256 KiB", fan_in=15, target=0), model=CREDITS),
    Case("torus 4×4, all-to-all, 256 KiB a message", TORUS, exchange("4 MiB")),
    Case("torus 4×4, all-to-all, 256 KiB a message, spray", TORUS, exchange("4 MiB"), "spray"),
    Case("torus 4×4, tornado, 1 MiB", TORUS, fs.tornado("1 MiB")),
    Case("fat tree of 16, permutation, 1 MiB, spray", CLOS, fs.permutation("1 MiB"), "spray"),
    Case("fat tree of 16, permutation, 1 MiB, ECMP", CLOS, fs.permutation("1 MiB"), "ecmp"),
    Case("fat tree of 16, all-to-all, 256 KiB a message, ECMP", CLOS, exchange("4 MiB"), "ecmp"),
    Case("fat tree of 16, uniform at load 0.5, 64 KiB, ECMP", CLOS, uniform(0.5), "ecmp"),
    Case("fat tree of 16, uniform at load 0.9, 64 KiB, ECMP", CLOS, uniform(0.9), "ecmp"),
]  # fmt: skip


def differences() -> Iterator[tuple[str, float, float]]:
    """Yield each case with flow over packet, minus one: of the completion time, and of the mean message latency."""
    for case in CASES:
        fabric = resolve({**case.shape, "link": LINK})
        flow = fs.simulate(fabric, case.work, routing=case.routing, engine="flow", seed=1)
        packet = fs.simulate(
            fabric, case.work, routing=case.routing, engine="packet", model=case.model or fabric.model, seed=1
        )
        yield (
            case.name,
            *(flow.metrics[m] / packet.metrics[m] - 1 for m in ("completion_time_s", "latency_mean_s")),
        )


def main() -> None:
    """Print the table."""
    print("| case | completion time | mean latency |\n|---|---|---|")
    for name, completion, latency in differences():
        print(f"| {name} | {100 * completion:+.2f} % | {100 * latency:+.1f} % |", flush=True)


if __name__ == "__main__":
    main()
