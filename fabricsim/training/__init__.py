"""Training steps: what a model computes and exchanges in one step, and how long that takes on a machine."""

from fabricsim.training.outcome import Outcome
from fabricsim.training.parallel import DIMENSIONS, ORDER, Layout, Parallel
from fabricsim.training.result import with_step
from fabricsim.training.step import BYTES, Step
from fabricsim.training.training import Training, exposed_of, metrics_of, passes_of, training_of

__all__ = [
    "BYTES",
    "DIMENSIONS",
    "ORDER",
    "Layout",
    "Outcome",
    "Parallel",
    "Step",
    "Training",
    "exposed_of",
    "metrics_of",
    "passes_of",
    "training_of",
    "with_step",
]
