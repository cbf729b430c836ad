"""Questions to a design beyond one run: which numbers decide, where it breaks even, which is the cheapest that does."""

from fabricsim.designs.break_even import BreakEven, Threshold, solve

__all__ = ["BreakEven", "Threshold", "solve"]
