"""`jobs:` of a scenario: several workloads on one machine, each on ranks of its own, and where those lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import Field, PlainValidator, WithJsonSchema

from fabricsim.errors import FaultList, InputError
from fabricsim.fabric import Fabric
from fabricsim.random_streams import generator
from fabricsim.scenario.placement import Wish, block_of, ordered, placed
from fabricsim.scenario.rank_files import read_hosts, read_ranks
from fabricsim.scenario.ranks import RIGHT, Ranks, parse_ranks
from fabricsim.schedule import IntArray
from fabricsim.validation import ListOf, Part, Time, checked, validate

Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]


class FilePart(Part):
    """ranks: the ranks of a job out of a file."""

    file: Name | None = Field(None, description="rank numbers and ranges, in the order of the job's ranks")
    hostfile: Name | None = Field(None, description="parts of the machine, one on each line, with slots=n")


def _rank_map(value: object) -> Ranks | FilePart:
    if isinstance(value, Ranks | FilePart):
        return value
    if not isinstance(value, Mapping):
        return parse_ranks(value)
    part = validate(FilePart, value)
    if len(part.model_fields_set) != 1:
        raise InputError("names no file, or two", "write {file: ranks.txt} or {hostfile: hosts.txt}")
    return part


RankMap = Annotated[
    Ranks | FilePart,
    PlainValidator(checked(_rank_map)),
    WithJsonSchema({
        "type": ["string", "array", "object"],
        "description": f"{RIGHT}; or {{file: ranks.txt}}, {{hostfile: hosts.txt}}",
    }),
]  # fmt: skip


class PlacePart(Part):
    """What a job says about its ranks: which, or how many and where."""

    name: Name = Field(description="what results call it; its entries are called name.entry")
    start: Time = Field(0.0, description="when it arrives: its entries start from then on")
    ranks: RankMap | None = Field(None, description="which ranks it has")
    npus: Count | None = Field(None, description="how many NPUs it gets, where each is one rank")
    dies: Count | None = Field(
        None, description="how many dies it gets, where an NPU has several, each a rank"
    )
    packages: Count | None = Field(None, description="how many whole packages it gets, with all dies of each")
    copies: Count | None = Field(None, description="how many whole copies of the level `of` it gets")
    of: Name | None = Field(None, description="the level that `copies` counts")
    placement: Literal["packed", "strided", "random", "by-level"] = Field(
        "packed", description="which free places it takes"
    )
    stride: Count | None = Field(
        None, description="strided: how many places apart; as far as the machine allows"
    )
    level: Name | None = Field(None, description="by-level: the level whose copies get places in turn")
    order: ListOf[Name] = Field((), description="levels that its ranks go along, the fastest first")


SIZES: Final = ("ranks", "npus", "dies", "packages", "copies")
"""The keys of which a job has one: it says which ranks it has, or how many."""

_OWNERS: Final[Mapping[str, str]] = MappingProxyType({"stride": "strided", "level": "by-level"})
"""Which placement a key belongs to."""


def check_place(part: PlacePart) -> None:
    """Raise InputError for what is wrong with a job's ranks on any machine."""
    faults, stated = FaultList(), part.model_fields_set
    sizes: list[str] = [key for key in SIZES if key in stated]
    if not sizes:
        faults.add(
            "says neither which ranks it has nor how many",
            "write ranks: 0-31, or one of npus, dies, packages, copies",
        )
    for key in sizes[1:]:
        faults.add(f"has both {sizes[0]} and {key}", "keep one of them", (key,))
    if "ranks" in sizes and "placement" in stated:
        faults.add("there is nothing to place: its ranks are named", "leave it out", ("placement",))
    for key, owner in _OWNERS.items():
        if key in stated and part.placement != owner:
            faults.add(f"a {part.placement} placement has no {key}", f"write placement: {owner}", (key,))
    if part.placement == "by-level" and part.level is None:
        faults.add("by-level needs a level", "add it, as in level: rack", ("placement",))
    if "copies" in stated and part.of is None:
        faults.add("copies of what is not said", "add the level, as in of: rack", ("copies",))
    if "of" in stated and "copies" not in stated:
        faults.add("there are no copies that it could be of", "write copies: and how many", ("of",))
    faults.raise_if_any()


