"""What a run may cost, and what it is estimated to cost: asked before the first packet moves.

The estimate follows from counts alone, so it is the same on every machine; benchmarks/kernels.py prints what the
machine at hand really does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fabricsim.errors import BudgetError, InputError
from fabricsim.units import format_size, format_time, parse_size, parse_time

HOPS_PER_CPU_SECOND: Final[Mapping[str, float]] = {
    "simpy": 200_000.0,
    "simpy, queues": 40_000.0,
    "numpy": 2_000_000.0,
    "numpy, queues": 800_000.0,
}
"""What a whole run reaches, tables included, on a slow day; kernels alone are up to three times faster.

`queues` stands for a network with feedback, where packets wait in queues.
"""

BYTES_PER_PACKET: Final[Mapping[str, float]] = {
    "simpy": 450.0, "simpy, queues": 450.0, "numpy": 250.0, "numpy, queues": 250.0,
}  # fmt: skip
BYTES_PER_HOP: Final[Mapping[str, float]] = {
    "simpy": 0.0, "simpy, queues": 0.0, "numpy": 20.0, "numpy, queues": 60.0,
}  # fmt: skip
"""Peak memory by packet, and by packet and channel, measured on fat trees, tori and a ring over CloudMatrix384."""

FLOWS_PER_CPU_SECOND: Final = 200_000.0
BYTES_PER_FLOW: Final = 700.0
"""Of the flow engine, where flows that start together are solved once."""

LINKS_PER_CPU_SECOND: Final = 1_500_000.0
BYTES_PER_LINK: Final = 140.0
"""Of a machine whose traffic is taken by symmetry: it is built, and identified, link by link."""

BASE_BYTES: Final = 80e6
"""Resident memory of Python and its libraries before anything is built."""


@dataclass(frozen=True)
class Budget:
    """What a run may cost at most: CPU time [s] and memory [B], None where nothing was said."""

    cpu_s: float | None = None
    memory_bytes: int | None = None


def parse_budget(text: str) -> Budget:
    """Return the budget in text such as `60s`, `8GiB` or `60s,8GiB`. Raises InputError for anything else."""
    cpu: float | None = None
    memory: int | None = None
    for part in text.split(","):
        try:
            cpu = parse_time(part)
        except InputError:
            try:
                memory = parse_size(part)
            except InputError:
                right = "write a time, a size or both, as in --budget 60s,8GiB"
                raise InputError(f"{part.strip()!r} is neither a time nor a size", right) from None
    return Budget(cpu, memory)


def estimate(kernel: str, packets: int, hops: int) -> dict[str, float]:
    """Return the estimated CPU-seconds and peak memory [B] of a packet run."""
    return {
        "estimated_cpu_s": round(hops / HOPS_PER_CPU_SECOND[kernel], 3),
        "estimated_memory_B": round(
            BASE_BYTES + packets * BYTES_PER_PACKET[kernel] + hops * BYTES_PER_HOP[kernel]
        ),
    }


def estimate_flows(flows: int) -> dict[str, float]:
    """Return the estimated CPU-seconds and peak memory [B] of a flow run; flows: messages, repeated ones once."""
    return {
        "estimated_cpu_s": round(0.2 + flows / FLOWS_PER_CPU_SECOND, 3),
        "estimated_memory_B": round(BASE_BYTES + flows * BYTES_PER_FLOW),
    }


def estimate_classes(links: int) -> dict[str, float]:
    """Return the estimated CPU-seconds and peak memory [B] of a flow run by symmetry: what the machine's links cost."""
    return {
        "estimated_cpu_s": round(1.0 + links / LINKS_PER_CPU_SECOND, 3),
        "estimated_memory_B": round(BASE_BYTES + links * BYTES_PER_LINK),
    }


def check_budget(budget: Budget, plans: Sequence[Mapping[str, Any]]) -> None:
    """Raise BudgetError if the plans together take longer, or one of them more memory, than the budget allows.

    The message says which share of the packets would fit.
    """
    cpu = sum(plan["estimated_cpu_s"] for plan in plans)
    memory = max(plan["estimated_memory_B"] for plan in plans)
    over = []
    fits = 1.0
    if budget.cpu_s is not None and cpu > budget.cpu_s:
        over.append(f"about {format_time(cpu)} of CPU, {format_time(budget.cpu_s)} are allowed")
        fits = min(fits, budget.cpu_s / cpu)
    if budget.memory_bytes is not None and memory > budget.memory_bytes:
        over.append(f"about {format_size(memory)} of memory, {format_size(budget.memory_bytes)} are allowed")
        fits = min(fits, max(0.0, budget.memory_bytes - BASE_BYTES) / (memory - BASE_BYTES))
    if over:
        fit = f"{fits:.2g} of its packets would fit: make messages smaller, or the mtu larger"
        raise BudgetError(f"the run needs {' and '.join(over)}; {fit if fits else 'nothing would fit'}")
