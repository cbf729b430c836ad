"""The compiled machine: nodes and channels as numbered, read-only arrays.

Nodes come in groups that share a name pattern and a device, so a machine of a million NPUs needs a handful
of groups and no object per node. Node ids 0 … ranks−1 are the NPUs in rank order: rank r is node r.
A link is full duplex: link l is channel 2l from its first end to its second, and channel 2l+1 back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from fabricsim.errors import FaultList, InputError, close_match
from fabricsim.model import Model
from fabricsim.units import (
    EXAMPLES,
    MAX_AMOUNT,
    MAX_SECONDS,
    format_bandwidth,
    format_time,
    parse_bandwidth,
    parse_time,
    to_ps,
)

IntArray = NDArray[np.int64]
KINDS: Final = ("npu", "cpu", "switch", "nic", "ocs")
MAX_GRAPH_NODES: Final = 20_000
"""Above this `to_networkx` refuses: a node and its links cost NetworkX some 10 kB (measured)."""


def _refuse_eternity(seconds: float, what: str) -> None:
    if seconds > MAX_SECONDS:
        raise InputError(f"{what} is more than a simulation can hold", EXAMPLES["time"])


@dataclass(frozen=True)
class Device:
    """What a node is. delay [s] is added when a packet passes through; nothing passes a node that does not forward.

    ports: how many it has, None where unknown. per_package: endpoints that share one package (dies).
    """

    name: str
    kind: str = "npu"
    forwards: bool = False
    delay: float = 0.0
    ports: int | None = None
    per_package: int = 1

    def __post_init__(self) -> None:
        _refuse_eternity(self.delay, f"the delay of {self.name!r}")


@dataclass(frozen=True)
class Link:
    """A class of links. Engines serialise at `bandwidth` [B/s, per direction] = raw × coding; latency [s]."""

    name: str
    bandwidth: int
    latency: float
    raw: int | None = None
    coding: float = 1.0
    lanes: int | None = None
    medium: str | None = None

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

    With `numbered_from` the pattern takes one number instead: that, plus the node's place in the group.
    """

    first: int
    shape: tuple[int, ...]
    pattern: str
    device: Device
    level: str = ""
    names: tuple[str, ...] | None = None
    numbered_from: int | None = None

    @property
    def count(self) -> int:
        """How many nodes the group has."""
        return int(np.prod(self.shape))

    def name(self, index: int) -> str:
        """Return the name of the group's node `index`, counted from its first."""
        if self.names is not None:
            return self.names[index]
        if self.numbered_from is not None:
            return self.pattern.format(self.numbered_from + index)
        return self.pattern.format(*(int(c) for c in np.unravel_index(index, self.shape)))

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
            index = coordinates[0] - self.numbered_from
            return self.first + index if 0 <= index < self.count else None
        if any(c >= size for c, size in zip(coordinates, self.shape, strict=True)):
            return None
        return self.first + int(np.ravel_multi_index(coordinates, self.shape))


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
    taper: down over up bandwidth of its switches, None where nothing is above them. edges: (E, 3) the small
    graph, two ends and parallel links; ends from `members` on are the switches of one column. beside: the level
    whose members are joined here once more, empty where the level has members of its own.
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


