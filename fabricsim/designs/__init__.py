"""Questions to a design beyond one run: which numbers decide, where it breaks even, which is the cheapest that does."""

from fabricsim.designs.break_even import BreakEven, Threshold, solve
from fabricsim.designs.cheapest import Search, Trial, search

__all__ = ["BreakEven", "Search", "Threshold", "Trial", "search", "solve"]
