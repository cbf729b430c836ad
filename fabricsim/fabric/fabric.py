"""The compiled machine: nodes and channels as numbered, read-only arrays.

Nodes come in groups that share a name pattern and a device, so a machine of a million NPUs needs a handful
of groups and no object per node. Node ids 0 … ranks−1 are the NPUs in rank order: rank r is node r.
A link is full duplex: link l is channel 2l from its first end to its second, and channel 2l+1 back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from fabricsim.accessors import borrow
from fabricsim.errors import InputError, close_match
from fabricsim.fabric.graphs import level_graph, part_graph, read_graph, write_graph
from fabricsim.fabric.parts import About, Device, IntArray, Link, NodeGroup
from fabricsim.model import Model
from fabricsim.units import format_bandwidth, format_time, to_ps


def _frozen(values: Any, dtype: Any) -> NDArray[Any]:
    """Return a read-only array; a copy, unless nobody else can write to it."""
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.base is not None or (array is values and array.flags.writeable):
        array = array.copy()
    array.flags.writeable = False
    return array


def _alternating(there: IntArray, back: IntArray) -> IntArray:
    """Return (2 · links,) what is so of the two channels of each link."""
    both = np.empty(2 * len(there), np.int64)
    both[0::2], both[1::2] = there, back
    return both


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
        return _frozen(_alternating(self.src, self.dst), np.int64)

    @cached_property
    def channel_dst(self) -> IntArray:
        """(channels,) the node each channel enters."""
        return _frozen(_alternating(self.dst, self.src), np.int64)

    @cached_property
    def bandwidth(self) -> IntArray:
        """(channels,) [B/s], what engines serialise at."""
        of_link = np.array([link.bandwidth for link in self.links], np.int64)[self.link_class]
        return _frozen(_alternating(of_link, of_link), np.int64)

    @cached_property
    def latency_ps(self) -> IntArray:
        """(channels,) [ps], from a bit's departure to its arrival."""
        of_link = np.array([link.latency_ps for link in self.links], np.int64)[self.link_class]
        return _frozen(_alternating(of_link, of_link), np.int64)

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
        read = read_graph(graph, link or {})
        none = np.zeros(len(read.src), np.int64)
        return Fabric(
            name or str(graph.graph.get("name") or "graph"), read.groups, read.links, read.src, read.dst,
            read.link_class, none, none - 1, ("graph",), policy, model or Model(),
        )  # fmt: skip

    def to_networkx(self) -> nx.MultiGraph[str]:
        """Return the whole fabric as a MultiGraph by node name; quantities are text, so it reads back exactly.

        Raises InputError above MAX_GRAPH_NODES nodes.
        """
        return write_graph(self)

    def part(self, path: str) -> nx.MultiGraph[str]:
        """Return what lies below a path, such as `pod/cabinet3`, as a MultiGraph in the form of `to_networkx`.

        Links that leave the part are left out. Raises InputError if nothing is called so, or too much.
        """
        return part_graph(self, path)

    def graph_of_level(self, name: str) -> nx.Graph[str]:
        """Return one copy of a level as a small graph: its members, its switches in one column, and who meets.

        The edge attribute `links` counts parallel links. Raises InputError if the machine has no such level.
        """
        return level_graph(self, name)

    def without(self, links: IntArray | Sequence[int]) -> Fabric:
        """Return the fabric without some links, by id, as routing sees it once they are known to be dead.

        Nodes keep their numbers; links that are left move up. Raises InputError for a link that is not there.
        """
        gone = np.asarray(links, np.int64)
        wrong = gone[(gone < 0) | (gone >= self.link_count)]
        if len(wrong):
            raise InputError(
                f"there is no link {wrong[0]}", f"{self.name} has links 0 to {self.link_count - 1}"
            )
        left = np.ones(self.link_count, np.bool_)
        left[gone] = False
        columns = {name: getattr(self, name)[left] for name in ("src", "dst", "link_class", "level", "plane")}
        return replace(self, **columns)

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
            state.update(np.ascontiguousarray(array, "<i8").data)
        state.update(
            repr(
                [
                    (g.first, g.shape, g.pattern, g.numbered_from, g.names, g.device.kind)
                    + ((g.missing,) if g.missing else ())
                    for g in self.groups
                ]
            ).encode()
        )
        return state.hexdigest()

    def __getattr__(self, name: str) -> Any:
        return borrow(self, name)

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
