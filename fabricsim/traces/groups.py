"""Groups of ranks that do collectives together: a JSON file of names and ranks, `{"0": [0, 1], "1": [2, 3]}`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fabricsim.errors import Fault, InputError

_RIGHT = 'write names and ranks, as in {"0": [0, 1, 2, 3], "1": [4, 5, 6, 7]}'


def read_groups(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the ranks of each group, in their order. Raises InputError for a file that says something else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        right = "a name is relative to the file it stands in"
        raise InputError(f"{path}: there is no such file", right) from None
    except json.JSONDecodeError as error:
        raise InputError(
            [Fault(f"is not JSON: {error.msg}", _RIGHT, file=str(path), line=error.lineno)]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError([Fault(f"cannot be read: {error}", _RIGHT, file=str(path))]) from None
    if not isinstance(data, dict):
        raise InputError([Fault("is no mapping", _RIGHT, file=str(path))])
    return {name: _members(path, name, ranks) for name, ranks in data.items()}


def _members(path: Path, name: str, ranks: Any) -> tuple[int, ...]:
    whole = isinstance(ranks, list) and all(type(rank) is int and rank >= 0 for rank in ranks)
    if not whole or not ranks or len(set(ranks)) != len(ranks):
        raise InputError([Fault(f"group {name!r} is not a list of different ranks", _RIGHT, file=str(path))])
    return tuple(ranks)
