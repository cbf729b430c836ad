"""What a fabric is made of: devices, links, groups of nodes, levels, and what a topology says of itself."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import InputError
from fabricsim.fabric.layout import Layout
from fabricsim.units import EXAMPLES, MAX_AMOUNT, MAX_SECONDS, to_ps

IntArray = NDArray[np.int64]
KINDS: Final = ("npu", "cpu", "switch", "nic", "ocs", "spare")
"""What a node can be. Only an `npu` has a rank; a `spare` is an NPU that waits to take one over."""
MEDIA: Final = ("pcb", "copper", "active-copper", "optical")
"""What a link runs over: a board, passive or active electrical cable, fibre."""


def _refuse_eternity(seconds: float, what: str) -> None:
    if seconds > MAX_SECONDS:
        raise InputError(f"{what} is more than a simulation can hold", EXAMPLES["time"])


@dataclass(frozen=True)
class Device:
    """What a node is. delay [s] is added when a packet passes through; nothing passes a node that does not forward.

    ports: how many it has, None where unknown; dual_use: how many of them may serve another network (UBoE, PCIe) in
    place of scale-up, None where unknown. per_package: endpoints that share one package (dies). None, or empty, where
    nothing is known: flops (type of number, dense operations a second [1/s]) in order of type; memory
    [B] and memory_bandwidth [B/s]; port_sum [B/s], what its vendor says all ports carry in one direction;
    reconfiguration [s], how long a circuit is dark while a circuit switch makes it.
    """

    name: str
    kind: str = "npu"
    forwards: bool = False
    delay: float = 0.0
    ports: int | None = None
    per_package: int = 1
    flops: tuple[tuple[str, int], ...] = ()
    memory: int | None = None
    memory_bandwidth: int | None = None
    port_sum: int | None = None
    reconfiguration: float | None = None
    dual_use: int | None = None

    def __post_init__(self) -> None:
        _refuse_eternity(self.delay, f"the delay of {self.name!r}")
        _refuse_eternity(self.reconfiguration or 0.0, f"the reconfiguration of {self.name!r}")


@dataclass(frozen=True)
class Link:
    """A class of links. Engines serialise at `bandwidth` [B/s, per direction] = raw × coding; latency [s].

    flit, header, cell [B]: what the protocol of the link makes packets of, adds to each, and counts credits in;
    retry [s]: how long a sender waits for a link-level acknowledgement. None where it does not say. cables: (medium,
    how many) cables that a link is made of where that is not one of its medium. latency_per_metre [s/m]: what a layout
    adds to the latency by length [m]; length: what it has added for, None where it has not. reach [m]: how long it may
    be, None where its medium and rate say.
    """

    name: str
    bandwidth: int
    latency: float
    raw: int | None = None
    coding: float = 1.0
    lanes: int | None = None
    medium: str | None = None
    flit: int | None = None
    header: int | None = None
    cell: int | None = None
    retry: float | None = None
    cables: tuple[tuple[str, float], ...] = ()
    latency_per_metre: float = 0.0
    reach: float | None = None
    length: float | None = None

    def __post_init__(self) -> None:
        if self.bandwidth > MAX_AMOUNT:
            raise InputError(
                f"the bandwidth of {self.name!r} is more than a simulation can hold", EXAMPLES["bandwidth"]
            )
        _refuse_eternity(self.latency, f"the latency of {self.name!r}")

    @property
    def latency_ps(self) -> int:
        """The latency in whole picoseconds."""
        return to_ps(self.latency)


@dataclass(frozen=True)
class NodeGroup:
    """Nodes first … first + count − 1, numbered row-major over `shape`; `{}` in the pattern take the coordinates.

    With `numbered_from` the pattern takes one number instead: that, plus the node's place in the group. `missing`
    are the places of the shape that no node takes, ascending: nodes are numbered on past them, names keep theirs.
    """

    first: int
    shape: tuple[int, ...]
    pattern: str
    device: Device
    level: str = ""
    names: tuple[str, ...] | None = None
    numbered_from: int | None = None
    missing: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """How many nodes the group has."""
        return math.prod(self.shape) - len(self.missing)

    def name(self, index: int) -> str:
        """Return the name of the group's node `index`, counted from its first."""
        if self.names is not None:
            return self.names[index]
        place = index + int(np.searchsorted(self._missing_before, index, side="right"))
        if self.numbered_from is not None:
            return self.pattern.format(self.numbered_from + place)
        return self.pattern.format(*(int(c) for c in np.unravel_index(place, self.shape)))

    @cached_property
    def _missing_before(self) -> IntArray:
        """(missing,) of each missing place, how many nodes are before it."""
        return np.array(self.missing, np.int64) - np.arange(len(self.missing))

    def _node_at(self, place: int) -> int | None:
        """Return the id of the node that takes a place of the shape, None where it is missing."""
        before = bisect_left(self.missing, place)
        if before < len(self.missing) and self.missing[before] == place:
            return None
        return self.first + place - before

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile(r"(\d+)".join(re.escape(part) for part in self.pattern.split("{}")))

    @cached_property
    def _named(self) -> Mapping[str, int]:
        return {name: index for index, name in enumerate(self.names or ())}

    def find(self, name: str) -> int | None:
        """Return the node id of `name`, or None if it is not in this group."""
        if self.names is not None:
            index = self._named.get(name)
            return None if index is None else self.first + index
        match = self._regex.fullmatch(name)
        if match is None:
            return None
        coordinates = [int(text) for text in match.groups()]
        if any(str(c) != text for c, text in zip(coordinates, match.groups(), strict=True)):
            return None  # 'npu05' is not a second name of npu5
        if self.numbered_from is not None:
            place = coordinates[0] - self.numbered_from
            return self._node_at(place) if 0 <= place < math.prod(self.shape) else None
        if any(c >= size for c, size in zip(coordinates, self.shape, strict=True)):
            return None
        return self._node_at(int(np.ravel_multi_index(coordinates, self.shape)))

    def below(self, path: str) -> IntArray:
        """Return the ids of the group's nodes that are at a path, such as `pod/cabinet3`, or below it."""
        if self.names is not None or self.numbered_from is not None:
            found = [i for i in range(self.count) if (self.name(i) + "/").startswith(path + "/")]
            return self.first + np.array(found, np.int64)
        steps = path.count("/") + 1
        head = "/".join(self.pattern.split("/")[:steps])
        match = re.fullmatch(r"(0|[1-9]\d*)".join(re.escape(part) for part in head.split("{}")), path)
        coordinates = [int(text) for text in match.groups()] if match else []
        if match is None or any(c >= size for c, size in zip(coordinates, self.shape, strict=False)):
            return np.zeros(0, np.int64)
        inner = math.prod(self.shape[len(coordinates) :])
        at = 0
        for coordinate, size in zip(coordinates, self.shape, strict=False):
            at = at * size + coordinate
        first, last = (bisect_left(self.missing, place) for place in (at * inner, (at + 1) * inner))
        return self.first + np.arange(at * inner - first, (at + 1) * inner - last)