def _frozen(values: Any, dtype: Any) -> NDArray[Any]:
    array = np.ascontiguousarray(values, dtype=dtype)
    if array is values or array.base is not None:
        array = array.copy()
    array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Fabric:
    """A machine, compiled. Build one with `load_topology`, `Fabric.from_networkx` or a topology file.

    src, dst, link_class, level, plane have one entry per link: its two ends (node ids), its class
    (index into `links`), its level (index into `levels`) and its plane or rail (−1 where it has none).
    """

    name: str
    groups: tuple[NodeGroup, ...]
    links: tuple[Link, ...]
    src: IntArray
    dst: IntArray
    link_class: IntArray
    level: IntArray
    plane: IntArray
    levels: tuple[str, ...]
    policy: str = "minimal"
    model: Model = field(default_factory=Model)
    about: About = field(default_factory=About)

    def __post_init__(self) -> None:
        for name, dtype in (
            ("src", np.int64),
            ("dst", np.int64),
            ("link_class", np.int32),
            ("level", np.int16),
            ("plane", np.int32),
        ):
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype))

    # -- counts ---------------------------------------------------------------------------------

    @property
    def nodes(self) -> int:
        """How many nodes there are, of any kind."""
        last = self.groups[-1]
        return last.first + last.count

    @cached_property
    def ranks(self) -> int:
        """How many NPUs there are; rank r is node r."""
        return sum(group.count for group in self.groups if group.device.kind == "npu")

    @cached_property
    def switches(self) -> int:
        """How many switches there are."""
        return sum(group.count for group in self.groups if group.device.kind == "switch")

    @property
    def link_count(self) -> int:
        """How many full-duplex links there are."""
        return len(self.src)

    @property
    def channels(self) -> int:
        """How many directed channels there are: two a link."""
        return 2 * len(self.src)

    # -- arrays per channel and node --------------------------------------------------------------

    @cached_property
    def channel_src(self) -> IntArray:
        """(channels,) the node each channel leaves."""
        return _frozen(np.stack([self.src, self.dst], axis=1).reshape(-1), np.int64)

    @cached_property
    def channel_dst(self) -> IntArray:
        """(channels,) the node each channel enters."""
        return _frozen(np.stack([self.dst, self.src], axis=1).reshape(-1), np.int64)

    @cached_property
    def bandwidth(self) -> IntArray:
        """(channels,) [B/s], what engines serialise at."""
        return _frozen(
            np.repeat(np.array([link.bandwidth for link in self.links], np.int64)[self.link_class], 2),
            np.int64,
        )

    @cached_property
    def latency_ps(self) -> IntArray:
        """(channels,) [ps], from a bit's departure to its arrival."""
        return _frozen(
            np.repeat(np.array([link.latency_ps for link in self.links], np.int64)[self.link_class], 2),
            np.int64,
        )

    @cached_property
    def delay_ps(self) -> IntArray:
        """(nodes,) [ps], added when a packet passes through a node."""
        return _frozen(
            np.repeat([to_ps(g.device.delay) for g in self.groups], [g.count for g in self.groups]), np.int64
        )

    @cached_property
    def forwards(self) -> NDArray[np.bool_]:
        """(nodes,) whether packets may pass through a node."""
        return _frozen(
            np.repeat([g.device.forwards for g in self.groups], [g.count for g in self.groups]), np.bool_
        )

    @cached_property
    def out(self) -> tuple[IntArray, IntArray]:
        """The channels that leave each node, in CSR form: (nodes + 1,) starts and (channels,) ids, ascending."""
        order = np.argsort(self.channel_src, kind="stable")
        starts = np.searchsorted(self.channel_src[order], np.arange(self.nodes + 1))
        return _frozen(starts, np.int64), _frozen(order, np.int64)

    # -- names --------------------------------------------------------------------------------------

    def node_name(self, node: int) -> str:
        """Return the stable name of a node."""
        for group in self.groups:
            if group.first <= node < group.first + group.count:
                return group.name(node - group.first)
        raise InputError(f"there is no node {node}", f"node ids run from 0 to {self.nodes - 1}")

    def node(self, name: str) -> int:
        """Return the id of the node called `name`; raises InputError with a close match."""
        for group in self.groups:
            found = group.find(name)
            if found is not None:
                return found
        known = [group.name(index) for group in self.groups for index in range(min(group.count, 512))]
        raise InputError(
            f"{name!r} is not a node of {self.name}", close_match(name, known) if len(known) else ""
        )

    def device(self, node: int) -> Device:
        """Return what a node is."""
        return next(g.device for g in self.groups if g.first <= node < g.first + g.count)

    def channel_name(self, channel: int) -> str:
        """Return a channel as people write it: `npu0 -> sw0`, with `#k` for one of several parallels."""
        a, b = int(self.channel_src[channel]), int(self.channel_dst[channel])
        parallel = self.links_between(a, b)
        tail = f" #{parallel.index(channel // 2)}" if len(parallel) > 1 else ""
        return f"{self.node_name(a)} -> {self.node_name(b)}{tail}"

    def links_between(self, a: int, b: int) -> list[int]:
        """Return the link ids that join nodes a and b, ascending; empty where they are not adjacent."""
        starts, channels = self.out
        leaving = channels[starts[a] : starts[a + 1]]
        return [int(c) // 2 for c in leaving[self.channel_dst[leaving] == b]]

    # -- NetworkX -----------------------------------------------------------------------------------

    @staticmethod
    def from_networkx(
        graph: nx.Graph[Any],
        *,
        link: Mapping[str, Any] | None = None,
        name: str = "",
        policy: str = "minimal",
        model: Model | None = None,
    ) -> Fabric:
        """Return the Fabric of any undirected (multi)graph.

        Node attributes: `kind` (npu where absent), `rank` (order of appearance where absent), `forwards`
        (switches do, others do not), `delay`. Edge attributes: `bandwidth` and `latency`, text with units;
        `link` gives them where an edge does not. Raises InputError with every fault found.
        """
        return _from_networkx(graph, link or {}, name, policy, model or Model())

    def to_networkx(self) -> nx.MultiGraph[str]:
        """Return the whole fabric as a MultiGraph by node name; quantities are text, so it reads back exactly.

        Raises InputError above MAX_GRAPH_NODES nodes.
        """
        if self.nodes > MAX_GRAPH_NODES:
            raise InputError(
                f"{self.name} has {self.nodes} nodes, too many for one NetworkX graph",
                f"up to {MAX_GRAPH_NODES} are drawn whole",
            )
        graph: nx.MultiGraph[str] = nx.MultiGraph(name=self.name)
        names = [group.name(index) for group in self.groups for index in range(group.count)]
        for group in self.groups:
            device = group.device
            for node in range(group.first, group.first + group.count):
                extra = {"rank": node} if device.kind == "npu" else {}
                graph.add_node(
                    names[node], kind=device.kind, device=device.name, level=group.level,
                    forwards=device.forwards, delay=f"{to_ps(device.delay)} ps", **extra,
                )  # fmt: skip
        for a, b, c, level, plane in zip(
            self.src.tolist(),
            self.dst.tolist(),
            self.link_class.tolist(),
            self.level.tolist(),
            self.plane.tolist(),
            strict=True,
        ):
            cls = self.links[c]
            extra = {
                key: value
                for key, value in (("medium", cls.medium), ("lanes", cls.lanes))
                if value is not None
            }
            graph.add_edge(
                names[a], names[b], bandwidth=f"{cls.bandwidth} B/s", latency=f"{cls.latency_ps} ps",
                link=cls.name, level=self.levels[level], plane=plane, **extra,
            )  # fmt: skip
        return graph

    # -- identity -------------------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything an engine can see: ends, rates, latencies, delays, forwarding, names of ranks."""
        state = hashlib.sha256()
        for array in (
            self.channel_src,
            self.channel_dst,
            self.bandwidth,
            self.latency_ps,
            self.delay_ps,
            self.forwards,
        ):
            state.update(np.ascontiguousarray(array).astype("<i8").tobytes())
        state.update(
            repr(
                [(g.first, g.shape, g.pattern, g.numbered_from, g.names, g.device.kind) for g in self.groups]
            ).encode()
        )
        return state.hexdigest()

    def __repr__(self) -> str:
        return f"<Fabric {self.name}: {self.ranks} NPUs, {self.switches} switches, {self.link_count} links>"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(link.name)}</td><td>{int(np.sum(self.link_class == index))}</td>"
            f"<td>{format_bandwidth(link.bandwidth)}</td><td>{format_time(link.latency)}</td></tr>"
            for index, link in enumerate(self.links)
        )
        return (
            f"<b>{escape(self.name)}</b>: {self.ranks} NPUs, {self.switches} switches, {self.link_count} links"
            f"<table><tr><th>link</th><th>count</th><th>per direction</th><th>latency</th></tr>{rows}</table>"
        )


