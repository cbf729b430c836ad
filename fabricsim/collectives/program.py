"""The steps of a program, and whether their data is right."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fabricsim.errors import InputError

SENDING: Final = frozenset({"s", "rcs", "rrs", "rrcs"})
RECEIVING: Final = frozenset({"r", "rcs", "rrs", "rrc", "rrcs"})
REDUCING: Final = frozenset({"rrs", "rrc", "rrcs", "re"})
KEEPING: Final = frozenset({"r", "rcs", "rrc", "rrcs", "cpy", "re"})
LOCAL: Final = frozenset({"cpy", "re", "nop"})

Value = frozenset[tuple[int, int]]
"""What a chunk holds: (GPU, chunk of its input) for each addend."""


@dataclass(frozen=True)
class Step:
    """One step: the GPU, block and number it has, its peers and channel, what it does, where, and what it waits for."""

    gpu: int
    tb: int
    send: int
    recv: int
    chan: int
    type: str
    srcbuf: str
    dstbuf: str
    s: int
    srcoff: int
    dstoff: int
    cnt: int
    depid: int
    deps: int

    def __post_init__(self) -> None:
        if self.type not in SENDING | RECEIVING | LOCAL:
            known = ", ".join(sorted(SENDING | RECEIVING | LOCAL))
            raise InputError(f"{self.name} has the type {self.type!r}", f"known: {known}")
        if (self.sends and self.send < 0) or (self.receives and self.recv < 0):
            raise InputError(f"{self.name} has no peer", "name one in its tb")
        if self.type != "nop" and self.cnt < 1:
            raise InputError(f"{self.name} has {self.cnt} chunks", "write 1 or more")

    @property
    def name(self) -> str:
        """What an error calls it."""
        return f"gpu {self.gpu}, tb {self.tb}, step {self.s}"

    @property
    def sends(self) -> bool:
        """Whether it sends a message."""
        return self.type in SENDING

    @property
    def receives(self) -> bool:
        """Whether it waits for one."""
        return self.type in RECEIVING


def check_program(
    collective: str,
    gpus: int,
    inplace: bool,
    buffers: Sequence[tuple[int, int, int]],
    steps: Sequence[Step],
    senders: Mapping[int, int],
) -> None:
    """Raise InputError unless the steps, in an order that they allow, bring the right data to the right place.

    A collective that is not in GOALS (custom) is carried out, but nothing is asked of its end.
    """
    memory = _Memory(collective, inplace, buffers)
    carried: dict[int, list[Value]] = {}
    for index in _order(steps, senders):
        step = steps[index]
        got = carried.pop(senders[index]) if index in senders else None
        held = (
            memory.read(step, "src")
            if step.type != "nop" and (got is None or step.type in REDUCING)
            else None
        )
        data = got if held is None else held
        if got is not None and held is not None:
            data = [_added(step, mine, theirs) for mine, theirs in zip(held, got, strict=True)]
        if step.type == "re" and data is not None:
            data = [
                _added(step, mine, theirs)
                for mine, theirs in zip(memory.read(step, "dst"), data, strict=True)
            ]
        if data is not None and step.type in KEEPING:
            memory.write(step, data)
        if data is not None and step.sends:
            carried[index] = data
    if collective in GOALS:
        memory.check(gpus)


def _added(step: Step, mine: Value, theirs: Value) -> Value:
    if mine & theirs:
        gpu, chunk = min(mine & theirs)
        raise InputError(f"{step.name} adds chunk {chunk} of gpu {gpu} twice", "send each addend once")
    return mine | theirs


def _order(steps: Sequence[Step], senders: Mapping[int, int]) -> list[int]:
    """Return steps in an order in which each comes after all that it waits for."""
    place = {(step.gpu, step.tb, step.s): index for index, step in enumerate(steps)}
    waits: list[list[int]] = []
    previous: dict[tuple[int, int], int] = {}
    for index, step in enumerate(steps):
        found = (
            previous.get((step.gpu, step.tb)),
            place.get((step.gpu, step.depid, step.deps)),
            senders.get(index),
        )
        waits.append([need for need in found if need is not None])
        previous[step.gpu, step.tb] = index
    followers: list[list[int]] = [[] for _ in steps]
    for index, needs in enumerate(waits):
        for need in needs:
            followers[need].append(index)
    open_needs = [len(needs) for needs in waits]
    ready = deque(index for index, count in enumerate(open_needs) if not count)
    done = []
    while ready:
        index = ready.popleft()
        done.append(index)
        for follower in followers[index]:
            open_needs[follower] -= 1
            if not open_needs[follower]:
                ready.append(follower)
    if len(done) < len(steps):
        stuck = next(steps[index] for index, count in enumerate(open_needs) if count)
        raise InputError(
            f"{stuck.name} waits for what waits for it", "look at its deps, and at who sends to it"
        )
    return done


class _Memory:
    """The chunks of all GPUs, input and output one buffer where the program works in place."""

    def __init__(self, collective: str, inplace: bool, buffers: Sequence[tuple[int, int, int]]) -> None:
        self.collective, self.inplace, self.buffers = collective, inplace, buffers
        self.held: dict[tuple[int, str, int], Value] = {}
        for gpu, (inputs, _, _) in enumerate(buffers):
            for chunk in range(inputs):
                self.held[self._place(gpu, "i", chunk)] = frozenset({(gpu, chunk)})

    def _place(self, gpu: int, buffer: str, chunk: int) -> tuple[int, str, int]:
        inputs, outputs, _ = self.buffers[gpu]
        if self.inplace and self.collective == "allgather" and buffer == "i":
            return gpu, "o", gpu * inputs + chunk
        if self.inplace and self.collective == "reduce_scatter" and buffer == "o":
            return gpu, "i", gpu * outputs + chunk
        if self.inplace and self.collective in ("allreduce", "alltoall") and buffer == "o":
            return gpu, "i", chunk
        return gpu, buffer, chunk

    def _places(self, step: Step, end: str) -> list[tuple[int, str, int]]:
        buffer, first = (step.srcbuf, step.srcoff) if end == "src" else (step.dstbuf, step.dstoff)
        if buffer not in ("i", "o", "s"):
            raise InputError(f"{step.name} has the buffer {buffer!r}", "write i, o or s")
        room = self.buffers[step.gpu]["ios".index(buffer)]
        if self.inplace:
            room = max(room, *self.buffers[step.gpu][:2])  # one buffer goes by both names
        if first < 0 or first + step.cnt > room:
            raise InputError(
                f"{step.name} goes beyond buffer {buffer}", f"gpu {step.gpu} has {room} chunks in it"
            )
        return [self._place(step.gpu, buffer, first + chunk) for chunk in range(step.cnt)]

    def read(self, step: Step, end: str) -> list[Value]:
        """Return what a step finds in its source, or in its destination."""
        places = self._places(step, end)
        if any(place not in self.held for place in places):
            raise InputError(
                f"{step.name} reads a chunk that nothing has been written to", "receive it first"
            )
        return [self.held[place] for place in places]

    def write(self, step: Step, data: Sequence[Value]) -> None:
        """Put data into a step's destination."""
        self.held |= dict(zip(self._places(step, "dst"), data, strict=True))

    def check(self, gpus: int) -> None:
        """Raise InputError unless every output is what the collective makes."""
        for gpu, (inputs, outputs, _) in enumerate(self.buffers):
            for chunk in range(outputs):
                wanted = GOALS[self.collective](gpus, gpu, chunk, inputs, outputs)
                if self.held.get(self._place(gpu, "o", chunk)) != wanted:
                    what = f"gpu {gpu} does not end with the right data in output chunk {chunk}"
                    raise InputError(what, f"a program of {self.collective} should put it there")


def _sum(gpus: int, chunk: int) -> Value:
    return frozenset((gpu, chunk) for gpu in range(gpus))


GOALS: Final[Mapping[str, Callable[[int, int, int, int, int], Value]]] = MappingProxyType({
    "allreduce": lambda n, gpu, chunk, inputs, outputs: _sum(n, chunk),
    "allgather": lambda n, gpu, chunk, inputs, outputs: frozenset({(chunk // inputs, chunk % inputs)}),
    "reduce_scatter": lambda n, gpu, chunk, inputs, outputs: _sum(n, gpu * outputs + chunk),
    "alltoall": lambda n, gpu, chunk, inputs, outputs: frozenset({
        (chunk // (inputs // n), gpu * (inputs // n) + chunk % (inputs // n))
    }),
})  # fmt: skip
"""What an output chunk of a GPU has to hold, given the chunks of input and output that each GPU has."""
