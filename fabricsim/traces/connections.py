"""htsim connection matrices (`.cm`): flows that start at a time, or when a trigger fires, which other flows fire.

    Nodes 4
    Connections 2
    Triggers 1
    0->1 id 1 start 0 size 1000000 send_done_trigger 1
    2->3 id 2 trigger 1 size 1000000
    trigger id 1 oneshot

Starts are picoseconds, as csg-htsim's loader takes them (its own `save` writes microseconds). A oneshot starts all that
wait for it, a barrier does when it has been fired `count` times (csg-htsim, sim/trigger.cpp).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from fabricsim.errors import Fault, InputError
from fabricsim.traces.trace import Node, Source, Trace

_HEAD: Final = re.compile(r"(Nodes|Connections|Triggers|Failures)\s+(\d+)")
_FLOW: Final = re.compile(r"(\d+)->(\d+)((?:\s+\S+\s+\S+)+)")
_TRIGGER: Final = re.compile(r"trigger\s+id\s+(\d+)\s+(\w+)(?:\s+count\s+(\d+))?")
_KEYS: Final = ("id", "start", "trigger", "size", "send_done_trigger", "recv_done_trigger")


@dataclass(frozen=True)
class _Line:
    """A line of the file, and how to say what is wrong with it."""

    file: str
    number: int
    text: str

    def fault(self, what: str, right: str = "") -> InputError:
        return InputError([Fault(what, right, file=self.file, line=self.number)])


@dataclass(frozen=True)
class _Flow:
    line: _Line
    src: int
    dst: int
    given: Mapping[str, int]


@dataclass(frozen=True)
class _Trigger:
    line: _Line
    kind: str
    count: int | None


def is_connections(text: str) -> bool:
    """Return whether text looks like a connection matrix of htsim."""
    return _HEAD.match(text.lstrip()) is not None


def read_connections(text: str, file: str) -> Trace:
    """Return the trace that a connection matrix states. Raises InputError with the line of what does not fit."""
    heads: dict[str, int] = {}
    flows: list[_Flow] = []
    triggers: dict[int, _Trigger] = {}
    lines = [_Line(file, number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [line for line in lines if line.text and not line.text.startswith("#")]
    for line in lines:
        if match := _HEAD.fullmatch(line.text):
            heads[match[1]] = int(match[2])
        elif match := _TRIGGER.fullmatch(line.text):
            if int(match[1]) in triggers:
                raise line.fault(f"trigger {match[1]} stands here twice", "ids differ")
            triggers[int(match[1])] = _Trigger(line, match[2], int(match[3]) if match[3] else None)
        elif line.text.startswith("failure"):
            raise line.fault(
                "a failure of a part is not of a trace", "write it below failures: of the scenario"
            )
        else:
            flows.append(_flow(line))
    _check_counts(lines[0], heads, len(flows), len(triggers))
    nodes = tuple(_nodes(flows, _fired(flows, triggers), heads["Nodes"]))
    return Trace("htsim", file, heads["Nodes"], nodes)


def _check_counts(line: _Line, heads: Mapping[str, int], flows: int, triggers: int) -> None:
    for key, found in (("Nodes", None), ("Connections", flows), ("Triggers", triggers), ("Failures", 0)):
        stated = heads.get(key, 0 if key in ("Triggers", "Failures") else None)
        if stated is None:
            raise line.fault(f"the file states no {key}", f"write {key} and how many")
        if found is not None and stated != found:
            raise line.fault(f"the file states {stated} {key} and has {found}", "give the whole file")


def _flow(line: _Line) -> _Flow:
    match = _FLOW.fullmatch(line.text)
    if match is None:
        raise line.fault(f"{line.text!r} is no flow", "write it as in 0->1 id 1 start 0 size 1000000")
    words, given = match[3].split(), dict[str, int]()
    for key, value in zip(words[::2], words[1::2], strict=True):
        if key not in _KEYS:
            raise line.fault(f"{key} has no meaning in a replay", f"known: {', '.join(_KEYS)}")
        try:
            given[key] = round(float(value)) if key == "start" else int(value)
        except (ValueError, OverflowError):
            raise line.fault(f"{key} is {value!r}", "write a whole number") from None
        if given[key] < 0:
            raise line.fault(f"{key} is {value}", "write 0 or more")
    if ("start" in given) == ("trigger" in given):
        raise line.fault("the flow has neither start nor trigger, or both", "write one of them")
    if given.get("size", 0) < 1:
        raise line.fault("the flow has no size", "write its bytes, 1 or more")
    return _Flow(line, int(match[1]), int(match[2]), given)


def _fired(flows: list[_Flow], triggers: Mapping[int, _Trigger]) -> dict[int, list[int]]:
    """Return what each trigger waits for: nodes, the send of flow f being 2 f and its receive 2 f + 1."""
    fired: dict[int, list[int]] = {number: [] for number in triggers}
    for index, flow in enumerate(flows):
        for offset, key in enumerate(("send_done_trigger", "recv_done_trigger")):
            if key in flow.given:
                _known(flow, flow.given[key], triggers)
                fired[flow.given[key]].append(2 * index + offset)
        if "trigger" in flow.given:
            _known(flow, flow.given["trigger"], triggers)
    for number, trigger in triggers.items():
        _check_trigger(number, trigger, len(fired[number]))
    return fired


def _known(flow: _Flow, number: int, triggers: Mapping[int, _Trigger]) -> None:
    if number not in triggers:
        raise flow.line.fault(f"there is no trigger {number}", "write a line trigger id … for it")


def _check_trigger(number: int, trigger: _Trigger, times: int) -> None:
    if trigger.kind not in ("oneshot", "barrier"):
        right = "which flow a multishot starts depends on time; write oneshots and barriers"
        raise trigger.line.fault(f"trigger {number} is a {trigger.kind}", right)
    wanted = (trigger.count or 1) if trigger.kind == "barrier" else 1
    if times != wanted:
        raise trigger.line.fault(
            f"trigger {number} fires after {wanted}, and {times} flows fire it", "make them equal"
        )


def _nodes(flows: list[_Flow], fired: Mapping[int, list[int]], ranks: int) -> Iterator[Node]:
    for index, flow in enumerate(flows):
        if max(flow.src, flow.dst) >= ranks or flow.src == flow.dst:
            what = f"a flow from {flow.src} to {flow.dst}"
            raise flow.line.fault(what, f"write two nodes from 0 to {ranks - 1}")
        label = f"flow {flow.given.get('id', index + 1)}"
        size, source = flow.given["size"], Source(flow.line.file)
        needs = tuple(fired[flow.given["trigger"]]) if "trigger" in flow.given else ()
        node = Node(
            flow.src, "send", label, source, flow.line.number, needs, peer=flow.dst, tag=index, size=size
        )
        yield replace(node, duration=flow.given.get("start", 0) * 1e-12)
        yield replace(node, rank=flow.dst, kind="receive", peer=flow.src, needs=())
