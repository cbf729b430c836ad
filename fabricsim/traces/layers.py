"""Layers of a training step as text, of ASTRA-sim 1 and SimAI: what each computes and exchanges, forward and back.

    HYBRID_TRANSFORMER_FWD_IN_BCKWD model_parallel_NPU_group: 8 ep: 1 pp: 1 all_gpus: 32 checkpoints: 0
    1
    attention -1 556000 ALLREDUCE 16777216 556000 ALLREDUCE 16777216 278000 ALLREDUCE 33554432 100

Twelve columns: name, dependency, then time [ns], exchange and bytes of the forward pass, of the input gradient and of
the weight gradient, and the time after each exchange [ns]. One step is read, in the order of ASTRA-sim's loops: forward
through the layers, each waiting for its exchange, then back; see `_Walk`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fabricsim.errors import Fault, InputError, close_match
from fabricsim.traces.trace import Node, Source, Trace

POLICIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "MICRO": ("wg",),
    "DATA": ("wg",),
    "MODEL": ("fwd", "ig"),
    "HYBRID_TRANSFORMER": ("fwd", "ig", "wg"),
    "HYBRID_TRANSFORMER_FWD_IN_BCKWD": ("fwd", "ig", "wg"),
})  # fmt: skip
"""What the first word of a file can be, and which passes then have exchanges."""

EXCHANGES: Final[Mapping[str, str]] = MappingProxyType({
    "ALLREDUCE": "all-reduce", "ALLGATHER": "all-gather", "REDUCESCATTER": "reduce-scatter", "ALLTOALL": "all-to-all",
})  # fmt: skip

_FIRST: Final = re.compile(r"(MICRO|DATA|MODEL|HYBRID_\w+|DISTRIBUTED_INFERENCE)\b")
_OPTION: Final = re.compile(r"\s+(\w+)\s*:?\s+(-?\d+(?:\.\d+)?)")
_EXCHANGE: Final = re.compile(r"([A-Z]+?)(_EP|_DP_EP)?")
_PASSES: Final = ("fwd", "ig", "wg")
_ROW: Final = "write name, -1, then time, exchange and bytes three times, and the time after an exchange"


@dataclass(frozen=True)
class _Pass:
    """What one pass through a layer takes [s], the collective that follows, its size [B], and among whom."""

    seconds: float
    collective: str
    size: int
    among: str


@dataclass(frozen=True)
class _Layer:
    line: int
    name: str
    passes: Mapping[str, _Pass]
    after: float
    """What comes after each exchange [s]."""


@dataclass(frozen=True)
class _Head:
    """What the first line states: ranks, those that share a layer (tp), and those that share experts (ep)."""

    policy: str
    ranks: int
    tp: int
    ep: int

    def members(self, among: str, rank: int) -> tuple[int, ...]:
        """Return the ranks that `rank` exchanges with: neighbours share a layer, those at one place of them its copies.

        Of these, ep neighbours share experts, and those at one place of them the copies of experts.
        """
        place = rank % self.tp
        copies = range(place, self.ranks, self.tp)
        at = rank // self.tp
        return tuple({
            "all": range(self.ranks),
            "tp": range(rank - place, rank - place + self.tp),
            "dp": copies,
            "ep": copies[at - at % self.ep : at - at % self.ep + self.ep],
            "dp-ep": copies[at % self.ep :: self.ep],
        }[among])  # fmt: skip


def is_layers(text: str) -> bool:
    """Return whether text looks like the layers of a step."""
    return _FIRST.match(text.lstrip()) is not None


def read_layers(text: str, file: str) -> Trace:
    """Return the trace of one step. Raises InputError with the line of what cannot be replayed."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    head = _head(lines[0][1], file, lines[0][0])
    layers = list(_layers(lines[1:], head, file))
    groups: dict[str, tuple[int, ...]] = {}
    nodes: list[Node] = []
    for rank in range(head.ranks):
        _Walk(head, rank, Source(file), nodes, groups).step(layers)
    return Trace("layers", file, head.ranks, tuple(nodes), groups)


def _fault(file: str, line: int, what: str, right: str) -> InputError:
    return InputError([Fault(what, right, file=file, line=line)])


def _head(text: str, file: str, line: int) -> _Head:
    first, *_ = text.split()
    if first not in POLICIES:
        what = f"steps of {first} are not read"
        raise _fault(file, line, what, close_match(first, POLICIES))
    found = {match[1]: float(match[2]) for match in _OPTION.finditer(text)}
    for key, usual, why in (
        ("pp", 1, "stages of a pipeline are not in its layers; write a training step, train:"),
        ("checkpoints", 0, "what is computed again is not read; write checkpoints: 0"),
    ):
        if found.get(key, usual) != usual:
            raise _fault(file, line, f"{key} is {found[key]:g}", why)
    needed = ("all_gpus", "model_parallel_NPU_group")[: 2 if first.startswith("HYBRID") else 1]
    missing = [key for key in needed if key not in found]
    if missing:
        right = f"add {missing[0]}: and a number to the first line, as SimAI has it"
        raise _fault(file, line, f"{missing[0]} is not stated", right)
    ranks, tp, ep = (int(found.get(key, 1)) for key in ("all_gpus", "model_parallel_NPU_group", "ep"))
    if min(ranks, tp, ep) < 1 or ranks % (tp * ep):
        what = f"{ranks} ranks do not divide into groups of {tp} · {ep}"
        raise _fault(file, line, what, "write all_gpus as a multiple of model_parallel_NPU_group · ep")
    return _Head(first, ranks, tp, ep)


