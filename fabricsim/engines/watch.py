"""Who watches a run: told now and then how far it is, and free to do nothing about it."""

from __future__ import annotations

from collections.abc import Callable

Watch = Callable[[int, int, int], None]
"""Called with the simulated time [ps], the packets in all, and those that have arrived."""