def places(jobs: Sequence[PlacePart], fabric: Fabric, seed: int, base: Path) -> list[IntArray]:
    """Return the ranks of each job in its own order; files that they name are relative to `base`.

    Jobs that name their ranks have them; the others take theirs from what is left, in the order of the file.
    Raises InputError with every fault found, keyed by position: ranks of two jobs, more than the machine has.
    """
    faults, found = FaultList(), [np.zeros(0, np.int64) for _ in jobs]
    owner = np.full(fabric.ranks, -1)
    for index in sorted(range(len(jobs)), key=lambda index: jobs[index].ranks is None):
        job = jobs[index]
        with faults.at(index):
            ranks = _named(job, fabric, base) if job.ranks is not None else _free(job, fabric, owner, seed)
            _refuse_shared(ranks, owner, jobs, fabric)
            owner[ranks] = index
            with faults.at(index, "order"):
                found[index] = ordered(fabric, ranks, job.order) if job.order else ranks
    faults.raise_if_any()
    return found


def _named(job: PlacePart, fabric: Fabric, base: Path) -> IntArray:
    faults, ranks = FaultList(), np.zeros(0, np.int64)
    with faults.at("ranks"):
        if isinstance(job.ranks, Ranks):
            return job.ranks.on(fabric.ranks)
        assert isinstance(job.ranks, FilePart)
        of_file = job.ranks.file
        ranks = read_ranks(base / of_file) if of_file else read_hosts(base / str(job.ranks.hostfile), fabric)
        _check(ranks, fabric)
    faults.raise_if_any()
    return ranks


def _check(ranks: IntArray, fabric: Fabric) -> None:
    if not len(ranks):
        raise InputError("the file names no ranks", "write them, such as 0-31")
    if ranks.max() >= fabric.ranks:
        raise InputError(f"there is no rank {ranks.max()}", f"ranks run from 0 to {fabric.ranks - 1}")
    named, times = np.unique(ranks, return_counts=True)
    if times.max() > 1:
        raise InputError(f"rank {named[times.argmax()]} is named {times.max()} times", "name each rank once")


def _refuse_shared(ranks: IntArray, owner: IntArray, jobs: Sequence[PlacePart], fabric: Fabric) -> None:
    shared = ranks[owner[ranks] >= 0]
    if len(shared):
        first, other = int(shared.min()), jobs[int(owner[shared.min()])].name
        more = f" ({len(shared)} such ranks in all)" if len(shared) > 1 else ""
        what = f"rank {first} ({fabric.node_name(first)}) belongs to job {other!r} already{more}"
        faults = FaultList()
        faults.add(what, "give each job ranks of its own", ("ranks",))
        faults.raise_if_any()


def _free(job: PlacePart, fabric: Fabric, owner: IntArray, seed: int) -> IntArray:
    key, count = next((key, getattr(job, key)) for key in SIZES if getattr(job, key) is not None)
    size = _place_size(job, key, fabric)
    wish = Wish(count, size, job.stride, _block(job, size, fabric))
    free = np.flatnonzero(owner < 0)
    found = placed(free, wish, fabric.ranks, job.placement, generator(seed, f"placement/{job.name}"))
    if found is not None:
        return found
    words = f"copies of {job.of}" if key == "copies" else key
    what = f"{count} {words} are asked for, and {_whole(free, size)} of {fabric.ranks // size} are free"
    faults = FaultList()
    faults.add(what, "ask for fewer, or take a larger machine", (key,))
    raise InputError(faults.faults)


def _whole(free: IntArray, size: int) -> int:
    """Return how many places of so many ranks are all free."""
    return int((np.bincount(free // size) == size).sum()) if len(free) else 0


def _place_size(job: PlacePart, key: str, fabric: Fabric) -> int:
    """Return how many ranks each place has. Raises InputError for dies where there are none, and for NPUs of dies."""
    dies, faults = fabric.device(0).per_package, FaultList()
    count: Any = getattr(job, key)
    if key == "copies":
        assert job.of is not None
        return block_of(fabric, job.of, "of")
    if key == "npus" and dies > 1:
        what = f"an NPU of {fabric.name} is a package of {dies} dies, and each die is a rank"
        faults.add(what, f"write packages: {count}, or dies: {dies * count}", (key,))
    if key == "dies" and dies == 1:
        faults.add(f"a rank of {fabric.name} is a whole NPU, not a die", f"write npus: {count}", (key,))
    faults.raise_if_any()
    return dies if key == "packages" else 1


def _block(job: PlacePart, size: int, fabric: Fabric) -> int:
    if job.level is None:
        return size
    block, faults = block_of(fabric, job.level, "level"), FaultList()
    if block % size:
        faults.add(f"a copy of {job.level} is less than what is placed", "name an outer level", ("level",))
    faults.raise_if_any()
    return block
