"""Which code computed a number: a hash over the sources that decide results.

The package's version is written by hand and stays the same between releases; this changes with every edit, so
that a stored number can be told from one that today's code would give.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

_SHOWS_ONLY: Final = frozenset({"cli", "report", "regression", "sweeps", "inspection", "pytest_plugin"})
"""Modules that start runs and show their results, and cannot change one."""


@cache
def code_version() -> str:
    """Return the SHA-256, as 64 hex digits, of every source file that a result depends on."""
    package = Path(__file__).parent
    state = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0].removesuffix(".py") not in _SHOWS_ONLY:
            data = path.read_bytes()
            state.update(f"{name.as_posix()}\n{len(data)}\n".encode() + data)
    return state.hexdigest()
