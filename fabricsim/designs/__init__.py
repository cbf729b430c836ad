"""Questions to a design beyond one run: which numbers decide, where it breaks even, which is the cheapest that does."""
