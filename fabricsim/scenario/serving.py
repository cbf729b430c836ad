"""workload: a model that is served, as a scenario writes it, and the Serving that it is on a fabric."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from fabricsim.errors import FaultList, InputError
from fabricsim.fabric import Fabric
from fabricsim.scenario.ranks import RIGHT, Ranks, parse_ranks
from fabricsim.scenario.training import Count, Name, Number, as_shape, peak_of
from fabricsim.serving import Deployment, Kernel, Pool, Serving, serving_of
from fabricsim.training import BYTES
from fabricsim.validation import Bandwidth, Flops, Part, Share, Size, Time, checked


class PoolPart(Part):
    """prefill, decode: the ranks of one phase."""

    ranks: Annotated[
        Ranks,
        PlainValidator(checked(parse_ranks)),
        WithJsonSchema({"type": ["string", "array"], "description": RIGHT}),
    ] = Field(description="of the machine; experts are spread over all of them")
    sequences: Count = Field(1, description="that each rank has at once")
    way: Literal["staged", "direct"] = Field(
        "staged",
        description="to experts: over scale-out and then scale-up, where a machine has both, or at once",
    )


class KernelPart(Part):
    """kernels, one entry: what an exchange takes beside the wire, as `calibrate:` finds it."""

    fixed: Time = Field(0.0, description="each time")
    efficiency: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="share of the wire's rate")


class KernelsPart(Part):
    """kernels: of the two exchanges of a layer."""

    dispatch: KernelPart = KernelPart()
    combine: KernelPart = KernelPart()


class ServeEntry(Part):
    """workload: a mixture of experts that is served."""

    serve: Annotated[
        Any, BeforeValidator(checked(as_shape)), WithJsonSchema({"type": ["string", "object"]})
    ] = Field(description="a model that ships, or the shape of one")
    name: Name | None = Field(None, description="what expectations and results call it")
    prefill: PoolPart | None = Field(None, description="the ranks that read prompts")
    decode: PoolPart | None = Field(None, description="the ranks that write")
    prompt: Count = Field(description="tokens of a prompt")
    context: Count | None = Field(
        None, description="tokens before the one that is written; the prompt's if absent"
    )
    efficiency: Share = Field(description="share of the peak that kernels reach, such as 50 %")
    memory_efficiency: Share = Field(1.0, description="share of the memory's rate that kernels reach")
    type: Number = Field("bf16", description="of the numbers that are multiplied")
    peak: Flops | None = Field(None, description="dense operations of a rank; the device's if not stated")
    memory_rate: Bandwidth | None = Field(None, description="of a rank's memory; the device's if not stated")
    weights: Number = Field("bf16", description="as they are kept")
    cache: Number = Field("bf16", description="keys and values as they are kept and sent")
    dispatch: Number = Field("bf16", description="tokens on their way to experts")
    combine: Number = Field("bf16", description="tokens on their way back")
    scales: Size = Field(0, description="sent beside each token on its way to experts")
    overlap: Share = Field(0.0, description="share of exchanges that may run beside computation")
    layers: Count = Field(
        1, description="layers with experts that are simulated, each with choices of its own"
    )
    choice: Literal["expected", "seeded"] = Field("seeded", description="of experts: even, or drawn")
    skew: Annotated[float, Field(ge=0)] = Field(0.0, description="Zipf exponent of the experts' popularity")
    kernels: KernelsPart = KernelsPart()

    @property
    def kind(self) -> str:
        """What it is."""
        return "serve"


def serving(entry: ServeEntry, fabric: Fabric, seed: int) -> Serving:
    """Return a served model on a fabric. Raises InputError with every fault found, keyed by the entry's keys."""
    faults, peak, rate = FaultList(), 0.0, 0.0
    pools = []
    for phase, part in (("prefill", entry.prefill), ("decode", entry.decode)):
        if part is not None:
            with faults.at(phase, "ranks"):
                ranks = np.sort(part.ranks.on(fabric.ranks))
                pools.append(Pool(phase, ranks, part.sequences, part.way == "direct"))
    if entry.prefill is None and entry.decode is None:
        faults.add("nobody reads prompts or writes", "add prefill, decode, or both")
    with faults.at():
        peak = float(entry.peak or peak_of(fabric, entry.type))
    with faults.at("memory_rate"):
        rate = float(entry.memory_rate or _memory_rate(fabric))
    faults.raise_if_any()
    kernels = (
        Kernel(part.fixed, part.efficiency) for part in (entry.kernels.dispatch, entry.kernels.combine)
    )
    deployment = Deployment(
        entry.serve, tuple(pools), entry.prompt, entry.context or entry.prompt, peak, rate,
        fabric.device(0).memory, entry.efficiency, entry.memory_efficiency, BYTES[entry.weights],
        BYTES[entry.cache], BYTES[entry.dispatch], BYTES[entry.combine], entry.scales, entry.overlap,
        entry.layers, entry.choice, entry.skew, *kernels,
    )  # fmt: skip
    return serving_of(entry.name or entry.kind, deployment, fabric, seed)


def _memory_rate(fabric: Fabric) -> int:
    known = fabric.device(0).memory_bandwidth
    if known is None:
        what = f"the device of {fabric.name} states no rate of its memory"
        raise InputError(what, "add it, as in memory_rate: 3.35 TB/s")
    return known
