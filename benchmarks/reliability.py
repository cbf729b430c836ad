"""What histories of a job cost: CPU-seconds for 10,000 quarters of 16,384 NPUs, and 100 of a million."""

import platform
import resource
import statistics
import time

import numpy as np

from fabricsim.reliability import Cause, Checkpoint, Job, simulate_job

HOUR, DAY = 3600.0, 86400.0
NPU_MTBF = 16_384 * 54 * DAY / 419
"""An NPU's share of the 419 interruptions in 54 days on 16,384 GPUs (Llama 3, arXiv 2407.21783)."""


def measure(npus: int, runs: int, checkpoint: Checkpoint, spares: int, repeats: int = 3) -> None:
    job = Job(npus, (Cause("any", npus, NPU_MTBF, 2 * HOUR, 60.0),), checkpoint, "spare", spares)
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        outcome = simulate_job(job, 90 * DAY, runs=runs)
        times.append(time.process_time() - begin)
    failures = int(outcome.events.sum())
    print(
        f"{npus:>9,} NPUs {runs:>6,} runs of 90 d  {failures:>10,} failures  {statistics.median(times):7.2f} CPU-s"
        f"  goodput {outcome.goodput.mean:.3f}"
    )


if __name__ == "__main__":
    print(f"machine  {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
    measure(16_384, 10_000, Checkpoint(1800.0, 60.0, 300.0), 64)
    measure(991_232, 100, Checkpoint(120.0, 10.0, 60.0), 512)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
