"""A trace: what ranks computed, sent, received and did together, node by node, whatever file it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fabricsim.errors import Fault, InputError

Kind = Literal["compute", "send", "receive", "collective"]


@dataclass(frozen=True)
class Source:
    """A file of a trace; word says what places in it count: bytes, lines or entries."""

    file: str
    word: Literal["byte", "line", "entry"] = "line"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing that a rank of a trace does.

    label: what its file calls it. at: where it stands in its source. needs: nodes of the trace, by index, that are
    over before it begins: a computation, a receive and a collective when they are done, a send when its last bit has
    left. duration [s]: of a computation; of a send, the time from its needs to its release. operations: of a
    computation whose file states them and no duration. peer, tag: who a send goes to or a receive is from; the k-th
    send of a pair with a tag meets the k-th receive. size [B]: of a message, or of a rank's input to a collective.
    group: the name of those who do a collective, None for all ranks. root: a position in the group.
    """

    rank: int
    kind: Kind
    label: str
    source: Source
    at: int
    needs: tuple[int, ...] = ()
    duration: float = 0.0
    operations: int = 0
    peer: int = -1
    tag: int = 0
    size: int = 0
    collective: str = ""
    group: str | None = None
    root: int | None = None

    def __str__(self) -> str:
        place = "" if self.source.word == "line" else f" at {self.source.word} {self.at}"
        return f"rank {self.rank}, node {self.label}{place}"

    def fault(self, what: str, right: str = "", *, endless: bool = False) -> InputError:
        """Return the error that something is wrong with this node; endless: see `Fault`."""
        line = self.at if self.source.word == "line" else None
        return InputError([Fault(f"{self} {what}", right, file=self.source.file, line=line, endless=endless)])


@dataclass(frozen=True, eq=False)
class Trace:
    """A whole trace. Nodes of one rank stand in the order of its file; groups: ranks by name, in their order."""

    format: str
    file: str
    ranks: int
    nodes: tuple[Node, ...]
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Trace {self.file}: {self.format}, {self.ranks} ranks, {len(self.nodes)} nodes>"


def resolved(
    node: Node, needs: Iterable[int], index_of: Mapping[int, int], word: str = "node"
) -> tuple[int, ...]:
    """Return the indices of the nodes that a node's file names by their ids. Raises InputError for an unknown one."""
    found = []
    for need in needs:
        index = index_of.get(need)
        if index is None:
            raise node.fault(f"waits for {word} {need}, which its rank does not have", "see its dependencies")
        found.append(index)
    return tuple(dict.fromkeys(found))
