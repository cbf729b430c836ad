"""Where a result comes from: the design, what was laid over it, the versions that made it, and what it took."""

from __future__ import annotations

import platform
import resource
import sys
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from fabricsim.code_version import code_version
from fabricsim.fabric import Fabric
from fabricsim.result import digest_of
from fabricsim.version import __version__


def peak_rss() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024  # macOS counts bytes, Linux KiB


def versions() -> dict[str, Any]:
    """Return the versions a result was made with."""
    return {
        "fabricsim": __version__,
        "code": code_version(),
        "python": platform.python_version(),
        "packages": dict(_package_versions()),
    }


@cache
def _package_versions() -> dict[str, str]:
    """Return the versions of what computes; looking them up costs more than a small run."""
    return {name: version(name) for name in ("numpy", "simpy", "networkx")}


def laid_over(fabric: Fabric) -> dict[str, Any]:
    """Return the machine that overlays lie over, and what each of them changed; nothing where there is none."""
    if not fabric.about.overlays:
        return {}
    return {
        "machine": fabric.name,
        "overlays": [
            {"file": one.file, "sha256": one.sha256, "changes": list(one.changes)}
            for one in fabric.about.overlays
        ],
    }


def design_of(fabric: Fabric) -> str:
    """Return the SHA-256 of a design: the fabric, and how it routes and switches unless a scenario says otherwise."""
    return digest_of([fabric.digest, fabric.policy, *_unlike(fabric.model, type(fabric.model)())])


def _unlike(value: Any, default: Any) -> list[str]:
    """Return the fields of a value that differ from the default: a field that is added later changes no hash."""
    found = []
    for field in fields(value):
        now, usual = getattr(value, field.name), getattr(default, field.name)
        if now != usual:
            below = _unlike(now, usual) if type(now) is type(usual) and is_dataclass(now) else [repr(now)]
            found += [f"{field.name} {text}" for text in below]
    return found
