"""Which nodes of a trace belong together: a send and its receive, and what the members of a group do in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.traces.trace import Node, Trace


@dataclass(frozen=True)
class Together:
    """One collective: its nodes, by index, one for each member in the group's order."""

    members: tuple[int, ...]
    nodes: tuple[int, ...]


def messages(trace: Trace) -> Iterator[tuple[int, int]]:
    """Yield (send, receive) by index: of a pair of ranks and a tag, each with the other's in its place.

    Raises InputError for a peer that is no rank, one without the other, and sizes that differ.
    """
    sends: dict[tuple[int, int, int], list[int]] = {}
    receives: dict[tuple[int, int, int], list[int]] = {}
    for index, node in enumerate(trace.nodes):
        if node.kind in ("send", "receive"):
            if not 0 <= node.peer < trace.ranks:
                right = f"ranks count from 0 to {trace.ranks - 1}"
                raise node.fault(f"names rank {node.peer}, which the trace does not have", right)
            if node.kind == "send":
                sends.setdefault((node.rank, node.peer, node.tag), []).append(index)
            else:
                receives.setdefault((node.peer, node.rank, node.tag), []).append(index)
    for key in sorted({*sends, *receives}):
        yield from _paired(trace, key, sends.get(key, []), receives.get(key, []))


def _paired(
    trace: Trace, key: tuple[int, int, int], sends: Sequence[int], receives: Sequence[int]
) -> Iterator[tuple[int, int]]:
    src, dst, tag = key
    if len(sends) != len(receives):
        more, few = (sends, receives) if len(sends) > len(receives) else (receives, sends)
        node = trace.nodes[more[len(few)]]
        what = f"sends what rank {dst} never" if more is sends else f"waits for what rank {src} never"
        verb = "receives" if more is sends else "sends"
        right = f"{len(sends)} sends and {len(receives)} receives from rank {src} to {dst} with tag {tag}"
        raise node.fault(f"{what} {verb}", right)
    for send, receive in zip(sends, receives, strict=True):
        sent, taken = trace.nodes[send], trace.nodes[receive]
        if taken.size and taken.size != sent.size:
            raise taken.fault(f"receives {taken.size} B", f"{sent} sends {sent.size} B")
        yield send, receive


def collectives(trace: Trace) -> Iterator[Together]:
    """Yield what groups do together, group by group, in the order in which their members do it.

    Raises InputError for a group that nobody knows or a rank outside its group, and where members disagree.
    """
    turns: dict[str | None, dict[int, list[int]]] = {}
    for index, node in enumerate(trace.nodes):
        if node.kind == "collective":
            turns.setdefault(node.group, {}).setdefault(node.rank, []).append(index)
    _check_groups(trace)
    for group in sorted(turns, key=lambda name: (name is not None, name or "")):
        first = trace.nodes[next(iter(turns[group].values()))[0]]
        members = _members(trace, group, first)
        for rank, own in turns[group].items():
            if rank not in members:
                raise trace.nodes[own[0]].fault(
                    f"takes part in group {group}, which its rank is not in", f"members: {_few(members)}"
                )
        yield from _in_turn(trace, members, turns[group])


def _check_groups(trace: Trace) -> None:
    for name, ranks in trace.groups.items():
        if max(ranks) >= trace.ranks:
            what = f"group {name} has rank {max(ranks)}, and the trace {trace.ranks} ranks"
            raise InputError([Fault(what, f"ranks count from 0 to {trace.ranks - 1}", file=trace.file)])


def _members(trace: Trace, group: str | None, node: Node) -> tuple[int, ...]:
    if group is None:
        return tuple(range(trace.ranks))
    if group not in trace.groups:
        right = close_match(group, trace.groups) if trace.groups else "give a file of groups"
        raise node.fault(f"takes part in group {group!r}, which is not known", right)
    return trace.groups[group]


def _in_turn(
    trace: Trace, members: tuple[int, ...], turns: Mapping[int, Sequence[int]]
) -> Iterator[Together]:
    counts = {rank: len(turns.get(rank, ())) for rank in members}
    most = max(members, key=lambda rank: counts[rank])
    least = min(members, key=lambda rank: counts[rank])
    if counts[most] != counts[least]:
        node = trace.nodes[turns[most][counts[least]]]
        right = f"rank {least} of its group has {counts[least]} collectives, rank {most} {counts[most]}"
        raise node.fault(f"is a {node.collective} that rank {least} never joins", right)
    for turn in range(counts[most]):
        together = Together(members, tuple(turns[rank][turn] for rank in members))
        _check_alike([trace.nodes[index] for index in together.nodes])
        yield together


def _check_alike(nodes: Sequence[Node]) -> None:
    first = nodes[0]
    for node in nodes[1:]:
        if (node.collective, node.size, node.root) != (first.collective, first.size, first.root):
            raise node.fault(f"is {_said(node)}", f"{first}, which it goes with, is {_said(first)}")


def _said(node: Node) -> str:
    root = "" if node.root is None else f" from position {node.root}"
    return f"a {node.collective} of {node.size} B{root}"


def _few(ranks: Sequence[int]) -> str:
    return ", ".join(map(str, ranks[:8])) + (f", … ({len(ranks)})" if len(ranks) > 8 else "")
