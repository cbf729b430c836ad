"""Where a number comes from, so that a change can be laid at somebody's door: design, scenario or tool."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fabricsim.result import Result

UNKNOWN: Final = ""
"""A hash that is not known: the result was made by hand, or by a version that did not record it."""

_NOT_RUN: Final = ("topology", "name", "description", "expect", "sweep", "search", "parts", "schema")
"""Keys of a scenario that are no part of what runs, or, like the topology, have a hash of their own."""


@dataclass(frozen=True)
class Origin:
    """What one result depends on. topology, scenario and code are SHA-256 hashes, UNKNOWN where not recorded."""

    topology: str
    scenario: str
    engine: str
    kernel: str
    fabricsim: str
    code: str


def origin_of(result: Result) -> Origin:
    """Return where a result comes from, as far as it says."""
    made = result.provenance
    return Origin(
        topology=str(made.get("topology", UNKNOWN)),
        scenario=_scenario_hash(made["effective"]) if "effective" in made else UNKNOWN,
        engine=result.engine,
        kernel=result.kernel,
        fabricsim=str(made.get("fabricsim", UNKNOWN)),
        code=str(made.get("code", UNKNOWN)),
    )


def _scenario_hash(effective: str) -> str:
    content = {key: value for key, value in json.loads(effective).items() if key not in _NOT_RUN}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def moved(before: Origin, now: Origin) -> list[str]:
    """Return what moved between two origins: design, scenario, tool; each with how it shows."""
    found = []
    if _differ(before.topology, now.topology):
        found.append(f"the design (topology {_short(before.topology)} → {_short(now.topology)})")
    if _differ(before.scenario, now.scenario):
        found.append(f"the scenario ({_short(before.scenario)} → {_short(now.scenario)})")
    tool = _tool(before, now)
    if tool:
        found.append(f"the tool ({tool})")
    return found


def same_question(before: Origin, now: Origin) -> bool:
    """Return whether two origins ask the same: same design, same scenario."""
    return not _differ(before.topology, now.topology) and not _differ(before.scenario, now.scenario)


def _tool(before: Origin, now: Origin) -> str:
    parts = [
        f"{name} {old} → {new}"
        for name, old, new in (
            ("fabricsim", before.fabricsim, now.fabricsim),
            ("engine", before.engine, now.engine),
            ("kernel", before.kernel, now.kernel),
            ("code", _short(before.code), _short(now.code)),
        )
        if _differ(old, new)
    ]
    return ", ".join(parts)


def _differ(old: str, new: str) -> bool:
    return UNKNOWN not in (old, new) and old != new


def _short(text: str) -> str:
    return text[:8]


def attribution(pairs: Iterable[tuple[Origin, Origin]]) -> str:
    """Return one sentence for all (before, now) pairs of a failure: what moved, and that the rest did not."""
    pairs = list(pairs)
    found = list(dict.fromkeys(part for before, now in pairs for part in moved(before, now)))
    if not found:
        return (
            "moved: nothing that is recorded of design, scenario and tool; was the baseline edited, or does the "
            "run depend on something else?"
        )
    words = ("the design", "the scenario", "the tool")
    still = [word for word in words if not any(part.startswith(word) for part in found)]
    rest = f"; {' and '.join(still)} did not" if still else ""
    return f"moved: {', '.join(found)}{rest}"
