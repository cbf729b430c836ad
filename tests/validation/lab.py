"""One-line runs for the identities: a shape, a collective, a Result."""

from __future__ import annotations

from typing import Any

import pytest

import fabricsim as fs
from fabricsim.collectives import Collective
from fabricsim.topology import resolve
from fabricsim.units import parse_size

BANDWIDTH = 50e9
ALPHA = 500e-9
LINK = {"bandwidth": "50 GB/s", "latency": "500 ns"}
CUT_THROUGH = fs.Model("cut-through")


def shape(kind: str, **keys: Any) -> fs.Fabric:
    """Return a shape over links of 50 GB/s and 500 ns."""
    return resolve({"shape": kind, "link": LINK, **keys})


def run(fabric: fs.Fabric, kind: str, algorithm: str, size: str, **settings: Any) -> fs.Result:
    """Return the Result of one collective over all ranks."""
    work = Collective(kind, parse_size(size), algorithm)
    return fs.simulate(fabric, work, **settings)


def completion(result: fs.Result) -> float:
    """Return the completion time in seconds."""
    return result.metrics["completion_time_s"]


def within(expected: float, share: float) -> Any:
    """Return `expected` as something to compare with, to a relative tolerance."""
    return pytest.approx(expected, rel=share)
