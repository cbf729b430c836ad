"""workload: a training step, as a scenario writes it, and the Training that it is on a fabric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from fabricsim.errors import Fault, FaultList, InputError, close_match
from fabricsim.fabric import Fabric
from fabricsim.models import Latent, ModelShape, known_model
from fabricsim.scenario.ranks import RIGHT, Ranks, parse_ranks
from fabricsim.training import BYTES, ORDER, Layout, Parallel, Step, Training, training_of
from fabricsim.validation import Flops, ListOf, Part, Share, checked, shown, validate

Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
Number = Literal["fp32", "bf16", "fp16", "fp8"]
_NONE: Final = np.zeros(0, np.int64)


class LatentPart(Part):
    """train.latent: attention with compressed keys and values."""

    query: Count
    key_value: Count
    plain: Count
    position: Count
    value: Count


class ShapePart(Part):
    """train: the shape of a model of one's own."""

    layers: Count
    hidden: Count
    heads: Count
    kv_heads: Count
    head: Count = Field(description="numbers of one head")
    ffn: Count = Field(description="numbers of the inner layer")
    vocabulary: Count
    gated: bool = Field(True, description="three matrices in the inner layer, not two")
    tied: bool = Field(False, description="words are read and written by one table")
    experts: Annotated[int, Field(ge=0)] = 0
    top_k: Annotated[int, Field(ge=0)] = 0
    expert_ffn: Annotated[int, Field(ge=0)] = 0
    shared: Annotated[int, Field(ge=0)] = Field(0, description="experts that every token goes to")
    dense_layers: Annotated[int, Field(ge=0)] = Field(0, description="first layers that have no experts")
    latent: LatentPart | None = None

    def shape(self) -> ModelShape:
        """Return the shape. Raises InputError keyed by field."""
        latent = None if self.latent is None else Latent(**self.latent.model_dump())
        return ModelShape(**{**self.model_dump(exclude={"latent"}), "latent": latent, "name": "the model"})


class ParallelPart(Part):
    """parallel: how the model is divided over ranks."""

    tp: Count = Field(1, description="ranks that share each matrix")
    cp: Count = Field(1, description="ranks that share each sequence")
    pp: Count = Field(1, description="stages of layers")
    dp: Count | None = Field(None, description="copies of all that; what the ranks leave if not stated")
    ep: Count = Field(1, description="ranks of a stage that share the experts")
    zero: Annotated[int, Field(ge=0, le=3)] = Field(0, description="what copies share, by ZeRO's stages")


def as_shape(value: object) -> ModelShape:
    """Return the shape of a model by its name, or as a mapping states it. Raises InputError for anything else."""
    if isinstance(value, ModelShape):
        return value
    if isinstance(value, str):
        return known_model(value)
    if isinstance(value, Mapping):
        return validate(ShapePart, value).shape()
    raise InputError(f"{shown(value)} is not a model", "write a name, or {layers: …, hidden: …, …}")


class TrainEntry(Part):
    """workload: a training step."""

    train: Annotated[
        Any, BeforeValidator(checked(as_shape)), WithJsonSchema({"type": ["string", "object"]})
    ] = Field(description="a model that ships, or the shape of one")
    name: Name | None = Field(None, description="what expectations and results call it")
    ranks: Annotated[
        Ranks,
        PlainValidator(checked(parse_ranks)),
        WithJsonSchema({"type": ["string", "array"], "description": RIGHT}),
    ] = Ranks()
    parallel: ParallelPart = ParallelPart()
    micro_batches: Count = Field(description="of each copy in a step")
    micro_batch: Count = Field(1, description="sequences of one")
    sequence: Count = Field(description="tokens of a sequence")
    efficiency: Share = Field(description="share of the peak that kernels reach, such as 50 %")
    type: Number = Field("bf16", description="of the numbers that are multiplied")
    peak: Flops | None = Field(None, description="dense operations of a rank; the device's if not stated")
    activations: Number = Field("bf16", description="as they are sent")
    gradients: Number = Field("fp32", description="as they are sent")
    parameters: Number = Field("bf16", description="as they are sent")
    dispatch: Number = Field("bf16", description="tokens on their way to experts")
    sequence_parallel: bool = Field(True, description="ranks that share matrices share tokens between them")
    recompute: bool = Field(False, description="the way forward is done again on the way back")
    overlap: dict[str, Share] = Field(
        default_factory=dict, description="by dimension, the share that may run beside computation"
    )
    order: ListOf[str] = Field(ORDER, description="of the dimensions on the ranks, innermost first")
    algorithms: dict[str, str] = Field(default_factory=dict, description="by dimension; auto if not stated")
    availability: Share = Field(1.0, description="share of time in which the job runs")

    @property
    def kind(self) -> str:
        """What it is."""
        return "train"


