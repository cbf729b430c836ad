"""What can go wrong, and the exit code of each.

    FabricError                 anything fabricsim refuses or cannot do
    ├── UsageError        2     the call is wrong: an unknown name, a folder that is not empty
    ├── InputError        3     a scenario, topology or argument is wrong; carries every fault found
    │                     4     where all of them say that it is well formed, but a run of it could never finish
    ├── SimulationError   4     the simulation could not finish
    │   └── StallError    4     nothing moves any more; names what waits for what
    └── BudgetError       5     the run would exceed the budget the user stated

A violated expectation is a verdict, not an error; the command line exits with 1 for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace


class FabricError(Exception):
    """Anything fabricsim refuses or cannot do."""

    exit_code = 1


class UsageError(FabricError):
    """The call itself is wrong."""

    exit_code = 2


class SimulationError(FabricError):
    """The simulation could not finish."""

    exit_code = 4


class StallError(SimulationError):
    """Nothing moves any more, yet messages are undelivered."""


class BudgetError(FabricError):
    """The run would exceed the budget the user stated."""

    exit_code = 5


Key = tuple[str | int, ...]
"""Where a value stands in a file: mapping keys and list indices, outermost first."""


def key_text(key: Key) -> str:
    """Return a key path as people write it: `workload.0.size`."""
    return ".".join(str(part) for part in key)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with an input: what, where, and what would be right.

    endless: whether the input is well formed, but a run of it could never finish: ranks that no path joins, or tasks
    that wait for each other.
    """

    what: str
    right: str = ""
    key: Key = ()
    file: str | None = None
    line: int | None = None
    endless: bool = False

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        parts = [part for part in (place, key_text(self.key)) if part]
        text = self.what + (f"; {self.right}" if self.right else "")
        return ": ".join([*parts, text])


class InputError(FabricError):
    """An input is wrong. `faults` holds everything found, in file order."""

    exit_code = 3

    def __init__(self, faults: Iterable[Fault] | str, right: str = "") -> None:
        self.faults = (Fault(faults, right),) if isinstance(faults, str) else tuple(faults)
        if self.faults and all(fault.endless for fault in self.faults):
            self.exit_code = SimulationError.exit_code
        super().__init__("\n".join(str(fault) for fault in self.faults))


class FaultList:
    """Collects the faults of one input, so that all of them are reported at once."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def add(self, what: str, right: str = "", key: Key = (), *, endless: bool = False) -> None:
        """Record one fault at `key`; endless: see `Fault`."""
        self.faults.append(Fault(what, right, key, endless=endless))

    @contextmanager
    def at(self, *key: str | int) -> Iterator[None]:
        """Record an InputError raised inside the block as faults below `key`, and go on."""
        try:
            yield
        except InputError as error:
            for fault in error.faults:
                # a fault that already has a file of its own belongs there, not here
                self.faults.append(fault if fault.file else replace(fault, key=(*key, *fault.key)))

    def raise_if_any(self) -> None:
        """Raise one InputError with every fault recorded so far."""
        if self.faults:
            raise InputError(self.faults)


def close_match(word: str, known: Iterable[str]) -> str:
    """Return what would have been right in place of `word`: a close match, or the whole list."""
    names = sorted(known)
    match = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if match:
        return f"did you mean {match[0]!r}?"
    return "known: " + ", ".join(names) if names else "none are defined"
