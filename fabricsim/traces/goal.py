"""GOAL schedules as text: what each rank computes, sends and receives, and what requires what (LogGOPSim, ATLAHS).

num_ranks 2
rank 0 {
l1: calc 1000                 // nanoseconds
l2: send 1048576b to 1 tag 7
l2 requires l1                // begins when l1 is over; irequires: when it has begun
}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from fabricsim.errors import Fault, InputError
from fabricsim.traces.trace import Kind, Node, Source, Trace

_LABEL: Final = r"[a-zA-Z][a-zA-Z0-9_]*"
_HEAD: Final = re.compile(r"num_ranks\s+(\d+)")
_RANK: Final = re.compile(r"rank\s+(\d+)\s*\{")
_CALC: Final = re.compile(rf"(?:({_LABEL})\s*:\s*)?calc\s+(\d+)(?:\s+cpu\s+(\d+))?")
_MESSAGE: Final = re.compile(
    rf"(?:({_LABEL})\s*:\s*)?(?:(send)\s+(\d+)b\s+to|(recv)\s+(\d+)b\s+from)\s+(-?\d+)"
    r"(?:\s+tag\s+(-?\d+))?(?:\s+cpu\s+\d+)?(?:\s+nic\s+\d+)?"
)
_REQUIRES: Final = re.compile(rf"({_LABEL})\s+(i?)requires\s+({_LABEL})")
_COMMENT: Final = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_RIGHT: Final = "write calc, send, recv, requires or irequires, as in l2: send 8b to 1 tag 7"


def is_goal(text: str) -> bool:
    """Return whether text looks like a GOAL schedule."""
    return _HEAD.match(_bare(text).lstrip()) is not None


def read_goal(text: str, file: str) -> Trace:
    """Return the trace that a GOAL schedule states. Raises InputError with the line of what cannot be replayed."""
    lines = [
        (number, line.strip()) for number, line in enumerate(_bare(text).splitlines(), 1) if line.strip()
    ]
    head = _HEAD.fullmatch(lines[0][1]) if lines else None
    if head is None:
        raise _fault(file, 1, "does not begin with num_ranks", "write num_ranks and how many")
    ranks, nodes = int(head[1]), list[Node]()
    blocks = list(_blocks(lines[1:], file))
    if sorted(rank for rank, _ in blocks) != list(range(ranks)):
        found = sorted(rank for rank, _ in blocks)
        missing = sorted(set(range(ranks)) - set(found)) or found
        what = f"the blocks are not those of ranks 0 to {ranks - 1}, each once; see rank {missing[0]}"
        raise _fault(file, lines[0][0], what, "write a block for each rank")
    for rank, block in sorted(blocks, key=lambda each: each[0]):
        nodes += _Block(rank, Source(file), len(nodes)).nodes(block)
    return Trace("goal", file, ranks, tuple(nodes))


def _bare(text: str) -> str:
    """Return the text without comments, on the same lines."""
    return _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)


def _fault(file: str, line: int, what: str, right: str) -> InputError:
    return InputError([Fault(what, right, file=file, line=line)])


def _blocks(lines: list[tuple[int, str]], file: str) -> Iterator[tuple[int, list[tuple[int, str]]]]:
    rank, begun, block = None, 0, list[tuple[int, str]]()
    for number, line in lines:
        match = _RANK.fullmatch(line)
        if match and rank is None:
            rank, begun, block = int(match[1]), number, []
        elif line == "}" and rank is not None:
            yield rank, block
            rank = None
        elif rank is None or match:
            raise _fault(file, number, f"{line!r} does not belong here", "write rank R {, statements, and }")
        else:
            block.append((number, line))
    if rank is not None:
        raise _fault(file, begun, f"the block of rank {rank} has no end", "give the whole file")


class _Block:
    """The statements of one rank, as they are read."""

    def __init__(self, rank: int, source: Source, first: int) -> None:
        self.rank, self.source, self.first = rank, source, first
        self.found: list[Node] = []
        self.index_of: dict[str, int] = {}
        self.requires: list[tuple[int, str, bool, str]] = []

    def nodes(self, lines: list[tuple[int, str]]) -> list[Node]:
        """Return the rank's nodes; their needs count from the trace's first node."""
        for number, line in lines:
            self._statement(number, line)
        over: dict[int, list[int]] = {}
        begun: dict[int, list[int]] = {}
        for number, label, immediately, need in self.requires:
            for name in (label, need):
                if name not in self.index_of:
                    raise _fault(
                        self.source.file, number, f"rank {self.rank} has no {name}", "labels are a rank's own"
                    )
            kind = begun if immediately else over
            kind.setdefault(self.index_of[label], []).append(self.index_of[need])
        return [
            replace(node, needs=tuple(self.first + need for need in sorted(self._needs(index, over, begun))))
            for index, node in enumerate(self.found)
        ]

    def _statement(self, number: int, line: str) -> None:
        if match := _CALC.fullmatch(line):
            self._add(
                match[1], Node(self.rank, "compute", "", self.source, number, duration=int(match[2]) * 1e-9)
            )
        elif match := _MESSAGE.fullmatch(line):
            peer, tag = int(match[6]), int(match[7] or 0)
            kind: Kind = "send" if match[2] else "receive"
            size = int(match[3] or match[5])
            node = Node(self.rank, kind, match[1] or "", self.source, number, peer=peer, tag=tag, size=size)
            if peer < 0 or tag < 0:
                right = "name its peer and tag: which message comes first is what a replay finds out"
                raise _fault(self.source.file, number, f"{node} takes any message", right)
            self._add(match[1], node)
        elif match := _REQUIRES.fullmatch(line):
            self.requires.append((number, match[1], bool(match[2]), match[3]))
        else:
            raise _fault(self.source.file, number, f"{line!r} is no statement of GOAL", _RIGHT)

    def _add(self, label: str | None, node: Node) -> None:
        index = len(self.found)
        if label in self.index_of:
            raise _fault(self.source.file, node.at, f"rank {self.rank} has two {label}", "labels differ")
        if label:
            self.index_of[label] = index
        self.found.append(replace(node, label=label or f"#{index}"))

    def _needs(self, index: int, over: dict[int, list[int]], begun: dict[int, list[int]]) -> set[int]:
        """Return what a node waits for: what is required, and what those wait for that only have to have begun."""
        needs, seen, open_ = set(over.get(index, ())), {index}, list(begun.get(index, ()))
        while open_:
            other = open_.pop()
            if other == index:
                raise self.found[index].fault("has to begin after itself", "see irequires")
            if other not in seen:
                seen.add(other)
                needs |= set(over.get(other, ()))
                open_ += begun.get(other, ())
        return needs