def _layers(lines: list[tuple[int, str]], head: _Head, file: str) -> Iterator[_Layer]:
    if not lines or not lines[0][1].isdigit():
        number = lines[0][0] if lines else 2
        raise _fault(
            file, number, "there is no number of layers", "write how many follow, below the first line"
        )
    stated, rows = int(lines[0][1]), lines[1:]
    if stated != len(rows):
        what = f"{stated} layers are stated, and {len(rows)} follow"
        raise _fault(file, lines[0][0], what, "give the whole file")
    if head.policy == "MICRO" and stated != 1:
        raise _fault(
            file, lines[0][0], f"a micro-benchmark of {stated} layers", "its one layer is what is run"
        )
    for number, text in rows:
        yield _layer(number, text.split(), head, file)


def _layer(line: int, words: list[str], head: _Head, file: str) -> _Layer:
    if len(words) != 12:
        raise _fault(file, line, f"{len(words)} columns, not 12", _ROW)
    passes = {}
    for name, (time, exchange, size) in zip(_PASSES, (words[2:5], words[5:8], words[8:11]), strict=True):
        passes[name] = _pass(line, name, (time, exchange, size), head, file)
    return _Layer(line, words[0], passes, _number(words[11], "time after an exchange", file, line) * 1e-9)


def _pass(line: int, name: str, words: tuple[str, str, str], head: _Head, file: str) -> _Pass:
    seconds = _number(words[0], f"time of {name}", file, line) * 1e-9
    size = _number(words[2], f"bytes of {name}", file, line)
    if words[1] == "NONE":
        return _Pass(seconds, "", 0, "")
    match = _EXCHANGE.fullmatch(words[1])
    if match is None or match[1] not in EXCHANGES:
        raise _fault(file, line, f"{words[1]!r} is not an exchange", f"known: NONE, {', '.join(EXCHANGES)}")
    if name not in POLICIES[head.policy]:
        what = f"a step of {head.policy} makes no exchange in {name}"
        raise _fault(file, line, what, "write NONE, or another first word")
    if not size:
        raise _fault(file, line, f"{words[1]} of no bytes", "write its bytes, or NONE")
    return _Pass(seconds, EXCHANGES[match[1]], size, _among(match[2] or "", name, head))


def _among(suffix: str, name: str, head: _Head) -> str:
    if suffix:
        return suffix[1:].lower().replace("_", "-")
    if not head.policy.startswith("HYBRID"):
        return "all"
    return "dp" if name == "wg" else "tp"


def _number(text: str, what: str, file: str, line: int) -> int:
    if not text.isdigit():
        raise _fault(file, line, f"the {what} is {text!r}", "write a whole number from 0 up")
    return int(text)


class _Walk:
    """One rank's way through a step; nodes and groups are those of all ranks, and grow.

    Forward, a layer begins when the one before has computed and exchanged. Back, the input gradient is computed, its
    exchange begins, the weight gradient is computed beside it, and its exchange begins; the layer before begins when
    all but the last is over. Data parallel steps exchange weight gradients only, and compute them first. A rank
    computes one thing at a time, and nothing waits for the exchange of weight gradients: the next step would.
    """

    def __init__(
        self, head: _Head, rank: int, source: Source, nodes: list[Node], groups: dict[str, tuple[int, ...]]
    ) -> None:
        self.head, self.rank, self.source, self.nodes, self.groups = head, rank, source, nodes, groups
        self.last: tuple[int, ...] = ()  # what the next computation waits for

    def step(self, layers: list[_Layer]) -> None:
        if self.head.policy == "MICRO":
            self._exchange(layers[0], "wg")
            return
        for layer in layers:
            self._compute(layer, "fwd")
            self.last = self._exchange(layer, "fwd")
        for layer in reversed(layers):
            if self.head.policy == "DATA":
                self._compute(layer, "wg")
                self._exchange(layer, "wg")
                self._compute(layer, "ig")
                continue
            self._compute(layer, "ig")
            wanted = layer is not layers[0] or self.head.policy != "MODEL"  # nobody needs it there
            handed = self._exchange(layer, "ig") if wanted else self.last
            self._compute(layer, "wg")
            self._exchange(layer, "wg")
            self.last = tuple(dict.fromkeys((*self.last, *handed)))

    def _compute(self, layer: _Layer, name: str) -> None:
        seconds = layer.passes[name].seconds
        if seconds:
            self.last = self._add(layer, f"{layer.name} {name}", seconds, self.last)

    def _exchange(self, layer: _Layer, name: str) -> tuple[int, ...]:
        """Add the exchange of a pass, after what is computed; return what it is over with."""
        what = layer.passes[name]
        members = self.head.members(what.among, self.rank) if what.collective else ()
        if len(members) < 2:
            return self.last
        group = f"{what.among}{members[0]}"
        self.groups[group] = members
        label = f"{layer.name} {name} {what.collective}"
        self.nodes.append(
            Node(
                self.rank, "collective", label, self.source, layer.line, self.last, size=what.size,
                collective=what.collective, group=group,
            )
        )  # fmt: skip
        done = (len(self.nodes) - 1,)
        return self._add(layer, f"{label} update", layer.after, done) if layer.after else done

    def _add(self, layer: _Layer, label: str, seconds: float, needs: tuple[int, ...]) -> tuple[int, ...]:
        self.nodes.append(Node(self.rank, "compute", label, self.source, layer.line, needs, duration=seconds))
        return (len(self.nodes) - 1,)