def _from_networkx(
    graph: nx.Graph[Any], link: Mapping[str, Any], name: str, policy: str, model: Model
) -> Fabric:
    if graph.is_directed():
        raise InputError("the graph is directed", "links are full duplex: pass graph.to_undirected()")
    faults = FaultList()
    devices: dict[Any, Device] = {}
    for node, data in graph.nodes(data=True):
        with faults.at("nodes", str(node)):
            devices[node] = _device(data)
    npus = [node for node, device in devices.items() if device.kind == "npu"]
    with faults.at("nodes"):
        npus = _by_rank(npus, graph)
    classes: dict[Link, int] = {}
    ends: list[tuple[Any, Any, int]] = []
    for a, b, data in graph.edges(data=True):
        with faults.at("edges", f"{a} - {b}"):
            if a == b:
                raise InputError("joins a node to itself", "leave it out")
            ends.append((a, b, classes.setdefault(_link({**link, **data}), len(classes))))
    faults.raise_if_any()
    if not npus:
        raise InputError("the graph has no NPU", "give at least one node kind='npu'")
    groups = _named_groups(npus, devices)
    ids = {node: index for index, node in enumerate(n for group in groups for n in group.names or ())}
    if len({str(node) for node in ids}) < len(ids):
        raise InputError("two nodes have the same name when written as text", "rename one of them")
    # numbered by their ends, so that a fabric does not depend on the order in which a graph was put together
    links = sorted(
        (min(ids[a], ids[b]), max(ids[a], ids[b]), position, c) for position, (a, b, c) in enumerate(ends)
    )
    src, dst, _, link_class = np.array(links, np.int64).reshape(-1, 4).T
    level = np.zeros(len(links), np.int64)
    return Fabric(
        name or str(graph.graph.get("name") or "graph"),
        tuple(replace(group, names=tuple(str(n) for n in group.names or ())) for group in groups),
        tuple(classes) or (Link("none", 1, 0.0),),
        src,
        dst,
        link_class,
        level,
        level - 1,
        ("graph",),
        policy,
        model,
    )


