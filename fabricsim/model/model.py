"""The numbers of one run: how packets are made, switched, queued, held back and lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.model.endpoint import Endpoint
from fabricsim.model.sender import Sender

Switching = Literal["store-and-forward", "cut-through"]
SWITCHING: Final[tuple[Switching, ...]] = ("store-and-forward", "cut-through")
FlowControl = Literal["credits", "pfc", "none"]
FLOW_CONTROLS: Final[tuple[FlowControl, ...]] = ("credits", "pfc", "none")
Queueing = Literal["output", "input", "voq"]
QUEUEINGS: Final[tuple[Queueing, ...]] = ("output", "input", "voq")
Arbiter = Literal["oldest", "round-robin", "random"]
ARBITERS: Final[tuple[Arbiter, ...]] = ("oldest", "round-robin", "random")


@dataclass(frozen=True)
class Ecn:
    """When a packet is marked, by the backlog behind it.

    Never up to kmin bytes, always above kmax, and between with probability pmax · (backlog − kmin) / (kmax − kmin).
    Defaults of Zhu et al., SIGCOMM 2015, figure 14.
    """

    kmin: int = 5_000
    kmax: int = 200_000
    pmax: float = 0.01

    def __post_init__(self) -> None:
        if not 0 <= self.kmin <= self.kmax:
            raise InputError([Fault("kmin is above kmax", "write kmin <= kmax", ("ecn",))])
        if not 0 <= self.pmax <= 1:
            raise InputError([Fault(f"{self.pmax} is not a probability", "write 0 to 1", ("ecn",))])


@dataclass(frozen=True)
class Model:
    """How packets are made, switched and held back. Sizes in bytes, times in seconds.

    buffer: of each channel and lane, at the channel's far end; None is infinite. flow_control: what keeps it from
    overflowing. cell, credit_delay: of credits. pause, resume, headroom: of pfc; by default pause is the buffer,
    resume two full packets below it, and headroom what loses nothing. queueing, arbiter: where packets wait in a
    node, and who is served first. lanes: traffic classes of one channel; priorities: one number a lane, the largest
    served first. ecn: when packets are marked. bit_error_rate, retry_delay: of every channel, and what one way of
    its retry loop takes beside the latency. open_meetings: how many meetings a switch holds open at once;
    meeting_buffer: of each of them, for sums that are not complete; None is any number. docs/model.md says what each
    does.
    """

    switching: Switching = "store-and-forward"
    mtu: int = 4096
    header: int = 0
    flit: int = 1
    endpoint: Endpoint = field(default_factory=Endpoint)
    buffer: int | None = None
    flow_control: FlowControl = "credits"
    cell: int = 1
    credit_delay: float = 0.0
    pause: int | None = None
    resume: int | None = None
    headroom: int | None = None
    queueing: Queueing = "output"
    arbiter: Arbiter = "oldest"
    lanes: int = 1
    priorities: tuple[int, ...] = ()
    ecn: Ecn | None = None
    bit_error_rate: float = 0.0
    retry_delay: float = 0.0
    open_meetings: int | None = None
    meeting_buffer: int | None = None
    sender: Sender = field(default_factory=Sender)

    def __post_init__(self) -> None:
        faults = FaultList()
        _check_words(self, faults)
        _check_numbers(self, faults)
        _check_effect(self, faults)
        faults.raise_if_any()
        _check_buffer(self, faults)
        _check_sender(self, faults)
        faults.raise_if_any()

    def rebuffered(self, changes: Mapping[str, Any]) -> Model:
        """Return the model with changes; of a flow control that they take away, its own keys go too."""
        base = self
        other = changes.get("flow_control", self.flow_control) != self.flow_control
        if other or ("buffer" in changes and changes["buffer"] is None):
            own: dict[str, Any] = {
                f.name: f.default for f in fields(self) if f.name in _NEEDS and f.name != "retry_delay"
            }
            base = replace(self, buffer=None, **own)
            changes = {"buffer": self.buffer, **changes}
        return replace(base, **changes)

    def packets(self, size: int) -> int:
        """Return how many packets a message of `size` payload bytes is cut into."""
        return -(-size // self.mtu)

    def last_payload(self, size: int) -> int:
        """Return the payload bytes of the last packet of a message."""
        return size - (self.packets(size) - 1) * self.mtu

    def wire(self, payload: int) -> int:
        """Return the wire bytes of a packet with `payload` bytes."""
        return -(-(payload + self.header) // self.flit) * self.flit

    def message_wire(self, size: int) -> int:
        """Return the wire bytes of a whole message of `size` payload bytes."""
        return (self.packets(size) - 1) * self.wire(self.mtu) + self.wire(self.last_payload(size))

    def cells(self, wire: int) -> int:
        """Return the credits that a packet of `wire` bytes takes."""
        return -(-wire // self.cell)

    @property
    def full_wire(self) -> int:
        """Wire bytes of a full packet."""
        return self.wire(self.mtu)

    @property
    def pause_at(self) -> int:
        """Bytes in a buffer above which it asks for a pause."""
        return (self.buffer or 0) if self.pause is None else self.pause

    @property
    def resume_at(self) -> int:
        """Bytes in a buffer at or below which it ends a pause."""
        return max(0, self.pause_at - 2 * self.full_wire) if self.resume is None else self.resume

    @property
    def may_drop(self) -> bool:
        """Whether a buffer may have no room for a packet: without flow control, or with a headroom that is stated."""
        stated = self.flow_control == "pfc" and self.headroom is not None
        return self.buffer is not None and (self.flow_control == "none" or stated)

    @property
    def open_sums(self) -> int | None:
        """How many packets of a meeting may be on their way to a sum at once; None for any number."""
        return None if self.meeting_buffer is None else self.meeting_buffer // self.full_wire

    @property
    def feedback(self) -> str:
        """Why a packet's departure is not known when it arrives at a port; empty if it is."""
        return next(_feedbacks(self), "")

    def changes(self) -> tuple[tuple[str, Any], ...]:
        """Return what differs from a plain FIFO network, by name; empty for one."""
        plain = {"switching", "mtu", "header", "flit", "endpoint", "sender"}
        own = [f for f in fields(self) if f.name not in plain and getattr(self, f.name) != f.default]
        sender = self.sender.changes()
        return (*((f.name, getattr(self, f.name)) for f in own), *((("sender", sender),) if sender else ()))


