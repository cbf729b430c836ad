"""One point of a sweep: run where a worker is, answered with plain values that travel and last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fabricsim.code_version import code_version
from fabricsim.errors import BudgetError, FabricError
from fabricsim.run import run
from fabricsim.scenario import Scenario

VERDICT_KEYS: Final = ("engine", "kernel", "digest", "error")
"""Columns that every row has beside its metrics."""


@dataclass(frozen=True)
class Outcome:
    """What became of a point: numbers by metric path, or an error.

    lasting says that the same point would fare the same again; what is not may be due to the machine.
    """

    engine: str = ""
    kernel: str = ""
    digest: str = ""
    error: str = ""
    numbers: Mapping[str, int | float] = field(default_factory=dict)
    lasting: bool = True

    def as_json(self) -> str:
        """Return the outcome as one line of JSON."""
        content = {key: getattr(self, key) for key in VERDICT_KEYS} | {"numbers": dict(self.numbers)}
        return json.dumps(content, sort_keys=True, ensure_ascii=False)


def outcome_from(content: Mapping[str, Any]) -> Outcome:
    """Return the outcome that `as_json` wrote. Raises KeyError or TypeError for anything else."""
    return Outcome(**{key: content[key] for key in VERDICT_KEYS}, numbers=dict(content["numbers"]))


def evaluate(point: Scenario, code: str) -> Outcome:
    """Run one point; what fabricsim refuses or cannot finish is its outcome, not the end of the sweep.

    code is the version that the sweep runs on; a worker with another one computes nothing.
    """
    if code != code_version():
        return failed("the worker has another fabricsim than the sweep; install the same one", lasting=False)
    try:
        (result,) = run(point)
    except FabricError as error:
        return failed(str(error), lasting=not isinstance(error, BudgetError))
    except MemoryError:
        return failed("there was not enough memory", lasting=False)
    return Outcome(result.engine, result.kernel, result.digest, numbers=result.numbers)


def failed(error: str, *, lasting: bool) -> Outcome:
    """Return the outcome of a point without a result."""
    return Outcome(error=error, lasting=lasting)
