"""What a topology is, in numbers that can be compared: counts, hops, cuts, injection, bounds, findings."""

from fabricsim.inspection.figures import inspect

__all__ = ["inspect"]
