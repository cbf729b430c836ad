"""Any trace that a user names: what it is, its content says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fabricsim.errors import Fault, InputError
from fabricsim.traces.chakra import read_chakra
from fabricsim.traces.connections import is_connections, read_connections
from fabricsim.traces.goal import is_goal, read_goal
from fabricsim.traces.groups import read_groups
from fabricsim.traces.layers import is_layers, read_layers
from fabricsim.traces.trace import Trace

FORMATS: Final[Mapping[str, str]] = MappingProxyType({
    "chakra": "execution traces of PyTorch and ASTRA-sim, <prefix>.<rank>.et or .json",
    "goal": "GOAL schedules as text, of LogGOPSim and ATLAHS",
    "layers": "layers of a training step as text, of ASTRA-sim 1 and SimAI",
    "htsim": "connection matrices of htsim, with triggers (.cm)",
})  # fmt: skip
"""What can be read, and what it is."""

_TEXTS: Final[tuple[tuple[Callable[[str], bool], Callable[[str, str], Trace]], ...]] = (
    (is_goal, read_goal),
    (is_layers, read_layers),
    (is_connections, read_connections),
)


def read_trace(path: Path | str, *, groups: Path | str | None = None) -> Trace:
    """Return the trace in a file, or in the files of all ranks that begin with `path` or stand in that folder.

    groups: a JSON file of ranks by name, for Chakra traces that do not list their groups themselves. Raises
    InputError for files that are missing, break off, or do not hold together.
    """
    where = Path(path)
    if not where.is_file():
        return read_chakra(where, read_groups(Path(groups)) if groups else {})
    if groups:
        raise InputError(f"{groups} lists groups, which only Chakra traces have", "leave groups out")
    try:
        text = where.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        right = "of a Chakra trace name what all its files begin with, without rank and .et"
        raise InputError([Fault("is not text", right, file=str(where))]) from None
    for known, read in _TEXTS:
        if known(text):
            return read(text, str(where))
    raise InputError([Fault("is not a trace that is known", f"known: {', '.join(FORMATS)}", file=str(where))])
