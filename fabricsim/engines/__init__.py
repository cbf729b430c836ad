"""Engines: one call, the same inputs, the same Result.

`engine(fabric, schedule, *, routing, failures, model, seed) -> Result`; each is a function in ENGINES by name.
"""

from __future__ import annotations
