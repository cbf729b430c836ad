"""MSCCL programs: a collective written as XML, step by step for each thread block of each GPU.

The format of msccl-tools: `<algo>` holds a `<gpu>` for each rank, that a `<tb>` (thread block) for each pair of peers,
and that its `<step>`s, which run in order. A step sends (s), receives (r), or both (rcs: receive, copy and send; rrs,
rrc and rrcs reduce what they receive), copies (cpy), reduces (re) within the GPU, which takes no time here, or does
nothing (nop). It waits for the step before it, and for step `deps` of block `depid` where that is not −1. The k-th send
to a peer on a channel meets the peer's k-th receive from there.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from fabricsim.collectives.program import Step, check_program
from fabricsim.errors import Fault, InputError
from fabricsim.schedule import Graph, IntArray
from fabricsim.schedule.columns import grouped

MSCCL: Final = "msccl"
"""What a scenario calls an algorithm that stands in a file."""

COLLECTIVES: Final[Mapping[str, str]] = MappingProxyType({
    "all-reduce": "allreduce", "all-gather": "allgather", "reduce-scatter": "reduce_scatter", "all-to-all": "alltoall",
})  # fmt: skip
"""What MSCCL calls our collectives."""


@dataclass(frozen=True, eq=False)
class Program:
    """A program as read: what it is called and does, GPUs, chunks that the bytes are cut into, all steps in order."""

    name: str
    collective: str
    gpus: int
    chunks: int
    inplace: bool
    buffers: tuple[tuple[int, int, int], ...]
    """By GPU: chunks of input, output and scratch."""
    steps: tuple[Step, ...]

    @property
    def senders(self) -> dict[int, int]:
        """For each step that receives, by index, the step whose message it receives."""
        return _paired(self.steps)


def read_program(path: Path) -> Program:
    """Return the program in an XML file. Raises InputError for one that does not hold together, or do its work."""
    try:
        text = path.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text:
            raise InputError("it declares a document type", "leave that out")
        root = ElementTree.fromstring(text)
        program = _program(root)
        _paired(program.steps)
        check_program(
            program.collective, program.gpus, program.inplace, program.buffers, program.steps, program.senders
        )
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file", "a name is relative to the file it stands in"
        ) from None
    except (OSError, UnicodeDecodeError, ElementTree.ParseError) as error:
        raise InputError(
            f"{path} is not an MSCCL program: {error}", "write <algo> with a <gpu> for each rank"
        ) from None
    except InputError as error:
        raise InputError(
            [Fault(f"{path}: {fault.what}", fault.right, fault.key) for fault in error.faults]
        ) from None
    return program


def _program(root: ElementTree.Element) -> Program:
    if root.tag != "algo":
        raise InputError(f"it begins with <{root.tag}>", "write <algo>")
    gpus = sorted(root.findall("gpu"), key=lambda gpu: _whole(gpu, "id", "a gpu"))
    count = _whole(root, "ngpus", "the algo")
    if [_whole(gpu, "id", "a gpu") for gpu in gpus] != list(range(count)):
        raise InputError(f"its gpus are not 0 to {count - 1}, each once", f"write {count} of them")
    collective = root.get("coll", "")
    chunks = _whole(root, "nchunksperloop", "the algo")
    if count < 2 or chunks < 1:
        raise InputError(f"it has {count} gpus and {chunks} chunks", "write 2 gpus and 1 chunk or more")
    buffers = tuple(
        tuple(_whole(gpu, key, f"gpu {index}") for key in ("i_chunks", "o_chunks", "s_chunks"))
        for index, gpu in enumerate(gpus)
    )
    steps = tuple(step for index, gpu in enumerate(gpus) for step in _steps(index, gpu, count))
    inplace = root.get("inplace", "0") == "1"
    return Program(root.get("name", "msccl"), collective, count, chunks, inplace, buffers, steps)  # type: ignore[arg-type]


def _steps(gpu: int, element: ElementTree.Element, gpus: int) -> Iterator[Step]:
    for tb in element.findall("tb"):
        block = _whole(tb, "id", f"a tb of gpu {gpu}")
        where = f"gpu {gpu}, tb {block}"
        peers = {key: _whole(tb, key, where) for key in ("send", "recv")}
        if any(not -1 <= peer < gpus or peer == gpu for peer in peers.values()):
            raise InputError(f"{where} has no such peers", f"write other gpus up to {gpus - 1}, or -1")
        steps = sorted(tb.findall("step"), key=lambda step: _whole(step, "s", where))
        for step in steps:
            at = f"{where}, step {step.get('s')}"
            numbers = {
                key: _whole(step, key, at) for key in ("s", "srcoff", "dstoff", "cnt", "depid", "deps")
            }
            yield Step(
                gpu, block, peers["send"], peers["recv"], _whole(tb, "chan", where), step.get("type", ""),
                step.get("srcbuf", ""), step.get("dstbuf", ""), **numbers,
            )  # fmt: skip


def _whole(element: ElementTree.Element, key: str, where: str) -> int:
    text = element.get(key)
    try:
        return int(text or "")
    except ValueError:
        raise InputError(f"{where} has {key}={text!r}", "write a whole number") from None


def _paired(steps: tuple[Step, ...]) -> dict[int, int]:
    """Return for each step that receives the one that sends to it, by index. Raises InputError for one without."""
    sends: dict[tuple[int, int, int], list[int]] = {}
    receives: dict[tuple[int, int, int], list[int]] = {}
    for index, step in enumerate(steps):
        if step.sends:
            sends.setdefault((step.gpu, step.send, step.chan), []).append(index)
        if step.receives:
            receives.setdefault((step.recv, step.gpu, step.chan), []).append(index)
    pairs: dict[int, int] = {}
    for key in sorted({*sends, *receives}):
        out, back = sends.get(key, []), receives.get(key, [])
        if len(out) != len(back):
            lonely = steps[out[len(back)] if len(out) > len(back) else back[len(out)]]
            what = "sends what nobody receives" if len(out) > len(back) else "receives what nobody sends"
            raise InputError(f"{lonely.name} {what}", f"gpu {key[0]} to {key[1]}, channel {key[2]}")
        pairs |= dict(zip(back, out, strict=True))
    for receiver, sender in pairs.items():
        if steps[receiver].cnt != steps[sender].cnt:
            what = f"{steps[receiver].name} receives {steps[receiver].cnt} chunks"
            raise InputError(what, f"{steps[sender].name} sends {steps[sender].cnt}")
    return pairs


def check_fit(program: Program, kind: str, n: int) -> None:
    """Raise InputError, keyed by what is wrong, unless a program is one of `kind` for n ranks."""
    wanted = COLLECTIVES.get(kind)
    if wanted is None:
        right = f"programs are for {', '.join(COLLECTIVES)}"
        raise InputError([Fault(f"there are no MSCCL programs of {kind}", right, ("algorithm",))])
    if program.collective not in (wanted, "custom"):
        what = f"the program {program.name!r} is an {program.collective}"
        raise InputError([Fault(what, f"take one with coll={wanted!r}", ("algorithm",))])
    if program.gpus != n:
        raise InputError(
            [Fault(f"the program {program.name!r} is for {program.gpus} gpus, not {n}", "", ("ranks",))]
        )


def graph_of(program: Program, ranks: IntArray, size: int) -> Graph:
    """Return a program as tasks over ranks, GPU g being ranks[g]; size [B] is that of the chunks together.

    Each step is a computation of no time, in which it has all that it waits for, and where it sends a message after
    that. The next step of a block waits until the message is sent. Raises InputError where steps wait in a circle.
    """
    steps, senders = program.steps, program.senders
    gate, task = [], 0
    for step in steps:
        gate.append(task)
        task += 2 if step.sends else 1  # the message comes right after its gate
    place = {(step.gpu, step.tb, step.s): index for index, step in enumerate(steps)}
    edges: list[tuple[int, int, bool]] = []

    def after(waits: int, index: int) -> None:
        done = gate[index] + 1 if steps[index].sends else gate[index]
        edges.append((waits, done, steps[index].sends))

    previous: dict[tuple[int, int], int] = {}
    for index, step in enumerate(steps):
        if (step.gpu, step.tb) in previous:
            after(gate[index], previous[step.gpu, step.tb])
        previous[step.gpu, step.tb] = index
        if step.depid >= 0:
            if (step.gpu, step.depid, step.deps) not in place:
                raise InputError(f"{step.name} waits for a step that is not there", "see depid and deps")
            after(gate[index], place[step.gpu, step.depid, step.deps])
        if index in senders:
            edges.append((gate[index], gate[senders[index]] + 1, False))
        if step.sends:
            edges.append((gate[index] + 1, gate[index], False))
    return _graph(steps, gate, task, edges, ranks, size // program.chunks)


def _graph(
    steps: tuple[Step, ...],
    gate: list[int],
    tasks: int,
    edges: list[tuple[int, int, bool]],
    ranks: IntArray,
    chunk: int,
) -> Graph:
    src = np.zeros(tasks, np.int64)
    dst, size = src.copy(), src.copy()
    for index, step in enumerate(steps):
        src[gate[index]] = dst[gate[index]] = step.gpu
        if step.sends:
            message = gate[index] + 1
            src[message], dst[message], size[message] = step.gpu, step.send, step.cnt * chunk
    columns = np.array([(waits, need) for waits, need, _ in edges], np.int64).reshape(-1, 2)
    sent = np.array([flag for _, _, flag in edges], np.bool_)
    starts, needs, after_sent = grouped(columns[:, 0], tasks, columns[:, 1], sent)
    return Graph(ranks[src], ranks[dst], size, np.zeros(tasks), starts, needs, after_sent)
