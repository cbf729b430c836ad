"""Linearity of training steps from 64 to a million NPUs: servers against supernodes, one device, equal work for each.

    python benchmarks/scale.py [NPUS …]

Each point is a process of its own; CPU-seconds and peak memory are of it, from a scenario's text to its result.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from typing import Any

STACKS = {
    64: {"servers": 8, "groups": 1, "blocks": 1},
    1_024: {"servers": 16, "groups": 4, "blocks": 2},
    16_384: {"servers": 64, "groups": 8, "blocks": 4},
    131_072: {"servers": 64, "groups": 8, "blocks": 32},
    524_288: {"servers": 64, "groups": 8, "blocks": 128},
    1_048_576: {"servers": 128, "groups": 16, "blocks": 64, "switch": "switch-256x400g"},
}
MODELS = {
    "gpt3-175b": {"tp": 8, "pp": 8, "zero": 1},
    "pangu-pro-moe": {"tp": 4, "pp": 4, "ep": 16, "zero": 1},
}
ONE = """
import json, resource, sys
from fabricsim.run import run
from fabricsim.scenario import parse_scenario
(result,) = run(parse_scenario(json.loads(sys.argv[1])))
usage = resource.getrusage(resource.RUSAGE_SELF)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, result.metrics["mfu"])
"""


def machine(kind: str, npus: int) -> dict[str, Any]:
    """Return the topology of so many NPUs, as a scenario names it."""
    if kind == "servers":
        return {"name": "server-stacking", "set": STACKS[npus]}
    if npus <= 8192:
        return {"name": "atlas950-superpod", "set": {"cabinets": npus // 64}}
    return {"name": "atlas950-supercluster", "set": {"pods": npus // 8192}}


def point(kind: str, npus: int, model: str) -> tuple[float, float, float]:
    """Return CPU-seconds, peak memory [MiB] and MFU of one step."""
    step = {
        "name": "step", "train": model, "parallel": MODELS[model], "micro_batches": 16, "sequence": 4096,
        "efficiency": "50 %", "peak": "989 TFLOP/s",
    }  # fmt: skip
    document = {
        "schema": "fabricsim/1",
        "topology": machine(kind, npus),
        "engine": "flow",
        "workload": [step],
    }
    command = [sys.executable, "-c", ONE, json.dumps(document)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    cpu, peak, mfu = map(float, found.split())
    return cpu, peak, mfu


def main(sizes: list[int]) -> None:
    """Measure, and print a table."""
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    print(f"{'model':<15}{'machine':<12}{'NPUs':>10}{'MFU':>9}{'linearity':>11}{'CPU-s':>8}{'MiB':>8}")
    for model in MODELS:
        for kind in ("servers", "supernodes"):
            base = point(kind, 64, model)[2]
            for npus in sizes:
                cpu, peak, mfu = point(kind, npus, model)
                print(
                    f"{model:<15}{kind:<12}{npus:>10,}{mfu:>9.2%}{mfu / base:>11.2%}{cpu:>8.1f}{peak:>8.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or list(STACKS))
