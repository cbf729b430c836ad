"""What a user may choose of an algorithm beyond its name: each option, what it may be, and its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypedDict

from numpy.typing import NDArray

from fabricsim.collectives.matrix import checked_matrix
from fabricsim.errors import Fault, InputError, close_match


class Options(TypedDict, total=False):
    """The options of all algorithms; each algorithm takes some of them, and has a default or asks for it.

    root: position in the ranks, from 0. chunks: into how many pieces a pipelined algorithm cuts what it sends. levels:
    names of levels, innermost first, that a hierarchical algorithm goes along. grid: its sides in their place,
    innermost first. stages: the algorithm along each level, or one for all. mode: of a reduction in switches, push or
    pull. radix: k of a k-nomial tree. rings: how many there are in each of 1 or 2 directions. matrix: (n, n) how many
    times `size` each position sends to each other one.
    """

    root: int | None
    chunks: int | None
    levels: Sequence[str] | None
    grid: Sequence[int] | None
    stages: Sequence[str] | str | None
    mode: str | None
    radix: int | None
    rings: int | None
    directions: int | None
    matrix: Sequence[Sequence[int]] | NDArray[Any] | None


def check_names(given: Iterable[str], known: Iterable[str], kind: str) -> None:
    """Raise InputError for the first argument that nothing of this kind takes, whatever its algorithm."""
    names = set(known)
    for name in given:
        if name not in names:
            raise InputError(f"{name!r} is not an argument of {kind}", close_match(name, sorted(names)))


def check_root(root: Any, n: int) -> None:
    """Raise InputError unless `root` is a position among n ranks."""
    if not _whole(root) or not 0 <= root < n:
        raise InputError(f"there is no root {root}", f"it counts within the ranks: 0 to {n - 1}")


def _at_least_one(what: str) -> Callable[[Any, int], None]:
    def check(value: Any, n: int) -> None:
        if not _whole(value) or value < 1:
            raise InputError(f"{value!r} is not a number of {what}", "write 1 or more")

    return check


def _names(value: Any, n: int) -> None:
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{value!r} is not a list of names", "write them as in [board, pod]")


def _sides(value: Any, n: int) -> None:
    if isinstance(value, str) or not all(_whole(side) and side >= 1 for side in value) or not value:
        raise InputError(f"{value!r} is not a list of sides", "write them as in [8, 4], innermost first")
    total = 1
    for side in value:
        total *= side
    if total != n:
        raise InputError(
            f"a grid of {' × '.join(map(str, value))} has {total} places", f"there are {n} ranks"
        )


def _stages(value: Any, n: int) -> None:
    if not isinstance(value, str):
        _names(value, n)


def _mode(value: Any, n: int) -> None:
    if value not in ("push", "pull"):
        raise InputError(f"{value!r} is not a mode", "write push or pull")


def _radix(value: Any, n: int) -> None:
    if not _whole(value) or value < 2:
        raise InputError(f"{value!r} is not a radix", "write 2 or more")


def _directions(value: Any, n: int) -> None:
    if not _whole(value) or value not in (1, 2):
        raise InputError(f"{value!r} is not a number of directions", "write 1 or 2")


def _matrix(value: Any, n: int) -> None:
    checked_matrix(value, n)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


CHECKS: Final[Mapping[str, Callable[[Any, int], None]]] = MappingProxyType({
    "root": check_root,
    "chunks": _at_least_one("chunks"),
    "levels": _names,
    "grid": _sides,
    "stages": _stages,
    "mode": _mode,
    "radix": _radix,
    "rings": _at_least_one("rings"),
    "directions": _directions,
    "matrix": _matrix,
})  # fmt: skip
"""What each option has to be, given the number of ranks; raises InputError."""

REFUSALS: Final[Mapping[str, str]] = MappingProxyType({
    "root": "has no root",
    "chunks": "does not cut its messages into chunks",
    "levels": "does not go along levels",
    "grid": "does not go along a grid",
    "stages": "has no stages",
    "mode": "has no modes",
    "radix": "is no k-nomial tree",
    "rings": "has no rings",
    "directions": "goes no ring",
    "matrix": "sends the same to everyone",
})  # fmt: skip
"""What is said of an algorithm that does not take an option."""


def option_faults(stated: Mapping[str, Any], takes: Sequence[str], n: int, what: str) -> list[Fault]:
    """Return a fault for each option that an algorithm, called `what`, does not take, or not so."""
    faults = []
    for key, value in stated.items():
        if key not in takes:
            place = "file" if key == "matrix" else key  # a matrix comes in a file
            faults.append(Fault(f"{what} {REFUSALS[key]}", "leave it out", (place,)))
            continue
        try:
            CHECKS[key](value, n)
        except InputError as error:
            faults += [Fault(fault.what, fault.right, fault.key or (key,)) for fault in error.faults]
    return faults
