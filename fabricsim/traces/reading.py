"""Any trace that a user names: what it is, its content and its name say."""

from __future__ import annotations

from pathlib import Path

from fabricsim.traces.chakra import read_chakra
from fabricsim.traces.groups import read_groups
from fabricsim.traces.trace import Trace


def read_trace(path: Path | str, *, groups: Path | str | None = None, ranks: int | None = None) -> Trace:
    """Return the trace in a file, or in the files of all ranks that begin with `path` or stand in that folder.

    groups: a JSON file of ranks by name, for Chakra traces that do not list their groups themselves. Raises
    InputError for files that are missing, break off, or do not hold together.
    """
    where = Path(path)
    return read_chakra(where, read_groups(Path(groups)) if groups else {})