def training(entry: TrainEntry, fabric: Fabric, *, copies: bool = True, lines: bool = True) -> Training:
    """Return a step on a fabric.

    copies: whether equal copies of a level may stand for each other. lines: whether exchanges of many messages may be
    rounds along lines. Raises InputError with every fault found, keyed by the entry's keys.
    """
    faults, ranks = FaultList(), _NONE
    with faults.at("ranks"):
        ranks = entry.ranks.on(fabric.ranks)
    faults.raise_if_any()
    parallel = peak = None
    with faults.at("parallel"):
        parallel = _parallel(entry.parallel, len(ranks))
    with faults.at():
        peak = entry.peak or peak_of(fabric, entry.type)
    for dimension in entry.algorithms:
        if dimension not in ("tp", "cp", "ep", "dp"):
            right = "write tp, cp, ep or dp"
            faults.add(f"{dimension!r} is not a dimension with algorithms", right, ("algorithms", dimension))
    faults.raise_if_any()
    assert parallel is not None  # or there was a fault
    assert peak is not None
    step = Step(
        entry.train, parallel, entry.micro_batches, entry.sequence, float(peak), entry.efficiency,
        entry.micro_batch, BYTES[entry.activations], BYTES[entry.gradients], BYTES[entry.parameters],
        BYTES[entry.dispatch], entry.sequence_parallel, entry.recompute, entry.overlap, entry.availability,
    )  # fmt: skip
    with faults.at("order"):
        layout = Layout(parallel, ranks, tuple(entry.order))
    faults.raise_if_any()
    return training_of(
        entry.name or entry.kind, step, layout, fabric, entry.algorithms, copies=copies, lines=lines
    )


def _parallel(part: ParallelPart, ranks: int) -> Parallel:
    """Return the sizes, dp as what the ranks leave where it is not stated. Raises InputError where they do not fit."""
    inner = part.tp * part.cp * part.pp
    said = f"tp · cp · pp = {part.tp} · {part.cp} · {part.pp} = {inner}"
    if part.dp is None and ranks % inner:
        raise InputError(
            f"{ranks} ranks cannot be shared by copies of {said} ranks", "write a divisor of the ranks"
        )
    dp = part.dp or ranks // inner
    if inner * dp != ranks:
        right = f"write dp: {ranks // inner}" if ranks % inner == 0 else "write sizes whose product is that"
        raise InputError(f"{said} times dp = {dp} is {inner * dp}, and there are {ranks} ranks", right)
    return Parallel(part.tp, part.cp, part.pp, dp, part.ep, part.zero)


def peak_of(fabric: Fabric, number: str) -> int:
    """Return what a rank computes at its peak [1/s] with numbers of a type. Raises InputError keyed `type`."""
    known = dict(fabric.device(0).flops)
    if number in known:
        return known[number]
    right = close_match(number, known) if known else "add it, as in peak: 989 TFLOP/s"
    raise InputError([Fault(f"the device of {fabric.name} states no peak of {number}", right, ("type",))])
