"""The keys of the model in files: `model:`, `endpoint:` and `sender:`, the same in scenarios and topologies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema

from fabricsim.model.model import Ecn
from fabricsim.model.sender import Sender
from fabricsim.units import EXAMPLES, MAX_AMOUNT, parse_size
from fabricsim.validation import (
    Bandwidth,
    ListOf,
    Part,
    PositiveSize,
    Share,
    Size,
    Time,
    within,
)

_bytes = within(parse_size, "size", 1, MAX_AMOUNT, "zero")


def _buffer(value: object) -> int | None:
    return None if value == "infinite" else _bytes(value)


Buffer = Annotated[
    int | None,
    PlainValidator(_buffer),
    WithJsonSchema({"type": "string", "description": f"infinite, or {EXAMPLES['size']}"}),
]
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


def _stated(part: Part) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.model_fields_set}


class EcnPart(Part):
    """model.ecn: when a packet is marked."""

    kmin: Size | None = Field(None, description="backlog up to which nothing is marked")
    kmax: Size | None = Field(None, description="backlog above which everything is marked")
    pmax: Share | None = Field(None, description="probability of a mark just below kmax")


class ModelPart(Part):
    """model: how packets are made, switched and held back; the topology's own model where a scenario says nothing."""

    switching: Literal["store-and-forward", "cut-through"] | None = None
    mtu: PositiveSize | None = Field(None, description="payload bytes of a full packet")
    header: Size | None = Field(None, description="bytes each packet has beside its payload")
    flit: PositiveSize | None = Field(None, description="a packet on the wire is a multiple of this")
    buffer: Buffer = Field(None, description="of each channel and lane, at its far end; infinite if absent")
    flow_control: Literal["credits", "pfc", "none"] | None = Field(
        None, description="what keeps a finite buffer from overflowing"
    )
    cell: PositiveSize | None = Field(None, description="credits: wire bytes of one")
    credit_delay: Time | None = Field(None, description="credits: what the return takes beside the latency")
    pause: PositiveSize | None = Field(None, description="pfc: bytes in a buffer above which it pauses")
    resume: Size | None = Field(None, description="pfc: bytes in a buffer at which it resumes")
    headroom: Size | None = Field(None, description="pfc: room beyond the buffer for what is on its way")
    queueing: Literal["output", "input", "voq"] | None = Field(
        None, description="where packets wait in a node"
    )
    arbiter: Literal["oldest", "round-robin", "random"] | None = Field(
        None, description="which queue an output serves first"
    )
    lanes: Count | None = Field(None, description="traffic classes that share each channel")
    priorities: ListOf[Whole] | None = Field(
        None, description="one number a lane, the largest served first; equal ones by age"
    )
    ecn: EcnPart | None = Field(None, description="when packets are marked")
    bit_error_rate: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None, description="of every channel; packets hit are repeated on the link"
    )
    retry_delay: Time | None = Field(None, description="what one way of the retry loop adds to the latency")

    open_meetings: Count | None = Field(None, description="in-network: meetings a switch holds open at once")
    meeting_buffer: PositiveSize | None = Field(None, description="in-network: of one meeting in a switch")

    def values(self) -> dict[str, Any]:
        """Return what is stated, as arguments of a Model."""
        found = _stated(self)
        if self.ecn is not None:
            found["ecn"] = Ecn(**_stated(self.ecn))
        return found


class EndpointPart(Part):
    """endpoint: what a rank adds to each message; the topology's own where nothing is stated."""

    send_overhead: Time | None = Field(None, description="from a message's release to the source's queue")
    recv_overhead: Time | None = Field(None, description="from the last bit's arrival to delivery")
    gap: Time | None = Field(None, description="least time between two messages of one rank")
    reduce_rate: Bandwidth | None = Field(
        None, description="at which a rank adds up what arrives; no time if absent"
    )

    def values(self) -> dict[str, Any]:
        """Return what is stated, as arguments of an Endpoint."""
        return _stated(self)


class SenderPart(Part):
    """sender: when packets may enter the network, and what is done about lost ones."""

    kind: Literal["unlimited", "window", "dctcp", "dcqcn", "pull"] = Field(
        "unlimited", description="unlimited, window, dctcp, dcqcn or pull"
    )
    window: PositiveSize | None = Field(None, description="unacknowledged payload bytes of one message")
    ack_size: PositiveSize | None = Field(None, description="wire bytes of an acknowledgement")
    gain: Annotated[float, Field(gt=0, le=1)] | None = Field(None, description="g of dctcp and dcqcn")
    cnp_interval: Time | None = Field(None, description="dcqcn: least time between two notifications")
    increase: Bandwidth | None = Field(None, description="dcqcn: what an additive step adds to the rate")
    hyper_increase: Bandwidth | None = Field(
        None, description="dcqcn: what a step adds once time and bytes have both raised the rate often"
    )
    timer: Time | None = Field(None, description="dcqcn: time between two increases")
    byte_counter: PositiveSize | None = Field(None, description="dcqcn: bytes between two increases")
    fast_recovery: Count | None = Field(None, description="dcqcn: increases that halve the way back first")
    min_rate: Bandwidth | None = Field(None, description="dcqcn: no rate is below this")
    loss: Literal["selective-repeat", "go-back-n"] | None = Field(
        None, description="what is sent again after a loss"
    )
    timeout: Time | None = Field(None, description="after which a packet counts as lost")
    retries: Count | None = Field(None, description="how often in vain before the run ends")

    def value(self) -> Sender:
        """Return the sender that is stated."""
        return Sender(**_stated(self))