def _feedbacks(model: Model) -> Iterator[str]:
    if model.buffer is not None:
        yield "buffers are finite"
    if model.queueing != "output":
        yield f"switches queue at their {'inputs' if model.queueing == 'input' else 'virtual outputs'}"
    if model.lanes > 1:
        yield "lanes share a channel"
    if model.ecn:
        yield "packets are marked by the backlog behind them"
    if model.bit_error_rate:
        yield "channels repeat packets that bit errors hit"
    if model.open_meetings is not None or model.meeting_buffer is not None:
        yield "switches have room for so many sums"
    if model.sender.kind != "unlimited":
        yield f"a {model.sender.kind} sender waits for what comes back"


# -- what is refused --------------------------------------------------------------------------------------

_WORDS: Final = {
    "switching": SWITCHING, "flow_control": FLOW_CONTROLS, "queueing": QUEUEINGS, "arbiter": ARBITERS,
}  # fmt: skip
_LEAST: Final = {
    "mtu": 1, "header": 0, "flit": 1, "buffer": 1, "cell": 1, "credit_delay": 0, "pause": 1, "resume": 0,
    "headroom": 0, "lanes": 1, "retry_delay": 0, "bit_error_rate": 0, "open_meetings": 1, "meeting_buffer": 1,
}  # fmt: skip
_NEEDS: Final = {
    "cell": ("credits", "buffer"), "credit_delay": ("credits", "buffer"), "pause": ("pfc", "buffer"),
    "resume": ("pfc", "buffer"), "headroom": ("pfc", "buffer"), "flow_control": ("", "buffer"),
    "retry_delay": ("", "bit_error_rate"),
}  # fmt: skip
"""What a key has no effect without: a flow control, and another key."""


def _check_words(model: Model, faults: FaultList) -> None:
    for name, known in _WORDS.items():
        value = getattr(model, name)
        if value not in known:
            faults.add(f"{value!r} is not known here", close_match(str(value), known), (name,))


def _check_numbers(model: Model, faults: FaultList) -> None:
    for name, least in _LEAST.items():
        value = getattr(model, name)
        if value is not None and value < least:
            faults.add(f"{value} is too small", f"write at least {least}", (name,))
    if model.bit_error_rate >= 1:
        faults.add(f"{model.bit_error_rate} is not a probability below 1", "write 1e-12", ("bit_error_rate",))
    if model.priorities and len(model.priorities) != model.lanes:
        what = f"there are {len(model.priorities)} priorities for {_count(model.lanes, 'lane')}"
        faults.add(what, "give one number a lane", ("priorities",))


def _check_effect(model: Model, faults: FaultList) -> None:
    for item in fields(model):
        flow, key = _NEEDS.get(item.name, ("", ""))
        if not key or getattr(model, item.name) == item.default:
            continue
        if getattr(model, key) in (None, 0):
            faults.add("has no effect", f"state {key} as well, or leave it out", (item.name,))
        elif flow and model.flow_control != flow:
            what = f"has no effect under flow_control: {model.flow_control}"
            faults.add(what, f"it belongs to {flow}", (item.name,))


def _check_buffer(model: Model, faults: FaultList) -> None:
    if model.open_sums == 0:
        what = f"{model.meeting_buffer} B hold no full packet"
        faults.add(what, f"write at least {model.full_wire} B", ("meeting_buffer",))
    if model.buffer is None:
        return
    held = model.buffer // model.cell if model.flow_control == "credits" else model.buffer
    need = model.cells(model.full_wire) if model.flow_control == "credits" else model.full_wire
    if held < need:
        least = need * model.cell if model.flow_control == "credits" else need
        faults.add(f"{model.buffer} B hold no full packet", f"write at least {least} B", ("buffer",))
    if model.flow_control == "pfc":
        if model.pause_at > model.buffer:
            faults.add("is above the buffer", f"write at most {model.buffer} B", ("pause",))
        if model.resume_at > model.pause_at:
            faults.add("is above pause", f"write at most {model.pause_at} B", ("resume",))


def _check_sender(model: Model, faults: FaultList) -> None:
    window, kind = model.sender.window, model.sender.kind
    if window is not None and window < model.mtu:
        what = f"the sender's window of {window} B is below one packet of {model.mtu} B"
        faults.add(what, "make the window larger, or the mtu smaller", ("sender", "window"))
    if kind in ("dctcp", "dcqcn") and model.ecn is None:
        right = "state model.ecn, as in ecn: {kmin: 5 kB, kmax: 200 kB}"
        faults.add(f"a {kind} sender reads marks, and nothing is marked", right, ("sender", "kind"))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