@dataclass(frozen=True)
class Evidence:
    """Where a number of a topology comes from, and how sure we are."""

    key: str
    confidence: str
    source: str
    note: str = ""
    numbers: int = 1
    """How many numbers it covers."""


@dataclass(frozen=True, eq=False)
class LevelInfo:
    """One level of a composed machine, as built.

    copies: how many there are. members: copies of the level below in each. attached: the level whose switches the
    links start from, empty where it is the NPUs; points: how many such nodes in each member. planes, switches:
    columns of own switches, and switches in each; both 0 where the rule brings none. links: in each copy.
    taper: down over up bandwidth of its switches, None where nothing is above them; stated_taper: what its file
    says. edges: (E, 3) the small graph, two ends and parallel links; ends from `members` on are the switches of one
    column. beside: the level whose members are joined here once more, empty where it has members of its own.
    twisted: its wrap also advances an inner coordinate. Where copies differ, `members` and `links` are those of a
    full one.
    """

    name: str
    rule: str
    copies: int
    members: int
    attached: str
    points: int
    planes: int
    switches: int
    links: int
    taper: float | None
    link: str
    network: str
    edges: IntArray
    beside: str = ""
    stated_taper: float = 1.0
    twisted: bool = False


@dataclass(frozen=True)
class Overlay:
    """A file of a lab's own numbers that was laid over a machine, its SHA-256, and what it changed, a sentence each."""

    file: str
    sha256: str
    changes: tuple[str, ...]


@dataclass(frozen=True)
class About:
    """What a topology says of itself beyond its graph."""

    title: str = ""
    vendor_sum: str = ""
    evidence: tuple[Evidence, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    tapers: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    """What each level belongs to: `package`, `scale-up` or `scale-out`; scale-up where a level is not named."""
    levels: tuple[LevelInfo, ...] = ()
    notes: tuple[str, ...] = ()
    """What was chosen in building it that the file left open, one sentence each."""
    layout: Layout | None = None
    routing: Mapping[str, Any] = field(default_factory=dict)
    """Options of the routing that it states beside the policy, such as `lanes`."""
    overlays: tuple[Overlay, ...] = ()
    """What was laid over its own file, in that order."""
