"""What a workload entry may ask for by name: collectives and their algorithms, patterns, what is done to memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fabricsim.collectives import ALGORITHMS
from fabricsim.collectives.choice import AUTO
from fabricsim.collectives.msccl import MSCCL
from fabricsim.errors import FaultList, close_match
from fabricsim.traffic import MEMORY, PATTERNS

FORMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "collective": ALGORITHMS,
    "pattern": PATTERNS,
    "memory": MEMORY,
    "trace": {},
    "train": {},
    "serve": {},
}
"""The keys that say what an entry is, and the names each of them knows; traces are files, and models anybody's."""

_NO_SUCH: Final = {
    "collective": "is not a collective",
    "pattern": "is not a pattern",
    "memory": "is not done to memory",
}


def check_names(form: str, kind: object, algorithm: object) -> None:
    """Raise InputError where an entry of `form` asks for what is not known; only what is text is looked at."""
    faults = FaultList()
    if form in _NO_SUCH and isinstance(kind, str) and kind not in FORMS[form]:
        faults.add(f"{kind!r} {_NO_SUCH[form]}", close_match(kind, FORMS[form]), (form,))
    elif form == "collective" and isinstance(algorithm, str) and algorithm not in (AUTO, MSCCL):
        known = ALGORITHMS.get(kind, {}) if isinstance(kind, str) else {}
        if known and algorithm not in known:
            what = f"{algorithm!r} is not an algorithm of {kind}"
            faults.add(what, close_match(algorithm, known), ("algorithm",))
    faults.raise_if_any()