def _named_groups(npus: Sequence[Any], devices: Mapping[Any, Device]) -> list[NodeGroup]:
    """Group nodes by device, NPUs first in rank order; node ids follow the groups."""
    groups: list[NodeGroup] = []
    ordered = [*npus, *(node for node, device in devices.items() if device.kind != "npu")]
    first = 0
    while first < len(ordered):
        device = devices[ordered[first]]
        last = first
        while last < len(ordered) and devices[ordered[last]] == device:
            last += 1
        groups.append(NodeGroup(first, (last - first,), "", device, "", tuple(ordered[first:last])))
        first = last
    return groups


def _device(data: Mapping[str, Any]) -> Device:
    kind = str(data.get("kind", "npu"))
    if kind not in KINDS:
        raise InputError(f"{kind!r} is not a kind of node", close_match(kind, KINDS))
    delay = parse_time(data["delay"]) if "delay" in data else 0.0
    if delay < 0:
        raise InputError("the delay is negative", "write 0 ns or more")
    forwards = data.get("forwards", kind != "npu")
    if not isinstance(forwards, bool | np.bool_):
        raise InputError(f"forwards is {forwards!r}", "write true or false")
    return Device(str(data.get("device", kind)), kind, bool(forwards), delay)


def _link(data: Mapping[str, Any]) -> Link:
    if "bandwidth" not in data:
        raise InputError("has no bandwidth", "set bandwidth='50 GB/s' on the edge, or pass link={...}")
    bandwidth = parse_bandwidth(data["bandwidth"])
    latency = parse_time(data.get("latency", "0 s"))
    if bandwidth < 1:
        raise InputError("the bandwidth is not above zero", "leave the edge out instead")
    if latency < 0:
        raise InputError("the latency is negative", "write 0 ns or more")
    lanes = _whole(data["lanes"], "lanes") if data.get("lanes") is not None else None
    return Link(str(data.get("link", "link")), bandwidth, latency, lanes=lanes, medium=data.get("medium"))


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{what} is {value!r}", "write a whole number")
    return int(value)


def _by_rank(npus: Iterable[Any], graph: nx.Graph[Any]) -> list[Any]:
    ranked = [(graph.nodes[node].get("rank"), node) for node in npus]
    if all(rank is None for rank, _ in ranked):
        return [node for _, node in ranked]
    numbered = [(-1 if rank is None else _whole(rank, f"the rank of {node}"), node) for rank, node in ranked]
    if sorted(rank for rank, _ in numbered) != list(range(len(numbered))):
        raise InputError("the ranks are not 0 … n−1, each once", "number every NPU, or none")
    return [node for _, node in sorted(numbered, key=lambda pair: pair[0])]
