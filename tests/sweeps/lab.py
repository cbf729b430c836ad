"""Small sweeps, and the command line in a process of its own."""

import subprocess
import sys
from pathlib import Path

RING = """schema: fabricsim/1
name: a ring
topology: {shape: ring, size: 4, link: {bandwidth: 50 GB/s, latency: 500 ns}}
workload:
  - {name: ar, collective: all-reduce, algorithm: ring, size: 64 KiB}
"""
GRID = RING + "sweep: {workload.ar.size: [64 KiB, 128 KiB, 1 MiB], topology.size: [4, 6]}\n"
SLOW = """schema: fabricsim/1
name: points that take a while
topology: {shape: ring, size: 8, link: {bandwidth: 50 GB/s, latency: 500 ns}}
kernel: simpy
workload:
  - {name: ar, collective: all-reduce, algorithm: ring, size: 4 MiB}
sweep:
  sample: {count: 24, over: {topology.link.latency: 100 ns .. 2 us}}
"""


def write(folder: Path, text: str, name: str = "sweep.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def start(*words: object) -> subprocess.Popen[str]:
    """Start `fabricsim sweep` with these words, in a process that can be killed."""
    command = [sys.executable, "-m", "fabricsim", "sweep", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*words: object) -> str:
    """Run `fabricsim sweep` with these words to its end, and return what it printed."""
    process = start(*words)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out


def points_in(folder: Path) -> dict[Path, int]:
    """Return the points that a sweep has kept so far, with the moment in which each was written."""
    return {path: path.stat().st_mtime_ns for path in folder.glob("points/*/[0-9a-f]*.json")}
