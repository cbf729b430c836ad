"""Reliability: what months of failures do to a job, by Monte Carlo over part failure rates and in closed form."""

from fabricsim.reliability.checkpoint import (
    Checkpoint,
    best_interval,
    daly_interval,
    expected_goodput,
    young_interval,
)
from fabricsim.reliability.job import Cause, Job
from fabricsim.reliability.outcome import Outcome
from fabricsim.reliability.simulation import simulate_job

__all__ = [
    "Cause",
    "Checkpoint",
    "Job",
    "Outcome",
    "best_interval",
    "daly_interval",
    "expected_goodput",
    "simulate_job",
    "young_interval",
]
